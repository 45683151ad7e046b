"""Several programs at once: what one of them does is done once, and the running server knows within a second."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from drills import books
from drills.callers import Ask, Heard, Load, call
from drills.house import WIDE_OPEN, House, house
from provider import Provider

from haze_proxy.store.database import open_async
from haze_proxy.store.writer import Writer

EMAIL = "a@example.com"
NOTICED_S = 1.0
LOAD_CLIENTS = 24
Figure = Callable[[str], None]


@asynccontextmanager
async def under_load(haze: House, chance: random.Random) -> AsyncIterator[Load]:
    """Another account's requests keep the writer busy all the while."""
    busy = await haze.caller("busy@example.com", "1000")
    await haze.knows(busy)
    load = Load(haze.port, busy, pause_ms=2)
    clients = asyncio.create_task(load.run(LOAD_CLIENTS, chance))
    try:
        yield load
    finally:
        load.stopped.set()
        await clients


def late(heard: list[Heard], since_ms: int, status: int) -> float:
    """Seconds from a change (its time in the store) until no request that began later was answered otherwise."""
    changed = since_ms / 1000
    others = [each.began - changed for each in heard if each.status != status]
    return max(0.0, *others)


async def test_one_of_two_accounts_with_the_same_address_is_made(tmp_path: Path, figure: Figure) -> None:
    """Two programs that look before they write would both find the address free."""
    haze = House(tmp_path, "http://127.0.0.1:9/v1")
    for number in range(4):
        email = f"Twin{number}@example.com"
        spellings = (email, email.lower())
        done = await asyncio.gather(*(haze.run("account", "add", each, "--credit", "1") for each in spellings))
        assert sorted(each.status for each in done) == [0, 1]
        loser = next(each for each in done if each.status == 1)
        assert loser.err.startswith("There is already an account for")
        assert loser.err.count("\n") == 1
    assert haze.rows("SELECT count(*), sum(amount) FROM transfers")[0][:] == (4, 4 * 10**9)
    await books.clean(haze)
    figure("4 pairs of processes, the first pair on a database that did not exist; one account each")


@pytest.mark.timeout(120)
async def test_one_credit_id_moves_money_once(tmp_path: Path, slow_provider: Provider, figure: Figure) -> None:
    """A payment that is told twice, or by twenty programs at once, is one payment."""
    async with house(tmp_path, slow_provider.url) as haze:
        key = await haze.caller(EMAIL, "0")
        await haze.knows(key)
        said = await asyncio.gather(*(haze.say("credit", EMAIL, "1.5", "--id", "invoice-1") for _ in range(20)))
        assert set(said) == {"1.5"}
        other = await haze.run("credit", EMAIL, "2", "--id", "invoice-1")
        assert other.status == 1
        assert "already used" in other.err
        assert haze.rows("SELECT count(*), sum(amount) FROM transfers")[0][:] == (1, 1_500_000_000)
        assert (await haze.standing(key))["balance_usd"] == "1.5"
        await books.clean(haze)
    figure("20 processes, 1 transfer")


@pytest.mark.timeout(120)
async def test_changes_by_other_programs_are_noticed_within_a_second(
    tmp_path: Path, slow_provider: Provider, chance: random.Random, figure: Figure
) -> None:
    """A new key, a credit, a revoked key and a disabled account: each works while the server is busy with others."""
    async with house(tmp_path, slow_provider.url) as haze, under_load(haze, chance) as load:
        poor = await haze.caller("poor@example.com", "0")
        added = await _key_is_noticed(haze, poor)
        credited = await _credit_is_noticed(haze, poor)
        revoked = await _refused_from_then_on(haze, chance, "SELECT max(revoked_at) FROM keys", 401)
        disabled = await _refused_from_then_on(haze, chance, "SELECT max(disabled_at) FROM accounts", 403)
        assert max(added, credited, revoked, disabled) < NOTICED_S, (added, credited, revoked, disabled)
        assert not [each for each in load.heard if not each.saw_the_end], "the others noticed something"
        busy_ended = len(load.heard)
    books.check(haze, [])
    figure(
        f"noticed after: key add {added:.2f} s, credit {credited:.2f} s, key revoke {revoked:.2f} s, "
        f"account disable {disabled:.2f} s; {busy_ended} requests of others meanwhile"
    )


async def test_a_writer_that_is_never_idle_still_looks_for_changes(tmp_path: Path) -> None:
    """Else a revoked key would go on working exactly while it is being abused."""
    looked = asyncio.Event()

    async def look() -> None:
        looked.set()

    def again(_: object) -> None:
        if not looked.is_set():
            writer.submit(lambda connection: connection.total_changes, again)

    async with open_async(str(tmp_path / "haze.db"), "normal") as connection:
        writer = Writer(connection, look, fatal=pytest.fail)
        running = asyncio.create_task(writer.run())
        again(None)
        try:
            async with asyncio.timeout(5):
                await looked.wait()
        finally:
            looked.set()
            writer.close()
            await running


async def _key_is_noticed(haze: House, poor: str) -> float:
    """Seconds from the time in the store until the server takes the newest key, of the worst of five."""
    waits = []
    for _ in range(5):
        key = await haze.say("key", "add", "poor@example.com", *WIDE_OPEN)
        await haze.knows(key)
        waits.append(time.time() - haze.rows("SELECT max(created_at) FROM keys")[0][0] / 1000)
    assert (await call(haze.port, poor, Ask())).status == 402
    return max(waits)


async def _credit_is_noticed(haze: House, poor: str) -> float:
    """Seconds from the time in the store until a caller who got 402 gets an answer."""
    asking = asyncio.create_task(_until(haze, poor, 200))
    await haze.say("credit", "poor@example.com", "1")
    heard = await asking
    moved = haze.rows("SELECT created_at FROM transfers WHERE kind = 'credit' ORDER BY id DESC")[0][0]
    assert {each.status for each in heard} == {402, 200}
    return max(0.0, heard[-1].began - moved / 1000)


async def _until(haze: House, key: str, status: int) -> list[Heard]:
    heard = [await call(haze.port, key, Ask())]
    while heard[-1].status != status:
        await asyncio.sleep(0.02)
        heard.append(await call(haze.port, key, Ask()))
    return heard


async def _refused_from_then_on(haze: House, chance: random.Random, when: str, status: int) -> float:
    """Seconds from the time in the store until everyone who asks with the key is refused; who is served is finished."""
    email = f"refused{status}@example.com"
    key = await haze.caller(email, "10")
    await haze.knows(key)
    load = Load(haze.port, key, pause_ms=10)
    clients = asyncio.create_task(load.run(8, chance))
    await asyncio.sleep(0.5)
    if status == 401:
        number = haze.rows("SELECT max(id) FROM keys")[0][0]
        await haze.say("key", "revoke", str(number))
    else:
        await haze.say("account", "disable", email)
    await asyncio.sleep(NOTICED_S)
    load.stopped.set()
    heard = await clients
    assert {each.status for each in heard} == {200, status}
    assert all(each.saw_the_end for each in heard if each.status == 200), "a running request was cut"
    return late(heard, haze.rows(when)[0][0], status)


@pytest.mark.timeout(120)
async def test_a_second_server_on_the_same_folder_is_turned_away(
    tmp_path: Path, slow_provider: Provider, chance: random.Random, figure: Figure
) -> None:
    """Two servers would both spend the same balance; and the one that tries must not disturb the one that runs."""
    async with house(tmp_path, slow_provider.url) as haze, under_load(haze, chance) as load:
        assert haze.process is not None
        for _ in range(3):
            second = await haze.run("serve", "--port", "0")
            assert second.status == 1
            assert f"process {haze.process.pid}" in second.err.strip().splitlines()[-1]
            assert "Traceback" not in second.err
        before = len(load.heard)
        await asyncio.sleep(0.5)
        assert len(load.heard) > before, "the first server stopped answering"
        assert not [each for each in load.heard if not each.saw_the_end]
    states = books.check(haze, [])
    assert states["interrupted"] == 0, "the second one closed the requests of the first"
    figure(f"3 attempts turned away; {len(load.heard)} requests of the first server went on")
