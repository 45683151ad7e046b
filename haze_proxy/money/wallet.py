"""What may still be spent: available = committed balance - open holds, for each account and each key's budget.

The wallet lives in memory and is the only judge of admission, so placing a hold is one synchronous step that no other
request can come between. It never invents a balance: those come from the database, at start and after each commit. A
hold is kept until the balance it turned into has come back, so money is never counted twice on the way.

A key's budget begins anew with each of its periods, when somebody first asks after the turn: what was spent is nothing
again, what is held stays held.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from haze_proxy.money import periods

T = TypeVar("T")
R = TypeVar("R")

# The id of no key, so that it has no budget.
NO_KEY = 0


@dataclass(slots=True)
class Purse:
    """An account's money in nano-dollars. `has` is None where nothing limits it."""

    has: int | None
    held: int = 0

    @property
    def available(self) -> int | None:
        """What may still be held; None: no limit."""
        return None if self.has is None else self.has - self.held


@dataclass(slots=True)
class Budget(Purse):
    """A key's budget: `has` is what is left of `limit` (None: no budget) in a period that ends at `ends_at` (ms)."""

    now_ms: Callable[[], int] = field(kw_only=True)
    limit: int | None = None
    period: str = periods.TOTAL
    ends_at: int | None = None

    @property
    def available(self) -> int | None:
        """What may still be held in the period that is now; None: no limit."""
        if self.ends_at is not None and (now := self.now_ms()) >= self.ends_at:
            self.count(0, now)
        return None if self.has is None else self.has - self.held

    def count(self, spent: int, at_ms: int) -> None:
        """`spent` is gone in the period that contains `at_ms`. A shortfall can leave less than nothing."""
        self.has = None if self.limit is None else self.limit - spent
        self.ends_at = periods.end(self.period, at_ms)


class ShortError(Exception):
    """A hold could not be placed. `needed` and `available` are nano-dollars; `budget`: the key's own limit said no."""

    def __init__(self, needed: int, available: int, *, budget: bool) -> None:
        super().__init__(needed, available, budget)
        self.needed = needed
        self.available = available
        self.budget = budget


@dataclass(slots=True)
class Hold(Generic[T, R]):
    """Money set aside for a running request. It ends by one `finish`; a second call returns what the first did.

    `T` is the outcome that ends it, `R` what `finish` hands back (an awaitable of the commit).
    """

    amount: int
    purses: tuple[Purse, ...]
    settle: Callable[["Hold[T, R]", T], R]
    result: R | None = None
    released: bool = False

    def extend(self, amount: int) -> bool:
        """Set aside more; False, and nothing changed, when the account or the budget cannot pay for it."""
        if self.released or any(purse.available is not None and purse.available < amount for purse in self.purses):
            return False
        self._add(amount)
        return True

    def cover(self, cost: int) -> int:
        """Grow as far as there is money towards `cost`; returns what the account can pay of it, in nano-dollars."""
        missing = cost - self.amount
        if missing > 0 and not self.released:
            free = [purse.available for purse in self.purses[:1] if purse.available is not None]
            self._add(max(0, min([missing, *free])))
        return min(cost, self.amount)

    def finish(self, outcome: T) -> R:
        """End the hold in one way, synchronously: no await can come between the last byte and this."""
        if self.result is None:
            self.result = self.settle(self, outcome)
        return self.result

    def release(self) -> None:
        """Give back what was set aside. Called where the committed balance becomes known."""
        if not self.released:
            self.released = True
            self._add(-self.amount)

    def _add(self, amount: int) -> None:
        self.amount += amount
        for purse in self.purses:
            purse.held += amount


@dataclass(slots=True)
class Wallet:
    """The purses of all accounts and keys. `now_ms` tells the time in ms since 1970: budgets have periods."""

    now_ms: Callable[[], int]
    accounts: dict[int, Purse] = field(default_factory=dict)
    budgets: dict[int, Budget] = field(default_factory=dict)
    spent: dict[int, int] = field(default_factory=dict)

    def set_balance(self, account_id: int, balance: int) -> None:
        """The committed balance of an account, as the database has it."""
        self._account(account_id).has = balance

    def set_budget(self, key_id: int, limit: int | None, period: str = periods.TOTAL) -> None:
        """A key's budget (None: no budget) for each period; what is spent of it is told by `set_spent`."""
        budget = self._budget(key_id)
        budget.limit, budget.period = limit, period

    def set_spent(self, key_id: int, spent: int, period_spent: int, period_started: int = 0) -> None:
        """What a key has spent in all, and in the period that began at `period_started` (ms since 1970)."""
        self.spent[key_id] = spent
        self._budget(key_id).count(period_spent, period_started)

    def place(self, account_id: int, key_id: int, amount: int, settle: Callable[[Hold[T, R], T], R]) -> Hold[T, R]:
        """Set `amount` aside for a request, or raise ShortError naming what is missing. 0 asks for nothing."""
        account, budget = self._account(account_id), self._budget(key_id)
        for purse, limited in ((account, False), (budget, True)):
            available = purse.available
            if amount and available is not None and available < amount:
                raise ShortError(amount, max(0, available), budget=limited)
        hold = Hold(0, (account, budget), settle)
        hold._add(amount)
        return hold

    def set_aside(self, account_id: int, amount: int) -> Hold[None, None]:
        """Keep `amount` from requests until it is released: it is about to be taken back. Raises ShortError."""
        return self.place(account_id, NO_KEY, amount, lambda hold, _: hold.release())

    def standing(self, account_id: int, key_id: int) -> tuple[int, int, int, int | None]:
        """(balance, held, what the key has spent, what is left of its budget or None), in nano-dollars."""
        account, left = self._account(account_id), self._budget(key_id).available
        spent = self.spent.get(key_id, 0)
        return account.has or 0, account.held, spent, None if left is None else max(0, left)

    def of_account(self, account_id: int) -> tuple[int, int]:
        """(balance, held) of an account, in nano-dollars."""
        account = self._account(account_id)
        return account.has or 0, account.held

    def held(self) -> int:
        """What all running requests have set aside, in nano-dollars."""
        return sum(account.held for account in self.accounts.values())

    def resets_at(self, key_id: int) -> int | None:
        """When a key's budget begins anew (ms since 1970); None where it has none, or has it once."""
        budget = self._budget(key_id)
        return None if budget.available is None else budget.ends_at

    def _account(self, account_id: int) -> Purse:
        # An account nobody has spoken of has nothing.
        return self.accounts.get(account_id) or self.accounts.setdefault(account_id, Purse(0))

    def _budget(self, key_id: int) -> Budget:
        return self.budgets.get(key_id) or self.budgets.setdefault(key_id, Budget(None, now_ms=self.now_ms))
