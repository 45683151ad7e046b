"""The periods of a key's budget, in UTC: a day, a week from Monday on, a month; `total` never ends.

What counts is the time at which a request is settled: one that runs across midnight is paid by the new day.
"""

from datetime import UTC, datetime

TOTAL = "total"
PERIODS = (TOTAL, "day", "week", "month")

DAY_MS = 86_400_000
LONGEST_MONTH_MS = 31 * DAY_MS
# 1970 began on a Thursday.
WEEKDAY_OF_1970 = 3


def begin(period: str, at_ms: int) -> int:
    """When the period that contains `at_ms` began; both ms since 1970, at least 0. `total` began at 0."""
    match period:
        case "day":
            return at_ms - at_ms % DAY_MS
        case "week":
            days = at_ms // DAY_MS
            return max(0, days - (days + WEEKDAY_OF_1970) % 7) * DAY_MS
        case "month":
            moment = datetime.fromtimestamp(at_ms // 1000, UTC)
            return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()) * 1000
        case _:
            return 0


def end(period: str, at_ms: int) -> int | None:
    """When the period that contains `at_ms` ends, so that the next one begins; None for `total`."""
    match period:
        case "day":
            return begin(period, at_ms) + DAY_MS
        case "week":
            days = at_ms // DAY_MS
            return (days - (days + WEEKDAY_OF_1970) % 7 + 7) * DAY_MS
        case "month":
            return begin(period, begin(period, at_ms) + LONGEST_MONTH_MS)
        case _:
            return None
