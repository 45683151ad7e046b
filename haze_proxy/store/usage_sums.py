"""What requests came to, summed by time: a chart of a month reads days, however many requests there were.

The end of a request adds to one row of usage_recent, in its own transaction; that is all a charge waits for. Once a
minute `fold` moves what is there into usage_sums, where each grain and each of DIMENSIONS has rows of its own. What is
not folded yet counts for whoever reads, so nothing is ever late.

Models are ids that callers choose, and a glob lets them choose any. So a time has at most NAMES_MAX names (and what one
fold brings at once): a name that is not among them by then is summed under ''. Named rows are whole all the same,
because a name that has a row keeps it.
"""

import sqlite3
from typing import Final

SLOT_MS: Final = 300_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000

# The account whose sums are those of all accounts.
EVERYBODY: Final = 0
# Whether the sums are everybody's -> what they are by.
DIMENSIONS: Final = {
    False: ("model", "key", "ended"),
    True: ("model", "account", "channel", "ended"),
}
NAMES_MAX: Final = 1000
# How many rows one transaction moves, or forgets: some 30 ms, so that no charge waits long.
PORTION: Final = 500

KEY: Final = ("account_id", "slot", "key_id", "model", "channel", "ended")
SUMS: Final = (
    "settled", "void", "input", "cache_read", "cache_write", "output", "reasoning", "cost", "shortfall", "saved",
)  # fmt: skip


def add(
    connection: sqlite3.Connection, account_id: int, at_ms: int, names: tuple[int | str, ...], sums: tuple[int, ...]
) -> None:
    """Add `sums` (as SUMS names them) to what is recent. `names` are key id, model, channel and how it ended."""
    connection.execute(ADD, (account_id, at_ms - at_ms % SLOT_MS, *names, *sums))


def interrupt(connection: sqlite3.Connection, now_ms: int, ended: str) -> None:
    """Add all requests that are open as ended now, without a charge."""
    for account_id, key_id, model, requests in connection.execute(OPEN).fetchall():
        add(connection, account_id, now_ms, (key_id, model, "", ended), (0, requests, *NOTHING[2:]))


def take_back(connection: sqlite3.Connection, request_id: str, amount: int) -> None:
    """A refund of nano-dollars: the request did not cost this, at the time at which it ended."""
    account_id, at_ms, *names = connection.execute(PLACE, (request_id,)).fetchone()
    add(connection, account_id, at_ms, tuple(names), tuple(-amount if name == "cost" else 0 for name in SUMS))


def fold(connection: sqlite3.Connection, now_ms: int) -> bool:
    """Move a portion of what is recent into the sums, and forget a portion of what is old. Whether more may be left."""
    connection.execute(FOLD)
    moved = connection.execute(FOLDED).rowcount
    # First it is said that old sums are not whole any more, then they go.
    connection.execute(AGE, {"now": now_ms})
    forgotten = connection.execute(FORGET).rowcount
    return max(moved, forgotten) == PORTION


def expanded(source: str, sign: str = "") -> str:
    """SQL: the rows of a source that has the columns of usage_recent, as those of usage_sums that they belong to.

    Each stands once for each grain that still has its time and for each dimension, with the name that it has there.
    """
    return (
        f"SELECT whose AS account_id, by, grain, time, iif({HAS_A_ROW} OR {HAS_ROOM}, value, '') AS name,"
        f" {', '.join(f'{sign}{column} AS {column}' for column in SUMS)}"
        f" FROM (SELECT iif(everybody, {EVERYBODY}, account_id) AS whose, by, grain, slot - slot % grain AS time,"
        " CASE by WHEN 'model' THEN model WHEN 'key' THEN CAST(key_id AS TEXT) WHEN 'ended' THEN ended"
        " WHEN 'channel' THEN channel ELSE CAST(account_id AS TEXT) END AS value,"
        f" {', '.join(SUMS)} FROM {source} CROSS JOIN ({BY}) CROSS JOIN usage_grains WHERE slot >= since) AS part"
    )


NOTHING: Final = (0,) * len(SUMS)
BY = " UNION ALL ".join(
    f"SELECT {everybody:d} AS everybody, '{by}' AS by" for everybody, names in DIMENSIONS.items() for by in names
)
THERE = (
    "SELECT 1 FROM usage_sums AS there WHERE there.account_id = part.whose AND there.by = part.by"
    " AND there.grain = part.grain AND there.time = part.time"
)
HAS_A_ROW = f"EXISTS ({THERE} AND there.name = part.value)"
HAS_ROOM = f"(SELECT count(*) FROM ({THERE} LIMIT {NAMES_MAX})) < {NAMES_MAX}"

MORE = f"DO UPDATE SET {', '.join(f'{column} = {column} + excluded.{column}' for column in SUMS)}"
ADD = (
    f"INSERT INTO usage_recent ({', '.join((*KEY, *SUMS))}) VALUES ({', '.join('?' * len((*KEY, *SUMS)))})"
    f" ON CONFLICT ({', '.join(KEY)}) {MORE}"
)
OPEN = "SELECT account_id, key_id, model, count(*) FROM requests WHERE state = 'open' GROUP BY 1, 2, 3"
PLACE = (
    "SELECT account_id, ended_at, key_id, model, coalesce(channel, ''), coalesce(ended, state)"
    " FROM requests WHERE id = ?"
)

FIRST = f"SELECT * FROM usage_recent ORDER BY {', '.join(KEY)} LIMIT {PORTION}"
FOLD = (
    f"INSERT INTO usage_sums (account_id, by, grain, time, name, {', '.join(SUMS)})"
    f" SELECT account_id, by, grain, time, name, {', '.join(f'sum({column})' for column in SUMS)}"
    f" FROM ({expanded(f'({FIRST})')}) WHERE true GROUP BY 1, 2, 3, 4, 5"
    f" ON CONFLICT (account_id, by, grain, time, name) {MORE}"
)
FOLDED = (
    f"DELETE FROM usage_recent WHERE ({', '.join(KEY)}) IN"
    f" (SELECT {', '.join(KEY)} FROM usage_recent ORDER BY {', '.join(KEY)} LIMIT {PORTION})"
)
AGE = "UPDATE usage_grains SET since = max(since, :now - kept - (:now - kept) % grain) WHERE kept IS NOT NULL"
FORGET = (
    "DELETE FROM usage_sums WHERE (account_id, by, grain, time, name) IN"
    " (SELECT account_id, by, usage_sums.grain, time, name FROM usage_grains"
    " JOIN usage_sums ON usage_sums.grain = usage_grains.grain AND time < since"
    f" WHERE kept IS NOT NULL AND usage_sums.grain < {DAY_MS} LIMIT {PORTION})"
)
