"""A stream passes as it comes: event by event, byte for byte, with nothing added that was not asked for."""

import asyncio
import json
from pathlib import Path

import pytest
from checks import exchange, parts
from gateway import HELLO, PAID, PATHS, Haze, asking, channel, running
from provider import HANG_UP, Provider, Reply, events, whole

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
USAGE = {"stream_options": {"include_usage": True}}


async def test_a_client_that_did_not_ask_for_usage_does_not_see_it(chained: Haze, provider: Provider) -> None:
    """`chunk.choices[0]` crashes on the usage chunk; Haze needs it for the charge all the same."""
    answer = await chained.ask("chat", "paid", stream=True)
    (received,) = provider.requests
    assert received.json()["stream_options"] == {"include_usage": True}
    assert answer.body == b"".join(events("chat", model="paid", with_usage=False))
    (row,) = await chained.ended()
    assert (row["cost"], row["estimated"]) == (41_000, 0)


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_obfuscation": False}])
async def test_other_stream_options_survive(chained: Haze, provider: Provider, options: dict[str, bool] | None) -> None:
    """Only the one option is Haze's business."""
    answer = await chained.ask("chat", "paid", stream=True, stream_options=options)
    assert provider.requests[0].json()["stream_options"] == {**(options or {}), "include_usage": True}
    assert b"usage" not in answer.body


async def test_a_client_that_asked_for_usage_sees_it(chained: Haze, provider: Provider) -> None:
    """And its bytes go up as they are."""
    body = json.dumps({"model": "paid", "messages": HELLO, "stream": True, **USAGE}).encode()
    answer = await chained.post(PATHS["chat"], body)
    assert provider.requests[0].body == body
    assert answer.body == b"".join(events("chat", model="paid"))


async def test_the_usage_chunk_is_hidden_however_the_bytes_are_split(chained: Haze, provider: Provider) -> None:
    """TCP cuts where it likes: what the client sees must not depend on it."""
    whole = b"".join(events("chat"))
    wanted = b"".join(events("chat", with_usage=False))
    for size in (1, 7, 64, len(whole)):
        provider.script(Reply(chunks=[whole[start : start + size] for start in range(0, len(whole), size)]))
        assert (await chained.ask("chat", "paid", stream=True)).body == wanted


@EACH
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
async def test_line_ends_pass_as_they_are(chained: Haze, provider: Provider, protocol: str, newline: bytes) -> None:
    """All three are server-sent events; a stream that is normalised is not the provider's any more."""
    sent = [event.replace(b"\n", newline) for event in events(protocol)]
    provider.script(Reply(chunks=sent))
    answer = await chained.ask(protocol, "paid", stream=True, **USAGE)
    assert (answer.cut, answer.body) == (False, b"".join(sent))
    (row,) = await chained.ended()
    assert (row["cost"], row["estimated"]) == (41_000, 0)


@EACH
async def test_each_event_arrives_before_the_next_is_sent(chained: Haze, provider: Provider, protocol: str) -> None:
    """A stream that is stored up is no stream: each event is asked for only when the one before has arrived."""
    sent = events(protocol)
    gates = [asyncio.Event() for _ in sent]
    steps = [step for gate, event in zip(gates, sent, strict=True) for step in (gate, event)]
    provider.script(Reply(chunks=steps))
    body = asking(protocol, "paid", max_tokens=9, stream=True, **USAGE)
    gates[0].set()
    async with chained.session.post(
        chained.url + PATHS[protocol], json=body, headers={"x-api-key": chained.key}
    ) as answer:
        for event, gate in zip(sent, [*gates[1:], asyncio.Event()], strict=True):
            assert await answer.content.readexactly(len(event)) == event
            gate.set()
        assert await answer.read() == b""


@EACH
async def test_what_haze_does_not_know_passes(chained: Haze, provider: Provider, protocol: str) -> None:
    """Next year's events, comments, ids and retry lines are the client's to understand."""
    chained.provider_lies = True
    sent = events(protocol)
    odd = [
        b": OPENROUTER PROCESSING\n\n",
        b'event: thinking_delta_2027\ndata: {"type":"thinking_delta_2027","x":[1,2,{"y":"\xc3\xa9"}]}\n\n',
        b"id: 7\nretry: 100\n\n",
        b"data: not json at all\n\n",
        b"data:\n\n",
    ]
    sent = [odd[0], *sent[:2], *odd, *sent[2:]]
    provider.script(Reply(chunks=sent))
    answer = await chained.ask(protocol, "paid", stream=True, **USAGE)
    assert (answer.cut, answer.body) == (False, b"".join(sent))


async def test_a_first_event_larger_than_the_peek_passes(chained: Haze, provider: Provider) -> None:
    """Images come in one event: waiting for its end must neither fail nor store it all up."""
    chained.provider_lies = True
    large = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % (b"x" * 300_000)
    sent = [large, *events("chat")]
    provider.script(Reply(chunks=[large[:100_000], large[100_000:], *events("chat")]))
    answer = await chained.ask("chat", "paid", stream=True, **USAGE)
    assert (answer.status, answer.cut, answer.body) == (200, False, b"".join(sent))


@EACH
async def test_a_stream_has_the_headers_of_one(chained: Haze, provider: Provider, protocol: str) -> None:
    """Proxies on the way must not store it up, and its length is not known."""
    answer = await chained.ask(protocol, "paid", stream=True)
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in answer.headers
    assert "Content-Encoding" not in answer.headers


@EACH
async def test_a_whole_answer_to_a_request_for_a_stream_passes_and_is_charged(
    tmp_path: Path, provider: Provider, protocol: str
) -> None:
    """Some upstreams ignore `stream`: what they said is what the client gets."""
    kind = "anthropic" if protocol == "messages" else "openai"
    async with running(tmp_path, PAID + channel(kind, provider.url)) as haze:
        body = json.dumps(whole(protocol))
        provider.script(Reply(body=body))
        answer = await haze.ask(protocol, "paid", stream=True)
        assert (answer.status, answer.body) == (200, body.encode())
        (row,) = await haze.ended()
        assert (row["state"], row["cost"]) == ("settled", 41_000)


@EACH
@pytest.mark.parametrize("how", ["whole", "cut"])
async def test_a_proxy_that_speaks_http_1_0_gets_a_stream_too(
    chained: Haze, provider: Provider, protocol: str, how: str
) -> None:
    """nginx asks so unless it is told otherwise; the end of the connection is the end of the answer there."""
    sent = events(protocol)
    provider.script(Reply(chunks=sent if how == "whole" else [*sent[:3], HANG_UP]))
    body = json.dumps(asking(protocol, "paid", max_tokens=9, stream=True, **USAGE)).encode()
    head = (
        f"POST {PATHS[protocol]} HTTP/1.0\r\nHost: h\r\nx-api-key: {chained.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    status, headers, answer = parts(await exchange(chained, head.encode() + body))
    assert (status, headers.get("transfer-encoding")) == (200, None)
    if how == "whole":
        assert answer == b"".join(sent)
    else:
        assert answer.startswith(b"".join(sent[:3]))
        assert b'"error"' in answer
    (row,) = await chained.ended()
    assert row["state"] == ("settled" if how == "whole" else "void")


async def test_a_client_that_waits_for_100_continue_is_answered(haze: Haze) -> None:
    """curl asks so for bodies over a megabyte: the answer to the question is not the answer to the request."""
    body = json.dumps({"model": "nobody/serves-this", "messages": HELLO}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\n"
        f"x-api-key: {haze.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    raw = await exchange(haze, head.encode() + body)
    assert raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503")
