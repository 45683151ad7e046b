"""What was paid comes back once, and to the last nano-dollar."""

import sqlite3

import pytest

from haze_proxy.money.periods import DAY_MS
from haze_proxy.store import accounts, database, receipts, refunds, transfers
from haze_proxy.store.refunds import Refund, RefundError
from haze_proxy.store.transfers import Transfer

NOW = 1_800_000_000_000


def _give(books, request_id: str = "r1", memo: str | None = None) -> Refund:
    with database.transaction(books.connection):
        return refunds.give(books.connection, request_id, memo, NOW)


def _key(books) -> sqlite3.Row:
    return books.connection.execute("SELECT spent, revision FROM keys").fetchone()


def test_a_refund_gives_back_what_was_paid(books, open_request) -> None:
    """The account has it again, the key has not spent it, the house has not earned it, and the receipt shows it."""
    account = books.account(100)
    books.end(open_request(books, account), 30)
    assert _give(books, memo="a bad answer") == Refund(30, 100)
    assert (books.balance(account), transfers.balance(books.connection, transfers.REVENUE)) == (100, 0)
    assert _key(books)["spent"] == 0
    assert accounts.find(books.connection, "a@b.c").spent == 0
    found = receipts.find(books.connection, "r1")
    assert (found.charged, found.refunded, found.transfers[-1]["memo"]) == (30, 30, "a bad answer")
    assert books.check() == []


def test_a_shortfall_does_not_come_back(books, open_request) -> None:
    """Nobody had paid it: a refund of it would be a gift."""
    account = books.account(25)
    books.end(open_request(books, account), 30)
    assert _give(books) == Refund(25, 25)
    assert _key(books)["spent"] == 5
    assert books.check() == []


def test_a_refund_is_given_once(books, other, open_request) -> None:
    """Two people answer the same complaint, or one presses twice."""
    account = books.account(100)
    books.end(open_request(books, account), 30)
    _give(other)
    with pytest.raises(RefundError, match="r1: This request was already refunded"):
        _give(books)
    assert books.balance(account) == 100


def test_the_database_refuses_a_second_refund_by_itself(books, open_request) -> None:
    """Should everything above it fail."""
    books.end(open_request(books, books.account(100)), 30)
    _give(books)
    again = Transfer(transfers.REVENUE, "account:1", 1, "refund", "r1")
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"), database.transaction(books.connection):
        transfers.move(books.connection, again, NOW)


REFUSED = {
    "running": (None, "This request is open: nothing was charged."),
    "void": ({"cost": 0, "state": "void"}, "This request is void: nothing was charged."),
    "free": ({"cost": 0}, "This request cost its account nothing."),
    "all of it a shortfall": ({"cost": 30, "payable": 0}, "This request cost its account nothing."),
}


@pytest.mark.parametrize(("end", "complaint"), REFUSED.values(), ids=REFUSED)
def test_where_nothing_was_paid_nothing_comes_back(books, open_request, end, complaint: str) -> None:
    """The owner is told why, and no money moves."""
    opened = open_request(books, books.account(100))
    if end:
        books.end(opened, **end)
    with pytest.raises(RefundError, match=f"r1: {complaint}"):
        _give(books)
    assert books.balance(1) == 100


def test_a_request_that_nobody_made_cannot_be_refunded(books) -> None:
    """A mistyped id must not become somebody else's money."""
    with pytest.raises(RefundError, match="There is no such request"):
        _give(books, "r9")


@pytest.mark.parametrize(("later", "in_period"), [(0, 5), (DAY_MS, 7)], ids=["in the same period", "in the next"])
def test_a_refund_counts_for_the_period_it_was_spent_in(books, open_request, later: int, in_period: int) -> None:
    """Money of yesterday does not make today's budget larger."""
    key_id = books.key(books.account(100), budget=50, budget_period="day")
    books.end(open_request(books, 1, key_id=key_id), 30, ended_at=NOW)
    books.end(open_request(books, 1, key_id=key_id), 7 if later else 5, ended_at=NOW + later)
    _give(books)
    row = books.connection.execute("SELECT spent, period_spent FROM keys").fetchone()
    assert tuple(row) == (in_period, in_period)
    assert books.check() == []


def test_a_running_server_hears_of_a_refund(books, open_request) -> None:
    """It keeps in memory what each key has spent, and would go on refusing a key whose money came back."""
    books.end(open_request(books, books.account(100)), 30)
    before = _key(books)["revision"]
    _give(books)
    assert _key(books)["revision"] > before
