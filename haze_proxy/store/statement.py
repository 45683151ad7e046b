"""An account's transfers, the newest first, with its balance after each.

Each transfer says itself what its account had afterwards (a trigger writes it down), so a page anywhere in a list of a
million is read in the order of two indexes, without adding anything up.
"""

import sqlite3
from dataclasses import dataclass
from typing import Literal

from haze_proxy.store import transfers

Show = Literal["", "in", "charges"]
# Above every transfer's id.
NEWEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Line:
    """One transfer as its account sees it, in nano-dollars: `amount` has a sign, `balance` is what was there then."""

    id: int
    created_at: int
    kind: str
    amount: int
    balance: int
    memo: str | None
    request_id: str | None


def older(connection: sqlite3.Connection, account_id: int, show: Show, before: int, most: int) -> list[Line]:
    """At most `most` transfers below the id `before`, the newest first: all, what came in, or what was charged."""
    return _lines(connection, account_id, show, ("<", "DESC"), before, most)


def newer(connection: sqlite3.Connection, account_id: int, show: Show, above: int, most: int) -> list[Line]:
    """The `most` transfers next above an id, the newest first."""
    return _lines(connection, account_id, show, (">", "ASC"), above, most)[::-1]


def _lines(
    connection: sqlite3.Connection, account_id: int, show: Show, way: tuple[str, str], place: int, most: int
) -> list[Line]:
    (than, order), name = way, transfers.account(account_id)
    walks = [f"{walk} AND id {than} ?" for walk in WALKS[show]]
    # Two walks are merged as they come; none is sorted.
    rows = connection.execute(
        f"{' UNION ALL '.join(walks)} ORDER BY id {order} LIMIT ?", (*(name, place) * len(walks), most)
    )
    return [Line(**dict(row)) for row in rows]


COLUMNS = "SELECT id, created_at, kind, {} AS amount, {} AS balance, memo, request_id FROM transfers"
# Indexed for accounts alone, which SQLite must be told.
IN = f"{COLUMNS.format('amount', 'credit_after')} WHERE credit = ? AND credit GLOB 'account:*'"
OUT = f"{COLUMNS.format('-amount', 'debit_after')} WHERE debit = ? AND debit GLOB 'account:*'"
WALKS: dict[Show, tuple[str, ...]] = {"": (IN, OUT), "in": (IN,), "charges": (f"{OUT} AND kind = 'charge'",)}
