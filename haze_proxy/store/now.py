"""What an administrator sees first: the money in the house, what was refused, and what dead servers left behind.

Everything reads a bounded number of rows, however many accounts and requests there are.
"""

import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass

from haze_proxy.store import channel_health, usage_series
from haze_proxy.store.channel_health import Resting
from haze_proxy.store.overview import DAY_MS, MINUTE_MS, REFUSALS_ROWS, first_id
from haze_proxy.store.usage_sums import EVERYBODY

# Of these days, and no more of them than that.
INTERRUPTED_MS = 30 * DAY_MS
INTERRUPTED_ROWS = 1000
MONTH_DAYS = 30
# No more requests of the last minute are counted.
RATE_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Refused:
    """How often requests were refused for a reason, such as `429 rate_limit_error`, and how many keys that met."""

    reason: str
    count: int
    keys: int
    last_at: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Requests that a dead server left open: nobody paid for them, and upstream they may have cost what they held."""

    rows: list[sqlite3.Row]
    held: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Now:
    """`ledger` are the balances of the house and of what is outside, by name; `balances` is all that accounts have.
    `revenue_month` is of 30 days, today among them; both are less what was refunded.

    Money is nano-dollars, times are ms since 1970. `admitted` is of the last minute, RATE_ROWS at most; `refused` is of
    the last 24 hours.
    """

    accounts: int
    balances: int
    ledger: dict[str, int]
    revenue_today: int
    revenue_month: int
    admitted: int
    refused: list[Refused]
    interrupted: Interrupted
    resting: list[Resting]
    started_at: int | None


def read(connection: sqlite3.Connection, now_ms: int) -> Now:
    """All of it."""
    ledger = {row["name"]: row["balance"] for row in connection.execute(LEDGER)}
    started = connection.execute(STARTED).fetchone()
    return Now(
        accounts=int(connection.execute("SELECT count(*) FROM accounts").fetchone()[0]),
        # The books sum to zero: what the house and the outside lack is what accounts have.
        balances=-sum(ledger.values()),
        ledger=ledger,
        revenue_today=_revenue(connection, now_ms, 1),
        revenue_month=_revenue(connection, now_ms, MONTH_DAYS),
        admitted=int(connection.execute(ADMITTED, (first_id(now_ms - MINUTE_MS), RATE_ROWS)).fetchone()[0]),
        refused=_refused(connection, now_ms),
        interrupted=_interrupted(connection, now_ms),
        resting=[each for each in channel_health.every(connection) if each.until > now_ms],
        started_at=None if started is None else started["started_at"],
    )


def _revenue(connection: sqlite3.Connection, now_ms: int, days: int) -> int:
    """Of requests that ended in the last `days` days (UTC), today among them; less what was refunded."""
    since = (now_ms // DAY_MS - days + 1) * DAY_MS
    sums = usage_series.by_ending(connection, EVERYBODY, DAY_MS, since).values()
    return usage_series.total(sums).cost


def _refused(connection: sqlite3.Connection, now_ms: int) -> list[Refused]:
    # Added up here: SQLite would sort them in a temporary tree.
    counts, last, keys = Counter[str](), dict[str, int](), defaultdict[str, set[int]](set)
    for row in connection.execute(REFUSED, ((now_ms - DAY_MS) // MINUTE_MS, REFUSALS_ROWS)):
        reason = row["reason"]
        counts[reason] += row["count"]
        last[reason] = max(last.get(reason, 0), row["minute"] * MINUTE_MS)
        keys[reason].add(row["key_id"])
    return [Refused(reason, count, len(keys[reason] - {0}), last[reason]) for reason, count in counts.most_common()]


def _interrupted(connection: sqlite3.Connection, now_ms: int) -> Interrupted:
    rows = connection.execute(INTERRUPTED, (now_ms - INTERRUPTED_MS, INTERRUPTED_ROWS)).fetchall()
    return Interrupted(rows, sum(row["held"] for row in rows), len(rows) == INTERRUPTED_ROWS)


LEDGER = "SELECT name, balance FROM ledger WHERE name < 'account:' OR name >= 'account;'"
STARTED = "SELECT started_at FROM epochs WHERE ended_at IS NULL ORDER BY id DESC LIMIT 1"
ADMITTED = "SELECT count(*) FROM (SELECT 1 FROM requests WHERE id >= ? LIMIT ?)"
REFUSED = (
    "SELECT reason, key_id, count, minute FROM refusals INDEXED BY refusals_by_minute WHERE minute >= ?"
    " ORDER BY minute DESC LIMIT ?"
)
INTERRUPTED = (
    "SELECT requests.id, email, model, opened_at, held FROM requests INDEXED BY requests_interrupted"
    " CROSS JOIN accounts ON accounts.id = account_id WHERE state = 'interrupted' AND requests.ended_at >= ?"
    " ORDER BY requests.ended_at DESC LIMIT ?"
)
