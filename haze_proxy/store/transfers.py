"""The books: immutable transfers between ledger accounts, and the proof that they add up.

A transfer takes `amount` nano-dollars from `debit` and gives them to `credit`; balances are moved by a trigger in the
same transaction, so there is no other way to move one. The shape is TigerBeetle's.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

REVENUE = "house:revenue"
PROMOTION = "house:promotion"
SHORTFALL = "house:shortfall"
MANUAL = "external:manual"


def account(account_id: int) -> str:
    """The ledger name of an account."""
    return f"account:{account_id}"


@dataclass(frozen=True, slots=True)
class Transfer:
    """What moves: `amount` nano-dollars, more than 0. The same `idempotency_key` moves money once."""

    debit: str
    credit: str
    amount: int
    kind: str
    request_id: str | None = None
    idempotency_key: str | None = None
    memo: str | None = None


class AlreadyMovedError(Exception):
    """This idempotency key has moved other money before."""


def move(connection: sqlite3.Connection, transfer: Transfer, now_ms: int) -> int:
    """Write one transfer inside the caller's transaction; returns its id.

    The same transfer under the same idempotency key returns the first one's id and moves nothing. Raises
    AlreadyMovedError when that key was used for another, sqlite3.IntegrityError when an account would go below 0.
    """
    if transfer.idempotency_key is not None and (first := _find(connection, transfer.idempotency_key)):
        same = (transfer.debit, transfer.credit, transfer.amount, transfer.kind)
        if (first["debit"], first["credit"], first["amount"], first["kind"]) != same:
            raise AlreadyMovedError(f"The id {transfer.idempotency_key!r} was already used for another transfer.")
        return int(first["id"])
    cursor = connection.execute(
        "INSERT INTO transfers (debit, credit, amount, kind, request_id, idempotency_key, created_at, memo)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            transfer.debit,
            transfer.credit,
            transfer.amount,
            transfer.kind,
            transfer.request_id,
            transfer.idempotency_key,
            now_ms,
            transfer.memo,
        ),
    )
    return int(cursor.lastrowid or 0)


def balance(connection: sqlite3.Connection, name: str) -> int:
    """The materialised balance of one ledger account in nano-dollars."""
    row = connection.execute("SELECT balance FROM ledger WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def export(connection: sqlite3.Connection) -> Iterator[sqlite3.Row]:
    """Every transfer, oldest first."""
    return iter(connection.execute("SELECT * FROM transfers ORDER BY id"))


def size(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many transfers and how many requests there are."""
    question = "SELECT (SELECT count(*) FROM transfers), (SELECT count(*) FROM requests)"
    moved, requests = connection.execute(question).fetchone()
    return moved, requests


def check(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the books, one line each; an empty list is the proof that they add up."""
    return [complaint for question, text in QUESTIONS for complaint in _ask(connection, question, text)]


# Each question answers with the rows that should not be there.
QUESTIONS = (
    ("SELECT sum(balance) AS total FROM ledger HAVING total <> 0", "The balances add up to {total}, not to zero."),
    (
        "SELECT ledger.name, balance, coalesce(moved, 0) AS moved FROM ledger LEFT JOIN ("
        " SELECT name, sum(amount) AS moved FROM ("
        "  SELECT credit AS name, amount FROM transfers UNION ALL SELECT debit, -amount FROM transfers"
        " ) GROUP BY name) AS sums ON sums.name = ledger.name WHERE balance <> coalesce(moved, 0)",
        "{name} stands at {balance}, but its transfers add up to {moved}.",
    ),
    (
        "SELECT name, balance FROM ledger WHERE name GLOB 'account:*' AND balance < 0",
        "{name} is below zero: {balance}.",
    ),
    (
        "SELECT requests.id, cost, coalesce(charged, 0) AS charged FROM requests LEFT JOIN ("
        " SELECT request_id, sum(amount) AS charged FROM transfers WHERE kind IN ('charge', 'shortfall')"
        " GROUP BY request_id) AS charges ON charges.request_id = requests.id"
        " WHERE cost <> coalesce(charged, 0)",
        "Request {id} cost {cost}, but {charged} were charged.",
    ),
    (
        "SELECT id, state, cost FROM requests WHERE state <> 'settled' AND cost <> 0",
        "Request {id} is {state} and cost {cost}.",
    ),
    (
        "SELECT transfers.id, request_id FROM transfers LEFT JOIN requests ON requests.id = request_id"
        " WHERE request_id IS NOT NULL AND requests.id IS NULL",
        "Transfer {id} names request {request_id}, which does not exist.",
    ),
    (
        "SELECT requests.id, requests.epoch FROM requests WHERE state = 'open'"
        " AND epoch <> (SELECT max(id) FROM epochs)",
        "Request {id} is open, but its server (epoch {epoch}) is gone.",
    ),
    (
        "SELECT keys.id, spent, coalesce(total, 0) AS total FROM keys LEFT JOIN ("
        " SELECT key_id, sum(cost) AS total FROM requests GROUP BY key_id) AS costs ON costs.key_id = keys.id"
        " WHERE spent <> coalesce(total, 0)",
        "Key {id} has spent {spent}, but its requests cost {total}.",
    ),
)


def _ask(connection: sqlite3.Connection, question: str, text: str) -> Iterator[str]:
    for row in connection.execute(question):
        yield text.format(**dict(row))


def _find(connection: sqlite3.Connection, idempotency_key: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM transfers WHERE idempotency_key = ?", (idempotency_key,)
    ).fetchone()
    return row
