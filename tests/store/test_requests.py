"""Each admitted request has one row, one outcome, and at most one charge."""

import dataclasses
import sqlite3

import pytest

from haze_proxy.store import accounts, database, requests, transfers
from haze_proxy.store.keys import Spent
from haze_proxy.store.requests import AlreadyEndedError, Ended, Standing

NOW = 1_800_000_000_000


def _row(books, request_id: str = "r1") -> sqlite3.Row:
    return books.connection.execute("SELECT * FROM requests WHERE id = ?", (request_id,)).fetchone()


def _moved(books) -> list[tuple[str, str, str, int]]:
    rows = books.connection.execute(
        "SELECT kind, debit, credit, amount FROM transfers WHERE request_id IS NOT NULL ORDER BY id"
    )
    return [tuple(row) for row in rows]


def test_an_admitted_request_is_open(books, open_request) -> None:
    """Should the process die now, the owner can see what was under way."""
    opened = open_request(books, books.account())
    row = _row(books)
    told = dataclasses.asdict(opened)
    assert told.pop("keyed") is None
    assert {name: row[name] for name in told} == told
    assert (row["state"], row["ended"], row["cost"]) == ("open", None, 0)


def test_an_end_writes_all_that_is_known(books, open_request) -> None:
    """The receipt is read from this row, years later: no column may land in its neighbour."""
    opened = open_request(books, books.account(100))
    facts = {
        "channel": "c", "upstream_model": "um", "upstream_id": "ui", "status": 200, "first_byte_at": NOW + 1,
        "ended_at": NOW + 2, "estimated": True, "price": "{}", "held": 25, "attempts": "[]",
        "server_tools": '{"web_search":2}', "service_tier": "priority", "upstream_cost": 27,
    }  # fmt: skip
    books.end(opened, 30, **facts, tokens=(1, 2, 3, 4, 5, 6), payable=29)
    tokens = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
    expected = dataclasses.asdict(opened) | facts | dict(zip(tokens, (1, 2, 3, 4, 5, 6), strict=True))
    expected |= {"state": "settled", "ended": "completed", "cost": 30, "shortfall": 1, "extended": 5}
    expected |= {"idempotency_key": None, "idempotency_body": expected.pop("keyed")}
    assert dict(_row(books)) == expected


@pytest.mark.parametrize("written", [True, False], ids=["the opening row is there", "it was never written"])
def test_an_end_does_not_need_the_opening_row(books, open_request, written: bool) -> None:
    """A request that ends at once is written once; the outcome is the same, to the last column."""
    opened = open_request(books, books.account(100))
    if not written:
        books.connection.execute("DELETE FROM requests")
    assert books.end(opened, 30) == Standing(70, Spent(30, 30, 0))
    row = _row(books)
    assert (row["state"], row["opened_at"], row["held"], row["cost"]) == ("settled", NOW, 20, 30)
    assert _moved(books) == [("charge", "account:1", "house:revenue", 30)]
    assert books.check() == []


SPLITS = {
    # balance, cost, payable -> charged, shortfall
    "all of it": (100, 30, 30, 30, 0),
    "to the last": (30, 30, 30, 30, 0),
    "others hold the rest": (100, 30, 10, 10, 20),
    "the balance is less than was thought": (20, 30, 30, 20, 10),
    "nothing left": (0, 30, 30, 0, 30),
    "nothing payable": (100, 30, 0, 0, 30),
    "free": (100, 0, 0, 0, 0),
}


@pytest.mark.parametrize(("balance", "cost", "payable", "charged", "short"), SPLITS.values(), ids=SPLITS)
def test_a_cost_above_what_can_be_paid_is_the_houses(books, open_request, balance, cost, payable, charged, short):
    """Never below zero, and never forgotten: the house's own transfer says what the estimate missed."""
    account = books.account(balance)
    standing = books.end(open_request(books, account), cost, payable=payable)
    expected = [("charge", "account:1", "house:revenue", charged)] if charged else []
    expected += [("shortfall", "house:shortfall", "house:revenue", short)] if short else []
    assert _moved(books) == expected
    assert standing == Standing(balance - charged, Spent(cost, cost, 0))
    assert (_row(books)["cost"], _row(books)["shortfall"]) == (cost, short)
    assert books.check() == []


def test_what_is_void_costs_nothing(books, open_request) -> None:
    """A request that failed at every channel is written down and free."""
    standing = books.end(open_request(books, books.account(100)), 0, state="void", ended="no channel answered")
    assert standing == Standing(100, Spent(0, 0, 0))
    assert _row(books)["state"] == "void"
    assert _moved(books) == []


ENDS = {
    "charged, then charged": ((30, {}), (30, {})),
    "charged, then void": ((30, {}), (0, {"state": "void"})),
    "void, then charged": ((0, {"state": "void"}), (30, {})),
    "all shortfall, then charged": ((30, {"payable": 0}), (30, {})),
    "free, then charged": ((0, {}), (30, {})),
}


@pytest.mark.parametrize(("first", "second"), ENDS.values(), ids=ENDS)
def test_a_request_ends_once(books, open_request, first, second) -> None:
    """Whatever ends it twice, the first outcome stands and the second moves nothing."""
    opened = open_request(books, books.account(100))
    books.end(opened, first[0], **first[1])
    before = dict(_row(books)), _moved(books), books.balance(1)
    with pytest.raises(AlreadyEndedError, match="r1"):
        books.end(opened, second[0], **second[1])
    assert (dict(_row(books)), _moved(books), books.balance(1)) == before
    assert books.check() == []


def test_an_opening_row_that_comes_too_late_is_refused(books, open_request) -> None:
    """It would open again what has been paid."""
    opened = open_request(books, books.account(100))
    books.end(opened, 30)
    with pytest.raises(sqlite3.IntegrityError), database.transaction(books.connection):
        requests.begin(books.connection, opened)
    assert _row(books)["state"] == "settled"


def test_a_start_closes_what_dead_servers_left_open(books, open_request) -> None:
    """After kill -9 nobody is charged for an answer nobody saw end, and the owner is told how many there were,
    and what they had begun to hold.
    """
    account = books.account(100)
    books.end(open_request(books, account), 30)
    open_request(books, account)
    open_request(books, account)
    with database.transaction(books.connection):
        assert requests.begin_epoch(books.connection, 7, NOW + 9) == (2, 2, 40)
    states = books.connection.execute("SELECT state, ended, ended_at, cost FROM requests ORDER BY id")
    assert [tuple(row) for row in states] == [
        ("settled", "completed", NOW + 5, 30),
        ("interrupted", "process died", NOW + 9, 0),
        ("interrupted", "process died", NOW + 9, 0),
    ]
    epochs = books.connection.execute("SELECT id, pid, ended_at FROM epochs ORDER BY id")
    assert [tuple(row) for row in epochs] == [(1, 1, NOW + 9), (2, 7, None)]
    assert books.balance(account) == 70
    assert books.check() == []


def test_what_was_interrupted_cannot_be_charged_any_more(books, open_request) -> None:
    """A server that was thought dead must not charge after its successor has closed its books."""
    opened = open_request(books, books.account(100))
    books.epoch()
    with pytest.raises(AlreadyEndedError):
        books.end(opened, 30)
    assert books.balance(1) == 100


def test_a_server_that_stops_in_order_ends_its_own_epoch(books) -> None:
    """Nothing of it counts as running afterwards."""
    first = books.epoch()
    requests.end_epoch(books.connection, first, NOW + 3)
    assert tuple(books.connection.execute("SELECT ended_at FROM epochs").fetchone()) == (NOW + 3,)


def test_an_end_that_fails_leaves_the_request_open(books, open_request) -> None:
    """Row and money are one transaction: there is no charge without an outcome, and no outcome without its charge."""
    account = books.account(100)
    opened = open_request(books, account)
    ended = Ended(opened, "settled", "completed", NOW, 20, cost=30, payable=30)

    def half() -> None:
        with database.transaction(books.connection):
            requests.end(books.connection, ended)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert _row(books)["state"] == "open"
    assert transfers.balance(books.connection, transfers.account(account)) == 100


def test_what_is_held_is_found_without_reading_all_requests(books, open_request) -> None:
    """The owner's list of accounts asks this of each: with a million requests it took a third of a minute."""
    account, asked = books.account(), []
    requests.begin_epoch(books.connection, 1, NOW)
    held = [open_request(books, account).held, open_request(books, account).held]
    books.connection.set_trace_callback(asked.append)
    assert accounts.held(books.connection, account) == sum(held)
    books.connection.set_trace_callback(None)
    (sql,) = asked
    plan = " ".join(row["detail"] for row in books.connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
    assert "requests USING INDEX requests_open (epoch=?)" in plan
