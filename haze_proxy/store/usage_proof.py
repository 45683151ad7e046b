"""The proof that the sums behind the charts are those of the requests: all are summed again, and the difference is 0.

SQLite sorts on the disk what it groups, so that this takes no more memory for more requests.
"""

import sqlite3
from collections.abc import Iterator

from haze_proxy.store import receipts, usage_sums
from haze_proxy.store.usage_sums import SLOT_MS, SUMS


def complaints(connection: sqlite3.Connection) -> Iterator[str]:
    """One line, if there is anything wrong: the first place, and how many there are."""
    receipts.teach(connection)
    wrong = connection.execute(DIFFERENCES)
    first = wrong.fetchone()
    if first is None:
        return
    places = 1 + sum(1 for _ in wrong)
    sums = ", ".join(f"{name} {first[name]:+}" for name in SUMS if first[name])
    whose = f"account {first['account_id']}" if first["account_id"] else "all accounts"
    yield (
        f"The sums of {whose} by {first['by']} ({first['name'] or 'none'}) from {first['moment']} on are not what"
        f" its requests add up to: {sums}. So it is at {places} places."
    )


AGAIN = (
    f"SELECT account_id, ended_at - ended_at % {SLOT_MS} AS slot, key_id, model, coalesce(channel, '') AS channel,"
    " coalesce(ended, state) AS ended, sum(state = 'settled') AS settled, sum(state <> 'settled') AS void,"
    " sum(input) AS input, sum(cache_read) AS cache_read, sum(cache_write_5m + cache_write_1h) AS cache_write,"
    " sum(output) AS output, sum(reasoning) AS reasoning, sum(cost - coalesce(amount, 0)) AS cost,"
    " sum(shortfall) AS shortfall,"
    " sum(saved(state, input, cache_read, cache_write_5m, cache_write_1h, price, upstream_cost)) AS saved"
    " FROM requests LEFT JOIN transfers ON request_id = requests.id AND kind = 'refund'"
    " WHERE ended_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6"
)
WRITTEN = (
    f"SELECT account_id, by, usage_sums.grain, time, name, {', '.join(SUMS)} FROM usage_sums"
    " JOIN usage_grains ON usage_grains.grain = usage_sums.grain WHERE time >= since"
)
DIFFERENCES = (
    "SELECT account_id, by, grain, time, name, strftime('%Y-%m-%d %H:%M', time / 1000, 'unixepoch') AS moment,"
    f" {', '.join(f'sum({column}) AS {column}' for column in SUMS)} FROM ("
    f"{WRITTEN} UNION ALL {usage_sums.expanded('usage_recent')}"
    f" UNION ALL {usage_sums.expanded(f'({AGAIN})', '-')}) GROUP BY 1, 2, 3, 4, 5"
    f" HAVING {' OR '.join(f'sum({column}) <> 0' for column in SUMS)} ORDER BY account_id DESC, by, grain, time, name"
)
