"""Digests stand in the row of a charged request, for a day, and in no other."""

import re

from haze_proxy.store import database, idempotency, requests
from haze_proxy.store.idempotency import DAY_MS, FORGOTTEN_AT_ONCE, Keyed

NOW = 1_800_000_000_000
KEY, BODY = b"k" * 16, b"b" * 16


def _ended(books, open_request, account: int, key: bytes = KEY, **facts) -> str:
    """Open a request with a key and end it; returns its id."""
    how = {name: facts.pop(name) for name in ("state", "ended_at") if name in facts}
    opened = open_request(books, account, **facts)
    opened.keyed = Keyed(key, BODY, opened.id)
    books.end(opened, 0 if how.get("state") == "void" else 1, **how)
    return opened.id


def _found(books, key: bytes = KEY, now_ms: int = NOW) -> Keyed | None:
    return idempotency.find(books.connection, key, now_ms)


def _kept(books) -> int:
    return books.connection.execute("SELECT count(*) FROM requests WHERE idempotency_key IS NOT NULL").fetchone()[0]


def test_a_charged_request_is_found_for_a_day(books, open_request) -> None:
    """A restart must know what it has charged for; to the millisecond, from the moment it was admitted."""
    first = _ended(books, open_request, books.account(100))
    assert _found(books) == _found(books, now_ms=NOW + DAY_MS - 1) == Keyed(KEY, BODY, first)
    assert _found(books, now_ms=NOW + DAY_MS) is None
    assert _found(books, b"o" * 16) is None


def test_what_cost_nothing_leaves_no_key(books, open_request) -> None:
    """Refused, failed, or interrupted by the end of its process: the same key may be asked with again."""
    account = books.account(100)
    _ended(books, open_request, account, state="void")
    open_request(books, account, keyed=Keyed(KEY, BODY, "r2"))
    with database.transaction(books.connection):
        assert requests.begin_epoch(books.connection, 2, NOW)[1] == 1
    assert _found(books) is None


def test_a_key_that_is_used_again_names_the_younger_request(books, open_request) -> None:
    """The gate judges when a key is free; a charge must never fail because an old row was of another mind."""
    account = books.account(100)
    _ended(books, open_request, account)
    second = _ended(books, open_request, account)
    assert _found(books) == Keyed(KEY, BODY, second)
    assert (_kept(books), books.balance(account)) == (1, 98)


def test_charges_let_old_keys_go_a_part_at_a_time(books, open_request) -> None:
    """However many there were yesterday, no charge waits for all of them."""
    account = books.account(1000)
    for number in range(FORGOTTEN_AT_ONCE + 2):
        old = bytes([number]) * 16
        _ended(books, open_request, account, old, opened_at=NOW - DAY_MS, ended_at=NOW - DAY_MS)
    assert _kept(books) == FORGOTTEN_AT_ONCE + 2
    for left in (3, 1):
        young = _ended(books, open_request, account, ended_at=NOW)
        assert _kept(books) == left
    assert _found(books) == Keyed(KEY, BODY, young)


def test_the_oldest_go_first_and_no_young_one(books, open_request) -> None:
    """A day is a promise."""
    account = books.account(100)
    for age in (DAY_MS - 1, DAY_MS, DAY_MS + 1):
        _ended(books, open_request, account, bytes([age % 251]) * 16, opened_at=NOW - age, ended_at=NOW - age)
    for left in (2, 1, 1):
        idempotency.forget(books.connection, NOW, 1)
        ages = books.connection.execute("SELECT opened_at FROM requests WHERE idempotency_key IS NOT NULL").fetchall()
        assert sorted(NOW - row[0] for row in ages) == [DAY_MS - 1, DAY_MS][:left]


def test_keys_are_found_without_reading_all_requests(books) -> None:
    """Neither a charge nor a question may take longer with each request that was ever made."""
    for sql in (f"{idempotency.FORGET} WHERE idempotency_key = ?", idempotency.OLD, idempotency.FIND):
        values = [1] * sql.count("?")
        plan = books.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        details = " ".join(row["detail"] for row in plan)
        assert re.search(r"INDEX requests_\w*idempotency_key", details), details
        assert "SCAN" not in details
