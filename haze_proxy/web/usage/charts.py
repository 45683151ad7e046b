"""Series of numbers -> the shapes of a chart with stacked bars. Nothing here knows what the numbers are.

The shapes are in a box of their own units that is stretched to its place: COLUMN wide for each bar, HEIGHT high. So
everything that is read, the marks of the axes and the legend, stands beside it as text.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

COLUMN: Final = 10
BAR: Final = 8
HEIGHT: Final = 100
# The classes that colour a band, in the order in which they are given away; the last is for what is left over.
COLOURS: Final = ("s1", "s2", "s3", "s4", "s5", "s6")
REST: Final = "s0"
BANDS_MAX: Final = len(COLOURS)
# An axis ends at one of these times a power of ten.
STEPS: Final = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Band:
    """One series: its label, its colour's class, and a number for each bar, at least 0."""

    label: str
    colour: str
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: where it begins, and what is said of it."""

    x: int
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`paths` are (colour, SVG path) from the lowest band up; `marks` are the numbers of the axis from the top down."""

    width: int
    paths: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    marks: tuple[int, ...]


def stacked(bands: Sequence[Band], times: Sequence[str], show: Callable[[int], str]) -> Chart:
    """Draw bands on one another. `times` name the bars, `show` says a number as people read it."""
    top = ceiling(max((sum(values) for values in zip(*(band.values for band in bands), strict=True)), default=0))
    paths, floor = [], [0] * len(times)
    for band in bands:
        if band.total:
            paths.append((band.colour, "".join(_bars(band.values, floor, top))))
        floor = [below + value for below, value in zip(floor, band.values, strict=True)]
    columns = tuple(Column(at * COLUMN, _title(name, at, bands, show)) for at, name in enumerate(times))
    return Chart(len(times) * COLUMN, tuple(paths), columns, (top, top // 2, 0) if top > 1 else (top, 0))


def ceiling(most: int) -> int:
    """Where an axis ends that has to show `most`: 1, 2 or 5 times a power of ten, at least 1."""
    power: int = 10 ** max(0, len(str(most)) - 1)
    return next((step * power for step in STEPS if step * power >= most), 10 * power)


def _bars(values: Sequence[int], floor: Sequence[int], top: int) -> Iterator[str]:
    left = (COLUMN - BAR) // 2
    for at, (value, below) in enumerate(zip(values, floor, strict=True)):
        if value:
            high, low = _unit(top - below - value, top), _unit(top - below, top)
            yield f"M{at * COLUMN + left} {high}H{at * COLUMN + left + BAR}V{low}H{at * COLUMN + left}Z"


def _unit(number: int, top: int) -> str:
    """A number on the axis in units of the box, to a hundredth."""
    whole, rest = divmod((number * HEIGHT * 100 + top // 2) // top, 100)
    return f"{whole}.{rest:02}".rstrip("0").rstrip(".")


def _title(name: str, at: int, bands: Sequence[Band], show: Callable[[int], str]) -> str:
    total = sum(band.values[at] for band in bands)
    parts = [f"{band.label} {show(band.values[at])}" for band in reversed(bands) if band.values[at]]
    if len(parts) == 1:
        return f"{name}: {parts[0]}"
    return f"{name}: {show(total)}" + (f" ({', '.join(parts)})" if parts else "")
