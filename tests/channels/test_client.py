"""The one place that calls out: where a request goes, with what, and which answers can be read."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import brotli  # type: ignore[import-untyped]  # it ships no types
import pytest
from aioresponses import aioresponses
from checks import refused
from gateway import PAID, Haze, channel, running
from multidict import CIMultiDict, CIMultiDictProxy
from provider import Provider, Reply, events, whole
from yarl import URL

from haze_proxy import config
from haze_proxy.channels import client
from haze_proxy.channels.client import Call, Client
from haze_proxy.channels.directory import Directory
from haze_proxy.channels.kinds import KINDS, PATHS
from haze_proxy.errors import HazeError, UpstreamFailed, UpstreamSilent

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
NO_HEADERS = CIMultiDictProxy(CIMultiDict[str]())


class Response(aiohttp.ClientResponse):
    """What aioresponses 0.7.9 builds, with what aiohttp 3.14 wants besides."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, stream_writer=Mock(output_size=0))


@pytest.fixture
def canned() -> Iterator[aioresponses]:
    """One canned answer for each URL that is named; no socket is opened."""
    with aioresponses() as answers:
        yield answers


def a_call(kind: str, protocol: str, query: str = "", **row: Any) -> Call:
    """A call to a channel of a kind at its own address."""
    if kind == "openai-compatible":
        row = {"base_url": "http://upstream.example/v1", **row}
    made = config.Channel(name=kind, kind=kind, api_key="secret", models=("m",), **row)  # type: ignore[arg-type]
    directory = Directory(config.Config(channels=(made,)), {})
    return Call(directory.channels[0], protocol, PATHS[protocol], query, b"{}", NO_HEADERS)


ADDRESSES: dict[str, tuple[Call, str]] = {
    "openai": (a_call("openai", "chat"), "https://api.openai.com/v1/chat/completions"),
    "openrouter chat": (a_call("openrouter", "chat"), "https://openrouter.ai/api/v1/chat/completions"),
    "openrouter messages": (a_call("openrouter", "messages"), "https://openrouter.ai/api/v1/messages"),
    "anthropic": (a_call("anthropic", "messages", "beta=true"), "https://api.anthropic.com/v1/messages?beta=true"),
    "gemini": (
        a_call("gemini", "chat"),
        "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
    ),
    "compatible": (a_call("openai-compatible", "chat"), "http://upstream.example/v1/chat/completions"),
    "a slash at the end": (
        a_call("openai", "chat", base_url="http://box.example/api/"),
        "http://box.example/api/chat/completions",
    ),
}


@pytest.mark.parametrize(("call", "address"), ADDRESSES.values(), ids=ADDRESSES)
async def test_each_kind_is_called_where_it_lives_and_with_its_own_credential(
    canned: aioresponses, call: Call, address: str
) -> None:
    """A doubled or a missing /v1 is the classic mistake of a gateway."""
    canned.post(address, status=200, body=b"{}", response_class=Response)
    async with Client() as opened:
        answer = await opened.send(call)
        assert answer.status == 200
        answer.close()
    ((method, url),) = canned.requests
    sent = canned.requests[method, url][0].kwargs
    assert (method, url) == ("POST", URL(address))
    kind = call.channel.kind
    assert sent["headers"][kind.credential] == ("Bearer secret" if kind.credential == "Authorization" else "secret")
    assert sent["allow_redirects"] is False
    assert sent["timeout"].total is None


TROUBLE: dict[str, tuple[dict[str, Any], type[HazeError]]] = {
    "connection refused": ({"exception": aiohttp.ClientConnectionError("10.0.0.1")}, UpstreamFailed),
    "disconnected": ({"exception": aiohttp.ServerDisconnectedError()}, UpstreamFailed),
    "no such host": ({"exception": OSError("resolver 10.0.0.53")}, UpstreamFailed),
    "silence": ({"exception": aiohttp.SocketTimeoutError()}, UpstreamSilent),
    "a redirect": ({"status": 307, "headers": {"Location": "http://elsewhere.example"}}, UpstreamFailed),
    "an unknown encoding": ({"status": 200, "headers": {"Content-Encoding": "lzma"}}, UpstreamFailed),
    "two encodings": ({"status": 200, "headers": {"Content-Encoding": "gzip, br"}}, UpstreamFailed),
}


@pytest.mark.parametrize(("canned_answer", "told"), TROUBLE.values(), ids=TROUBLE)
async def test_every_trouble_of_an_upstream_is_one_of_two_errors(
    canned: aioresponses, canned_answer: dict[str, Any], told: type[HazeError]
) -> None:
    """Everyone above asks only whether it broke or was silent; addresses stay in the house."""
    call = a_call("openai", "chat")
    canned.post("https://api.openai.com/v1/chat/completions", response_class=Response, **canned_answer)
    async with Client() as opened:
        with pytest.raises(told) as caught:
            await opened.send(call)
    assert type(caught.value) is told
    assert "10.0.0" not in caught.value.message
    assert "elsewhere" not in caught.value.message


ENCODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "GZIP": gzip.compress,
    "identity": bytes,
    "": bytes,
}


@EACH
@pytest.mark.parametrize(("name", "pack"), ENCODINGS.items(), ids=ENCODINGS)
async def test_a_compressed_answer_is_readable_and_not_labelled(
    chained: Haze, provider: Provider, protocol: str, name: str, pack: Any
) -> None:
    """It was asked for plainly; one that compresses all the same is still metered, and the label would be a lie."""
    used = b'"usage":{"input_tokens":11,"prompt_tokens":11,"output_tokens":3,"completion_tokens":3}'
    body = b'{"choices":[{}],"content":[{}],"output":[{}],%s,"x":"%s"}' % (used, b"y" * 999)
    provider.script(Reply(body=pack(body), headers={"Content-Encoding": name} if name else {}))
    answer = await chained.ask(protocol, "paid")
    assert (answer.status, answer.body) == (200, body)
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Content-Length"] == str(len(body))
    (row,) = await chained.ended()
    assert row["cost"] == 41_000


@EACH
@pytest.mark.parametrize("encoding", ["gzip", "br"])
async def test_a_compressed_stream_is_readable_and_metered(
    chained: Haze, provider: Provider, protocol: str, encoding: str
) -> None:
    """An unmetered answer would be a free one."""
    sent = events(protocol)
    provider.script(Reply(chunks=sent, compress=encoding))
    answer = await chained.ask(protocol, "paid", stream=True, stream_options={"include_usage": True})
    assert (answer.status, answer.cut, answer.body) == (200, False, b"".join(sent))
    assert "Content-Encoding" not in answer.headers
    (row,) = await chained.ended()
    assert (row["cost"], row["estimated"]) == (41_000, 0)


@EACH
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("encoding", ["lzma", "gzip, br", "x-secret"])
async def test_an_encoding_nobody_can_read_is_a_broken_upstream(
    chained: Haze, provider: Provider, protocol: str, encoding: str, status: int
) -> None:
    """Passed on it would be an answer that was not counted, or an error no client can show."""
    provider.script(Reply(status=status, body=b"\x00\x01", headers={"Content-Encoding": encoding}))
    refused(await chained.ask(protocol, "paid"), protocol, 502)
    (row,) = await chained.ended()
    assert (row["state"], row["cost"]) == ("void", 0)


@EACH
async def test_bytes_that_are_not_what_their_label_says_are_a_broken_upstream(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """A decoder's complaint is the provider's fault, never a 500 of ours."""
    for body in (b"this is no gzip", gzip.compress(json.dumps(whole(protocol)).encode())[:-20]):
        provider.script(Reply(body=body, headers={"Content-Encoding": "gzip"}))
        refused(await chained.ask(protocol, "paid"), protocol, 502)
    assert {row["cost"] for row in await chained.ended(2)} == {0}


async def test_no_cookie_is_kept_between_customers(chained: Haze, provider: Provider) -> None:
    """An upstream's session would tie one customer's requests to another's."""
    provider.script(Reply(body=whole("chat"), headers={"Set-Cookie": "who=1; Path=/"}))
    for _ in range(2):
        assert (await chained.ask("chat", "paid")).status == 200
    assert "Cookie" not in provider.requests[1].headers


async def test_an_answer_that_never_ends_is_not_stored_up(
    tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on everything that comes from outside: a broken upstream must not eat the memory of all."""
    monkeypatch.setattr(client, "ANSWER_BYTES_MAX", 100_000)
    async with running(tmp_path, PAID + channel("openai", provider.url)) as haze:
        provider.script(Reply(body=b"x" * 100_001))
        assert "too long" in refused(await haze.ask("chat", "paid"), "chat", 502)


def test_every_protocol_a_kind_speaks_here_has_a_path() -> None:
    """A row of kinds that names a protocol nobody can call would be offered and then fail."""
    assert set(PATHS) <= {protocol for kind in KINDS.values() for protocol in kind.protocols}
    assert all(path.startswith("/") and not path.endswith("/") for path in PATHS.values())
