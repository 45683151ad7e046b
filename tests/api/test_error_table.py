"""The whole table of errors through HTTP: every row can be met, and every wrong turn ends in a row of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from checks import TABLE, exchange, locked, parts, refused, untouched
from gateway import ECHO, PAID, PATHS, Answer, Haze, asking, channel, running
from provider import HANG, Provider, Reply, error_body

from haze_proxy.api.routes import LEADING, ROUTES, UNVERSIONED, VERSIONED
from haze_proxy.context import Endpoint
from haze_proxy.gate.rate_limit import PACES

BOTH = pytest.mark.parametrize("protocol", ["chat", "messages"])
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "HEAD", "OPTIONS", "PROPFIND"]
PREFIXES = [slash + prefix for slash in LEADING for prefix in (*VERSIONED, "")]


# ---- every route, every method, every prefix ----


def paths_of(endpoint: Endpoint) -> list[str]:
    """Every way to write a route's path."""
    path = endpoint.path.replace("{id:.+}", "openai/gpt-5.2")
    return [f"{prefix}{path}{slash}" for prefix in PREFIXES for slash in ("", "/")]


def envelopes_of(endpoint: Endpoint) -> list[tuple[str, dict[str, str]]]:
    """The envelopes a path answers in, each with the headers that ask for it."""
    own: list[tuple[str, dict[str, str]]] = [(endpoint.protocol, {})]
    shared = endpoint.path.startswith("/models")
    return [*own, ("messages", {"anthropic-version": "2023-06-01"})] if shared else own


@pytest.mark.parametrize(("endpoint", "_"), ROUTES, ids=[f"{row.method} {row.path}" for row, _ in ROUTES])
async def test_every_method_of_every_route_ends_in_the_table(haze: Haze, endpoint: Endpoint, _: Any) -> None:
    """Under every base URL and in each envelope: the right method wants a key, a wrong one names the right ones."""
    for path in paths_of(endpoint):
        for protocol, headers in envelopes_of(endpoint):
            for method in METHODS:
                answer = await haze._send(method, path, None, "", headers)
                said = f"{method} {path}: {answer.status} {answer.body!r}"
                if method in ("HEAD", "OPTIONS"):
                    assert (answer.status, answer.body) == (200 if method == "HEAD" else 204, b""), said
                elif method == endpoint.method:
                    if headers or not path.startswith("/models"):  # pages, for who brings nothing (tests/web)
                        refused(answer, protocol, 401)
                else:
                    assert method in refused(answer, protocol, 405), said
                    assert answer.headers["Allow"].split(", ") == sorted(["HEAD", "OPTIONS", endpoint.method]), said
                assert "Location" not in answer.headers
    untouched(haze)


OPEN = ["/healthz", "/readyz", "/openapi.json"]


@pytest.mark.parametrize("path", OPEN)
async def test_every_method_of_an_operators_path_ends_in_the_table(haze: Haze, path: str) -> None:
    """A monitor that asks wrongly is told so in JSON."""
    for method in METHODS:
        answer = await haze._send(method, path, None, "", {})
        if method in ("GET", "HEAD"):
            assert answer.status == 200
        else:
            refused(answer, "chat", 405)
            assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("prefix", [*PREFIXES, *UNVERSIONED])
async def test_every_method_of_a_missing_path_is_404(haze: Haze, prefix: str) -> None:
    """Never 401 and never 405: it is the path that is wrong."""
    protocol = "messages" if prefix == "/messages" else "chat"
    for below in ("/nothing", "/nothing/", "/messages/nothing", "/chat"):
        if prefix == "/models" or f"{prefix}{below}" in ("/models/nothing", "/chat"):
            continue
        told = "messages" if below.startswith("/messages") and prefix not in UNVERSIONED else protocol
        for method in METHODS:
            answer = await haze._send(method, prefix + below, None, "", {})
            if method == "HEAD":
                assert (answer.status, answer.body) == (404, b"")
            elif method == "OPTIONS":
                assert answer.status in (204, 404)
            else:
                refused(answer, told, 404, code=None)
    untouched(haze)


# ---- what never reaches a route ----

HEAD = b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n"
# What is sent, the status, and the envelope; None: the path could not be read, and both envelopes are in one.
BAD_HTTP: dict[str, tuple[bytes, int, str | None]] = {
    "an unknown expectation, chat": (b"POST /v1/chat/completions" + HEAD + b"Expect: miracles\r\n\r\n", 400, "chat"),
    "an unknown expectation, messages": (b"POST /v1/messages" + HEAD + b"Expect: miracles\r\n\r\n", 400, "messages"),
    "an unknown expectation of nothing": (b"POST /v1/nothing" + HEAD + b"Expect: miracles\r\n\r\n", 400, "chat"),
    "an unknown expectation by a wrong method": (
        b"PUT /messages" + HEAD + b"Expect: miracles\r\n\r\n",
        400,
        "messages",
    ),
    "an unknown expectation of a monitor": (b"GET /healthz" + HEAD + b"Expect: miracles\r\n\r\n", 400, "chat"),
    "no path": (b"OPTIONS *" + HEAD + b"\r\n", 404, "chat"),
    "a proxy's method": (b"CONNECT h:443" + HEAD + b"\r\n", 404, "chat"),
    "a method nobody knows": (b"BREW /v1/messages" + HEAD + b"\r\n", 400, None),
    "a method in lower case": (b"post /v1/messages" + HEAD + b"\r\n", 400, None),
    "an address that is none": (b"GET http://[::1/v1/models" + HEAD + b"\r\n", 400, None),
    "a port that is none": (b"GET http://h:99999999/v1/models" + HEAD + b"\r\n", 400, None),
    "escapes that are none": (b"GET /v1/%zz" + HEAD + b"\r\n", 404, "chat"),
    "bytes in the path": (b"GET /v1/\xff" + HEAD + b"\r\n", 400, None),
    "no host": (b"GET /v1/models HTTP/1.1\r\nConnection: close\r\n\r\n", 400, None),
    "an unknown transfer": (b"POST /v1/messages" + HEAD[:-19] + b"Transfer-Encoding: gzip\r\n\r\n", 400, None),
    "a large header": (b"GET /v1/models" + HEAD + b"X-Secret: " + b"s" * 33_000 + b"\r\n\r\n", 400, None),
    "a long query": (b"GET /v1/models?q=" + b"s" * 9_000 + HEAD + b"\r\n", 400, None),
    "a header without a name": (b"GET /v1/models" + HEAD + b": secret\r\n\r\n", 400, None),
    "a header with a line break": (b"GET /v1/models" + HEAD + b"X-Secret: s\x00ss\r\n\r\n", 400, None),
}


async def test_what_is_no_request_is_told_in_an_envelope(haze: Haze, caplog: pytest.LogCaptureFixture) -> None:
    """The framework would say it in plain text without an id, and repeat what may be a key."""
    for name, (sent, expected, protocol) in BAD_HTTP.items():
        status, headers, body = parts(await exchange(haze, sent))
        assert status == expected, (name, body)
        assert headers["request-id"] == headers["x-request-id"], name
        told, answer = json.loads(body), Answer(status, headers, body, cut=False)
        if protocol is None:
            error, ((openai, code), anthropic) = told["error"], TABLE[status]
            assert (told["type"], told["request_id"]) == ("error", headers["request-id"]), name
            assert (error["type"], error["code"]) == (openai, code), name
            assert openai == anthropic
        else:
            named = {"Content-Type": headers["content-type"]}
            named |= {
                name: headers[name] for name in ("request-id", "x-request-id", "x-should-retry") if name in headers
            }
            refused(Answer(answer.status, named, body, cut=False), protocol, status, code=None)
        assert "sss" not in told["error"]["message"], name
    assert caplog.text == ""


async def test_a_large_header_names_the_limit(haze: Haze) -> None:
    """32 KiB are taken: Codex sends long metadata."""
    _, _, body = parts(await exchange(haze, BAD_HTTP["a large header"][0]))
    assert "32768 bytes" in json.loads(body)["error"]["message"]
    answer = await haze.get("/v1/models", headers={"x-codex-turn-metadata": "m" * 32_000})
    assert answer.status == 200


# ---- every row ----


@pytest.fixture
async def house(tmp_path: Path, provider: Provider) -> AsyncIterator[Haze]:
    """Haze before the pretend provider, with a small limit for bodies and little patience."""
    times = {"first_byte_timeout_s": "0.2", "silence_timeout_s": "0.2", "translate": "false"}
    rows = channel("openai", provider.url, **times) + channel("anthropic", provider.url, **times)
    async with running(tmp_path, "[server]\nmax_body_mib = 1\n" + ECHO + PAID + rows) as server:
        yield server


Cause = Callable[[Haze, Provider, str], Awaitable[Answer]]


async def _no_json(haze: Haze, _: Provider, protocol: str) -> Answer:
    return await haze.post(PATHS[protocol], b'{"model": "hekiu"')


async def _no_key(haze: Haze, _: Provider, protocol: str) -> Answer:
    return await haze.ask(protocol, key="")


async def _poor(haze: Haze, _: Provider, protocol: str) -> Answer:
    return await haze.ask(protocol, key=await haze.known(haze.account("0", email="poor@example.com")))


async def _over_budget(haze: Haze, _: Provider, protocol: str) -> Answer:
    key = await haze.known(haze.account(email="thrifty@example.com", budget=1))
    return await haze.ask(protocol, key=key)


async def _disabled(haze: Haze, _: Provider, protocol: str) -> Answer:
    haze.rows("UPDATE accounts SET disabled_at = 1")
    while (await haze.get("/v1/key")).status == 200:
        pass
    return await haze.ask(protocol)


async def _no_route(haze: Haze, _: Provider, protocol: str) -> Answer:
    return await haze.post(f"{PATHS[protocol]}/nothing", {})


async def _no_model(haze: Haze, _: Provider, protocol: str) -> Answer:
    headers = {"anthropic-version": "2023-06-01"} if protocol == "messages" else {}
    return await haze.get("/v1/models/nobody", headers=headers)


async def _not_for_this_key(haze: Haze, _: Provider, protocol: str) -> Answer:
    return await haze.ask(protocol, key=await haze.known(haze.account(email="few@example.com", models=("other",))))


async def _wrong_method(haze: Haze, _: Provider, protocol: str) -> Answer:
    return await haze.get(PATHS[protocol])


async def _key_of_another(haze: Haze, provider: Provider, protocol: str) -> Answer:
    provider.script(Reply(late=HANG))
    key, path = {"Idempotency-Key": "k"}, PATHS[protocol]
    first = asyncio.create_task(haze.post(path, asking(protocol, "paid", max_tokens=100), headers=key))
    await provider.received(1)
    answer = await haze.post(path, asking(protocol, "paid", max_tokens=101), headers=key)
    assert (await first).status == 504
    return answer


async def _too_large(haze: Haze, _: Provider, protocol: str) -> Answer:
    return await haze.ask(protocol, padding="x" * 2**20)


async def _unknown_coding(haze: Haze, _: Provider, protocol: str) -> Answer:
    return await haze.post(PATHS[protocol], {}, headers={"Content-Encoding": "lzma"})


async def _too_fast(haze: Haze, _: Provider, protocol: str) -> Answer:
    haze.app[PACES].of[1].requests.take(haze.clock[0], 100_000, 100_000)
    return await haze.ask(protocol)


async def _no_channel(haze: Haze, _: Provider, protocol: str) -> Answer:
    return await haze.ask(protocol, "nobody/serves-this")


async def _not_writable(haze: Haze, _: Provider, protocol: str) -> Answer:
    async with locked(haze, patience_ms=10):
        return await haze.ask(protocol)


def upstream(reply: Reply) -> Cause:
    """The provider answers like this."""

    async def ask(haze: Haze, provider: Provider, protocol: str) -> Answer:
        provider.script(reply)
        return await haze.ask(protocol, "paid")

    return ask


NOT_MODEL = {"code": None}
# The published table: the status, when it comes, what differs of its usual code; and Retry-After: never, always.
ROWS: list[tuple[int, Cause, dict[str, Any], bool]] = [
    (400, _no_json, {}, False),
    (401, _no_key, {}, False),
    (402, _poor, {}, False),
    (402, _over_budget, {}, False),
    (403, _disabled, {}, False),
    (404, _no_route, NOT_MODEL, False),
    (404, _no_model, {}, False),
    (404, _not_for_this_key, {}, False),
    (405, _wrong_method, {}, False),
    (409, _key_of_another, {}, False),
    (413, _too_large, {}, False),
    (415, _unknown_coding, {}, False),
    (429, _too_fast, {}, True),
    (503, _no_channel, {}, False),
    (503, _not_writable, NOT_MODEL, True),
    (502, upstream(Reply(status=500, body=error_body("chat", "server_error", "broke"))), {}, False),
    (504, upstream(Reply(late=HANG)), {}, False),
    (529, upstream(Reply(status=529, body=error_body("chat", "overloaded_error", "busy"))), NOT_MODEL, False),
]


@BOTH
@pytest.mark.parametrize(
    ("status", "cause", "usual", "waits"), ROWS, ids=[f"{status}-{cause.__name__}" for status, cause, *_ in ROWS]
)
async def test_every_row_can_be_met_in_both_envelopes(
    house: Haze, provider: Provider, protocol: str, status: int, cause: Cause, usual: dict[str, Any], waits: bool
) -> None:
    """Raised where it belongs, rendered as it is published: SDKs choose their exception and their patience by it."""
    answer = await cause(house, provider, protocol)
    told = 503 if (status, protocol) == (529, "chat") else status
    refused(answer, protocol, told, **usual)
    assert ("Retry-After" in answer.headers) == waits
    final = status in (401, 402, 403, 404, 405, 409) or cause is _no_channel
    assert ("x-should-retry" in answer.headers) == final
    assert house.balance() == 10_000_000_000


def test_no_row_is_forgotten() -> None:
    """500 is met in the tests of the gate: it takes a mistake of ours."""
    assert {status for status, *_ in ROWS} == set(TABLE) - {500}
