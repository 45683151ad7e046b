"""The books: immutable transfers between ledger accounts.

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
STRIPE = "external:stripe"


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


def has_moved(connection: sqlite3.Connection, idempotency_key: str) -> bool:
    """Whether an idempotency key has moved money before."""
    return _find(connection, idempotency_key) is not None


def balance(connection: sqlite3.Connection, name: str) -> int:
    """The materialised balance of one ledger account in nano-dollars."""
    row = connection.execute("SELECT balance FROM ledger WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def export(connection: sqlite3.Connection) -> Iterator[sqlite3.Row]:
    """Every transfer, oldest first."""
    return iter(connection.execute("SELECT * FROM transfers ORDER BY id"))


def _find(connection: sqlite3.Connection, idempotency_key: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM transfers WHERE idempotency_key = ?", (idempotency_key,)
    ).fetchone()
    return row
