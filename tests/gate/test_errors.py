"""What does a caller hear? Every status in both envelopes, for streams and whole answers alike."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from checks import exchange, locked, parts, refused, untouched
from gateway import ECHO, PATHS, Answer, Haze, asking, running

from haze_proxy.gate.rate_limit import PACES

Ask = dict[str, Any]
Cause = Callable[[Haze, str, Ask], Awaitable[Answer]]
EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Haze]:
    """Haze with echo that takes bodies up to one MiB."""
    async with running(tmp_path, "[server]\nmax_body_mib = 1\n" + ECHO) as server:
        yield server


async def no_key(haze: Haze, path: str, ask: Ask) -> Answer:
    return await haze.post(path, ask, key="")


async def poor(haze: Haze, path: str, ask: Ask) -> Answer:
    return await haze.post(path, ask, key=await haze.known(haze.account("0", email="poor@example.com")))


async def disabled(haze: Haze, path: str, ask: Ask) -> Answer:
    haze.rows("UPDATE accounts SET disabled_at = 1")
    while (await haze.get("/v1/key")).status == 200:
        pass
    return await haze.post(path, ask)


async def not_allowed(haze: Haze, path: str, ask: Ask) -> Answer:
    key = haze.account(email="few@example.com", models=("other", "another"))
    return await haze.post(path, ask, key=await haze.known(key))


async def wrong_method(haze: Haze, path: str, ask: Ask) -> Answer:
    return await haze._send("PUT", path, ask, None, {})


async def too_large(haze: Haze, path: str, ask: Ask) -> Answer:
    return await haze.post(path, {**ask, "padding": "x" * 2**20})


async def unknown_coding(haze: Haze, path: str, ask: Ask) -> Answer:
    return await haze.post(path, ask, headers={"Content-Encoding": "lzma"})


async def too_fast(haze: Haze, path: str, ask: Ask) -> Answer:
    haze.app[PACES].of[1].requests.take(haze.clock[0], 100_000, 100_000)
    return await haze.post(path, ask)


async def no_channel(haze: Haze, path: str, ask: Ask) -> Answer:
    return await haze.post(path, {**ask, "model": "nobody/serves-this"})


async def no_json(haze: Haze, path: str, ask: Ask) -> Answer:
    return await haze.post(path, json.dumps(ask).encode()[:-1])


CAUSES: dict[int, Cause] = {
    400: no_json,
    401: no_key,
    402: poor,
    403: disabled,
    404: not_allowed,
    405: wrong_method,
    413: too_large,
    415: unknown_coding,
    429: too_fast,
    503: no_channel,
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@EACH
@pytest.mark.parametrize(("status", "cause"), CAUSES.items(), ids=map(str, CAUSES))
async def test_a_refusal_speaks_the_callers_protocol_and_leaves_nothing_behind(
    small: Haze, status: int, cause: Cause, protocol: str, stream: bool
) -> None:
    """SDKs choose their exception by status and body; a refused stream must not begin, and nobody pays for a no."""
    answer = await cause(small, PATHS[protocol], asking(protocol, max_tokens=8, stream=stream))
    message = refused(answer, protocol, status)
    assert ("Retry-After" in answer.headers) == (status == 429)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert ("x-should-retry" in answer.headers) == (status in (401, 402, 403, 404, 405, 503))
    assert (answer.headers.get("Allow") == "HEAD, OPTIONS, POST") == (status == 405)
    assert "Traceback" not in message
    untouched(small)


@EACH
async def test_a_store_that_cannot_be_written_is_503_with_a_time_to_come_back(haze: Haze, protocol: str) -> None:
    """Infrastructure trouble is never told as a problem of the key or the balance, and clients may repeat it."""
    async with locked(haze, patience_ms=10):
        first = await haze.ask(protocol)
        second = await haze.ask(protocol)
        ready = await haze.get("/readyz", key="")
    assert ready.status == 503
    for answer in (first, second):
        refused(answer, protocol, 503, code=None)
        assert answer.headers["Retry-After"] == "1"
        assert "x-should-retry" not in answer.headers
    while (await haze.get("/readyz", key="")).status == 503:
        pass
    assert (await haze.ask(protocol)).status == 200
    assert haze.check() == []


NO_ROUTE = {
    "/v1/nothing": "chat",
    "/v1": "chat",
    "/nothing": "chat",
    "/v1/chat/completions/more": "chat",
    "/v1/messages/nothing": "messages",
    "/v1/v1/messages/batches": "messages",
    "/messages/batches": "messages",
    "/v1/messagesque": "chat",
    "/v1/%FF%C3": "chat",
    "/v1/\u2028": "chat",
}


@pytest.mark.parametrize(("path", "protocol"), NO_ROUTE.items(), ids=NO_ROUTE)
async def test_a_route_that_is_not_there_says_so_before_it_asks_who_you_are(
    haze: Haze, path: str, protocol: str
) -> None:
    """Whoever mistyped a base URL must not be told that his key is wrong."""
    for key in ("", "sk-rr-wrong", haze.key):
        refused(await haze.post(path, {}, key=key), protocol, 404, code=None)
    untouched(haze)


async def test_bytes_that_are_no_text_in_a_path_are_a_missing_route(haze: Haze) -> None:
    """An error message that repeats the path must survive whatever stands in it."""
    head = b"POST /v1/\xff\xfe HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    status, headers, body = parts(await exchange(haze, head))
    assert (status, json.loads(body)["error"]["type"]) in ((404, "not_found_error"), (400, "invalid_request_error"))
    assert headers["request-id"] == headers["x-request-id"]


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/nobody", "/v1/v1/models"])
async def test_the_model_list_answers_errors_by_anthropic_version(haze: Haze, path: str) -> None:
    """Both worlds ask the same path; only Anthropic's clients name a version, and the credential says nothing."""
    for headers, protocol in (({}, "chat"), ({"anthropic-version": "2023-06-01"}, "messages")):
        for credential in ({"x-api-key": "sk-rr-wrong"}, {"Authorization": "Bearer sk-rr-wrong"}):
            refused(await haze.get(path, key="", headers={**headers, **credential}), protocol, 401)


async def test_every_answer_has_its_own_id(haze: Haze) -> None:
    """The id is what a customer sends to the owner: it must be on good answers too, and never twice."""
    answers = [await haze.ask("chat"), await haze.ask("messages", stream=True), await haze.get("/v1/models")]
    answers += [await haze.get("/healthz", key=""), await haze.get("/nothing"), await haze.ask("chat")]
    ids = [answer.headers["request-id"] for answer in answers]
    assert ids == [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    rows = await haze.ended(3)
    assert {row["id"] for row in rows} == {ids[0], ids[1], ids[5]}


async def test_a_clients_own_id_is_not_taken_for_ours(haze: Haze) -> None:
    """Two requests under one id would be one receipt."""
    answer = await haze.get("/v1/models", headers={"x-request-id": "mine", "request-id": "mine"})
    assert answer.headers["request-id"].startswith("req_")
    assert answer.headers["x-request-id"].startswith("req_")


async def test_a_mistake_of_ours_is_a_500_without_its_reason(
    haze: Haze, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A traceback belongs into the owner's log, under the id that the caller was told."""

    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("haze_proxy.gate.body.estimate.input_tokens", broken)
    answer = await haze.ask("messages")
    assert "secret" not in refused(answer, "messages", 500)
    assert answer.headers["request-id"] in caplog.text
    untouched(haze)
