"""What a chart page was asked for, by plain links: how far back, what is shown, and by what it is told apart.

All times are UTC, so that no day has 23 hours and everybody sees the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from haze_proxy.store.usage_series import Sums
from haze_proxy.store.usage_sums import DAY_MS, HOUR_MS, SLOT_MS
from haze_proxy.web import words


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time in `count` steps of `grain` ms, the last of which is now. `axis` and `row` format a step."""

    label: str
    words: str
    step: str
    grain: int
    count: int
    axis: str
    row: str

    def times(self, now_ms: int) -> list[int]:
        """When each step begins, the oldest first."""
        last = now_ms - now_ms % self.grain
        return [last - self.grain * back for back in reversed(range(self.count))]

    def said(self, at_ms: int) -> str:
        """A step as it is named beside its numbers."""
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC):{self.row}}"

    def marked(self, at_ms: int) -> str:
        """A step as it is named on the axis."""
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC):{self.axis}}"


@dataclass(frozen=True, slots=True)
class Measure:
    """Which number of the sums is drawn, what the store calls it (a key of its RANKS), and how it is written."""

    label: str
    rank: str
    of: Callable[[Sums], int]
    show: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked for. The names are those of the links."""

    range: str
    show: str
    by: str

    @property
    def span(self) -> Span:
        """How far back."""
        return SPANS[self.range]


SPANS: Final = {
    "hour": Span("Hour", "the last hour", "five minutes", SLOT_MS, 12, "%H:%M", "%H:%M"),
    "day": Span("Day", "the last 24 hours", "hour", HOUR_MS, 24, "%H:%M", "%Y-%m-%d %H:%M"),
    "month": Span("Month", "the last 30 days", "day", DAY_MS, 30, "%-d %b", "%Y-%m-%d"),
}
TOKENS: Final = Measure("Tokens", "tokens", lambda sums: sums.tokens, words.count)
REQUESTS: Final = Measure("Requests", "requests", lambda sums: sums.requests, words.count)
# What an account spent, and what the owner earned by the same requests.
SPENDING: Final = {
    "spend": Measure("Spend", "spend", lambda sums: sums.spend, words.money),
    "tokens": TOKENS,
    "requests": REQUESTS,
}
EARNING: Final = {
    "spend": Measure("Revenue", "cost", lambda sums: sums.cost, words.money),
    "tokens": TOKENS,
    "requests": REQUESTS,
}


def choice(query: Mapping[str, str], measures: Mapping[str, Measure], dimensions: Mapping[str, str]) -> Choice:
    """What a query asks for; the last 24 hours' money by the first dimension where it says nothing that is known."""
    span, show, by = query.get("range", ""), query.get("show", ""), query.get("by", "")
    return Choice(
        span if span in SPANS else "day",
        show if show in measures else next(iter(measures)),
        by if by in dimensions else next(iter(dimensions)),
    )
