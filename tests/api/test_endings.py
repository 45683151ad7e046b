"""How an answer can end, and what each end costs: the table of charges, row by row."""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from checks import error_events, quiet, refused
from gateway import HELLO, PATHS, Haze, asking
from provider import HANG, HANG_UP, Provider, Reply, error_body, events, whole

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
FULL = 10_000_000_000
ENDED_BY = {
    "chat": b"data: [DONE]",
    "messages": b"event: message_stop",
    "responses": b"event: response.completed",
}
# The provider's events without any word of usage.
SILENT: dict[str, list[bytes]] = {
    "chat": events("chat", with_usage=False),
    "messages": events("messages", usage={}),
    "responses": events("responses", usage={}),
}


async def one_row(haze: Haze, state: str, ended: str, cost: int, *, estimated: bool = False) -> Any:
    """The one outcome: in its row, in the balance, in the wallet, in the ledger."""
    (row,) = await haze.ended()
    assert (row["state"], row["ended"], row["cost"], bool(row["estimated"])) == (state, ended, cost, estimated)
    await quiet(haze)
    assert haze.balance() == FULL - cost
    return row


# ---- completed ----


@EACH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_completed_with_usage_costs_usage_times_price(chained: Haze, protocol: str, stream: bool) -> None:
    """11 tokens in at 1,000 nano-dollars, 3 out at 10,000, streamed or not."""
    assert (await chained.ask(protocol, "paid", stream=stream)).status == 200
    await one_row(chained, "settled", "completed", 41_000)


@EACH
async def test_a_stream_without_usage_is_estimated_and_says_so(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """Free because the provider forgot to count would be an invitation; an estimate must be marked as one."""
    chained.provider_lies = True
    provider.script(Reply(chunks=SILENT[protocol]))
    answer = await chained.ask(protocol, "paid", **WITH_USAGE)
    assert (answer.cut, answer.body) == (False, b"".join(SILENT[protocol]))
    (row,) = await chained.ended()
    assert (row["state"], row["ended"], row["estimated"], row["output"]) == ("settled", "completed", 1, 3)
    assert row["cost"] == row["input"] * 1_000 + 30_000 > 41_000


@EACH
@pytest.mark.parametrize("kind", ["missing", "empty", "zeros", "nulls", "odd"])
async def test_an_answer_without_numbers_is_estimated_too(
    chained: Haze, provider: Provider, protocol: str, kind: str
) -> None:
    """A usage of nothing but zeros or words is none: an answer was given, and it is not free."""
    names = ("prompt_tokens", "completion_tokens") if protocol == "chat" else ("input_tokens", "output_tokens")
    value = {"zeros": 0, "nulls": None, "odd": "many"}.get(kind)
    body = {name: field for name, field in whole(protocol).items() if name != "usage"}
    if kind != "missing":
        body["usage"] = {} if kind == "empty" else dict.fromkeys(names, value)
    provider.script(Reply(body=body))
    assert (await chained.ask(protocol, "paid")).status == 200
    (row,) = await chained.ended()
    assert (row["state"], row["ended"], row["estimated"], row["output"]) == ("settled", "completed", 1, 3)
    assert row["cost"] == row["input"] * 1_000 + 30_000 > 41_000


async def test_a_stream_with_a_reason_to_stop_and_no_done_is_whole(chained: Haze, provider: Provider) -> None:
    """Not every upstream sends [DONE]; its answers are complete all the same, and official clients take them so."""
    chained.provider_lies = True
    sent = events("chat")[:-1]
    provider.script(Reply(chunks=sent))
    answer = await chained.ask("chat", "paid", **WITH_USAGE)
    assert (answer.cut, answer.body) == (False, b"".join(sent))
    await one_row(chained, "settled", "completed", 41_000)


# ---- the upstream fails ----


@EACH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_refused_upstream_costs_nothing(chained: Haze, provider: Provider, protocol: str, stream: bool) -> None:
    """The provider bills nothing for a 400 either."""
    provider.script(Reply(status=400, body=error_body(protocol, "invalid_request_error", "too long")))
    assert (await chained.ask(protocol, "paid", stream=stream)).status == 400
    row = await one_row(chained, "void", "refused upstream", 0)
    assert row["status"] == 400


BROKEN: dict[str, Callable[[str], Reply]] = {
    "nothing at all": lambda protocol: Reply(raw=b""),
    "no HTTP": lambda protocol: Reply(raw=b"\x00\x01\x02 hello"),
    "no events": lambda protocol: Reply(chunks=[]),
    "cut before the first event": lambda protocol: Reply(chunks=[HANG_UP]),
    "cut in the first event": lambda protocol: Reply(chunks=[events(protocol)[0][:20], HANG_UP]),
    "ends in the first event": lambda protocol: Reply(chunks=[events(protocol)[0][:20]]),
    "only comments": lambda protocol: Reply(chunks=[b": OPENROUTER PROCESSING\n\n"] * 3),
    "a whole answer that is cut": lambda protocol: Reply(body=whole(protocol), content_length=5000),
    "a whole answer of rubbish": lambda protocol: Reply(body=b"{nonsense"),
    "a whole answer that is a list": lambda protocol: Reply(body=[]),
    "an empty body": lambda protocol: Reply(body=b""),
}


@EACH
@pytest.mark.parametrize("made", BROKEN.values(), ids=BROKEN)
async def test_a_stream_that_fails_before_its_first_event_is_an_error_with_a_status(
    chained: Haze, provider: Provider, protocol: str, made: Callable[[str], Reply]
) -> None:
    """Committed to a 200 too early, the same failure would make Claude Code send everything again, unstreamed."""
    provider.script(made(protocol))
    refused(await chained.ask(protocol, "paid", stream=True), protocol, 502)
    await one_row(chained, "void", "failed upstream", 0)
    assert (await chained.get("/v1/key")).json()["data"]["limits"]["tokens_left"] == 1_000_000_000


WHOLE_BROKEN = [name for name in BROKEN if "event" not in name and "comments" not in name]


@EACH
@pytest.mark.parametrize("made", [BROKEN[name] for name in WHOLE_BROKEN], ids=WHOLE_BROKEN)
async def test_a_whole_answer_that_breaks_is_502_and_costs_nothing(
    chained: Haze, provider: Provider, protocol: str, made: Callable[[str], Reply]
) -> None:
    """Half an answer is none; the row names the channel that is to blame."""
    provider.script(made(protocol))
    refused(await chained.ask(protocol, "paid"), protocol, 502)
    row = await one_row(chained, "void", "failed upstream", 0)
    assert row["channel"] == ("anthropic" if protocol == "messages" else "openai")
    assert (await chained.get("/v1/key")).json()["data"]["limits"]["tokens_left"] == 1_000_000_000


# What stands in the first event after which an answer may be whole, or has been counted.
LAST_WORDS = (b'"finish_reason": "stop"', b"message_delta", b"response.completed")


@EACH
@pytest.mark.parametrize("how", ["cut", "clean end"])
async def test_cut_in_mid_stream_is_told_aborted_and_free(
    chained: Haze, provider: Provider, protocol: str, how: str
) -> None:
    """At every event before the usage: a polite end would be taken for a whole answer, or repeated without limit."""
    sent = events(protocol)
    last = next(n for n, event in enumerate(sent) if any(word in event for word in LAST_WORDS))
    for count in range(1, last + 1):
        provider.script(Reply(chunks=[*sent[:count], *([HANG_UP] if how == "cut" else [])]))
        answer = await chained.ask(protocol, "paid", **WITH_USAGE)
        # A failed response is an end that every client of responses knows.
        assert (answer.status, answer.cut) == (200, protocol != "responses")
        assert answer.body.startswith(b"".join(sent[:count]))
        (error,) = error_events(answer)
        assert error["type"] == ("api_error" if protocol == "messages" else "server_error")
        assert ENDED_BY[protocol] not in answer.body
    rows = await chained.ended(last)
    assert {(row["state"], row["cost"], row["ended"]) for row in rows} == {("void", 0, "upstream broke off")}
    await quiet(chained)
    assert chained.balance() == FULL


async def test_what_broke_off_is_told_a_moment_before_the_cut(chained: Haze, provider: Provider) -> None:
    """A client in Node loses what it has not read when the line breaks, and asks for the stream again and again."""
    provider.script(Reply(chunks=[*events("messages")[:3], HANG_UP]))
    loop, body = asyncio.get_running_loop(), {"model": "paid", "messages": HELLO, "max_tokens": 100, "stream": True}
    headers = {"Authorization": f"Bearer {chained.key}"}
    async with chained.session.post(chained.url + PATHS["messages"], json=body, headers=headers) as answer:
        received = b""
        while b"event: error" not in received:
            received += await answer.content.readany()
        told = loop.time()
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()
    assert loop.time() - told >= 0.04


async def test_cut_after_the_final_usage_costs_what_it_says(chained: Haze, provider: Provider) -> None:
    """The provider has counted and will bill; the answer all the same does not look whole."""
    sent = [event for event in events("messages") if b"message_stop" not in event]
    provider.script(Reply(chunks=[*sent, HANG_UP]))
    answer = await chained.ask("messages", "paid", stream=True)
    assert answer.cut
    assert len(error_events(answer)) == 1
    await one_row(chained, "settled", "upstream broke off", 41_000)


@EACH
async def test_an_upstreams_error_instead_of_a_first_event_has_its_real_status(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """It came after a 200, but the caller has not seen one yet: SDKs repeat by status. Also byte by byte."""
    error = error_body(protocol, "overloaded_error", "busy")
    event = b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n"
    for chunks in ([event], [bytes([byte]) for byte in event]):
        provider.script(Reply(chunks=chunks))
        answer = await chained.ask(protocol, "paid", stream=True)
        assert answer.status == (529 if protocol == "messages" else 503), answer.body
        assert answer.error()["message"] == "busy"
    assert {row["cost"] for row in await chained.ended(2)} == {0}


FAILED: dict[str, list[str]] = {
    "error, then failed": ['error\ndata: {"type":"error","error":{"code":"server_error","message":"no"}}', "FAILED"],
    "OpenAI's documented error": ['error\ndata: {"type":"error","code":"server_error","message":"no","param":null}'],
    "failed": ["FAILED"],
    "failed, and a comment": ["FAILED", ": bye"],
}


@pytest.mark.parametrize("parts", FAILED.values(), ids=FAILED)
@pytest.mark.parametrize("together", [True, False], ids=["in one piece", "one by one"])
async def test_a_response_that_fails_in_mid_stream_is_relayed_to_its_last_event(
    chained: Haze, provider: Provider, parts: list[str], together: bool
) -> None:
    """OpenAI says `error` and then `response.failed`; Codex reads only the second, the SDKs raise at the first."""
    chained.provider_lies = True
    failed = 'response.failed\ndata: {"type":"response.failed","response":{"error":{"code":"server_error"}}}'
    told = [
        (part if part[0] == ":" else f"event: {part.replace('FAILED', failed)}").encode() + b"\n\n" for part in parts
    ]
    sent = [*events("responses")[:5], *([b"".join(told)] if together else told)]
    provider.script(Reply(chunks=sent))
    answer = await chained.ask("responses", "paid", stream=True)
    assert (answer.status, answer.cut) == (200, False)
    assert b"".join(sent).removesuffix(b": bye\n\n") == answer.body.removesuffix(b": bye\n\n")
    await one_row(chained, "void", "upstream error", 0)


async def test_a_response_that_told_its_error_and_cut_the_line_has_its_own_words(
    chained: Haze, provider: Provider
) -> None:
    """The provider's reason says more than that it broke off."""
    chained.provider_lies = True
    told = b'event: error\ndata: {"type":"error","error":{"code":"server_error","message":"no"}}\n\n'
    provider.script(Reply(chunks=[*events("responses")[:5], told, HANG_UP]))
    answer = await chained.ask("responses", "paid", stream=True)
    assert (answer.cut, answer.body) == (False, b"".join(events("responses")[:5]) + told)
    await one_row(chained, "void", "upstream error", 0)


async def test_a_response_that_failed_costs_what_it_says_it_used(chained: Haze, provider: Provider) -> None:
    """The provider has counted and will bill."""
    chained.provider_lies = True
    usage = '"usage":{"input_tokens":11,"output_tokens":3}'
    failed = f'data: {{"type":"response.failed","response":{{"error":{{"code":"server_error"}},{usage}}}}}\n\n'
    provider.script(Reply(chunks=[*events("responses")[:5], failed.encode()]))
    assert (await chained.ask("responses", "paid", stream=True)).body.endswith(failed.encode())
    await one_row(chained, "settled", "upstream error", 41_000)


# The error of an event -> the status that a first event of it becomes.
FIRST: dict[str, tuple[dict[str, Any], int]] = {
    "a limit": ({"code": "rate_limit_exceeded", "message": "m"}, 429),
    "a limit by its type": ({"type": "too_many_requests", "code": "no_capacity", "message": "m"}, 429),
    "trouble": ({"code": "server_error", "message": "m"}, 502),
    "overload": ({"code": "server_is_overloaded", "message": "m"}, 503),
    "too long": ({"code": "context_length_exceeded", "message": "m"}, 400),
    "a bad image": ({"code": "invalid_image_url", "message": "m"}, 400),
    "a policy": ({"code": "image_content_policy_violation", "message": "m"}, 400),
    "an empty wallet": ({"code": "insufficient_quota", "message": "m"}, 503),
    "no reason": ({}, 502),
}


@pytest.mark.parametrize("how", ["failed", "error", "flat error", "whole"])
@pytest.mark.parametrize(("error", "status"), FIRST.values(), ids=FIRST)
async def test_a_response_that_fails_at_once_has_a_status(
    chained: Haze, provider: Provider, error: dict[str, Any], status: int, how: str
) -> None:
    """A status is what SDKs repeat by, and what a second channel can still replace."""
    failed = {"id": "resp_1", "object": "response", "status": "failed", "error": error or {"code": None}, "output": []}
    documents: dict[str, Any] = {
        "failed": {"type": "response.failed", "response": {**failed, "error": error or None}},
        "error": {"type": "error", "error": error},
        "flat error": {**error, "type": "error", "sequence_number": 0},
    }
    if how == "whole":
        provider.script(Reply(body=failed))
    else:
        provider.script(Reply(chunks=[b"data: " + json.dumps(documents[how]).encode() + b"\n\n"]))
    answer = await chained.ask("responses", "paid", stream=how != "whole")
    code = error["code"] if status == 400 else None if error.get("code") == "server_is_overloaded" else ""
    refused(answer, "responses", status, code=code)
    await one_row(chained, "void", "refused upstream" if status == 400 else "failed upstream", 0)


@EACH
async def test_an_upstreams_own_error_event_is_relayed_once_and_closed_in_order(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """It is the provider's own end of the answer: nothing is added, nothing is charged."""
    chained.provider_lies = True
    error = error_body(protocol, "overloaded_error", "busy")
    sent = [*events(protocol)[:4], b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n"]
    provider.script(Reply(chunks=sent))
    answer = await chained.ask(protocol, "paid", **WITH_USAGE)
    assert (answer.status, answer.cut, answer.body) == (200, False, b"".join(sent))
    await one_row(chained, "void", "upstream error", 0)


# ---- the client leaves ----


async def leave_after(haze: Haze, protocol: str, count: int, provider: Provider) -> None:
    """Read until `count` events are here, then close the socket as a killed client does."""
    body = asking(protocol, "paid", max_tokens=100, **WITH_USAGE)
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {haze.key}"}
        response = await session.post(haze.url + PATHS[protocol], json=body, headers=headers)
        seen = b""
        while seen.count(b"\n\n") < count:
            seen += await response.content.readany()
        assert response.connection is not None
        response.connection.transport.abort()
        response.close()
    await provider.requests[-1].closed.wait()


@EACH
async def test_who_leaves_a_stream_pays_what_was_delivered_and_stops_the_upstream(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """Read and run must not be free, whichever event was the last; and nobody generates for an empty chair."""
    sent = events(protocol)[:-1]
    delivered = []
    for count in range(1, len(sent) + 1):
        provider.script(Reply(chunks=[*sent[:count], HANG]))
        await leave_after(chained, protocol, count, provider)
        told = b"".join(sent[:count])
        delivered.append(sum(text in told for text in (b'"Hello"', b'" there"', b'"!"')))
    rows = await chained.ended(len(sent))
    for row, texts in zip(rows, delivered, strict=True):
        assert (row["state"], row["ended"], row["estimated"]) == ("settled", "client left", 1)
        assert row["cost"] == row["input"] * 1_000 + row["output"] * 10_000
        # "Hello", " there" and "!" are 5, 11 and 12 bytes: at four bytes a token.
        assert row["output"] >= (0, 2, 3, 3)[texts]
    assert rows[-1]["output"] == 3
    await quiet(chained)
    assert chained.balance() == FULL - sum(row["cost"] for row in rows)


@EACH
async def test_who_leaves_a_stream_before_it_begins_pays_nothing(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """Ctrl-C while the provider is thinking: nothing was sent, and the provider is told to stop."""
    provider.script(Reply(late=HANG))
    running = asyncio.create_task(chained.ask(protocol, "paid", stream=True))
    (received,) = await provider.received(1)
    running.cancel()
    await received.closed.wait()
    await one_row(chained, "void", "client left before the answer", 0)


@EACH
async def test_who_leaves_a_whole_answer_pays_for_it(chained: Haze, provider: Provider, protocol: str) -> None:
    """The provider finishes and bills a call that is not streamed, whoever still listens."""
    gate = asyncio.Event()
    provider.script(Reply(late=gate, body=whole(protocol)))
    running = asyncio.create_task(chained.ask(protocol, "paid"))
    (received,) = await provider.received(1)
    running.cancel()
    await asyncio.wait([running])
    gate.set()
    await one_row(chained, "settled", "completed", 41_000)
    assert not received.closed.is_set()


async def test_a_client_whose_socket_is_gone_is_noticed(chained: Haze, provider: Provider) -> None:
    """A reset is how a killed process leaves; nothing about it belongs into the log as a failure of ours."""
    provider.script(Reply(chunks=[*events("chat")[:3], HANG]))
    body = json.dumps({"model": "paid", "messages": HELLO, "stream": True}).encode()
    host, port = chained.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nx-api-key: {chained.key}\r\nContent-Length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    await reader.readuntil(b"there")
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()
    await provider.requests[0].closed.wait()
    (row,) = await chained.ended()
    assert (row["state"], row["ended"]) == ("settled", "client left")
