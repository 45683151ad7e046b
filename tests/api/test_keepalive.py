"""A silent stream says that it lives, in its own protocol, and never inside of something."""

import asyncio

import pytest
from gateway import HELLO, Haze
from line import Line, tick
from provider import Provider, Reply, events

from haze_proxy.api.keepalive import KEEPALIVES
from haze_proxy.wire.keepalive import KEEPALIVE

BOTH = pytest.mark.parametrize("protocol", ["chat", "messages"])
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}


async def opened(haze: Haze, protocol: str) -> Line:
    return await Line.opened(haze, protocol, {"model": "paid", "messages": HELLO, "max_tokens": 9, **WITH_USAGE})


@BOTH
async def test_after_fifteen_silent_seconds_and_each_fifteen_more(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """Claude Code closes a stream that says nothing for 300 s, and asks, and pays, again."""
    sent, go = events(protocol), asyncio.Event()
    provider.script(Reply(chunks=[*sent[:2], go, *sent[2:]]))
    line = await opened(chained, protocol)
    await line.until(b"".join(sent[:2]))
    await tick(chained, 14)
    await tick(chained, 2)
    await line.until(KEEPALIVE[protocol])
    await tick(chained, 14)
    await tick(chained, 2)
    await line.until(KEEPALIVE[protocol] * 2)
    go.set()
    assert await line.to_the_end() == b"".join(sent[:2]) + KEEPALIVE[protocol] * 2 + b"".join(sent[2:])


@BOTH
async def test_never_in_the_middle_of_an_event(chained: Haze, provider: Provider, protocol: str) -> None:
    """A sign of life inside a JSON text would be the end of the stream."""
    sent, go = events(protocol), asyncio.Event()
    half = len(sent[2]) // 2
    provider.script(Reply(chunks=[*sent[:2], sent[2][:half], go, sent[2][half:], *sent[3:]]))
    line = await opened(chained, protocol)
    await line.until(b"".join(sent[:2]) + sent[2][:half])
    await tick(chained, 20)
    go.set()
    assert await line.to_the_end() == b"".join(sent)


@BOTH
async def test_a_stream_that_speaks_gets_none(chained: Haze, provider: Provider, protocol: str) -> None:
    """Bytes pass untouched while there are any."""
    sent = events(protocol)
    gates = [asyncio.Event() for _ in sent]
    provider.script(Reply(chunks=[step for pair in zip(sent, gates, strict=True) for step in pair]))
    line, seen = await opened(chained, protocol), b""
    # The terminal event waits for the end of the body or its commit, so the last ones need no gate.
    for event, gate in list(zip(sent, gates, strict=True))[:-2]:
        seen += event
        await line.until(seen)
        await tick(chained, 10)
        gate.set()
    for gate in gates:
        gate.set()
    assert await line.to_the_end() == b"".join(sent)


@BOTH
async def test_nothing_follows_the_end_of_a_stream(chained: Haze, provider: Provider, protocol: str) -> None:
    """After the terminal event nobody reads, and a line that is used again must begin with an answer."""
    answer = await chained.ask(protocol, "paid", **WITH_USAGE)
    await tick(chained, 100)
    assert answer.body == b"".join(events(protocol, model="paid"))
    assert not chained.app[KEEPALIVES]._open
    assert (await chained.ask(protocol, "paid", **WITH_USAGE)).body == answer.body
