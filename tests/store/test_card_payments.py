"""Card payments are credited once, and what Stripe takes back is taken once, never below zero."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haze_proxy.store import card_payments, database, proof, transfers
from haze_proxy.store.card_payments import NANO_PER_CENT as CENT
from haze_proxy.store.card_payments import Payment, Reversal, Taken, UnknownPaymentError
from haze_proxy.store.transfers import REVENUE, Transfer

NOW = 1_800_000_000_000


def begin(books, account: int, cents: int, name: str = "cs_1") -> None:
    """A payment that is begun."""
    with database.transaction(books.connection):
        card_payments.begin(books.connection, Payment(name, account, cents * CENT, "open"), NOW)


def pay(books, cents: int, name: str = "cs_1", currency: str = "usd") -> str:
    """Stripe says that it is paid."""
    with database.transaction(books.connection):
        return card_payments.pay(books.connection, name, cents, currency, f"pi_{name}", NOW)


def take(books, cents: int, source: str = "ch_1", name: str = "cs_1", kind: str = "card_refund") -> Taken:
    """Stripe says what it took back, in all."""
    with database.transaction(books.connection):
        what = Reversal(f"pi_{name}", source, kind, cents * CENT)
        return card_payments.take_back(books.connection, what, NOW)


def spend(books, account: int, amount: int) -> None:
    """The account spends as much of it as it has."""
    paid = min(amount, books.balance(account))
    if paid:
        with database.transaction(books.connection):
            gift = Transfer(transfers.account(account), REVENUE, paid, "spent")
            transfers.move(books.connection, gift, NOW)


def test_two_payments_of_the_same_account_are_two(books) -> None:
    """Idempotent by checkout, not by amount."""
    account = books.account()
    for name in ("cs_1", "cs_12"):
        begin(books, account, 500, name)
        assert [pay(books, 500, name), pay(books, 500, name)] == ["credited", "already"]
    assert books.balance(account) == 1000 * CENT
    take(books, 100, name="cs_1")
    assert books.check() == []


def test_a_payment_is_found_by_its_account_alone(books) -> None:
    """An id in an address opens nothing."""
    mine, other = books.account(), books.account(email="x@y.z")
    begin(books, mine, 500)
    assert card_payments.find(books.connection, mine, "cs_1") == Payment("cs_1", mine, 500 * CENT, "open")
    assert card_payments.find(books.connection, other, "cs_1") is None
    assert card_payments.find(books.connection, mine, "cs_2") is None


@pytest.mark.parametrize("state", ["open", "expired"])
def test_what_was_not_credited_is_not_taken_back(books, state: str) -> None:
    """There is nothing to take."""
    account = books.account(7)
    begin(books, account, 500)
    with database.transaction(books.connection):
        card_payments.end(books.connection, "cs_1", state, NOW)
    with pytest.raises(UnknownPaymentError):
        take(books, 500)
    assert books.balance(account) == 7


def test_the_houses_part_is_shown_to_the_owner(books) -> None:
    """By `ledger check`, with whose it was."""
    account = books.account()
    begin(books, account, 500)
    pay(books, 500)
    spend(books, account, 200 * CENT)
    assert take(books, 500) == Taken(300 * CENT, 200 * CENT)
    [row] = proof.card_shortfalls(books.connection, 20)
    assert (row["email"], row["amount"], row["memo"]) == ("a@b.c", 200 * CENT, "ch_1")


WHAT = st.sampled_from(["pay", "fail", "expire", "refund", "dispute", "spend"])
STEPS = st.lists(st.tuples(WHAT, st.sampled_from(["cs_1", "cs_2"]), st.integers(1, 900)), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(STEPS)
def test_whatever_stripe_tells_in_whatever_order_the_money_is_right(books, steps) -> None:
    """Against plain sums: credited once; of what Stripe took the account has borne what it had, the house the rest."""
    account = books.account(email=f"a@{books.connection.total_changes}")
    names = {name: f"{name}_{account}" for name in ("cs_1", "cs_2")}
    for name in names.values():
        begin(books, account, 500, name)
    balance, paid, taken, short = 0, set(), {name: {} for name in names}, 0
    for step, name, cents in steps:
        real = names[name]
        if step == "pay":
            assert pay(books, 500, real) == ("already" if name in paid else "credited")
            balance += 0 if name in paid else 500 * CENT
            paid.add(name)
        elif step in ("fail", "expire"):
            with database.transaction(books.connection):
                card_payments.end(books.connection, real, {"fail": "failed", "expire": "expired"}[step], NOW)
        elif step == "spend":
            spend(books, account, cents * CENT)
            balance -= min(balance, cents * CENT)
        elif name in paid:
            before = min(500, sum(taken[name].values()))
            taken[name][step] = max(taken[name].get(step, 0), cents)
            due = (min(500, sum(taken[name].values())) - before) * CENT
            own = min(due, balance)
            assert take(books, cents, f"{step}_{real}", real, f"card_{step}") == Taken(own, due - own)
            balance, short = balance - own, short + due - own
        else:
            with pytest.raises(UnknownPaymentError):
                take(books, cents, f"{step}_{real}", real, f"card_{step}")
        assert books.balance(account) == balance
    mine = [
        row["amount"] for row in proof.card_shortfalls(books.connection, 1000) if row["memo"].endswith(f"_{account}")
    ]
    assert sum(mine) == short
    assert books.check() == []


SABOTAGE = {
    "a payment that was not credited": (
        "INSERT INTO card_payments VALUES ('cs_9', 1, 5, 'paid', NULL, 0, 0)",
        "Card payment cs_9 is paid, but the money of its account says otherwise.",
    ),
    "a credit of an open one": (
        "UPDATE card_payments SET state = 'open'",
        "Card payment cs_1 is open, but the money of its account says otherwise.",
    ),
    "a credit of another amount": (
        "UPDATE card_payments SET amount = 7000000000",
        "Card payment cs_1 is paid, but the money of its account says otherwise.",
    ),
    "a credit of nothing": (
        "INSERT INTO transfers (debit, credit, amount, kind, idempotency_key, created_at)"
        " VALUES ('external:stripe', 'account:1', 5, 'card', 'stripe:cs_8', 0)",
        "Transfer 4 is of a card payment that is not there.",
    ),
    "a refund that was not taken": (
        "INSERT INTO card_reversals VALUES ('ch_2', 'cs_1', 10000000)",
        "Of card payment cs_1 Stripe took back 1010000000, but 1000000000 were moved.",
    ),
    "a card's money from elsewhere": (
        "INSERT INTO transfers (debit, credit, amount, kind, created_at)"
        " VALUES ('account:1', 'house:revenue', 5, 'card_refund', 0)",
        "Transfer 4 is a card_refund from account:1 to house:revenue.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("deed", "complaint"), SABOTAGE.values(), ids=SABOTAGE)
def test_the_check_sees_what_is_wrong_with_a_payment(books, deed: str, complaint: str) -> None:
    """A proof that finds nothing in broken books proves nothing."""
    account = books.account(3)
    begin(books, account, 500)
    pay(books, 500)
    take(books, 100)
    assert books.check() == []
    books.connection.executescript(deed)
    assert complaint in books.check()
