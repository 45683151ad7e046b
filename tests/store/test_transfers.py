"""The books: nothing in them changes, nothing goes below zero, and everything adds up."""

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haze_proxy.store import database, transfers
from haze_proxy.store.transfers import MANUAL, PROMOTION, REVENUE, AlreadyMovedError, Transfer

NOW = 1_800_000_000_000


def _move(books, *what, **more) -> int:
    with database.transaction(books.connection):
        return transfers.move(books.connection, Transfer(*what, **more), NOW)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE transfers SET amount = 1",
        "UPDATE transfers SET memo = 'better'",
        "UPDATE transfers SET request_id = NULL",
        "DELETE FROM transfers",
        (
            "INSERT OR REPLACE INTO transfers (id, debit, credit, amount, kind, created_at)"
            " SELECT id, debit, credit, 1, kind, 1 FROM transfers"
        ),
        "UPDATE OR REPLACE transfers SET id = 1",
    ],
    ids=["amount", "memo", "request", "delete", "replace", "update or replace"],
)
def test_a_transfer_is_final(books, change: str) -> None:
    """A book that can be corrected proves nothing; a mistake is undone by another transfer."""
    account = books.account(5)
    with pytest.raises(sqlite3.IntegrityError, match="never"):
        books.connection.execute(change)
    assert books.balance(account) == 5
    assert books.check() == []


def test_money_moves_from_one_to_the_other(books) -> None:
    """What one account gains another loses: the sum stays zero."""
    account = books.account(1_000)
    _move(books, transfers.account(account), REVENUE, 400, "charge")
    rows = books.connection.execute("SELECT name, balance FROM ledger WHERE balance <> 0")
    assert dict(map(tuple, rows)) == {"account:1": 600, REVENUE: 400, MANUAL: -1_000}


@pytest.mark.parametrize("amount", [1_001, 10**15], ids=["by one", "by far"])
def test_no_balance_goes_below_zero(books, amount: int) -> None:
    """Prepaid means prepaid, whatever the program above believes; and what is refused leaves no trace."""
    account = books.account(1_000)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        _move(books, transfers.account(account), REVENUE, amount, "charge")
    assert books.balance(account) == 1_000
    assert books.check() == []


def test_a_balance_can_be_spent_to_the_last_nano_dollar(books) -> None:
    """The limit is zero, not one."""
    account = books.account(1_000)
    _move(books, transfers.account(account), REVENUE, 1_000, "charge")
    assert books.balance(account) == 0


@pytest.mark.parametrize(
    "what",
    [
        (MANUAL, "account:1", 0, "credit"),
        (MANUAL, "account:1", -1, "credit"),
        (MANUAL, MANUAL, 5, "credit"),
        (MANUAL, "account:99", 5, "credit"),
        ("house:piggybank", "account:1", 5, "credit"),
        (MANUAL, "account:1", 2**63 - 1, "credit"),
    ],
    ids=["nothing", "backwards", "to itself", "to nobody", "from nowhere", "beyond what SQLite can count"],
)
def test_a_transfer_that_is_none_is_refused(books, what) -> None:
    """Each of these would break the sum, or name money nobody can find."""
    books.account(5)
    with pytest.raises(sqlite3.IntegrityError):
        _move(books, *what)
    assert books.check() == []


def test_the_same_idempotency_key_moves_money_once(books) -> None:
    """A script that does not know whether its first try arrived may simply try again."""
    account = books.account()
    what = (MANUAL, transfers.account(account), 5, "credit")
    first = _move(books, *what, idempotency_key="manual:7")
    assert _move(books, *what, idempotency_key="manual:7", memo="again") == first
    assert books.balance(account) == 5


@pytest.mark.parametrize(
    "second",
    [
        (MANUAL, "account:1", 6, "credit"),
        (MANUAL, "account:2", 5, "credit"),
        (PROMOTION, "account:1", 5, "credit"),
        (MANUAL, "account:1", 5, "refund"),
    ],
    ids=["another amount", "another account", "another source", "another kind"],
)
def test_an_idempotency_key_that_meant_something_else_is_an_error(books, second) -> None:
    """To say "done" about money that did not move would be worse than to refuse."""
    books.account()
    books.account(email="d@e.f")
    _move(books, MANUAL, "account:1", 5, "credit", idempotency_key="x")
    with pytest.raises(AlreadyMovedError, match="'x'"):
        _move(books, *second, idempotency_key="x")
    assert books.balance(2) == 0


def test_two_programs_with_the_same_idempotency_key_move_money_once(books, other) -> None:
    """The second reads after the first has committed: both look inside their own write lock."""
    account = books.account()
    for program in (books, other):
        _move(program, MANUAL, transfers.account(account), 5, "credit", idempotency_key="x")
    assert books.balance(account) == 5


def test_a_request_is_charged_once(books) -> None:
    """The database itself refuses a second charge, should everything above it fail."""
    account = books.account(10)
    _move(books, transfers.account(account), REVENUE, 1, "charge", "r1")
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        _move(books, transfers.account(account), REVENUE, 1, "charge", "r1")


def test_the_export_is_every_transfer_oldest_first(books) -> None:
    """It is what a bookkeeper gets."""
    books.account(10)
    _move(books, "account:1", REVENUE, 3, "charge", memo='a, "b"')
    rows = [(row["id"], row["kind"], row["amount"], row["memo"]) for row in transfers.export(books.connection)]
    assert rows == [(1, "credit", 10, None), (2, "charge", 3, 'a, "b"')]


moves = st.lists(
    st.tuples(st.sampled_from(["credit", "charge", "short"]), st.integers(1, 2), st.integers(1, 50)), max_size=25
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(moves)
def test_whatever_happens_the_books_add_up(books, open_request, sequence) -> None:
    """The law of the ledger, against a model of two numbers: credits, charges, and costs above the balance."""
    accounts = {n: books.account(email=f"{n}@{books.connection.total_changes}") for n in (1, 2)}
    expected = dict.fromkeys(accounts, 0)
    for kind, who, amount in sequence:
        if kind == "credit":
            _move(books, MANUAL, transfers.account(accounts[who]), amount, "credit")
            expected[who] += amount
        else:
            opened = open_request(books, accounts[who])
            books.end(opened, amount, payable=amount if kind == "charge" else amount // 2)
            expected[who] -= min(expected[who], amount if kind == "charge" else amount // 2)
    assert {n: books.balance(account) for n, account in accounts.items()} == expected
    assert books.check() == []
