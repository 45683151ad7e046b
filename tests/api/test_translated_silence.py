"""A client never waits in silence, whatever the channel says that he is not told."""

import asyncio
import json
from pathlib import Path

import pytest
from gateway import Haze, running
from line import Line, tick
from provider import HANG, Json, Provider, Reply, Tap, drip, events
from ways import PAIRS, WAYS, Way, each
from wire.fold import fold, says

from haze_proxy.api.keepalive import KEEPALIVES
from haze_proxy.wire.keepalive import KEEPALIVE


@each(PAIRS)
async def test_after_fifteen_silent_seconds_and_each_fifteen_more(tmp_path: Path, way: Way) -> None:
    """Claude Code closes a stream that says nothing for 300 s, and asks, and pays, again."""
    sent, go = events(way.spoken, model="paid"), asyncio.Event()
    first = next(n for n, event in enumerate(sent) if b"Hello" in event) + 1
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(chunks=[*sent[:first], go, *sent[first:]]))
        line = await Line.opened(haze, way.client, way.ask(stream=True))
        await line.until(b"Hello")
        await tick(haze, 14)
        await tick(haze, 2)
        await line.until(KEEPALIVE[way.client])
        await tick(haze, 14)
        assert line.got.count(KEEPALIVE[way.client]) == 1
        await tick(haze, 2)
        await line.until(KEEPALIVE[way.client] * 2)
        go.set()
        body = await line.to_the_end()
        assert says(way.client, fold(way.client, body))["text"] == "Hello there!"


def pieces(*deltas: Json) -> list[bytes]:
    """Chat chunks with these deltas."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "paid"}
    bodies = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    return [b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies]


def call(index: int, **function: str) -> Json:
    """A piece of a call."""
    named = {"id": f"call_{index}", "type": "function"} if "name" in function else {}
    return {"tool_calls": [{"index": index, **named, "function": {"arguments": "", **function}}]}


# What a channel sends on and on, and the client is told nothing of: the first pieces, and the one that repeats.
UNTOLD: dict[str, tuple[str, list[bytes], bytes]] = {
    "a second call beside the first": (
        "messages on openai",
        pieces(call(0, name="a"), call(1, name="b")),
        pieces(call(1, arguments=" "))[0],
    ),
    "reasoning that was not asked for": (
        "messages on openai-compatible",
        pieces({"content": "Hi"}),
        pieces({"reasoning_content": "hm "})[0],
    ),
    "comments": ("responses on openai-compatible", pieces({"content": "Hi"}), b": OPENROUTER PROCESSING\n\n"),
    "white space": ("responses on openai-compatible", pieces(call(0, name="a")), pieces({"content": " "})[0]),
    "pings": (
        "responses on anthropic",
        events("messages", model="paid")[:4],
        b'event: ping\ndata: {"type": "ping"}\n\n',
    ),
}


@pytest.mark.parametrize("name", UNTOLD)
async def test_what_the_client_is_not_told_does_not_count_as_life(tmp_path: Path, name: str) -> None:
    """The channel works, and the client hears nothing: after 300 s he leaves all the same."""
    where, first, again = UNTOLD[name]
    way, tap = WAYS[where], Tap()
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(chunks=[*first, *drip([again] * 20, tap), HANG]))
        line = await Line.opened(haze, way.client, way.ask(stream=True))
        await line.until(b"data:")
        for _ in range(3):
            haze.clock[0] += 6
            tap.drop()
            await _is_read(haze)
            await tick(haze, 0)
        async with asyncio.timeout(2):
            await line.until(KEEPALIVE[way.client])
        line.response.close()


async def _is_read(haze: Haze) -> None:
    """Until the server has read something at the time that it is now."""
    (journey,) = haze.app[KEEPALIVES]._open
    async with asyncio.timeout(5):
        while journey._read_at != haze.clock[0]:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["messages on openai", "messages on openai-compatible", "messages on gemini"])
async def test_an_answer_begins_with_reasoning_that_is_not_shown(tmp_path: Path, name: str) -> None:
    """Minutes of it would let the client wait for headers, and the channel be given up as silent."""
    way, go = WAYS[name], asyncio.Event()
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(chunks=[*pieces({"reasoning_content": "hm"}), go, *events("chat", model="paid")]))
        async with asyncio.timeout(5):
            line = await Line.opened(haze, way.client, way.ask(stream=True))
            await line.until(b"message_start")
        await tick(haze, 16)
        await line.until(KEEPALIVE["messages"])
        go.set()
        body = await line.to_the_end()
        assert says("messages", fold("messages", body))["text"] == "Hello there!"
        assert b"hm" not in body
