"""Leave at every event of every recorded stream, as real clients do: what is charged is what the table says."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from checks import quiet
from gateway import PAID, PATHS, Haze, asking, channel, running
from provider import HANG, Provider, Reached, Reply
from wire.recordings import RECORDINGS, Recording

from haze_proxy.money import usage
from haze_proxy.wire import sse
from haze_proxy.wire.meter import Meter

FULL = 10_000_000_000
INPUT_NANO, OUTPUT_NANO = 1_000, 10_000  # of `paid`; a class without a price costs the dearest of its side
FAILED = {"refused upstream", "failed upstream"}
# SO_LINGER with no time at all: closing sends RST instead of FIN.
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Due:
    """What the table says of a stream that was left after some events. `told`: the bytes that the client has by then.

    `reported`: the upstream counted the input; else it is estimated, and the row's own number is taken for it.
    """

    ended: set[str]
    told: bytes
    input: int = 0
    output: int = 0
    reported: bool = True
    estimated: bool = False


@pytest.fixture
async def selling(tmp_path: Path, provider: Provider) -> AsyncIterator[Haze]:
    """Haze before the pretend provider, without waiting for the disk a thousand times."""
    # Each answers for its own protocols only: else the other one would be asked where a recording fails at once.
    channels = [channel(kind, provider.url, translate="false") for kind in ("openai", "anthropic")]
    text = '[store]\ndurability = "normal"\n' + PAID + "".join(channels)
    async with running(tmp_path, text) as server:
        yield server


@pytest.mark.parametrize("name", RECORDINGS)
async def test_who_leaves_after_any_event_is_charged_as_the_table_says(
    selling: Haze, provider: Provider, name: str
) -> None:
    """Read and run must not be free, an abort must not cost what was never made, and no hold may stay behind."""
    recording = RECORDINGS[name]
    sent = _as_sold(recording)
    seen: dict[str, Any] = {}
    for count, how in zip(range(1, len(sent) + 1), cycle(("reset", "close")), strict=False):
        reached = Reached()
        provider.script(Reply(chunks=[*sent[:count], reached, HANG]))
        due = _due(recording, sent[:count])
        await _leave(selling, recording, due, reached, how)
        rows = {row["id"]: row for row in await selling.ended(len(seen) + 1)}
        (new,) = rows.keys() - seen.keys()
        seen[new] = rows[new]
        _check(rows[new], due, f"after {count} events, by {how}: {dict(rows[new])}, {due}")
        if "client left" in due.ended:
            await provider.requests[-1].closed.wait()
    await quiet(selling)
    assert selling.balance() == FULL - sum(row["cost"] for row in seen.values())


def _as_sold(recording: Recording) -> list[bytes]:
    """The stream's events, as if the upstream named the model that was asked for."""
    stream = recording.stream
    if recording.model is not None:
        stream = stream.replace(f'"{recording.model}"'.encode(), b'"paid"')
    reader = sse.Reader()
    events = reader.feed(stream)
    return [*events, reader.rest] if reader.rest else events


def _due(recording: Recording, events: list[bytes]) -> Due:
    """The row of the table, from what the upstream has said up to then."""
    meter: Meter = recording.meter()
    told = b"".join(meter.feed(event) for event in events)
    used = usage.read(recording.protocol, meter.usage)
    has_begun = b"data:" in told
    if meter.state == "error" and not has_begun:
        return Due(FAILED, b"")
    if meter.state == "error" and not meter.reported_final:
        return Due({"upstream error"}, told)
    if meter.state == "error":
        return Due({"upstream error"}, told, used.total_input, used.output)
    output, reported = max(used.output, meter.delivered_tokens), used.total_input > 0
    if meter.state == "open":
        told = told if has_begun else b""
        return Due({"client left"}, told, used.total_input, output, reported, estimated=True)
    if meter.reported_final and used.total_input + used.output:
        return Due({"completed"}, told, used.total_input, used.output)
    return Due({"completed"}, told, used.total_input, output, reported, estimated=True)


def _check(row: Any, due: Due, what: str) -> None:
    assert row["ended"] in due.ended, what
    taken = sum(row[name] for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h"))
    assert not due.reported or taken == due.input, what
    assert due.reported or taken > 0, what
    assert (row["output"], bool(row["estimated"])) == (due.output, due.estimated), what
    assert row["cost"] == taken * INPUT_NANO + due.output * OUTPUT_NANO, what
    assert row["state"] == ("settled" if row["cost"] else "void"), what


async def _leave(haze: Haze, recording: Recording, due: Due, reached: Reached, how: str) -> None:
    """Ask, read what is due, and be gone."""
    more = {"n": recording.answers} if recording.answers > 1 else {}
    more |= {"stream_options": {"include_usage": True}} if recording.protocol == "chat" else {}
    body = asking(recording.protocol, "paid", max_tokens=100, stream=True, **more)
    headers = {"Authorization": f"Bearer {haze.key}"}
    async with aiohttp.ClientSession() as session:
        asked = asyncio.create_task(session.post(haze.url + PATHS[recording.protocol], json=body, headers=headers))
        if due.told or due.ended == FAILED:
            response = await asked
            seen = b""
            while due.told and len(seen) < len(due.told):
                seen += (piece := await response.content.readany())
                assert piece, f"the stream ended after {seen!r}"
            assert seen[: len(due.told)] == due.told
            if response.connection is not None:
                _go(response.connection.transport, how)
            response.close()
            return
        await reached.arrived()
        asked.cancel()
        await asyncio.wait([asked])


def _go(transport: Any, how: str) -> None:
    if how == "reset":
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()
