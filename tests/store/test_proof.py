"""The proof that the books add up finds what does not."""

import tracemalloc

import pytest

from haze_proxy.money.prices import Price
from haze_proxy.store import proof

SEARCHED = Price(input=1_000_000, server_tools=(("web_search", 5),))


def test_transfers_and_requests_are_counted(books) -> None:
    """`ledger check` says how much it has looked at."""
    assert proof.size(books.connection) == (0, 0)
    books.account(10)
    assert proof.size(books.connection) == (1, 0)


def sums(difference: str) -> str:
    """What is said of sums that are no longer those of the requests, in the case that the tests have."""
    where = "The sums of account 1 by ended (completed) from 2027-01-15 08:00 on"
    return f"{where} are not what its requests add up to: {difference}. So it is at 21 places."


SABOTAGE = {
    "money from nothing": (
        "UPDATE ledger SET balance = balance + 1 WHERE name = 'account:1'",
        ["The balances add up to 1, not to zero.", "account:1 stands at 71, but its transfers add up to 70."],
    ),
    "money moved behind the books": (
        (
            "UPDATE ledger SET balance = balance + CASE name WHEN 'account:1' THEN 5 ELSE -5 END"
            " WHERE name IN ('account:1', 'house:revenue')"
        ),
        [
            "account:1 stands at 75, but its transfers add up to 70.",
            "house:revenue stands at 25, but its transfers add up to 30.",
        ],
    ),
    "a debt": (
        (
            "INSERT INTO transfers (debit, credit, amount, kind, created_at)"
            " VALUES ('account:1', 'house:revenue', 75, 'fee', 0)"
        ),
        ["account:1 is below zero: -5."],
    ),
    "a cost nobody paid": (
        "UPDATE requests SET cost = 31",
        [
            "Request r1 cost 31, but 30 were charged.",
            "Request r1 cost 31, but its tokens and its price add up to 30.",
            "Key 1 has spent 30, but its requests cost 31.",
            sums("cost -1"),
        ],
    ),
    "a shortfall that was not moved": (
        "UPDATE requests SET shortfall = 1",
        ["Request r1 names a shortfall of 1, but 0 were moved.", sums("shortfall -1")],
    ),
    "a charge for an open request": (
        "UPDATE requests SET state = 'open', ended_at = NULL",
        ["Request r1 is open and cost 30.", sums("settled +1, input +30, cost +30")],
    ),
    "an outcome that is none": (
        "UPDATE requests SET ended_at = NULL",
        ["Request r1 is settled, but its end says otherwise.", sums("settled +1, input +30, cost +30")],
    ),
    "tokens that were changed": (
        "UPDATE requests SET output = 1",
        ["Request r1 cost 30, but its tokens and its price add up to 31.", sums("output -1")],
    ),
    "calls that were changed": (
        f"UPDATE requests SET server_tools = '{{\"web_search\":1}}', price = '{SEARCHED.facts}'",
        ["Request r1 cost 30, but its tokens and its price add up to 35."],
    ),
    "a price that was changed": (
        f"UPDATE requests SET price = '{Price(input=2_000_000).facts}'",
        ["Request r1 cost 30, but its tokens and its price add up to 60."],
    ),
    "a price that is gone": ("UPDATE requests SET price = NULL", ["Request r1 is settled without a price."]),
    "a price that is none": (
        "UPDATE requests SET price = '{}'",
        ["Request r1 has a price that cannot be read."],
    ),
    "a refund of more than was paid": (
        (
            "INSERT INTO transfers (debit, credit, amount, kind, request_id, created_at)"
            " VALUES ('house:revenue', 'account:1', 31, 'refund', 'r1', 0);"
            " UPDATE keys SET spent = -1, period_spent = -1"
        ),
        ["Request r1 was refunded 31, but 30 were paid for it.", sums("cost +31")],
    ),
    "a charge to somebody else": (
        (
            "DROP TRIGGER transfers_are_final; INSERT INTO accounts (email, created_at) VALUES ('d@e.f', 0);"
            " UPDATE transfers SET debit = 'account:2' WHERE id = 2;"
            " UPDATE ledger SET balance = CASE name WHEN 'account:1' THEN 100 ELSE -30 END WHERE name GLOB 'account:*'"
        ),
        [
            "account:2 is below zero: -30.",
            "Request r1 is account:1's, but its money is account:2's.",
            "After transfer 2 account:2 had -30, but it says 70.",
        ],
    ),
    "a charge that went elsewhere": (
        (
            "DROP TRIGGER transfers_are_final; UPDATE transfers SET credit = 'house:promotion' WHERE id = 2;"
            " UPDATE ledger SET balance = 30 WHERE name = 'house:promotion';"
            " UPDATE ledger SET balance = 0 WHERE name = 'house:revenue'"
        ),
        ["Transfer 2 is a charge from account:1 to house:promotion."],
    ),
    "a charge of no request": (
        "DROP TRIGGER transfers_are_final; UPDATE transfers SET request_id = NULL WHERE id = 2",
        ["Transfer 2 is a charge of no request.", "Request r1 cost 30, but 0 were charged."],
    ),
    "a charge without a request": (
        "DELETE FROM requests",
        [
            "Transfer 2 names request r1, which does not exist.",
            "Key 1 has spent 30, but its requests cost 0.",
            sums("settled +1, input +30, cost +30"),
        ],
    ),
    "a forgotten request": (
        (
            "UPDATE requests SET state = 'open', cost = 0, ended_at = NULL; DELETE FROM transfers WHERE id = 2;"
            " UPDATE ledger SET balance = 0 WHERE name = 'house:revenue';"
            " UPDATE ledger SET balance = 100 WHERE name = 'account:1'; UPDATE keys SET spent = 0, period_spent = 0;"
            " INSERT INTO epochs (pid, started_at) VALUES (2, 0)"
        ),
        ["Request r1 is open, but its server (epoch 1) is gone.", sums("settled +1, input +30, cost +30")],
    ),
    "a code that gave nothing": (
        (
            "INSERT INTO codes (digest, prefix, amount, created_at, redeemed_at, account_id)"
            " VALUES (x'00', 'haze-', 5, 0, 1, 1)"
        ),
        ["Code 1 was redeemed, but its account did not get what it is worth."],
    ),
    "a code that gave less": (
        (
            "INSERT INTO codes (digest, prefix, amount, created_at, redeemed_at, account_id)"
            " VALUES (x'00', 'haze-', 5, 0, 1, 1);"
            " INSERT INTO transfers (debit, credit, amount, kind, idempotency_key, created_at)"
            " VALUES ('house:promotion', 'account:1', 4, 'code', 'code:1', 0)"
        ),
        ["Code 1 was redeemed, but its account did not get what it is worth."],
    ),
    "a code that gave before it was redeemed": (
        (
            "INSERT INTO codes (digest, prefix, amount, created_at) VALUES (x'00', 'haze-', 5, 0);"
            " INSERT INTO transfers (debit, credit, amount, kind, idempotency_key, created_at)"
            " VALUES ('house:promotion', 'account:1', 5, 'code', 'code:1', 0)"
        ),
        ["Transfer 3 is of a code that nobody redeemed."],
    ),
    "a balance that was not there": (
        "DROP TRIGGER transfers_are_final; UPDATE transfers SET debit_after = 71 WHERE id = 2",
        ["After transfer 2 account:1 had 70, but it says 71."],
    ),
    "a key that forgot its period": (
        "UPDATE keys SET period_spent = 1",
        ["Key 1 has spent 1 in its period, but its requests cost 30."],
    ),
    "sums that were changed": ("UPDATE usage_recent SET cost = 29", [sums("cost -1")]),
    "sums that are gone": ("DELETE FROM usage_recent", [sums("settled -1, input -30, cost -30")]),
    "a correction in favour of the account": (
        (
            "INSERT INTO transfers (debit, credit, amount, kind, created_at)"
            " VALUES ('external:manual', 'account:1', 5, 'correction', 0)"
        ),
        ["Transfer 3 is a correction from external:manual to account:1."],
    ),
    "a key that forgot": ("UPDATE keys SET spent = 1", ["Key 1 has spent 1, but its requests cost 30."]),
}


@pytest.mark.parametrize(("deed", "complaints"), SABOTAGE.values(), ids=SABOTAGE)
def test_the_check_names_what_is_wrong(books, open_request, deed: str, complaints: list[str]) -> None:
    """A proof that finds nothing in broken books proves nothing."""
    account = books.account(100)
    opened = open_request(books, account)
    books.end(opened, 30)
    assert books.check() == []
    books.connection.executescript(f"PRAGMA ignore_check_constraints = ON; DROP TRIGGER transfers_stay; {deed}")
    assert books.check() == complaints


def test_requests_that_are_running_are_no_complaint(books, open_request) -> None:
    """The check is run while the server serves: what is open has cost nothing yet."""
    account = books.account(100)
    books.end(open_request(books, account), 30)
    open_request(books, account)
    assert books.check() == []
    assert proof.size(books.connection) == (2, 2)


def test_a_price_of_the_first_version_is_not_held_against_a_row(books, open_request) -> None:
    """It named no tiers, so that what it adds up to proves nothing; new rows name everything."""
    books.end(open_request(books, books.account(100)), 30, price='{"input":2000000,"free":false}')
    assert books.check() == []


def test_shortfalls_are_named_and_are_no_complaint(books, open_request) -> None:
    """The books are right; what was wrong is an estimate, and the owner should see which."""
    account = books.account(25)
    books.end(open_request(books, account), 30, channel="c")
    books.end(open_request(books, account), 0)
    assert books.check() == []
    [row] = proof.shortfalls(books.connection, 20)
    assert (row["id"], row["email"], row["channel"], row["cost"], row["shortfall"]) == ("r1", "a@b.c", "c", 30, 5)


def test_the_proof_takes_no_more_memory_for_more_rows(books, open_request) -> None:
    """It is run beside a gateway that has lived for years: a million requests must not fill the memory."""
    opened = open_request(books, books.account(10**6))
    books.end(opened, 30)
    columns = [row["name"] for row in books.connection.execute("PRAGMA table_info(requests)")][1:]
    books.connection.executescript(
        "BEGIN; WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        f" INSERT INTO requests (id, {', '.join(columns)}) SELECT 'r' || i, {', '.join(columns)} FROM n, requests;"
        " INSERT INTO transfers (debit, credit, amount, kind, request_id, created_at)"
        " SELECT 'account:1', 'house:revenue', 30, 'charge', id, 0 FROM requests WHERE id <> 'r1';"
        " UPDATE keys SET spent = 30 * 20000, period_spent = 30 * 20000;"
        " UPDATE usage_recent SET settled = 20000, input = 30 * 20000, cost = 30 * 20000; COMMIT"
    )
    tracemalloc.start()
    try:
        assert (sum(1 for _ in proof.complaints(books.connection)), proof.size(books.connection)[1]) == (0, 20_000)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
