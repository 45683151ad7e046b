"""The rows of the result: how two sets of figures are compared, and how the table is printed."""

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HEAD = [
    "line", "target", "unit", "relay", "best tenth", "target's", "best tenth", "compared", "quartiles", "limit", "",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One target's figure beside the relay's, all in `unit`.

    `relay` and `value` are medians, `*_low` the best tenth. `compared` is a ratio (`spread`: its quartiles over the
    rounds) or, where `is_difference`, what the target takes more than the relay. `limit` is what `compared` must not
    exceed; None: nothing is promised.
    """

    line: str
    target: str
    unit: str
    relay: float
    relay_low: float
    value: float
    value_low: float
    compared: float
    spread: tuple[float, float] | None = None
    is_difference: bool = False
    limit: float | None = None

    @property
    def verdict(self) -> str:
        """ok, MISS, or nothing when nothing is promised."""
        if self.limit is None:
            return ""
        return "ok" if self.compared <= self.limit else "MISS"


def by_turns(line: str, target: str, unit: str, pairs: Sequence[tuple[float, float]], limit: float | None) -> Row:
    """Compare the (relay, target) figures of the same rounds: what disturbs the machine disturbs both of a pair."""
    ratios = [value / relay for relay, value in pairs if relay > 0]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    relay, value = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return Row(
        line, target, unit, statistics.median(relay), best_tenth(relay), statistics.median(value), best_tenth(value),
        middle, (low, high), limit=limit,
    )  # fmt: skip


def by_difference(line: str, target: str, unit: str, relay: float, value: float, limit: float | None = None) -> Row:
    """Compare two single figures by their difference."""
    return Row(line, target, unit, relay, relay, value, value, value - relay, is_difference=True, limit=limit)


def best_tenth(values: Sequence[float]) -> float:
    """The value that a tenth of them stay below: noise only adds."""
    return sorted(values)[len(values) // 10]


def percentile_difference(
    line: str, target: str, unit: str, relay: Sequence[float], value: Sequence[float], percent: int
) -> Row:
    """Compare the same percentile of two sets of figures by its difference."""
    relay_at, value_at = (sorted(figures)[len(figures) * percent // 100] for figures in (relay, value))
    return Row(
        line, target, unit, relay_at, best_tenth(relay), value_at, best_tenth(value), value_at - relay_at,
        is_difference=True,
    )  # fmt: skip


def markdown(rows: Sequence[Row]) -> str:
    """All rows as one table."""
    table = [HEAD, ["---", "---", "---", *["--:"] * 7, "---"], *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """All rows as plain values."""
    return [{**dataclasses.asdict(row), "verdict": row.verdict} for row in rows]


def _cells(row: Row) -> list[str]:
    compared = f"{row.compared:+.1f} {row.unit}" if row.is_difference else f"{row.compared:.3f}x"
    limit = "" if row.limit is None else f"{row.limit:+g}" if row.is_difference else f"{row.limit:g}x"
    figures = [f"{figure:.1f}" for figure in (row.relay, row.relay_low, row.value, row.value_low)]
    spread = f"{row.spread[0]:.2f} to {row.spread[1]:.2f}" if row.spread else ""
    return [row.line, row.target, row.unit, *figures, compared, spread, limit, row.verdict]
