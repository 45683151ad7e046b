"""The store cannot be written for a while: Haze says so, loses nothing, and goes on by itself."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from drills import books
from drills.callers import Ask, Load, call
from drills.house import House, eventually, house
from drills.tracing import needs_strace, strace
from provider import Provider

EMAIL = "a@example.com"
# Twice as long as SQLite waits for a lock (5 s), and more: the first commit to fail may be one that nobody waits for.
LOCKED_S = 12.0
RECOVERS_S = 8.0
RETRIES_S = 1.0  # how often Haze looks whether it can write again
Figure = Callable[[str], None]


@pytest.mark.timeout(120)
async def test_a_locked_store_is_503_and_then_over(
    tmp_path: Path, slow_provider: Provider, chance: random.Random, figure: Figure
) -> None:
    """Somebody's database tool holds the lock. No answer may end unpaid, and nobody restarts anything."""
    async with house(tmp_path, slow_provider.url) as haze:
        key = await haze.caller(EMAIL, "10")
        await haze.knows(key)
        load = Load(haze.port, key)
        clients = asyncio.create_task(load.run(16, chance))
        await asyncio.sleep(1)
        with closing(sqlite3.connect(haze.database, isolation_level=None)) as tool:
            tool.execute("BEGIN EXCLUSIVE")
            unready = await _unready_while_locked(haze, key)
            tool.execute("ROLLBACK")
        recovered = await eventually(lambda: _ready(haze), "the store is ready again", RECOVERS_S)
        await asyncio.sleep(0.5)
        load.stopped.set()
        heard = await clients
        assert not [each for each in heard if each.status not in (200, 503)]
        cut = [each for each in heard if each.status == 200 and not each.saw_the_end]
        refused = sum(each.status == 503 for each in heard)
        heard.append(await call(haze.port, key, Ask()))
        assert heard[-1].saw_the_end, heard[-1]
        states = books.check(haze, heard)
        assert (await haze.standing(key))["held_usd"] == "0"
        assert not states["open"], f"an admitted request has no outcome: {states}"
        assert states["void"] >= len(cut)
        await books.clean(haze)
    ended = sum(each.saw_the_end for each in heard)
    figure(
        f"locked {LOCKED_S:g} s, 503 from second {unready:.1f} on, ready {recovered:.1f} s after; {ended} seen ended, "
        f"{states['settled']} charged, {states['void']} void, {len(cut)} broken off, {refused} refused"
    )


async def _unready_while_locked(haze: House, key: str) -> float:
    """Seconds until /readyz turned; the lock has been held long enough when this returns."""
    unready = await eventually(lambda: _unready(haze), "/readyz turns 503", LOCKED_S)
    assert (await call(haze.port, key, Ask())).status == 503
    assert await haze.status("/healthz") == 200
    assert await haze.status("/v1/key", key) == 200, "what needs no writing goes on"
    await asyncio.sleep(LOCKED_S - unready)
    assert await haze.status("/readyz") == 503
    return unready


async def _ready(haze: House) -> bool:
    return await haze.status("/readyz") == 200


async def _unready(haze: House) -> bool:
    return await haze.status("/readyz") == 503


@needs_strace
@pytest.mark.timeout(120)
async def test_a_commit_nobody_knows_the_outcome_of_ends_the_process(
    tmp_path: Path, slow_provider: Provider, chance: random.Random, figure: Figure
) -> None:
    """Going on would be guessing who has paid. It ends with a reason, does not hang, and starts again, books right."""
    async with house(tmp_path, slow_provider.url) as haze:
        assert haze.process is not None
        key = await haze.caller(EMAIL, "10")
        await haze.knows(key)
        load = Load(haze.port, key)
        clients = asyncio.create_task(load.run(16, chance))
        await asyncio.sleep(1)
        # A failed sync: the kernel may have thrown the pages away, and another try would say that all is well.
        failing = ("-o", "/dev/null", "-P", f"{haze.database}-wal", "-e", "inject=fdatasync:error=EIO")
        async with strace(haze.process.pid, *failing):
            status = await haze.ended(60)
        load.stopped.set()
        heard = await clients
        assert status == 1
        assert "a commit's outcome is unknown" in haze.told()
        await haze.start()
        heard.append(await call(haze.port, key, Ask()))
        assert heard[-1].saw_the_end
        states = books.check(haze, heard)
        assert not states["open"]
        await books.clean(haze)
    ended = sum(each.saw_the_end for each in heard)
    figure(
        f"exit 1 with its reason; {ended} seen ended, {states['settled']} charged, {states['interrupted']} interrupted"
    )


@needs_strace
@pytest.mark.timeout(120)
@pytest.mark.parametrize("error", ["ENOSPC", "EROFS"], ids=["full", "read-only"])
async def test_a_disk_that_takes_nothing_is_503_and_then_over(
    error: str, tmp_path: Path, slow_provider: Provider, chance: random.Random, figure: Figure
) -> None:
    """A full disk is the commonest fault of all. Nothing ends unpaid, and space or a remount is all that is needed."""
    async with house(tmp_path, slow_provider.url) as haze:
        assert haze.process is not None
        key = await haze.caller(EMAIL, "10")
        await haze.knows(key)
        load = Load(haze.port, key)
        clients = asyncio.create_task(load.run(16, chance))
        await asyncio.sleep(1)
        failing = ("-o", "/dev/null", "-P", f"{haze.database}-wal", "-e", f"inject=pwrite64:error={error}")
        async with strace(haze.process.pid, *failing):
            unready = await eventually(lambda: _unready(haze), "/readyz turns 503", LOCKED_S)
            refused = await call(haze.port, key, Ask())
            assert (refused.status, await haze.status("/healthz")) == (503, 200)
            await asyncio.sleep(2 * RETRIES_S)
            assert await haze.status("/readyz") == 503
        recovered = await eventually(lambda: _ready(haze), "the store is ready again", RECOVERS_S)
        await asyncio.sleep(0.5)
        load.stopped.set()
        heard = [*await clients, refused, await call(haze.port, key, Ask())]
        assert heard[-1].saw_the_end, heard[-1]
        assert not [each for each in heard if each.status not in (200, 503)]
        states = books.check(haze, heard)
        assert (await haze.standing(key))["held_usd"] == "0"
        assert not states["open"], f"an admitted request has no outcome: {states}"
        await books.clean(haze)
    ended = sum(each.saw_the_end for each in heard)
    figure(
        f"{error}: 503 after {unready:.1f} s, ready {recovered:.1f} s after its end; {ended} seen ended, "
        f"{states['settled']} charged, {states['void']} void, {sum(each.status == 503 for each in heard)} refused"
    )
