"""The playground's key: an account's own, with limits, a budget and a row in its list, and with a secret nobody knows.

What it is made of is thrown away, and does not begin like a key, so no credential on the line can ever name it: only a
page of the account that it belongs to asks with it.
"""

import secrets
import sqlite3
from typing import Final

from haze_proxy.config import Limits
from haze_proxy.store import own_keys
from haze_proxy.store.keys import SELECT, Key, NewKey, key

NAME: Final = "Playground"
MARK: Final = "playground-"


def find(connection: sqlite3.Connection, account_id: int) -> Key | None:
    """The newest key that the playground had in an account, revoked or not; None before its first use."""
    row = connection.execute(
        f"{SELECT} WHERE account_id = ? AND substr(prefix, 1, ?) = ? ORDER BY id DESC LIMIT 1",
        (account_id, len(MARK), MARK),
    ).fetchone()
    return None if row is None else key(row)


def make(connection: sqlite3.Connection, account_id: int, limits: Limits, now_ms: int) -> int:
    """The id of an account's playground key; where none is live it is made. Raises TooManyKeysError."""
    found = find(connection, account_id)
    if found is not None and found.revoked_at is None:
        return found.id
    new = NewKey(NAME, limits.requests_per_minute, limits.tokens_per_minute, limits.concurrent_requests)
    return own_keys.add(connection, account_id, new, MARK + secrets.token_urlsafe(32), now_ms)


def cost(connection: sqlite3.Connection, account_id: int, request_id: str) -> sqlite3.Row | None:
    """What a request of the account came to (nano-dollars, tokens); None for one that it has not made."""
    found: sqlite3.Row | None = connection.execute(COST, (request_id, account_id)).fetchone()
    return found


COST: Final = (
    "SELECT state, ended, cost, estimated, input + cache_read + cache_write_5m + cache_write_1h AS input, output"
    " FROM requests WHERE id = ? AND account_id = ?"
)
