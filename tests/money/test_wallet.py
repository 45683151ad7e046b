"""What may still be spent: nothing is held twice, nothing is promised that is not there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from haze_proxy.money.periods import DAY_MS
from haze_proxy.money.wallet import Hold, ShortError, Wallet

ACCOUNT, KEY = 1, 7
NOON = 1_799_971_200_000 + DAY_MS // 2


def _settle(hold: Hold[Any, Any], outcome: Any) -> Any:
    return outcome, hold.amount


def _wallet(balance: int, budget: int | None = None, spent: int = 0) -> Wallet:
    wallet = Wallet(lambda: 0)
    wallet.set_balance(ACCOUNT, balance)
    _budget(wallet, budget, spent)
    return wallet


def _budget(wallet: Wallet, budget: int | None, spent: int = 0) -> None:
    wallet.set_budget(KEY, budget)
    wallet.set_spent(KEY, spent, spent)


def _available(wallet: Wallet, account: int = ACCOUNT) -> int:
    balance, held, _, _ = wallet.standing(account, KEY)
    return balance - held


def _held(wallet: Wallet) -> tuple[int, int]:
    return wallet.accounts[ACCOUNT].held, wallet.budgets[KEY].held


def test_a_hold_takes_from_what_is_available_and_not_from_the_balance() -> None:
    """The balance is what the database says; a hold is only a promise."""
    wallet = _wallet(100)
    wallet.place(ACCOUNT, KEY, 30, _settle)
    assert _available(wallet, ACCOUNT) == 70
    assert wallet.accounts[ACCOUNT].has == 100


def test_the_last_nano_dollar_can_be_held() -> None:
    """The limit is zero, not one."""
    wallet = _wallet(100)
    wallet.place(ACCOUNT, KEY, 100, _settle)
    assert _available(wallet, ACCOUNT) == 0


SHORT = {
    # balance, budget, spent, amount -> needed, available, whether the budget said no
    "the balance": (100, None, 900, 101, (101, 100, False)),
    "an empty account": (0, None, 0, 1, (1, 0, False)),
    "the budget": (100, 20, 0, 21, (21, 20, True)),
    "what is left of the budget": (100, 20, 15, 6, (6, 5, True)),
    "a budget that is used up": (100, 20, 20, 1, (1, 0, True)),
    "a budget below zero": (100, 20, 25, 1, (1, 0, True)),
    "both: the balance is named": (10, 5, 0, 20, (20, 10, False)),
}


@pytest.mark.parametrize(("balance", "budget", "spent", "amount", "facts"), SHORT.values(), ids=SHORT)
def test_what_cannot_be_paid_is_refused_by_name(balance, budget, spent, amount, facts) -> None:
    """402 tells people what is missing and whether topping up helps; and a refusal holds nothing."""
    wallet = _wallet(balance, budget, spent)
    with pytest.raises(ShortError) as caught:
        wallet.place(ACCOUNT, KEY, amount, _settle)
    assert (caught.value.needed, caught.value.available, caught.value.budget) == facts
    assert _held(wallet) == (0, 0)


def test_holds_of_one_account_add_up() -> None:
    """Two requests that each could be paid may be too much together, whatever keys they came with."""
    wallet = _wallet(100)
    wallet.place(ACCOUNT, KEY, 60, _settle)
    with pytest.raises(ShortError) as caught:
        wallet.place(ACCOUNT, KEY + 1, 60, _settle)
    assert caught.value.available == 40


def test_one_account_does_not_hold_the_money_of_another() -> None:
    """Each pays for itself."""
    wallet = _wallet(100)
    wallet.set_balance(2, 50)
    wallet.place(ACCOUNT, KEY, 100, _settle)
    assert _available(wallet, 2) == 50


def test_a_stranger_has_nothing() -> None:
    """An account nobody has spoken of cannot be spent from."""
    wallet = Wallet(lambda: 0)
    assert _available(wallet, 99) == 0
    with pytest.raises(ShortError):
        wallet.place(99, 99, 1, _settle)


FREE = {
    "empty": (0, None, 0),
    "budget used up": (0, 20, 20),
    "budget overdrawn": (100, 20, 25),
    "in debt": (-1, None, 0),
}


@pytest.mark.parametrize(("balance", "budget", "spent"), FREE.values(), ids=FREE)
def test_what_is_free_needs_no_balance(balance: int, budget: int | None, spent: int) -> None:
    """A free model works for people who have never paid, and for those whose last answer cost more than they had."""
    wallet = _wallet(balance, budget, spent)
    assert wallet.place(ACCOUNT, KEY, 0, _settle).amount == 0


def test_a_hold_grows_slice_by_slice_while_there_is_money() -> None:
    """A stream is not refused for what it might cost at the end; it ends where the money does."""
    wallet = _wallet(100, 90)
    hold = wallet.place(ACCOUNT, KEY, 40, _settle)
    assert hold.extend(40)
    assert _held(wallet) == (80, 80)
    assert not hold.extend(20)
    assert (hold.amount, *_held(wallet)) == (80, 80, 80)
    assert hold.extend(10)


@pytest.mark.parametrize(("balance", "budget"), [(100, 50), (50, 100)], ids=["budget", "balance"])
def test_an_extension_is_paid_by_both_or_by_neither(balance: int, budget: int) -> None:
    """Half an extension would stay held for ever."""
    wallet = _wallet(balance, budget)
    hold = wallet.place(ACCOUNT, KEY, 40, _settle)
    assert not hold.extend(20)
    assert _held(wallet) == (40, 40)


COVERS = {
    # balance, budget, held, cost -> payable, held afterwards
    "less than was held": (100, None, 40, 30, 30, 40),
    "just what was held": (100, None, 40, 40, 40, 40),
    "more, and there is more": (100, None, 40, 70, 70, 70),
    "more than there is": (100, None, 40, 130, 100, 100),
    "more than the budget": (100, 50, 40, 70, 70, 70),
    "nothing": (100, None, 40, 0, 0, 40),
}


@pytest.mark.parametrize(("balance", "budget", "held", "cost", "payable", "after"), COVERS.values(), ids=COVERS)
def test_a_cost_is_covered_as_far_as_the_account_goes(balance, budget, held, cost, payable, after) -> None:
    """What was used was used: a budget limits what is begun, the balance alone limits what is paid."""
    wallet = _wallet(balance, budget)
    hold = wallet.place(ACCOUNT, KEY, held, _settle)
    assert hold.cover(cost) == payable
    assert (hold.amount, *_held(wallet)) == (after, after, after)


def test_a_cost_takes_nothing_that_others_hold() -> None:
    """Another request was promised its money; this one's surprise is the house's shortfall."""
    wallet = _wallet(100)
    wallet.place(ACCOUNT, KEY, 50, _settle)
    hold = wallet.place(ACCOUNT, KEY, 40, _settle)
    assert hold.cover(70) == 50
    assert _available(wallet, ACCOUNT) == 0


def test_a_cost_cannot_be_covered_from_below_zero() -> None:
    """A balance that fell below the holds gives nothing more, and takes nothing back either."""
    wallet = _wallet(100)
    hold = wallet.place(ACCOUNT, KEY, 40, _settle)
    wallet.set_balance(ACCOUNT, 10)
    assert hold.cover(70) == 40
    assert hold.amount == 40


def test_a_hold_ends_once() -> None:
    """The last byte and the client's hanging up may both end it; whoever comes second gets the first one's answer."""
    settled: list[str] = []

    def settle(_: Hold[str, object], outcome: str) -> object:
        settled.append(outcome)
        return object()

    hold = _wallet(100).place(ACCOUNT, KEY, 40, settle)
    first = hold.finish("completed")
    assert hold.finish("client left") is first
    assert settled == ["completed"]


def test_a_finished_hold_is_kept_until_the_balance_is_known() -> None:
    """Between the end and its commit the money is neither spent nor free."""
    wallet = _wallet(100)
    hold = wallet.place(ACCOUNT, KEY, 40, _settle)
    hold.finish("completed")
    assert _available(wallet, ACCOUNT) == 60


def test_a_release_gives_back_once() -> None:
    """Given back twice, the account would spend money it does not have."""
    wallet = _wallet(100, 90)
    hold = wallet.place(ACCOUNT, KEY, 40, _settle)
    wallet.place(ACCOUNT, KEY, 20, _settle)
    wallet.set_balance(ACCOUNT, 70)
    for _ in range(2):
        hold.release()
        assert _held(wallet) == (20, 20)
    assert _available(wallet, ACCOUNT) == 50


def test_a_new_budget_does_not_forget_what_is_held() -> None:
    """The owner gives a key more, or less, while its requests run."""
    wallet = _wallet(1000, 100)
    wallet.place(ACCOUNT, KEY, 80, _settle)
    _budget(wallet, 100)
    with pytest.raises(ShortError) as caught:
        wallet.place(ACCOUNT, KEY, 30, _settle)
    assert caught.value.available == 20
    _budget(wallet, None)
    wallet.place(ACCOUNT, KEY, 300, _settle)


class Periods:
    """A wallet whose time a test moves, and a key with 100 for each day; 40 of today are spent."""

    def __init__(self) -> None:
        self.now = NOON
        self.wallet = Wallet(lambda: self.now)
        self.wallet.set_balance(ACCOUNT, 1000)
        self.wallet.set_budget(KEY, 100, "day")
        self.wallet.set_spent(KEY, 540, 40, NOON - DAY_MS // 2)

    def left(self) -> int | None:
        """What is left of the budget."""
        return self.wallet.standing(ACCOUNT, KEY)[3]


def test_a_periods_turn_forgets_what_was_spent_and_not_what_is_held() -> None:
    """A request that runs across midnight is paid by the new day, and is not to be paid twice."""
    day = Periods()
    hold = day.wallet.place(ACCOUNT, KEY, 50, _settle)
    day.now = NOON + DAY_MS // 2 - 1
    assert (day.left(), hold.extend(11)) == (10, False)
    day.now += 1
    assert day.left() == 50
    assert hold.extend(50)
    with pytest.raises(ShortError):
        day.wallet.place(ACCOUNT, KEY, 1, _settle)
    hold.release()
    assert (day.left(), day.wallet.resets_at(KEY)) == (100, NOON + DAY_MS * 3 // 2)


def test_a_charge_of_yesterday_that_is_committed_today_is_yesterdays() -> None:
    """Its commit arrives after midnight, when somebody has asked already."""
    day = Periods()
    day.now += DAY_MS
    assert day.left() == 100
    day.wallet.set_spent(KEY, 560, 60, NOON - DAY_MS // 2)
    assert day.left() == 100
    day.wallet.set_spent(KEY, 565, 5, NOON + DAY_MS // 2)
    assert day.left() == 95


def test_a_restart_in_the_middle_of_a_period_knows_what_it_has_spent() -> None:
    """Else a key could spend its budget once for each restart; and after a long sleep the old period is over."""
    day = Periods()
    assert (day.left(), day.wallet.resets_at(KEY)) == (60, NOON + DAY_MS // 2)
    day.now += 400 * DAY_MS
    assert (day.left(), day.wallet.resets_at(KEY)) == (100, NOON + 400 * DAY_MS + DAY_MS // 2)


def test_a_key_that_has_never_spent_anything_has_its_whole_budget() -> None:
    """Its period was never begun by a charge."""
    day = Periods()
    day.wallet.set_budget(KEY, 7, "month")
    day.wallet.set_spent(KEY, 0, 0)
    assert day.left() == 7


def test_what_ends_once_never_resets() -> None:
    """A budget for good has no next period, and without a budget there is nothing to reset."""
    assert _wallet(100, 50).resets_at(KEY) is None
    wallet = Wallet(lambda: NOON)
    wallet.set_budget(KEY, None, "day")
    wallet.set_spent(KEY, 5, 5, NOON)
    assert wallet.resets_at(KEY) is None
    wallet.place(1, KEY, 0, _settle)


STANDINGS = {
    "no budget": (None, 15, (100, 30, 15, None)),
    "a budget": (80, 15, (100, 30, 15, 35)),
    "a budget that is overdrawn": (80, 70, (100, 30, 70, 0)),
}


@pytest.mark.parametrize(("budget", "spent", "facts"), STANDINGS.values(), ids=STANDINGS)
def test_a_key_can_be_told_how_it_stands(budget, spent, facts) -> None:
    """What people see of their money is what admission goes by, and nobody has less than nothing left."""
    wallet = _wallet(100, None)
    wallet.place(ACCOUNT, KEY, 30, _settle)
    _budget(wallet, budget, spent)
    assert wallet.standing(ACCOUNT, KEY) == facts


amounts = st.integers(0, 60)


class Spending(RuleBasedStateMachine):
    """Requests come and go in any order on two accounts with three keys, and cost less or more than was held."""

    holds: Bundle = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.wallet = Wallet(lambda: 0)
        self.balances = {1: 100, 2: 50}
        self.running: dict[int, tuple[Hold[Any, Any], int, int]] = {}
        for account, balance in self.balances.items():
            self.wallet.set_balance(account, balance)
        self.wallet.set_budget(1, 70)
        self.wallet.set_spent(1, 0, 0)

    @rule(target=holds, key=st.sampled_from([1, 2, 3]), amount=amounts)
    def place(self, key: int, amount: int) -> object:
        """A request is admitted, or refused for want of money."""
        account = 1 if key < 3 else 2
        try:
            hold = self.wallet.place(account, key, amount, _settle)
        except ShortError:
            return None
        assert amount == 0 or _available(self.wallet, account) >= 0
        self.running[id(hold)] = (hold, account, key)
        return hold

    @rule(hold=holds, amount=amounts)
    def extend(self, hold: Any, amount: int) -> None:
        """A stream goes on."""
        if hold and id(hold) in self.running:
            before = hold.amount
            grown = hold.extend(amount)
            assert hold.amount == before + amount * grown

    @rule(hold=consumes(holds), cost=amounts)
    def settle(self, hold: Any, cost: int) -> None:
        """An answer ends: it is charged, the commit comes back, the hold is released."""
        if not hold or id(hold) not in self.running:
            return
        _, account, _ = self.running.pop(id(hold))
        paid = hold.cover(cost)
        assert paid <= cost
        assert hold.finish("completed") == hold.finish("client left")
        self.balances[account] -= paid
        self.wallet.set_balance(account, self.balances[account])
        hold.release()
        hold.release()

    @rule(account=st.sampled_from([1, 2]), amount=amounts)
    def credit(self, account: int, amount: int) -> None:
        """The owner gives money."""
        self.balances[account] += amount
        self.wallet.set_balance(account, self.balances[account])

    @invariant()
    def what_is_held_is_the_sum_of_the_open_holds(self) -> None:
        """Nothing is held for a request that is gone, and nothing twice."""
        for account in self.balances:
            mine = [hold.amount for hold, owner, _ in self.running.values() if owner == account]
            assert self.wallet.accounts[account].held == sum(mine)
        for key, purse in self.wallet.budgets.items():
            assert purse.held == sum(hold.amount for hold, _, used in self.running.values() if used == key)

    @invariant()
    def nobody_is_promised_what_is_not_there(self) -> None:
        """Balances stay above zero, and so does what may still be held."""
        for account, balance in self.balances.items():
            assert balance >= 0
            assert _available(self.wallet, account) == balance - self.wallet.accounts[account].held
            assert _available(self.wallet, account) >= 0


TestSpending = Spending.TestCase


@given(st.lists(st.tuples(amounts, amounts), max_size=20), st.integers(0, 300))
def test_however_holds_are_placed_at_once_the_balance_pays_for_all(pairs, balance: int) -> None:
    """The law behind "no balance goes below zero": every admitted request can be charged its whole hold."""
    wallet = _wallet(balance)
    admitted = 0
    for first, more in pairs:
        try:
            hold = wallet.place(ACCOUNT, KEY, first, _settle)
        except ShortError:
            continue
        hold.extend(more)
        admitted += hold.amount
    assert admitted <= balance
