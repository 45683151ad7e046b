"""SIGTERM, as every deployment sends it: what runs is finished and paid for, and nothing is left open."""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from drills import books
from drills.callers import TERMINAL, Ask, Heard, Load, call
from drills.house import House, eventually, house
from provider import Provider

EMAIL = "a@example.com"
LONG_ANSWERS = 32
HANGS_MS = 600_000
# Haze gives running answers 30 s.
LIMIT_S = 35
Figure = Callable[[str], None]


async def _running(haze: House, provider: Provider, key: str, asks: list[Ask]) -> list[asyncio.Task[Heard]]:
    """Requests that have reached the provider, and are not over."""
    texts = {ask.text.encode() for ask in asks}
    tasks = [asyncio.create_task(call(haze.port, key, ask)) for ask in asks]

    async def reached() -> bool:
        bodies = b"\n".join(each.body for each in provider.requests)
        return all(text in bodies for text in texts)

    await eventually(reached, "the requests are under way", 20)
    return tasks


def _nothing_is_open(haze: House) -> None:
    assert not haze.rows("SELECT * FROM requests WHERE state = 'open'")
    assert not haze.rows("SELECT * FROM epochs WHERE ended_at IS NULL")


@pytest.mark.timeout(120)
async def test_sigterm_finishes_what_runs(
    tmp_path: Path, slow_provider: Provider, chance: random.Random, figure: Figure
) -> None:
    """A restart for a new version is invisible to whoever is being served."""
    async with house(tmp_path, slow_provider.url) as haze:
        key = await haze.caller(EMAIL, "10")
        await haze.knows(key)
        load = Load(haze.port, key)
        others = asyncio.create_task(load.run(16, chance))
        idle = await asyncio.open_connection("127.0.0.1", haze.port)
        # Each has its own text, by which it is known to have reached the provider.
        asks = [Ask(chance.choice(list(TERMINAL)), n % 2 == 0, 100 + n, 20, 300) for n in range(LONG_ANSWERS)]
        running = await _running(haze, slow_provider, key, asks)
        stopping = asyncio.create_task(haze.stop(60))
        heard = await asyncio.gather(*running)
        last_end = time.monotonic()
        status = await stopping
        lingered = time.monotonic() - last_end
        idle[1].close()
        load.stopped.set()
        everything = [*heard, *await others]
        assert status == 0, haze.told()
        assert "Traceback" not in haze.told()
        assert not [each for each in heard if not each.saw_the_end], "a running answer was cut"
        assert not [each for each in everything if each.status == 200 and not each.saw_the_end]
        assert lingered < 5, f"the process stayed {lingered:.1f} s after its last answer"
        states = books.check(haze, everything)
        _nothing_is_open(haze)
        assert states.keys() <= {"settled"}, states
        await books.clean(haze)
    ended = sum(each.saw_the_end for each in everything)
    figure(f"{ended} seen ended, {books.charged(haze)} charged, exit 0 {lingered:.2f} s after the last answer")


@pytest.mark.timeout(120)
async def test_sigterm_does_not_wait_for_ever(tmp_path: Path, slow_provider: Provider, figure: Figure) -> None:
    """A provider that hangs must not keep a service manager waiting until it kills; what was delivered is charged."""
    hangs = [
        Ask("chat", False, 1, 3, HANGS_MS),
        Ask("chat", True, 2, 3, HANGS_MS),
        Ask("messages", True, 3, 3, HANGS_MS),
    ]
    async with house(tmp_path, slow_provider.url) as haze:
        key = await haze.caller(EMAIL, "10")
        await haze.knows(key)
        running = await _running(haze, slow_provider, key, hangs)
        began = time.monotonic()
        status = await haze.stop(90)
        took = time.monotonic() - began
        assert took < LIMIT_S, f"it took {took:.0f} s"
        heard = await asyncio.gather(*running)
        assert status == 0, haze.told()
        assert not any(each.saw_the_end for each in heard)
        states = books.check(haze, heard)
        _nothing_is_open(haze)
        await books.clean(haze)
    figure(f"3 hanging requests were cut, exit 0 after {took:.0f} s; {dict(states)}")
