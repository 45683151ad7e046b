"""The owner's commands while clients run and the server dies: what they reported as done must stay done, once."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from drills import books
from drills.callers import Heard, Load
from drills.house import WIDE_OPEN, House

EMAIL = "a@example.com"
GIFT_NANO, CODE_NANO = 250_000_000, 125_000_000  # what each credit and each code moves
DIES_S = 0.8  # a command that is killed gets so far at most


@dataclass
class Owner:
    """Runs the real commands, and remembers what each of them acknowledged."""

    house: House
    chance: random.Random
    credits: int = 1  # the first one came with the account
    keys: list[str] = field(default_factory=list)
    refunded: set[str] = field(default_factory=set)
    redeemed: int = 0

    async def work(self, load: Load) -> None:
        """Credit and refund, and beside it add keys and give codes away, until the clients are told to stop."""
        await asyncio.gather(self._move_money(load), self._give_away(load))

    async def _move_money(self, load: Load) -> None:
        while not load.stopped.is_set():
            await self.house.say("credit", EMAIL, "0.25", "--id", self._next_id)
            self.credits += 1
            if left := [each.id for each in load.ended if each.id not in self.refunded]:
                request_id = self.chance.choice(left)
                await self.house.say("refund", request_id)
                self.refunded.add(request_id)

    async def _give_away(self, load: Load) -> None:
        while not load.stopped.is_set():
            code = await self.house.say("code", "add", "0.125")
            # Two customers with the same code at the same moment.
            done = await asyncio.gather(*(self.house.run("code", "redeem", EMAIL, code) for _ in range(2)))
            assert sorted(each.status for each in done) == [0, 1], done
            self.redeemed += 1
            self.keys.append(await self.house.say("key", "add", EMAIL, *WIDE_OPEN))

    @property
    def _next_id(self) -> str:
        return f"gift-{self.credits}"

    async def dies_with_it(self) -> None:
        """A credit whose program is killed, too: nobody knows what it did, so the same one is asked for again later."""
        await self.house.say_and_die(self.chance.uniform(0, DIES_S), "credit", EMAIL, "0.25", "--id", self._next_id)

    async def repeats(self) -> None:
        """The same credit again, to its end: by its id it moves money once, whatever became of the first."""
        await self.house.say("credit", EMAIL, "0.25", "--id", self._next_id)
        self.credits += 1

    async def is_right(self, heard: Sequence[Heard]) -> books.States:
        """What a command reported is on the disk, once; balance = what came in - charges; the books add up."""
        states = books.check(self.house, heard)
        moved = "SELECT kind, count(*), sum(amount) FROM transfers WHERE credit = 'account:1' GROUP BY kind"
        came = {row[0]: (row[1], row[2]) for row in self.house.rows(moved)}
        assert came.pop("credit") == (self.credits, self.credits * GIFT_NANO)
        assert came.pop("code", (0, 0)) == (self.redeemed, self.redeemed * CODE_NANO)
        back = self.house.rows("SELECT request_id FROM transfers WHERE kind = 'refund' ORDER BY 1")
        assert [row[0] for row in back] == sorted(self.refunded)
        given_back = sum(each.ask.cost for each in heard if each.saw_the_end and each.id in self.refunded)
        assert came.pop("refund", (0, 0))[1] == given_back
        assert not came, came
        paid = self.house.rows("SELECT coalesce(sum(amount), 0) FROM transfers WHERE debit = 'account:1'")[0][0]
        balance = self.credits * GIFT_NANO + self.redeemed * CODE_NANO + given_back - paid
        assert books.balance(self.house) == balance
        assert len(self.house.rows("SELECT id FROM keys")) == len(self.keys) + 1
        assert states["settled"] == books.charged(self.house)
        await books.clean(self.house)
        return states
