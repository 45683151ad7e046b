"""Keys in the hands of their own account: nobody else's key is found here, so nobody else's can be changed."""

import sqlite3

from haze_proxy.money import periods
from haze_proxy.store import keys
from haze_proxy.store.keys import SELECT, SHOWN, Key, NewKey, UnknownKeyError, digest, key, listed

# Live ones; each costs memory in the running server.
KEYS_MAX = 200
# Revoked ones that are still shown, the last that were made: how many there are in all has no bound.
REVOKED_SHOWN = 100


class TooManyKeysError(Exception):
    """An account that has as many keys as it may have; the message is one clear line."""


def find(connection: sqlite3.Connection, account_id: int, key_id: int) -> Key:
    """A key of an account, revoked or not. Raises UnknownKeyError for one that it does not have."""
    row = connection.execute(f"{SELECT} WHERE id = ? AND account_id = ?", (key_id, account_id)).fetchone()
    if row is None:
        raise UnknownKeyError("No such key.")
    return key(row)


def shown(connection: sqlite3.Connection, account_id: int) -> list[Key]:
    """The keys of an account that are not revoked, and the newest of those that are; the oldest first."""
    own = f"{SELECT} WHERE account_id = ? AND revoked_at IS"
    live = connection.execute(f"{own} NULL", (account_id,))
    gone = connection.execute(f"{own} NOT NULL ORDER BY id DESC LIMIT ?", (account_id, REVOKED_SHOWN))
    return sorted(map(key, [*live, *gone]), key=lambda each: each.id)


def add(connection: sqlite3.Connection, account_id: int, new: NewKey, secret: str, now_ms: int) -> int:
    """Make a key for an account; returns its id. Raises TooManyKeysError."""
    live = connection.execute(
        "SELECT count(*) FROM keys WHERE account_id = ? AND revoked_at IS NULL", (account_id,)
    ).fetchone()[0]
    if live >= KEYS_MAX:
        raise TooManyKeysError(f"An account has at most {KEYS_MAX} keys. Revoke one that is not used any more.")
    return keys.add(connection, account_id, new, secret, now_ms)


def edit(connection: sqlite3.Connection, account_id: int, key_id: int, wanted: NewKey, now_ms: int) -> None:
    """Change what is decided about a live key. Another budget period begins to count now, `total` with all it spent.

    Raises UnknownKeyError for a key that the account does not have, or has revoked.
    """
    found = _live(connection, account_id, key_id)
    counted, since = found.period_spent, found.period_started
    if wanted.budget_period != found.budget_period:
        counted = found.spent if wanted.budget_period == periods.TOTAL else 0
        since = periods.begin(wanted.budget_period, now_ms)
    connection.execute(
        "UPDATE keys SET name = ?, requests_per_minute = ?, tokens_per_minute = ?, concurrent_requests = ?, budget = ?,"
        " budget_period = ?, period_spent = ?, period_started = ?, models = ?, addresses = ?, expires_at = ?"
        " WHERE id = ?",
        (
            wanted.name,
            wanted.requests_per_minute,
            wanted.tokens_per_minute,
            wanted.concurrent_requests,
            wanted.budget,
            wanted.budget_period,
            counted,
            since,
            listed(wanted.models),
            listed(wanted.addresses),
            wanted.expires_at,
            key_id,
        ),
    )


def rotate(connection: sqlite3.Connection, account_id: int, key_id: int, secret: str) -> None:
    """Give a live key another secret: its facts and what it spent stay, the old secret is refused from now on.

    Raises UnknownKeyError.
    """
    if not _live(connection, account_id, key_id).has_secret:
        raise UnknownKeyError("This key has no secret.")
    connection.execute("UPDATE keys SET prefix = ?, digest = ? WHERE id = ?", (secret[:SHOWN], digest(secret), key_id))


def revoke(connection: sqlite3.Connection, account_id: int, key_id: int, now_ms: int) -> Key:
    """Refuse a key from now on. Raises UnknownKeyError."""
    found = find(connection, account_id, key_id)
    connection.execute("UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?", (now_ms, key_id))
    return found


def _live(connection: sqlite3.Connection, account_id: int, key_id: int) -> Key:
    found = find(connection, account_id, key_id)
    if found.revoked_at is not None:
        raise UnknownKeyError("This key is revoked.")
    return found
