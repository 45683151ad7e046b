"""What was done by whom stays written down."""

import sqlite3

import pytest

from haze_proxy.store import audit, database
from haze_proxy.store.audit import Act, Entry, Wanted

NOW = 1_800_000_000_000


def _record(books, act: Act, at: int = NOW) -> None:
    with database.transaction(books.connection):
        audit.record(books.connection, act, at)


def test_the_newest_acts_come_first_and_in_pages(books) -> None:
    """An owner looks for what was done just now; a long log is read a page at a time."""
    admin = books.account(email="admin@example.com")
    for number in range(5):
        _record(books, Act(admin if number % 2 else None, "account.credit", "a@b.c", f"{number} USD"), NOW + number)
    first = audit.recent(books.connection, 2**62, 2)
    assert first == [
        Entry(5, NOW + 4, "", "account.credit", "a@b.c", "4 USD"),
        Entry(4, NOW + 3, "admin@example.com", "account.credit", "a@b.c", "3 USD"),
    ]
    assert [entry.id for entry in audit.recent(books.connection, first[-1].id, 9)] == [3, 2, 1]


@pytest.mark.parametrize("change", ["UPDATE audit SET detail = ''", "DELETE FROM audit", "REPLACE INTO audit"])
def test_nobody_takes_back_what_they_did(books, change: str) -> None:
    """A log that can be changed by those whom it watches is no log."""
    _record(books, Act(None, "account.disable", "a@b.c"))
    if change.startswith("REPLACE"):
        change += " VALUES (1, 0, NULL, '', '', '')"
    with pytest.raises(sqlite3.IntegrityError, match="audit log is never"):
        books.connection.execute(change)
    assert audit.recent(books.connection, 2**62, 9)[0].act == "account.disable"


SEARCHES = {
    "all": (Wanted(), [6, 5, 4, 3, 2, 1]),
    "an act": (Wanted(act="account.credit"), [5, 3, 1]),
    "a kind of acts": (Wanted(act="account."), [5, 4, 3, 2, 1]),
    "a target": (Wanted(target="A@"), [5, 1]),
    "an actor": (Wanted(actor="Admin@example.com"), [6, 5, 4]),
    "the owner": (Wanted(actor=audit.COMMAND), [3, 2, 1]),
    "together": (Wanted(act="account.credit", target="d@e", actor=audit.COMMAND), [3]),
    "nobody": (Wanted(actor="x@y.z"), []),
    "no pattern": (Wanted(target="%"), []),
}


@pytest.fixture
def log(books) -> None:
    """Six acts: three of the owner's, three of an administrator's."""
    admin = books.account(email="admin@example.com")
    for actor, act, target in (
        (None, "account.credit", "a@b.c"),
        (None, "account.disable", "x@y.z"),
        (None, "account.credit", "d@e.f"),
        (admin, "account.enable", "x@y.z"),
        (admin, "account.credit", "a@b.c"),
        (admin, "code.add", "haze-ABCD"),
    ):
        _record(books, Act(actor, act, target))


@pytest.mark.parametrize(("wanted", "ids"), SEARCHES.values(), ids=SEARCHES)
@pytest.mark.usefixtures("log")
def test_acts_are_found_by_what_they_were_and_by_whom(books, wanted: Wanted, ids: list[int]) -> None:
    """Who gave this account money, and when?"""
    found, below = audit.search(books.connection, wanted, audit.NEWEST, 9)
    assert ([each.id for each in found], below) == (ids, 0)


@pytest.mark.usefixtures("log")
def test_a_search_goes_on_where_it_stopped(books, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of years is read a little at a time, also where nothing of it is wanted."""
    found, below = audit.search(books.connection, Wanted(act="account.credit"), audit.NEWEST, 2)
    assert ([each.id for each in found], below) == ([5, 3], 3)
    found, below = audit.search(books.connection, Wanted(act="account.credit"), below, 2)
    assert ([each.id for each in found], below) == ([1], 0)
    monkeypatch.setattr(audit, "LOOKED_AT", 4)
    assert audit.search(books.connection, Wanted(target="nobody"), audit.NEWEST, 2) == ([], 3)
    assert audit.search(books.connection, Wanted(target="nobody"), 3, 2) == ([], 0)
