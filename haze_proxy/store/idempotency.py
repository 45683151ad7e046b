"""Which charged requests of the last 24 h came with an `Idempotency-Key`: two digests in the request's own row."""

import sqlite3
from typing import Final, NamedTuple

DAY_MS: Final = 86_400_000
# Of what is too old, a charge takes this much away: never all of a day at once.
FORGOTTEN_AT_ONCE: Final = 100


class Keyed(NamedTuple):
    """A request that has a key: digests of account and key, and of what was asked."""

    key: bytes
    body: bytes
    request_id: str


def keep(connection: sqlite3.Connection, keyed: Keyed, now_ms: int) -> None:
    """Write the digests into the request's row, in the transaction of its charge; let some of the day before go.

    The gate has judged that the request is the first with its key: an older row loses it.
    """
    connection.execute(f"{FORGET} WHERE idempotency_key = ?", (keyed.key,))
    connection.execute("UPDATE requests SET idempotency_key = ?, idempotency_body = ? WHERE id = ?", keyed)
    forget(connection, now_ms, FORGOTTEN_AT_ONCE)


def find(connection: sqlite3.Connection, key: bytes, now_ms: int) -> Keyed | None:
    """The charged request of the last 24 h that had this key."""
    row = connection.execute(FIND, (key, now_ms - DAY_MS)).fetchone()
    return None if row is None else Keyed(*row)


def forget(connection: sqlite3.Connection, now_ms: int, most: int) -> None:
    """Let the digests of at most `most` requests go, the oldest of those that are older than 24 h."""
    connection.execute(f"{FORGET} WHERE id IN ({OLD})", (now_ms - DAY_MS, most))


FIND: Final = "SELECT idempotency_key, idempotency_body, id FROM requests WHERE idempotency_key = ? AND opened_at > ?"
FORGET: Final = "UPDATE requests SET idempotency_key = NULL, idempotency_body = NULL"
OLD: Final = "SELECT id FROM requests WHERE idempotency_key IS NOT NULL AND opened_at <= ? ORDER BY opened_at LIMIT ?"
