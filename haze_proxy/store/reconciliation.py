"""Our own receipts beside what the upstreams say the same requests cost them."""

import sqlite3
from dataclasses import dataclass

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Drift:
    """One day (UTC), channel and upstream model: money in nano-dollars.

    Only requests whose upstream reported a cost are compared: `reported` of them cost `cost` here and `upstream_cost`
    there. The other `unreported` ones cost `unreported_cost` here.
    """

    day: str
    channel: str
    model: str
    reported: int
    cost: int
    upstream_cost: int
    unreported: int
    unreported_cost: int

    @property
    def difference(self) -> int:
        """What we took more than the upstream; below zero: what we lost."""
        return self.cost - self.upstream_cost


def drifts(connection: sqlite3.Connection, day_ms: int | None = None) -> list[Drift]:
    """Every day, or the one that begins at `day_ms` (ms since 1970), by the time at which requests ended.

    What was not charged counts, too, where its upstream reported a cost.
    """
    begin, end = (0, 2**63 - 1) if day_ms is None else (day_ms, day_ms + DAY_MS)
    return [Drift(**dict(row)) for row in connection.execute(DRIFTS, (begin, end))]


# By number: a column of the table has the name of the model that was asked for.
DRIFTS = (
    "SELECT date(ended_at / 1000, 'unixepoch') AS day, channel, upstream_model AS model,"
    " count(upstream_cost) AS reported, sum(iif(upstream_cost IS NULL, 0, cost)) AS cost,"
    " coalesce(sum(upstream_cost), 0) AS upstream_cost, sum(upstream_cost IS NULL) AS unreported,"
    " sum(iif(upstream_cost IS NULL, cost, 0)) AS unreported_cost"
    " FROM requests WHERE ended_at >= ? AND ended_at < ? AND channel IS NOT NULL"
    " AND (state = 'settled' OR upstream_cost IS NOT NULL) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)
