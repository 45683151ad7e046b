"""kill -9 at any moment: whoever saw an answer end has paid for it once, and nobody paid for anything else."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from drills import books
from drills.callers import Ask, Heard, Load, call
from drills.house import WIDE_OPEN, House, house
from provider import Provider

ROUNDS = 5
CLIENTS = 16
LOAD_S = (0.6, 2.5)
START_CUT_S = 0.7
EMAIL = "a@example.com"
GIFT_NANO = 250_000_000  # what each credit of the owner moves
NANO = 10**9


@dataclass
class Owner:
    """The owner's commands while clients run and the server dies: what they reported as done must stay done."""

    house: House
    credits: int = 1  # the first one came with the account
    keys: list[str] = field(default_factory=list)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Credit and add keys, one after the other, until told to stop."""
        while not self.stopped.is_set():
            await self.house.say("credit", EMAIL, "0.25", "--id", f"gift-{self.credits}")
            self.credits += 1
            self.keys.append(await self.house.say("key", "add", EMAIL, *WIDE_OPEN))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("durability", ["full", "normal"])
async def test_an_answer_that_ended_is_charged_once_across_kill_9(
    durability: str,
    tmp_path: Path,
    slow_provider: Provider,
    chance: random.Random,
    figure: Callable[[str], None],
) -> None:
    """A crash may cost the owner what was under way, never a customer anything twice, and never the owner an answer."""
    everything: list[Heard] = []
    interrupted: set[str] = set()
    async with house(tmp_path, slow_provider.url, durability) as haze:
        key = await haze.caller(EMAIL, "0.25")
        owner = Owner(haze)
        await haze.knows(key)
        for _ in range(ROUNDS):
            everything += await _load_and_kill(haze, key, owner, chance)
            left_open = haze.open_when_killed()
            await _start_and_kill(haze, chance)
            await haze.start()
            interrupted |= left_open
            states = books.check(haze, everything)
            assert states["open"] == 0, "a dead server's request is still open"
            assert states["interrupted"] == len(interrupted)
            await _owner_is_right(haze, owner, states)
            await _memory_is_right(haze, key)
            everything.append(await call(haze.port, owner.keys[-1] if owner.keys else key, Ask()))
            assert everything[-1].saw_the_end, everything[-1]
        books.check(haze, everything)
        ended = sum(each.saw_the_end for each in everything)
        assert ended > ROUNDS * CLIENTS, "too little happened for this to prove anything"
        assert interrupted, "no request was under way at any kill"
        figure(
            f"{ROUNDS} rounds, {len(everything)} requests sent, {ended} seen ended, {books.charged(haze)} charged, "
            f"{len(interrupted)} interrupted, {owner.credits} credits, {len(owner.keys)} keys"
        )


async def _load_and_kill(haze: House, key: str, owner: Owner, chance: random.Random) -> list[Heard]:
    load = Load(haze.port, key)
    owner.stopped = asyncio.Event()
    clients = asyncio.create_task(load.run(CLIENTS, chance))
    commands = asyncio.create_task(owner.run())
    await asyncio.sleep(chance.uniform(*LOAD_S))
    await haze.kill()
    load.stopped.set()
    owner.stopped.set()
    await commands
    return await clients


async def _start_and_kill(haze: House, chance: random.Random) -> None:
    """The first start after a crash may die as well, in the middle of tidying up."""
    await haze.start(wait=False)
    await asyncio.sleep(chance.uniform(0, START_CUT_S))
    await haze.kill()


async def _owner_is_right(haze: House, owner: Owner, states: books.States) -> None:
    """What a command reported as done is on the disk, once; balance = credits - charges; the books add up."""
    moved = haze.rows("SELECT kind, count(*), sum(amount) FROM transfers WHERE credit = 'account:1' GROUP BY kind")
    assert [tuple(row) for row in moved] == [("credit", owner.credits, owner.credits * GIFT_NANO)]
    paid = haze.rows("SELECT coalesce(sum(amount), 0) FROM transfers WHERE debit = 'account:1'")[0][0]
    assert books.balance(haze) == owner.credits * GIFT_NANO - paid
    assert len(haze.rows("SELECT id FROM keys")) == len(owner.keys) + 1
    assert states["settled"] == books.charged(haze)
    await books.clean(haze)


async def _memory_is_right(haze: House, key: str) -> None:
    """The new server begins with the balance on the disk and holds nothing for the dead."""
    standing = await haze.standing(key)
    assert standing["held_usd"] == "0"
    assert Decimal(standing["balance_usd"]) * NANO == books.balance(haze)
