"""Everything that moves money, in any order, against a model that is a few sums.

The real store, wallet, writer and settlement on a real file: holds, extensions, every ending, the owner's commands from
another program, days that turn, stops, and kills at any moment.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from store.engine import Engine

from haze_proxy.gate.settlement import RequestHold
from haze_proxy.money.periods import DAY_MS
from haze_proxy.money.wallet import ShortError
from haze_proxy.store import accounts, codes, database, keys, proof, receipts, refunds, transfers, usage_sums
from haze_proxy.store.codes import CodeError
from haze_proxy.store.keys import NewKey
from haze_proxy.store.refunds import RefundError
from haze_proxy.store.transfers import AlreadyMovedError, Transfer

NOON = 1_799_971_200_000 + DAY_MS // 2
# Key -> account, and its budget.
KEYS = {1: (1, 120, "day"), 2: (1, None, "total"), 3: (2, 300, "total")}
OPENING = {1: 200, 2: 100}

amounts = st.integers(0, 80)
costs = st.integers(0, 200)
some = st.integers(1, 80)
key_ids = st.sampled_from(sorted(KEYS))
account_ids = st.sampled_from(sorted(OPENING))
which = st.integers(0, 100)


@dataclass
class Model:
    """What must be true, as plain sums."""

    balances: dict[int, int] = field(default_factory=lambda: dict(OPENING))
    spent: dict[int, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 0))
    today: dict[int, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 0))
    running: dict[str, tuple[int, RequestHold]] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    # Request -> key, what its account paid, and on which day.
    paid: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    refunded: set[str] = field(default_factory=set)
    codes: list[tuple[str, int]] = field(default_factory=list)
    credits: dict[str, tuple[int, int]] = field(default_factory=dict)

    def held(self, *, account: int | None = None, key: int | None = None) -> int:
        """What running requests hold of an account, or of a key's budget."""
        return sum(
            hold.amount for used, hold in self.running.values() if used == key or KEYS[used][0] == account
        )  # fmt: skip

    def free(self, key: int) -> int:
        """What a key may still hold."""
        account, budget, period = KEYS[key]
        left = [self.balances[account] - self.held(account=account)]
        if budget is not None:
            used = self.today[key] if period == "day" else self.spent[key]
            left.append(budget - used - self.held(key=key))
        return min(left)

    def charge(self, name: str, key: int, cost: int, payable: int, day: int) -> None:
        """A request was settled."""
        account = KEYS[key][0]
        paid = min(cost, payable, self.balances[account])
        self.balances[account] -= paid
        self.spent[key] += cost
        self.today[key] += cost
        self.paid[name] = (key, paid, day)


class Money(RuleBasedStateMachine):
    """Requests come, grow and end; the owner gives, takes back and gives away; days turn; processes stop and die."""

    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.engine = Engine(Path(self.folder.name) / "haze.db", NOON)
        self.other = self.engine.outside()
        self.model, self.made = Model(), 0
        self.outside(self._populate)
        self.engine.start()

    def _populate(self, connection: Any) -> None:
        for account, balance in OPENING.items():
            accounts.add(connection, f"{account}@b.c", password_hash=None, is_admin=False, now_ms=NOON)
            gift = Transfer(transfers.MANUAL, "", balance, "credit")
            accounts.credit(connection, account, balance, gift, NOON)
        for account, budget, period in KEYS.values():
            new = NewKey("", 1, 1, 1, budget=budget, budget_period=period)
            keys.add(connection, account, new, keys.make_secret(), NOON)

    def outside(self, work: Any) -> Any:
        """One transaction of another program, which the running server then notices."""
        with database.transaction(self.other):
            result = work(self.other)
        if hasattr(self.engine, "writer"):
            self.engine.run(self.engine.look())
        return result

    @property
    def day(self) -> int:
        """Today."""
        return self.engine.now // DAY_MS

    def take(self, number: int) -> tuple[str, int, RequestHold]:
        """One of the requests that run; one is begun where none does.

        Which rules can be applied never depends on what was charged: whether a kill came before a commit is chance, and
        hypothesis must find the same choices again.
        """
        if not self.model.running:
            self.place(2, 0)
        name = sorted(self.model.running)[number % len(self.model.running)]
        return name, *self.model.running[name]

    # ---- requests ----

    @rule(key=key_ids, amount=amounts)
    def place(self, key: int, amount: int) -> None:
        """A request is admitted if, and only if, its account and its budget can pay for it."""
        self.made += 1
        name, free = f"r{self.made:05}", self.model.free(key)
        try:
            hold = self.engine.open(name, key, amount)
        except ShortError:
            assert amount > free
            return
        assert amount <= free or not amount
        self.model.running[name] = (key, hold)
        self.model.first[name] = amount

    @rule(key=key_ids, first=amounts, amount=amounts, cost=costs)
    def serve(self, key: int, first: int, amount: int, cost: int) -> None:
        """One request from its beginning to its end, while others run."""
        others = len(self.model.running)
        self.place(key, first)
        if len(self.model.running) > others:
            self.extend(others, amount)
            self.settle(others, cost)

    @rule(number=which, amount=some)
    def extend(self, number: int, amount: int) -> None:
        """A stream goes on as long as somebody pays for it."""
        _, key, hold = self.take(number)
        free = self.model.free(key)
        assert hold.extend(amount) == (amount <= free)

    @rule(number=which, cost=costs)
    def settle(self, number: int, cost: int) -> None:
        """An answer ends, having cost more or less than was held; a second ending changes nothing."""
        name, key, hold = self.take(number)
        payable = self._payable(key, hold, cost)
        done = self.engine.settle(hold, cost)
        assert self.engine.void(hold) is done
        self.engine.run(_wait(done))
        del self.model.running[name]
        self.model.charge(name, key, cost, payable, self.day)

    def _payable(self, key: int, hold: RequestHold, cost: int) -> int:
        account = KEYS[key][0]
        more = max(0, self.model.balances[account] - self.model.held(account=account))
        return min(cost, hold.amount + more)

    @rule(number=which)
    def void(self, number: int) -> None:
        """A request comes to nothing."""
        name, _, hold = self.take(number)
        self.engine.run(_wait(self.engine.void(hold)))
        del self.model.running[name]

    # ---- the owner ----

    @rule(account=account_ids, amount=some, name=st.sampled_from(["", "a", "b"]))
    def credit(self, account: int, amount: int, name: str) -> None:
        """Money is given; under the same id once."""
        key = f"manual:{name}" if name else None
        gift = Transfer(transfers.MANUAL, "", amount, "credit", idempotency_key=key)
        known = self.model.credits.get(name)
        work = lambda connection: accounts.credit(connection, account, amount, gift, self.engine.now)  # noqa: E731
        if known and known != (account, amount):
            with pytest.raises(AlreadyMovedError):
                self.outside(work)
            return
        self.outside(work)
        if not known:
            self.model.balances[account] += amount
        if name:
            self.model.credits[name] = (account, amount)

    @rule(number=which)
    def refund(self, number: int) -> None:
        """What was paid comes back, once."""
        if not self.model.paid:
            return
        name = sorted(self.model.paid)[number % len(self.model.paid)]
        key, paid, day = self.model.paid[name]
        work = lambda connection: refunds.give(connection, name, None, self.engine.now)  # noqa: E731
        if name in self.model.refunded or not paid:
            with pytest.raises(RefundError):
                self.outside(work)
            return
        assert self.outside(work).amount == paid
        self.model.refunded.add(name)
        self.model.balances[KEYS[key][0]] += paid
        self.model.spent[key] -= paid
        if day == self.day:
            self.model.today[key] -= paid

    @rule(amount=some)
    def make_code(self, amount: int) -> None:
        """A code costs nothing until somebody uses it."""
        code = codes.make()
        self.outside(lambda connection: codes.add(connection, code, amount, None, None, self.engine.now))
        self.model.codes.append((code, amount))

    @rule(number=which, account=account_ids)
    def redeem(self, number: int, account: int) -> None:
        """It works once, for whoever comes first."""
        if not self.model.codes:
            self.make_code(7)
        code, amount = self.model.codes[number % len(self.model.codes)]
        work = lambda connection: codes.redeem(connection, account, code, self.engine.now)  # noqa: E731
        if not amount:
            with pytest.raises(CodeError):
                self.outside(work)
            return
        self.outside(work)
        self.model.balances[account] += amount
        self.model.codes[number % len(self.model.codes)] = (code, 0)

    # ---- time and processes ----

    @rule()
    def fold(self) -> None:
        """Sums are moved to where charts read them; the proof after each step knows them there as well."""
        self.outside(lambda connection: usage_sums.fold(connection, self.engine.now))

    @rule()
    def next_day(self) -> None:
        """What was spent today is not spent tomorrow; what is held stays held."""
        self.engine.now += DAY_MS
        self.model.today = dict.fromkeys(KEYS, 0)

    @rule()
    def stop(self) -> None:
        """An orderly stop voids what runs; the next process finds nothing open."""
        for _, hold in self.model.running.values():
            self.engine.void(hold)
        self.engine.stop()
        self.model.running.clear()
        assert self.engine.start()[1:] == (0, 0)

    @rule(turns=st.integers(0, 6), cost=costs, number=which)
    def kill(self, turns: int, cost: int, number: int) -> None:
        """A process dies while an answer is charged: what was acknowledged is charged, the rest all or nothing."""
        name, key, hold = self.take(number)
        payable = self._payable(key, hold, cost)
        done = self.engine.die(hold, cost, turns)
        acknowledged = done.done() and not done.cancelled() and done.exception() is None
        self.model.running.clear()
        self.engine.start()
        row = self.other.execute("SELECT state FROM requests WHERE id = ?", (name,)).fetchone()
        assert self.other.execute("SELECT count(*) FROM requests WHERE state = 'open'").fetchone()[0] == 0
        charged = row is not None and row["state"] == "settled"
        assert charged or not acknowledged
        if charged:
            self.model.charge(name, key, cost, payable, self.day)
        self.seen["a kill, charged" if charged else "a kill, not charged"] += 1

    # ---- what must always be true ----

    @invariant()
    def the_wallet_knows_what_is_true(self) -> None:
        """Balances, holds, and what is left of each budget."""
        self.seen["a step"] += 1
        assert not self.engine.failures
        for key, (account, budget, _) in KEYS.items():
            balance, held, spent, left = self.engine.wallet.standing(account, key)
            assert (balance, held) == (self.model.balances[account], self.model.held(account=account))
            assert (spent, balance >= 0, balance >= held) == (self.model.spent[key], True, True)
            used = self.model.today[key] if KEYS[key][2] == "day" else self.model.spent[key]
            assert left == (None if budget is None else max(0, budget - used - self.model.held(key=key)))

    @invariant()
    def the_books_add_up(self) -> None:
        """After every step, and not only in the end."""
        assert proof.check(self.other) == []
        for account, balance in self.model.balances.items():
            assert transfers.balance(self.other, transfers.account(account)) == balance

    def teardown(self) -> None:
        """Every request has a receipt that adds up."""
        try:
            for _, hold in self.model.running.values():
                self.engine.void(hold)
            self.engine.stop()
            for (name,) in self.other.execute("SELECT id FROM requests").fetchall():
                found = receipts.find(self.other, name)
                paid = self.model.paid.get(name, (0, 0, 0))[1]
                assert (found.unexplained, found.charged) == (0, paid)
                assert found.returned == found.row["held"] - paid
                assert found.held_first == self.model.first[name]
        finally:
            self.other.close()
            self.engine.loop.close()
            self.folder.cleanup()


async def _wait(done: Any) -> None:
    await done


def test_whatever_happens_in_whatever_order_the_money_is_right(figure: Callable[[str], None]) -> None:
    """The law behind all of Haze's promises about money, tried out step by step."""
    began = time.monotonic()
    known = settings(max_examples=50, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Money, settings=known)
    counts = ", ".join(f"{what}: {count}" for what, count in Money.seen.most_common())
    figure(f"{counts}; {time.monotonic() - began:.1f} s")
    assert Money.seen["a step"] > 1000
    assert Money.seen["a kill, charged"] > 0
    assert Money.seen["a kill, not charged"] > 0
