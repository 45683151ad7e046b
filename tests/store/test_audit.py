"""What was done by whom stays written down."""

import sqlite3

import pytest

from haze_proxy.store import audit, database
from haze_proxy.store.audit import Act, Entry

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
