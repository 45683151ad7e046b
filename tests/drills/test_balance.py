"""Many at once on little money: the real process admits what can be paid, and not one more."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from drills import books
from drills.callers import TERMINAL, Ask, Heard, call
from drills.house import House, eventually, house
from provider import Provider, Received, Reply

EMAIL = "a@example.com"
NANO = 10**9
Figure = Callable[[str], None]


class Gate:
    """Keeps every answer of a provider back until it is opened, so that all requests are under way at once."""

    def __init__(self, provider: Provider) -> None:
        self._answer = provider.otherwise
        self.opened = asyncio.Event()
        self.opened.set()
        self.waiting = 0
        provider.otherwise = self._late

    def _late(self, received: Received) -> Reply:
        reply = self._answer(received)
        if not self.opened.is_set():
            self.waiting += 1
            reply.late = self.opened
        return reply


def usd(nano: int) -> str:
    """Nano-dollars as the owner types them."""
    return f"{nano // NANO}.{nano % NANO:09d}"


async def _held_for(haze: House, ask: Ask) -> int:
    """What one such request sets aside, as its row says."""
    rich = await haze.caller("rich@example.com", "100")
    await haze.knows(rich)
    heard = await call(haze.port, rich, ask)
    assert heard.saw_the_end, heard
    return int(haze.rows("SELECT held FROM requests WHERE id = ?", heard.id)[0]["held"])


async def _all_at_once(haze: House, gate: Gate, key: str, asks: list[Ask]) -> list[Heard]:
    """Send all; answers begin when each request is either refused or waits at the provider."""
    gate.opened.clear()
    refused = 0

    async def one(ask: Ask) -> Heard:
        nonlocal refused
        heard = await call(haze.port, key, ask)
        refused += heard.status != 200
        return heard

    tasks = [asyncio.create_task(one(ask)) for ask in asks]

    async def settled_who_pays() -> bool:
        return refused + gate.waiting >= len(asks)

    await eventually(settled_who_pays, "each request is refused or waits", 60)
    gate.opened.set()
    return await asyncio.gather(*tasks)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("short", [None, 1], ids=["exactly", "one nano-dollar short of eleven"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_balance_of_ten_holds_admits_ten_of_64(
    stream: bool, short: int | None, tmp_path: Path, slow_provider: Provider, figure: Figure
) -> None:
    """One admitted too many is money the account does not have; one too few is a customer turned away for nothing."""
    ask = Ask(stream=stream)
    gate = Gate(slow_provider)
    async with house(tmp_path, slow_provider.url) as haze:
        held = await _held_for(haze, ask)
        money = 10 * held if short is None else 11 * held - short
        key = await haze.caller(EMAIL, usd(money))
        await haze.knows(key)
        heard = await _all_at_once(haze, gate, key, [ask] * 64)
        statuses = [each.status for each in heard]
        assert (statuses.count(200), statuses.count(402)) == (10, 54)
        books.check(haze, heard, account_id=2)
        assert books.balance(haze, 2) == money - 10 * ask.cost
        assert (await haze.standing(key))["held_usd"] == "0"
        await books.clean(haze)
    figure(f"64 requests at once on {money} nano-dollars, {held} each: 10 served and charged, 54 got 402")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("dear", [False, True], ids=["within holds", "above holds"])
async def test_500_streams_never_spend_more_than_there_is(
    dear: bool, tmp_path: Path, slow_provider: Provider, chance: random.Random, figure: Figure
) -> None:
    """Also when answers cost far more than was held for them: then the house pays, and says so."""
    gate = Gate(slow_provider)
    async with house(tmp_path, slow_provider.url) as haze:
        held = await _held_for(haze, Ask(stream=True))
        key = await haze.caller(EMAIL, usd(180 * held))
        await haze.knows(key)
        outputs = (700, 1500) if dear else (1, 400)
        asks = [
            Ask(chance.choice(list(TERMINAL)), True, chance.randint(1, 60), chance.randint(*outputs), 5)
            for _ in range(500)
        ]
        heard = await _all_at_once(haze, gate, key, asks)
        assert {each.status for each in heard} == {200, 402}
        served = [each for each in heard if each.status == 200]
        assert all(each.saw_the_end for each in served)
        costs, shortfalls = _sums(haze)
        assert costs == sum(each.ask.cost for each in served)
        assert bool(shortfalls) == dear
        paid = haze.rows("SELECT sum(amount) FROM transfers WHERE debit = 'account:2'")[0][0]
        assert paid == costs - shortfalls
        assert books.balance(haze, 2) == 180 * held - paid
        # Above its hold a request is charged what there is, so only the sums are known beforehand.
        books.check(haze, [] if dear else heard, account_id=2)
        assert (await haze.standing(key))["held_usd"] == "0"
        await books.clean(haze)
    left = books.balance(haze, 2)
    figure(f"500 streams, {len(served)} served, {500 - len(served)} got 402, {left} left, {shortfalls} by the house")


def _sums(haze: House) -> tuple[int, int]:
    row = haze.rows("SELECT sum(cost), sum(shortfall) FROM requests WHERE account_id = 2")[0]
    return int(row[0]), int(row[1])
