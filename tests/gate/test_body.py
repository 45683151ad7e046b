"""How much of a caller's body is taken in, and when it is let go."""

import asyncio
import gc
import gzip
import io
import json
import weakref
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from gateway import ECHO, HELLO, PAID, PATHS, Haze, asking, channel, running
from provider import HANG, Provider, Reply, events

from haze_proxy.errors import Unavailable
from haze_proxy.gate import body as body_gate
from haze_proxy.gate.body import BODIES, MIB, BodyShare
from haze_proxy.wire.ask import Ask

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])


async def test_large_bodies_wait_for_their_share_in_turn() -> None:
    """All bodies together have a bound, and nobody is overtaken for ever."""
    share = BodyShare(10 * MIB)
    await share.take(6 * MIB)
    second, third = asyncio.create_task(share.take(8 * MIB)), asyncio.create_task(share.take(2 * MIB))
    await asyncio.sleep(0)
    assert not second.done()
    assert not third.done()  # there would be room, but not before the one that waits longer
    await share.take(MIB)  # what is small never waits
    share.give(6 * MIB)
    await second
    share.give(8 * MIB)
    await third
    assert share.free == 10 * MIB - 3 * MIB


async def test_who_waits_too_long_for_a_share_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that cannot be taken in soon is better sent later."""
    monkeypatch.setattr(body_gate, "SHARE_TIMEOUT_S", 0.05)
    share = BodyShare(2 * MIB)
    await share.take(2 * MIB)
    with pytest.raises(Unavailable):
        await share.take(2 * MIB)
    share.give(2 * MIB)
    await share.take(2 * MIB)
    assert share.free == 0


async def test_who_gives_up_waiting_lets_the_next_one_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller behind one who wants too much must not wait for longer than he."""
    monkeypatch.setattr(body_gate, "SHARE_TIMEOUT_S", 5)
    share = BodyShare(10 * MIB)
    await share.take(5 * MIB)
    greedy, modest = asyncio.create_task(share.take(9 * MIB)), asyncio.create_task(share.take(4 * MIB))
    await asyncio.sleep(0)
    greedy.cancel()
    async with asyncio.timeout(1):
        await modest
    assert share.free == MIB


@EACH
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_every_ending_gives_the_share_back(chained: Haze, protocol: str, packed: bool) -> None:
    """A share that leaked would stop the gateway after a day."""
    share = chained.app[BODIES]
    turns = [{"role": "user", "content": "word " * 500_000}]
    poor = await chained.known(chained.account("0", "poor@example.com"))
    endings: tuple[tuple[dict[str, Any], str, int], ...] = (
        ({}, chained.key, 200), ({"model": "nobody"}, chained.key, 503), ({"model": 5}, chained.key, 400),
        ({}, poor, 402),
    )  # fmt: skip
    for fields, key, status in endings:
        asked = {"model": "paid", "max_tokens": 10, "messages": turns, **fields}
        sent = json.dumps(asking(protocol, **asked)).encode()
        headers = {"Content-Encoding": "gzip"} if packed else {}
        body = gzip.compress(sent) if packed else sent
        answer = await chained.post(PATHS[protocol], body, headers=headers, key=key)
        assert answer.status == status
        assert share.free == body_gate.SHARED_BYTES


@EACH
async def test_a_stream_lets_its_body_go_when_it_begins(chained: Haze, provider: Provider, protocol: str) -> None:
    """A stream lasts for minutes, and nobody reads its request again."""
    provider.script(Reply(chunks=[*events(protocol)[:4], HANG]))
    turns = [{"role": "user", "content": "word " * 500_000}]
    asked = asking(protocol, "paid", max_tokens=10, messages=turns, stream=True)
    sent = io.BytesIO(json.dumps(asked).encode())
    headers = {"Authorization": f"Bearer {chained.key}"}
    async with chained.session.post(chained.url + PATHS[protocol], data=sent, headers=headers) as answer:
        assert await answer.content.readany()
        assert chained.app[BODIES].free == body_gate.SHARED_BYTES


@pytest.mark.parametrize(
    "length", ["Content-Length: 400000000\r\n", "Content-Length: 400000000\r\nExpect: 100-continue\r\n"]
)
@EACH
async def test_a_declared_length_over_the_limit_is_refused_unread(haze: Haze, protocol: str, length: str) -> None:
    """Nobody should send 400 MB to learn that they are too many."""
    host, port = haze.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {PATHS[protocol]} HTTP/1.1\r\nHost: h\r\nx-api-key: {haze.key}\r\n{length}\r\n".encode())
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"request-id: req_" in head.lower()


async def test_an_expectation_nobody_knows_is_answered_in_the_callers_protocol(haze: Haze) -> None:
    """The framework would say it in plain text, without an id."""
    body = {"model": "hekiu", "max_tokens": 5, "messages": HELLO}
    answer = await haze.post("/v1/messages", body, headers={"Expect": "miracles"})
    assert (answer.status, answer.json()["type"]) == (400, "error")
    assert answer.json()["request_id"] == answer.headers["request-id"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b'{"model": "nobody", "max_tokens": 1, "messages": []}', 503), (b"{", 400), (b'{"model": 5}', 400)],
    ids=["no channel", "no JSON", "wrong type"],
)
async def test_a_refused_request_is_forgotten_at_once(
    haze: Haze, monkeypatch: pytest.MonkeyPatch, sent: bytes, status: int
) -> None:
    """An error that kept its own traceback would keep the request and its body: 2 GB after twenty refusals."""
    seen: list[weakref.ref[object]] = []
    read = body_gate.read

    async def watched(request: object) -> object:
        seen.append(weakref.ref(request))
        return await read(request)  # type: ignore[arg-type]

    monkeypatch.setattr(body_gate, "read", watched)
    gc.disable()
    try:
        for _ in range(3):
            assert (await haze.post("/v1/messages", sent)).status == status
        await haze.get("/healthz")
        # The connection may hold its last request; no earlier one is left, without any search for garbage.
        assert [ref() is None for ref in seen[:2]] == [True, True]
    finally:
        gc.enable()


@EACH
@pytest.mark.parametrize("model", ["hekiu", "nobody"])
async def test_an_open_line_does_not_keep_what_was_sent_over_it(
    haze: Haze, monkeypatch: pytest.MonkeyPatch, protocol: str, model: str
) -> None:
    """Clients keep their connections open for a minute: 32 of them held 2 GB of bodies that nobody would read again."""
    understood, read = [], body_gate.read

    async def watched(request: web.Request) -> Ask:
        understood.append(await read(request))
        assert understood[-1].body
        return understood[-1]

    monkeypatch.setattr(body_gate, "read", watched)
    await haze.ask(protocol, model)
    (ask,) = understood
    assert (ask.body, ask.parsed) == (b"", {})


@EACH
async def test_who_leaves_while_he_sends_leaves_nothing_behind(
    haze: Haze, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It happens all day long: no traceback in the log, no share and no place kept."""
    host, port = haze.url.removeprefix("http://").split(":")
    for _ in range(3):
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST {PATHS[protocol]} HTTP/1.1\r\nHost: h\r\nx-api-key: {haze.key}\r\nContent-Length: 2000000\r\n\r\n"
        writer.write(head.encode() + b'{"model": "hekiu", ')
        await writer.drain()
        while haze.app[BODIES].free == body_gate.SHARED_BYTES:
            await asyncio.sleep(0.001)
        writer.close()
        async with asyncio.timeout(5):
            while haze.app[BODIES].free != body_gate.SHARED_BYTES:
                await asyncio.sleep(0.001)
    assert not [record for record in caplog.records if record.exc_info]
    assert (await haze.get("/v1/key")).json()["data"]["limits"]["running_requests"] == 0


# Half an event, and how an error begins.
HALVES: dict[str, tuple[bytes, bytes]] = {
    "chat": (b'data: {"id": "x", "model": "paid", "choi', b'data: {"error"'),
    "messages": (b'event: content_block_delta\ndata: {"type": "content_block_delta", "in', b"event: error"),
    "responses": (b'event: response.output_text.delta\ndata: {"type": "resp', b"event: response.failed"),
}


@EACH
async def test_an_error_after_half_an_event_stands_alone(tmp_path: Path, protocol: str) -> None:
    """Glued to half an event, no client could read it."""
    half, begin = HALVES[protocol]
    async with Provider() as provider:
        provider.script(Reply(chunks=[*events(protocol)[:2], half]))
        text = ECHO + PAID + channel("openai", provider.url) + channel("anthropic", provider.url)
        async with running(tmp_path, text) as haze:
            haze.provider_lies = True
            fields = {"stream_options": {"include_usage": True}} if protocol == "chat" else {}
            answer = await haze.ask(protocol, "paid", stream=True, **fields)
    assert answer.cut == (protocol != "responses")
    assert half + b"\n\n" + begin in answer.body


async def test_a_providers_absurd_numbers_do_not_empty_an_account(chained: Haze, provider: Provider) -> None:
    """A thousand tokens were allowed: a million million were not written."""
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 10**15}
    provider.script(Reply(chunks=events("chat", usage=usage)))
    assert (await chained.ask("chat", "paid", stream=True)).status == 200
    (row,) = await chained.ended()
    assert (row["state"], row["estimated"]) == ("settled", 1)
    assert row["cost"] < 1_000_000
