"""How a translated answer can end, and what each end costs: the table of charges, row by row."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from checks import locked, quiet, refused
from gateway import PATHS, Answer, Haze, running
from provider import HANG, HANG_UP, Provider, Reply, events, whole
from ways import FULL, PAIRS, RIGHT, STREAM, Way, each
from wire.fold import fold, says

from haze_proxy.api.keepalive import KEEPALIVES

ENDED_BY = {"chat": b"data: [DONE]", "messages": b"event: message_stop", "responses": b"event: response.completed"}
# What stands in the first event after which an answer may be whole, or has been counted.
LAST_WORDS = (b'"finish_reason": "stop"', b"message_delta", b"response.completed")


async def one_row(haze: Haze, state: str, ended: str, cost: int, *, estimated: bool = False) -> Any:
    """The one outcome: in its row, in the balance, in the wallet, in the ledger."""
    (row,) = await haze.ended()
    assert (row["state"], row["ended"], row["cost"], bool(row["estimated"])) == (state, ended, cost, estimated)
    await quiet(haze)
    assert haze.balance() == FULL - cost
    return row


def tells_error(way: Way, body: bytes) -> bool:
    """Whether a stream ends in an error of the client's protocol."""
    last = json.loads(body.rstrip().rsplit(b"data: ", 1)[1])
    return bool(last["response"]["error"] if way.client == "responses" else last.get("error"))


# ---- completed ----


@each(PAIRS)
@STREAM
async def test_an_answer_without_usage_is_estimated_and_says_so(tmp_path: Path, way: Way, stream: bool) -> None:
    """Free because the provider forgot to count would be an invitation; and every client is told some numbers."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(
            Reply(chunks=events(way.spoken, usage={}, model="paid"))
            if stream
            else Reply(body=whole(way.spoken, usage={}, model="paid"))
        )
        answer = await haze.post(PATHS[way.client], way.ask(stream=stream))
        assert (answer.status, answer.cut) == (200, False)
        (row,) = await haze.ended()
        assert (row["state"], row["ended"], row["estimated"], row["output"]) == ("settled", "completed", 1, 3)
        assert row["cost"] == row["input"] * 1_000 + 30_000 > RIGHT
        said = says(way.client, fold(way.client, answer.body) if stream else answer.json())
        assert said["tokens"] == (row["input"], row["output"])


@each({name: way for name, way in PAIRS.items() if way.spoken == "chat"})
async def test_a_stream_with_a_reason_to_stop_and_no_done_is_whole(tmp_path: Path, way: Way) -> None:
    """Not every server sends [DONE]; the client gets the end of his own protocol all the same."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(chunks=events("chat", model="paid")[:-1]))
        answer = await haze.post(PATHS[way.client], way.ask(stream=True))
        assert not answer.cut
        assert ENDED_BY[way.client] in answer.body
        await one_row(haze, "settled", "completed", RIGHT)


@each(PAIRS)
async def test_a_whole_answer_to_a_request_for_a_stream_is_streamed(tmp_path: Path, way: Way) -> None:
    """Some upstreams ignore `stream`; Claude Code takes JSON for an empty stream, and asks and pays again."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(body=whole(way.spoken, model="paid")))
        answer = await haze.post(PATHS[way.client], way.ask(stream=True))
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert says(way.client, fold(way.client, answer.body))["text"] == "Hello there!"
        await one_row(haze, "settled", "completed", RIGHT)


# ---- the upstream fails ----

BROKEN: dict[str, Callable[[str], Reply]] = {
    "nothing at all": lambda spoken: Reply(raw=b""),
    "no events": lambda spoken: Reply(chunks=[]),
    "cut before the first event": lambda spoken: Reply(chunks=[HANG_UP]),
    "ends in the first event": lambda spoken: Reply(chunks=[events(spoken)[0][:20]]),
    "ends after the first event": lambda spoken: Reply(chunks=events(spoken)[:1]),
    "only comments": lambda spoken: Reply(chunks=[b": OPENROUTER PROCESSING\n\n"] * 3),
    "a whole answer that is cut": lambda spoken: Reply(body=whole(spoken), content_length=5000),
    "a whole answer of rubbish": lambda spoken: Reply(body=b"{nonsense"),
    "a whole answer that is a list": lambda spoken: Reply(body=[]),
    "a page": lambda spoken: Reply(body=b"<html>hello</html>", headers={"Content-Type": "text/html"}),
}


@each(PAIRS)
@pytest.mark.parametrize("name", BROKEN)
async def test_a_stream_that_fails_before_anything_is_told_has_a_status(tmp_path: Path, way: Way, name: str) -> None:
    """Committed to a 200 too early, the same failure would make Claude Code send everything again, unstreamed."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(BROKEN[name](way.spoken))
        refused(await haze.post(PATHS[way.client], way.ask(stream=True)), way.client, 502)
        await one_row(haze, "void", "failed upstream", 0)


@each(PAIRS)
@pytest.mark.parametrize("name", [name for name in BROKEN if "event" not in name and "comments" not in name])
async def test_a_whole_answer_that_breaks_is_502_and_costs_nothing(tmp_path: Path, way: Way, name: str) -> None:
    """Half an answer is none."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(BROKEN[name](way.spoken))
        refused(await haze.post(PATHS[way.client], way.ask()), way.client, 502)
        await one_row(haze, "void", "failed upstream", 0)


@each(PAIRS)
@pytest.mark.parametrize("how", ["cut", "clean end"])
async def test_cut_in_mid_stream_is_told_aborted_and_free(tmp_path: Path, way: Way, how: str) -> None:
    """At every event before the usage: a polite end would be taken for a whole answer, or repeated without limit."""
    sent = events(way.spoken, model="paid")
    last = next(n for n, event in enumerate(sent) if any(word in event for word in LAST_WORDS))
    first = next(n for n, event in enumerate(sent) if b"Hello" in event)
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        for count in range(first + 1, last + 1):
            provider.script(Reply(chunks=[*sent[:count], *([HANG_UP] if how == "cut" else [])]))
            answer = await haze.post(PATHS[way.client], way.ask(stream=True))
            # A failed response is an end that every client of responses knows.
            assert (answer.status, answer.cut) == (200, way.client != "responses")
            assert tells_error(way, answer.body)
            assert ENDED_BY[way.client] not in answer.body
        rows = await haze.ended(last - first)
        assert {(row["state"], row["cost"], row["ended"]) for row in rows} == {("void", 0, "upstream broke off")}
        await quiet(haze)
        assert haze.balance() == FULL


@each({name: way for name, way in PAIRS.items() if way.spoken == "messages"})
async def test_cut_after_the_reason_to_stop_is_whole_and_paid(tmp_path: Path, way: Way) -> None:
    """All was said and counted but the last word, which the client's protocol does not have anyway."""
    sent = [event for event in events(way.spoken, model="paid") if b"message_stop" not in event]
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(chunks=[*sent, HANG_UP]))
        answer = await haze.post(PATHS[way.client], way.ask(stream=True))
        (row,) = await haze.ended()
        assert (row["state"], row["cost"]) == ("settled", RIGHT)
        assert answer.cut == (way.client != "responses")
        assert tells_error(way, answer.body)


# ---- the client leaves ----


async def leave_after(haze: Haze, way: Way, text: bytes, provider: Provider) -> None:
    """Read until `text` has come, then close the socket as a killed client does."""
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {haze.key}"}
        response = await session.post(haze.url + PATHS[way.client], json=way.ask(stream=True), headers=headers)
        seen = b""
        async with asyncio.timeout(5):
            while text not in seen:
                seen += await response.content.readany()
        assert response.connection is not None
        assert response.connection.transport is not None
        response.connection.transport.abort()
        response.close()
    async with asyncio.timeout(5):
        await provider.requests[-1].closed.wait()


@each(PAIRS)
async def test_who_leaves_a_stream_pays_what_was_delivered_and_stops_the_upstream(tmp_path: Path, way: Way) -> None:
    """Read and run must not be free; and nobody generates for an empty chair."""
    sent = events(way.spoken, model="paid")
    words = {b'"Hello"': 2, b'" there"': 3, b'"!"': 3}  # five, eleven and twelve bytes up to there, at four a token
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        for word in words:
            count = next(n for n, event in enumerate(sent) if word in event) + 1
            provider.script(Reply(chunks=[*sent[:count], HANG]))
            await leave_after(haze, way, word, provider)
        rows = await haze.ended(len(words))
        for row, output in zip(rows, words.values(), strict=True):
            assert (row["state"], row["ended"], row["estimated"]) == ("settled", "client left", 1)
            assert (row["output"], row["cost"]) == (output, row["input"] * 1_000 + output * 10_000)
            # Anthropic has told its input by then; the others tell at the end.
            assert (row["input"] == 11) == (way.spoken == "messages")
        await quiet(haze)
        assert haze.balance() == FULL - sum(row["cost"] for row in rows)
        assert haze.rows("SELECT * FROM channel_health") == []


@each(PAIRS)
async def test_who_leaves_a_stream_before_it_begins_pays_nothing(tmp_path: Path, way: Way) -> None:
    """Ctrl-C while the provider is thinking: nothing was sent, and the provider is told to stop."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(late=HANG))
        asking = asyncio.create_task(haze.post(PATHS[way.client], way.ask(stream=True)))
        (received,) = await provider.received(1)
        asking.cancel()
        await received.closed.wait()
        await one_row(haze, "void", "client left before the answer", 0)


@each(PAIRS)
async def test_who_leaves_a_whole_answer_pays_for_it(tmp_path: Path, way: Way) -> None:
    """The provider finishes and bills a call that is not streamed, whoever still listens."""
    gate = asyncio.Event()
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(late=gate, body=whole(way.spoken, model="paid")))
        asking = asyncio.create_task(haze.post(PATHS[way.client], way.ask()))
        (received,) = await provider.received(1)
        asking.cancel()
        await asyncio.wait([asking])
        gate.set()
        await one_row(haze, "settled", "completed", RIGHT)
        assert not received.closed.is_set()


# ---- the books cannot be written ----


@each(PAIRS)
@STREAM
async def test_an_answer_that_cannot_be_charged_is_not_told_to_its_end(tmp_path: Path, way: Way, stream: bool) -> None:
    """Whoever saw the end has paid for it."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        gate = asyncio.Event()
        sent = events(way.spoken, model="paid")
        provider.script(
            Reply(chunks=[*sent[:4], gate, *sent[4:]])
            if stream
            else Reply(late=gate, body=whole(way.spoken, model="paid"))
        )
        asking = asyncio.create_task(haze.post(PATHS[way.client], way.ask(stream=stream)))
        await provider.received(1)
        async with asyncio.timeout(5):
            while not haze.rows("SELECT * FROM requests"):
                await asyncio.sleep(0.01)
        async with locked(haze, 20):
            gate.set()
            answer: Answer = await asking
        assert ENDED_BY[way.client] not in answer.body
        if stream:
            assert (answer.status, answer.cut) == (200, way.client != "responses")
            assert tells_error(way, answer.body)
        else:
            assert answer.status == 503
        await quiet(haze)
        assert haze.balance() == FULL


# ---- a reader who does not read ----


@each(PAIRS)
async def test_an_upstream_that_gave_up_on_a_slow_reader_is_not_blamed(tmp_path: Path, way: Way) -> None:
    """Who does not read for ten seconds has left, as far as money goes: input and what was delivered are charged."""
    cut = asyncio.Event()
    sent = events(way.spoken, ["x" * 400_000] * 40, model="paid")
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(chunks=[*sent[:-2], cut, HANG_UP]))
        connector = aiohttp.TCPConnector(socket_factory=_small_buffer)
        async with aiohttp.ClientSession(connector=connector, read_bufsize=1024) as session:
            headers = {"Authorization": f"Bearer {haze.key}"}
            url = haze.url + PATHS[way.client]
            async with session.post(url, json=way.ask(stream=True), headers=headers) as response:
                await _until_blocked(haze)
                haze.clock[0] += 11
                cut.set()
                with contextlib.suppress(aiohttp.ClientPayloadError):
                    async with asyncio.timeout(5):
                        while await response.content.readany():
                            await asyncio.sleep(0)
        (row,) = await haze.ended()
        assert (row["ended"], row["estimated"]) == ("client left", 1)
        assert row["output"] > 100_000
        assert haze.rows("SELECT * FROM channel_health") == []


def _small_buffer(address: Any) -> socket.socket:
    made = socket.socket(address[0], address[1])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return made


async def _until_blocked(haze: Haze) -> None:
    async with asyncio.timeout(5):
        while True:
            await asyncio.sleep(0.05)
            for journey in haze.app[KEEPALIVES]._open:
                transport = journey.request.transport
                if transport is not None and transport.get_write_buffer_size() > 65_536:
                    return
