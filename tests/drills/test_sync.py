"""`full`: what was told is on the disk. Looked at from outside: by the kernel's calls, and by a copy of the files."""

import asyncio
import random
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from drills import books
from drills.callers import Ask, Heard, Load, call
from drills.house import House, house
from drills.tracing import SHOWN, WRITES, Call, calls, needs_strace, strace
from provider import Provider

EMAIL = "a@example.com"
REQUESTS, TOGETHER = 120, 4
ENDS = {"chat": "[DONE]", "messages": "message_stop", "responses": "response.completed"}
Figure = Callable[[str], None]


@needs_strace
@pytest.mark.timeout(120)
@pytest.mark.parametrize("durability", ["full", "normal"])
async def test_the_log_is_synced_before_an_answer_ends(
    durability: str, tmp_path: Path, slow_provider: Provider, chance: random.Random, figure: Figure
) -> None:
    """A machine that loses its power forgets no charge of an answer that was told. `normal` promises no such thing, and
    shows that this would be noticed."""
    output = tmp_path / "calls"
    async with house(tmp_path / "house", slow_provider.url, durability) as haze:
        assert haze.process is not None
        key = await haze.caller(EMAIL, "10")
        await haze.knows(key)
        watched = ("-yy", "-s", str(SHOWN), "-e", f"trace=fdatasync,fsync,pwrite64,{WRITES}", "-o", str(output))
        async with strace(haze.process.pid, *watched):
            heard = await _some(haze, key, chance)
        books.check(haze, heard)
    assert all(each.saw_the_end for each in heard)
    traced = list(calls(output))
    synced = sum(_synced(each, haze.port, traced) for each in heard)
    figure(f"{synced} of {len(heard)} answers ended after the log with their charge was synced")
    assert synced == len(heard) if durability == "full" else synced < len(heard) / 2


async def _some(haze: House, key: str, chance: random.Random) -> list[Heard]:
    """Answers of every kind, some at once, so that commits are shared and threads cross."""
    heard: list[Heard] = []
    for _ in range(REQUESTS // TOGETHER):
        asks = [Ask.any(chance, pause_ms=2) for _ in range(TOGETHER)]
        heard += await asyncio.gather(*(call(haze.port, key, ask) for ask in asks))
    return heard


def _synced(heard: Heard, port: int, traced: Sequence[Call]) -> bool:
    """Whether a sync of the log that began after the charge was written returned before the end was sent."""
    wal = [each for each in traced if each.file.endswith("/haze.db-wal")]
    # A row's columns stand one behind the other in its page: the kind of the transfer, then the request.
    written = next(each for each in wal if each.name == "pwrite64" and f"charge{heard.id}" in each.text)
    end = _end(heard, port, traced)
    assert written.ended < end.begun, f"{heard.id} ended before its charge was written at all"
    syncs = [each for each in wal if each.name in ("fdatasync", "fsync") and each.result == 0]
    return any(written.ended < each.begun and each.ended < end.begun for each in syncs)


def _end(heard: Heard, port: int, traced: Sequence[Call]) -> Call:
    """The call that sent what the client takes for the end: its terminal event, or the answer that is not streamed."""
    to_clients = [each for each in traced if re.match(rf"TCP:\[127\.0\.0\.1:{port}->", each.file)]
    first = next(n for n, each in enumerate(to_clients) if heard.id in each.text)
    if not heard.ask.stream:
        return to_clients[first]
    line = to_clients[first].file
    return next(each for each in to_clients[first:] if each.file == line and ENDS[heard.ask.protocol] in each.text)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("durability", ["full", "normal"])
async def test_a_copy_of_a_stopped_processs_files_holds_every_charge_that_was_told(
    durability: str, tmp_path: Path, slow_provider: Provider, chance: random.Random, figure: Figure
) -> None:
    """Nothing that was told is only in memory: files copied at any moment are a whole store."""
    rounds, told = 5, 0
    async with house(tmp_path, slow_provider.url, durability) as haze:
        assert haze.process is not None
        key = await haze.caller(EMAIL, "10")
        await haze.knows(key)
        load = Load(haze.port, key)
        clients = asyncio.create_task(load.run(16, chance))
        for _ in range(rounds):
            await asyncio.sleep(chance.uniform(0.2, 0.8))
            haze.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(0.1)  # what was sent before arrives
            told = len(load.ended)
            found = haze.copied()
            books.check(found, load.ended)
            await books.clean(found)
            haze.process.send_signal(signal.SIGCONT)
        load.stopped.set()
        heard = await clients
        books.check(haze, heard)
    assert told > rounds * 16, "too little happened for this to prove anything"
    figure(f"{rounds} copies under load, each clean; the last one holds all {told} charges that were told by then")
