"""Whose fault is it? The caller's own comes back as it came, the owner's trouble never does."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from checks import refused
from gateway import PAID, PATHS, Haze, asking, channel, running
from provider import HANG, HANG_UP, Provider, Reply, error_body, events

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
Told = dict[str, Any]


async def ask(haze: Haze, provider: Provider, reply: Reply, protocol: str, *, stream: bool = False) -> Any:
    """What a caller hears of one scripted answer; nothing may have been charged or be held."""
    provider.script(reply)
    answer = await haze.ask(protocol, "paid", stream=stream)
    (row,) = await haze.ended()
    assert (row["state"], row["cost"], haze.balance()) == ("void", 0, 10_000_000_000)
    return answer


def told_as(kind: str, message: str, **more: Any) -> bytes:
    """An error body that both protocols' SDKs read as it stands."""
    return json.dumps({"type": "error", "error": {"type": kind, "message": message, **more}}).encode()


BODIES: dict[str, tuple[int, bytes]] = {
    "too long": (400, told_as("invalid_request_error", "prompt is too long: 9 > 8")),
    "white space": (
        400,
        b' {"error": {"message": "x", "type": "t", "code": null,\n "details":{"error_code":"new_2027"}} }\n',
    ),
    "404": (404, told_as("not_found_error", "no such model", code="model_not_found", param="model")),
    "409": (409, told_as("conflict_error", "again")),
    "413": (413, told_as("request_too_large", "large")),
    "422": (422, told_as("some_error", "unprocessable", unknown={"a": [1]})),
    "a wallet word said by the caller": (400, told_as("invalid_request_error", "bad prompt: purchase credits")),
}


@EACH
@STREAM
@pytest.mark.parametrize(("status", "body"), BODIES.values(), ids=BODIES)
async def test_the_requests_own_fault_comes_back_byte_for_byte(
    chained: Haze, provider: Provider, protocol: str, stream: bool, status: int, body: bytes
) -> None:
    """Claude Code compacts, drops a beta or a field by the exact words of a 400."""
    headers = {"x-should-retry": "false", "Retry-After": "7", "Content-Type": "text/plain"}
    provider.script(Reply(status=status, body=body, headers=headers))
    turns = [{"role": "user", "content": "please purchase credits"}]
    request = asking(protocol, "paid", messages=turns, max_tokens=9, stream=stream)
    answer = await chained.post(PATHS[protocol], request)
    assert (answer.status, answer.body) == (status, body)
    assert (answer.headers["x-should-retry"], answer.headers["Retry-After"]) == ("false", "7")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["request-id"].startswith("req_")
    (row,) = await chained.ended()
    assert (row["state"], row["ended"], row["status"]) == ("void", "refused upstream", status)


# A role of the caller's, as it stands in his body and as the provider repeats it.
WORDS: dict[str, tuple[str, str]] = {
    "a wallet's": ("insufficient_quota", "insufficient_quota"),
    "a wallet's in escapes": (r"insufficient\u005Fquot\u0061", "insufficient_quota"),
    "of access": ("organization must be verified", "organization must be verified"),
}


@STREAM
@pytest.mark.parametrize("status", [400, 200])
@pytest.mark.parametrize(("sent", "told"), WORDS.values(), ids=WORDS)
async def test_a_word_that_a_caller_lets_the_provider_repeat_takes_no_channel_out(
    chained: Haze, provider: Provider, stream: bool, status: int, sent: str, told: str
) -> None:
    """Any key could close a channel for everybody for half an hour."""
    error = {"code": "400" if status == 200 else None, "message": f"Invalid value: '{told}'.", "type": "t"}
    provider.script(Reply(status=status, body={"error": error}))
    body = json.dumps(asking("chat", "paid", messages=[{"role": "ROLE"}], stream=stream)).replace("ROLE", sent)
    answer = await chained.post(PATHS["chat"], body.encode())
    assert (answer.status, answer.error()["message"]) == (400, f"Invalid value: '{told}'.")
    assert (await chained.ask("chat", "paid")).status == 200


async def test_words_in_mid_stream_take_no_channel_out_but_a_code_does(chained: Haze, provider: Provider) -> None:
    """The request is forgotten by then: nobody knows whose words they are."""
    for code, status in ((None, 200), ("insufficient_quota", 503)):
        error = {"error": {"message": "Invalid value: 'purchase credits'.", "code": code}}
        provider.script(Reply(chunks=[events("chat")[0], b"data: %s\n\n" % json.dumps(error).encode()]))
        await chained.ask("chat", "paid", stream=True)
        chained.clock[0] += 2
        assert (await chained.ask("chat", "paid")).status == status


OWNERS: dict[str, tuple[int, Told | list[Told]]] = {
    "401": (401, {"error": {"message": "Incorrect API key provided: owners-secret", "code": "invalid_api_key"}}),
    "402": (402, {"error": {"message": "This request requires more credits", "code": 402}}),
    "403": (403, {"error": {"message": "Country not supported: owners-secret"}}),
    "Anthropic's empty wallet": (400, {"error": {"message": "Your credit balance is too low to access owners-secret"}}),
    "OpenAI's empty wallet": (429, {"error": {"message": "Quota owners-secret", "code": "insufficient_quota"}}),
    "OpenAI's empty wallet by type": (429, {"error": {"message": "Quota owners-secret", "type": "insufficient_quota"}}),
    "Gemini's list": (429, [{"error": {"code": 429, "message": "You exceeded your current quota, owners-secret"}}]),
    "hard limit": (400, {"error": {"message": "Billing hard limit has been reached owners-secret"}}),
    "422": (422, {"error": {"message": "Insufficient Balance owners-secret"}}),
}


@EACH
@STREAM
@pytest.mark.parametrize(("status", "body"), OWNERS.values(), ids=OWNERS)
async def test_the_owners_trouble_is_never_told_as_the_callers(
    chained: Haze, provider: Provider, protocol: str, stream: bool, status: int, body: Any
) -> None:
    """Told as it came, it sends a paying customer to top up, or to make a new key."""
    answer = await ask(chained, provider, Reply(status=status, body=body), protocol, stream=stream)
    message = refused(answer, protocol, 503)
    assert answer.headers["x-should-retry"] == "false"
    assert "owners-secret" not in str(answer.headers) + message


@EACH
async def test_the_owners_trouble_as_a_first_event_is_not_told_either(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """Some upstreams answer 200 and then say that the wallet is empty."""
    error = {"type": "error", "error": {"type": "billing_error", "message": "Your credit balance is too low"}}
    reply = Reply(chunks=[b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n"])
    assert "credit" not in refused(await ask(chained, provider, reply, protocol, stream=True), protocol, 503)


MAPPED: dict[str, tuple[int, dict[str, str], int, int, str | None]] = {
    # upstream: status and headers; the caller's: messages, chat, Retry-After
    "429": (429, {}, 429, 429, None),
    "429 with a time": (429, {"Retry-After": "7"}, 429, 429, "7"),
    "429 for an hour": (429, {"Retry-After": "3600"}, 429, 429, "60"),
    "429 at once": (429, {"Retry-After": "0"}, 429, 429, "1"),
    "429 with a date": (429, {"Retry-After": "Sun, 22 Nov 2026 10:00:00 GMT"}, 429, 429, None),
    "429 with a number nobody can read": (429, {"Retry-After": "9" * 5000}, 429, 429, "60"),
    "529": (529, {}, 529, 503, None),
    "503": (503, {"Retry-After": "2"}, 529, 503, "2"),
    "500": (500, {}, 502, 502, None),
    "502": (502, {}, 502, 502, None),
    "504": (504, {}, 502, 502, None),
    "599": (599, {}, 502, 502, None),
}


@EACH
@STREAM
@pytest.mark.parametrize(("status", "headers", "messages", "chat", "wait"), MAPPED.values(), ids=MAPPED)
async def test_an_upstreams_trouble_is_told_by_its_kind(
    chained: Haze,
    provider: Provider,
    protocol: str,
    stream: bool,
    status: int,
    headers: dict[str, str],
    messages: int,
    chat: int,
    wait: str | None,
) -> None:
    """Clients repeat by status: 529 exists at Anthropic only, and waits above a minute end a session."""
    body = error_body(protocol, "api_error", "the provider's words")
    answer = await ask(chained, provider, Reply(status=status, headers=headers, body=body), protocol, stream=stream)
    told = messages if protocol == "messages" else chat
    message = refused(answer, protocol, told, code=None if told == 503 else "")
    # The words of a 429 speak of the owner's limits: a client would take them for its key's.
    assert message == ("The provider's own rate limit is reached." if status == 429 else "the provider's words")
    assert answer.headers.get("Retry-After") == wait
    assert "x-should-retry" not in answer.headers


HTML = b"<html><head><title>502 Bad Gateway</title></head><body>owners-host.internal</body></html>"


@EACH
@pytest.mark.parametrize(("status", "told"), [(400, 400), (404, 502), (413, 413), (502, 502), (401, 503)])
async def test_a_page_of_html_is_not_handed_on(
    chained: Haze, provider: Provider, protocol: str, status: int, told: int
) -> None:
    """An SDK shows what it finds in the error object; a page of a proxy's has none, and names the owner's hosts."""
    reply = Reply(status=status, body=HTML, headers={"Content-Type": "text/html"})
    assert "owners-host" not in refused(await ask(chained, provider, reply, protocol), protocol, told)


@EACH
@STREAM
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_never_followed(
    chained: Haze, provider: Provider, protocol: str, stream: bool, status: int
) -> None:
    """The owner's key must not travel to wherever an answer points."""
    reply = Reply(status=status, headers={"Location": f"{provider.url}/elsewhere"})
    refused(await ask(chained, provider, reply, protocol, stream=stream), protocol, 502)
    assert [received.path for received in provider.requests] == [PATHS[protocol]]


SILENCE: dict[str, tuple[Reply, int]] = {
    "no answer": (Reply(late=HANG), 504),
    "no first event": (Reply(chunks=[HANG]), 504),
    "only comments": (Reply(chunks=[b": wait\n\n", HANG]), 504),
}


@EACH
@pytest.mark.parametrize(("reply", "status"), SILENCE.values(), ids=SILENCE)
async def test_a_silent_upstream_is_504(
    tmp_path: Path, provider: Provider, protocol: str, reply: Reply, status: int
) -> None:
    """Nobody waits for ever, and the caller hears that it was the provider who was silent."""
    kind = "anthropic" if protocol == "messages" else "openai"
    times = {"first_byte_timeout_s": "0.2", "silence_timeout_s": "0.2"}
    async with running(tmp_path, PAID + channel(kind, provider.url, **times)) as haze:
        provider.script(reply, reply)
        refused(await haze.ask(protocol, "paid", stream=True), protocol, status)
        if reply.chunks is None:
            refused(await haze.ask(protocol, "paid"), protocol, status)
        assert {row["cost"] for row in await haze.ended()} == {0}


@EACH
async def test_an_upstream_that_falls_silent_in_mid_stream_is_told_and_cut(
    tmp_path: Path, provider: Provider, protocol: str
) -> None:
    """The silence limit is the channel's own, and holds between events, too."""
    kind = "anthropic" if protocol == "messages" else "openai"
    async with running(tmp_path, PAID + channel(kind, provider.url, silence_timeout_s="0.2")) as haze:
        provider.script(Reply(chunks=[*events(protocol)[:3], HANG]))
        answer = await haze.ask(protocol, "paid", stream=True)
        assert (answer.status, answer.cut) == (200, protocol != "responses")
        assert (b"timeout_error" if protocol == "messages" else b"did not answer in time") in answer.body
        (row,) = await haze.ended()
        assert (row["state"], row["ended"]) == ("void", "upstream broke off")


@EACH
async def test_an_upstream_that_is_not_there_is_502(tmp_path: Path, protocol: str) -> None:
    """What the operating system says about it is the owner's business: it names addresses."""
    kind = "anthropic" if protocol == "messages" else "openai"
    async with running(tmp_path, PAID + channel(kind, "http://127.0.0.1:1/v1")) as haze:
        message = refused(await haze.ask(protocol, "paid"), protocol, 502)
        assert "127.0.0.1" not in message


ENDLESS = [b'{"error":{"message":"bad prompt"', *[b" " * 2**16] * 2, HANG]
CUT = [b'{"error":{"message":"bad prompt"', HANG_UP]


@STREAM
@pytest.mark.parametrize("chunks", [CUT, ENDLESS], ids=["cut", "endless"])
async def test_a_refusal_that_does_not_end_is_judged_by_its_status(
    chained: Haze, provider: Provider, stream: bool, chunks: list[Any]
) -> None:
    """A caller's own fault must not close a channel, nor an empty wallet count as a broken line."""
    headers = {"Content-Type": "application/json", "Retry-After": "30"}
    for status, told in ((400, 400), (429, 429), (401, 503)):
        provider.script(Reply(status=status, headers=headers, chunks=chunks))
        async with asyncio.timeout(4):
            assert (await chained.ask("chat", "paid", stream=stream)).status == told
        chained.clock[0] += 31 if status == 429 else 0
    assert (await chained.ask("chat", "paid")).status == 503  # the owner must act first
