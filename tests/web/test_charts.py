"""Bars are as high as their numbers, lie on one another without a gap, and can be told apart by everybody."""

import re
from itertools import combinations
from math import dist
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haze_proxy import web
from haze_proxy.web.usage import charts
from haze_proxy.web.usage.charts import BAR, COLUMN, HEIGHT, Band, ceiling, stacked
from haze_proxy.web.words import count, rounded, share

STYLE = Path(web.__file__).with_name("static") / "style"
BAR_SHAPE = re.compile(r"M(\d+) ([\d.]+)H(\d+)V([\d.]+)H(\d+)Z")
numbers = st.integers(0, 10**15)
tables = st.integers(1, 31).flatmap(
    lambda bars: st.lists(st.lists(numbers, min_size=bars, max_size=bars), min_size=1, max_size=7)
)


def drawn(table: list[list[int]]) -> charts.Chart:
    """A chart of some bands."""
    bands = [Band(f"b{at}", colour, tuple(row)) for at, (row, colour) in enumerate(zip(table, "abcdefg", strict=False))]
    return stacked(bands, [f"t{at}" for at in range(len(table[0]))], count)


# Whole tables are drawn at random, which takes its time on a busy machine.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables)
def test_each_bar_is_as_high_as_its_number_and_stands_on_the_one_below(table: list[list[int]]) -> None:
    """To a hundredth of the axis: a chart is read by comparing heights."""
    chart = drawn(table)
    shapes = {colour: {int(x): (float(high), float(low)) for x, high, _, low, _ in BAR_SHAPE.findall(path)}
              for colour, path in chart.paths}  # fmt: skip
    top, left = chart.marks[0], (COLUMN - BAR) // 2
    assert chart.width == COLUMN * len(table[0])
    for bar in range(len(table[0])):
        floor = 0
        for row, colour in zip(table, "abcdefg", strict=False):
            if row[bar]:
                high, low = shapes[colour][bar * COLUMN + left]
                assert low == pytest.approx(HEIGHT * (top - floor) / top, abs=0.011)
                assert high == pytest.approx(HEIGHT * (top - floor - row[bar]) / top, abs=0.011)
            else:
                assert bar * COLUMN + left not in shapes.get(colour, {})
            floor += row[bar]


@given(numbers)
def test_an_axis_ends_at_a_round_number_above_the_highest_bar(most: int) -> None:
    """Never in the middle of a bar, and not far above it."""
    top = ceiling(most)
    assert most <= top
    assert most * 2.5 >= top or top == 1
    assert re.fullmatch(r"[125]0*", str(top))


def test_what_is_said_of_a_bar_has_all_its_numbers() -> None:
    """The mouse finds them; the table beside has them for everybody."""
    titles = [column.title for column in drawn([[1, 2, 0, 5], [3, 0, 0, 1000]]).columns]
    assert titles == ["t0: 4 (b1 3, b0 1)", "t1: b0 2", "t2: 0", "t3: 1,005 (b1 1,000, b0 5)"]


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 0, "\N{EN DASH}"), (0, 5, "0.0 %"), (2, 3, "66.6 %"), (999_999, 1_000_000, "99.9 %"), (3, 3, "100.0 %")],
)
def test_a_share_is_rounded_down(part: int, whole: int, said: str) -> None:
    """100 % is all of it, and nothing less."""
    assert share(part, whole) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (9_999_999, "9,999,999"), (41_389_999, "41.38 M"), (12_345_678_901, "12.34 bn")],
)
def test_a_large_count_has_room_on_a_phone(number: int, said: str) -> None:
    """The exact one stands beside it."""
    assert rounded(number) == said


# Seven colours, in light and in dark, as the stylesheet has them; simulated after Machado, Oliveira, Fernandes (2009):
# what people see who lack one of the three kinds of cones.
EYES = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no blue": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
Colour = tuple[float, ...]


def schemes() -> dict[str, dict[str, str]]:
    """The variables of both schemes: name -> #rrggbb."""
    found: dict[str, dict[str, str]] = {"light": {}, "dark": {}}
    for name in ("base.css", "charts.css"):
        light, _, dark = (STYLE / name).read_text().partition("prefers-color-scheme: dark")
        found["light"] |= dict(re.findall(r"--(\w+): (#\w{6})", light))
        found["dark"] |= dict(re.findall(r"--(\w+): (#\w{6})", dark))
    return found


def linear(colour: str) -> Colour:
    """The light of a colour: https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return tuple(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)


def luminance(light: Colour) -> float:
    """How bright it is."""
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]


def lab(light: Colour) -> Colour:
    """CIE L*a*b*, in which a distance of 2 is just seen."""
    red, green, blue = light
    x, z = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089,
    )
    fx, fy, fz = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in (x, luminance(light), z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def seen(colour: str, eye: tuple[Colour, ...]) -> Colour:
    """A colour as an eye sees it."""
    light = linear(colour)
    return lab(tuple(min(1, max(0, sum(a * b for a, b in zip(row, light, strict=True)))) for row in eye))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out_from_the_card(scheme: str) -> None:
    """At least 3 : 1, as for everything that is not text but has to be seen."""
    colours = schemes()[scheme]
    card = luminance(linear(colours["card"]))
    for name in (*charts.COLOURS, charts.REST):
        bar = luminance(linear(colours[name]))
        assert (max(bar, card) + 0.05) / (min(bar, card) + 0.05) >= 3, name


@pytest.mark.parametrize("eye", EYES.values(), ids=EYES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_any_two_colours_can_be_told_apart(scheme: str, eye: tuple[Colour, ...]) -> None:
    """One man in twelve does not see red or green as others do. Ten times what is just seen."""
    colours = schemes()[scheme]
    for one, two in combinations((*charts.COLOURS, charts.REST), 2):
        assert dist(seen(colours[one], eye), seen(colours[two], eye)) >= 20, (one, two)
