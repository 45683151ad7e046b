"""What an account sees first: what runs, what it spends, what was refused, and its last requests.

Every query goes by an index and reads a bounded number of rows, however many requests an account has had.
"""

import sqlite3
from collections import Counter
from dataclasses import dataclass

DAY_MS = 86_400_000
MINUTE_MS = 60_000
# The recent rate: these days, but no more rows than that.
RECENT_MS = 7 * DAY_MS
RECENT_ROWS = 1000
REFUSALS_ROWS = 20_000
LAST = 10


@dataclass(frozen=True, slots=True)
class Refused:
    """How often requests of a key were refused for a reason, such as `429 rate_limit_error`."""

    key_id: int
    key_name: str
    prefix: str
    reason: str
    count: int
    last_at: int


@dataclass(frozen=True, slots=True)
class Overview:
    """`per_day` is nano-dollars a day at the recent rate. `refused` is of the last 24 hours, not all where `is_cut`."""

    running: int
    per_day: int
    refused: list[Refused]
    is_cut: bool
    last: list[sqlite3.Row]
    live_keys: int


def read(connection: sqlite3.Connection, account_id: int, now_ms: int) -> Overview:
    """The overview of an account."""
    refused, is_cut = _refused(connection, account_id, now_ms)
    return Overview(
        running=int(connection.execute(RUNNING, (account_id,)).fetchone()[0]),
        per_day=per_day(connection, account_id, now_ms),
        refused=refused,
        is_cut=is_cut,
        last=connection.execute(LATEST, (account_id, LAST)).fetchall(),
        live_keys=int(connection.execute(LIVE_KEYS, (account_id, now_ms)).fetchone()[0]),
    )


def per_day(connection: sqlite3.Connection, account_id: int, now_ms: int) -> int:
    """What an account spends a day at its recent rate, in nano-dollars; 0 where it spends nothing."""
    rows = connection.execute(RECENT, (account_id, first_id(now_ms - RECENT_MS), RECENT_ROWS)).fetchall()
    if not rows:
        return 0
    past = now_ms - rows[-1]["opened_at"]
    # With few requests a day is the least that can be told from; with many, they are as long as they are.
    span = max(past, DAY_MS) if len(rows) < RECENT_ROWS else max(past, 1)
    return int(sum(row["cost"] for row in rows) * DAY_MS // span)


def _refused(connection: sqlite3.Connection, account_id: int, now_ms: int) -> tuple[list[Refused], bool]:
    # Added up here: SQLite would sort them in a temporary tree.
    counts: Counter[tuple[int, str]] = Counter()
    last: dict[tuple[int, str], int] = {}
    names: dict[int, tuple[str, str]] = {}
    since = (now_ms - DAY_MS) // MINUTE_MS
    rows = connection.execute(REFUSED, (account_id, since, REFUSALS_ROWS)).fetchall()
    for row in rows:
        place = (row["key_id"], row["reason"])
        counts[place] += row["count"]
        last[place] = max(last.get(place, 0), row["minute"] * MINUTE_MS)
        names[row["key_id"]] = (row["name"], row["prefix"])
    refused = [
        Refused(key, *names[key], reason, count, last[key, reason]) for (key, reason), count in counts.most_common()
    ]
    return refused, len(rows) == REFUSALS_ROWS


def first_id(at_ms: int) -> str:
    """The id that every request admitted at a time or later is above of: ids begin with their time."""
    return f"req_{max(0, at_ms):012x}"


# The few open rows of the epoch that runs, whoever's they are: an account may have a million others.
RUNNING = (
    "SELECT count(*) FROM requests INDEXED BY requests_open WHERE state = 'open' AND account_id = ?"
    " AND epoch = (SELECT max(id) FROM epochs WHERE ended_at IS NULL)"
)
RECENT = (
    "SELECT cost, opened_at FROM requests WHERE account_id = ? AND id >= ? AND state = 'settled'"
    " ORDER BY id DESC LIMIT ?"
)
REFUSED = (
    "SELECT key_id, name, prefix, reason, count, minute FROM keys CROSS JOIN refusals ON key_id = keys.id"
    " WHERE account_id = ? AND minute >= ? LIMIT ?"
)
LATEST = (
    "SELECT requests.id, opened_at, model, state, ended, status, input + cache_read + cache_write_5m + cache_write_1h"
    " AS input_tokens, output, cost, estimated, name AS key_name, prefix FROM requests"
    " JOIN keys ON keys.id = key_id WHERE requests.account_id = ? ORDER BY requests.id DESC LIMIT ?"
)
LIVE_KEYS = (
    "SELECT count(*) FROM keys WHERE account_id = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)"
)
