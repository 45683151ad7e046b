"""kill -9 at any moment, again and again: an answer that was seen to end is paid for once, and nothing else is."""

import asyncio
import random
from decimal import Decimal
from pathlib import Path

from drills import books
from drills.callers import Ask, Heard, Load, call
from drills.house import House, eventually, house
from drills.owner import EMAIL, Owner
from provider import Provider

CLIENTS = 16
LOAD_S = (0.4, 1.8)
START_CUT_S = 0.7
NANO = 10**9


async def killed(folder: Path, provider: Provider, durability: str, chance: random.Random, rounds: int) -> str:
    """Kill a server under load `rounds` times and prove the books after each; returns the figures."""
    everything: list[Heard] = []
    interrupted: set[str] = set()
    async with house(folder, provider.url, durability) as haze:
        key = await haze.caller(EMAIL, "0.25")
        owner = Owner(haze, chance)
        await haze.knows(key)
        for number in range(rounds):
            everything += await _load_and_kill(haze, key, owner, chance)
            interrupted |= haze.open_when_killed()
            if number % 2:
                await _start_and_kill(haze, chance)
            await haze.start()
            await owner.repeats()
            states = await owner.is_right(everything)
            assert states["open"] == 0, "a dead server's request is still open"
            assert states["interrupted"] == len(interrupted)
            await _memory_is_right(haze, key)
            everything.append(await call(haze.port, owner.keys[-1] if owner.keys else key, Ask()))
            assert everything[-1].saw_the_end, everything[-1]
        books.check(haze, everything)
        ended = sum(each.saw_the_end for each in everything)
        assert ended > rounds * CLIENTS, "too little happened for this to prove anything"
        assert interrupted, "no request was under way at any kill"
        return (
            f"{rounds} kills, {len(everything)} requests sent, {ended} seen ended, {books.charged(haze)} charged, "
            f"{len(interrupted)} interrupted; {owner.credits} credits, {len(owner.refunded)} refunds, "
            f"{owner.redeemed} codes, {len(owner.keys)} keys"
        )


async def _load_and_kill(haze: House, key: str, owner: Owner, chance: random.Random) -> list[Heard]:
    load = Load(haze.port, key)
    clients = asyncio.create_task(load.run(CLIENTS, chance))
    commands = asyncio.create_task(owner.work(load))
    await asyncio.sleep(chance.uniform(*LOAD_S))
    await haze.kill()
    load.stopped.set()
    await commands
    await owner.dies_with_it()
    return await clients


async def _start_and_kill(haze: House, chance: random.Random) -> None:
    """The first start after a crash may die as well, in the middle of tidying up."""
    await haze.start(wait=False)
    await asyncio.sleep(chance.uniform(0, START_CUT_S))
    await haze.kill()


async def _memory_is_right(haze: House, key: str) -> None:
    """The new server has the balance on the disk, a credit of a moment ago included, and holds nothing for the dead."""

    async def agrees() -> bool:
        standing = await haze.standing(key)
        assert standing["held_usd"] == "0"
        return Decimal(standing["balance_usd"]) * NANO == books.balance(haze)

    await eventually(agrees, "the server knows the balance on the disk", 5)
