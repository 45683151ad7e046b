"""Days, weeks and months in UTC, to the millisecond."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.money import periods


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


CASES = {
    "a day": ("day", "2026-11-25T13:00", "2026-11-25", "2026-11-26"),
    "midnight is the new day's": ("day", "2026-11-25", "2026-11-25", "2026-11-26"),
    "its last millisecond is the old day's": ("day", "2026-11-25T23:59:59.999", "2026-11-25", "2026-11-26"),
    "a week begins on Monday": ("week", "2026-11-25T13:00", "2026-11-23", "2026-11-30"),
    "Sunday is its last day": ("week", "2026-11-29T23:59:59.999", "2026-11-23", "2026-11-30"),
    "Monday is its first": ("week", "2026-11-30", "2026-11-30", "2026-12-07"),
    "a week across the year": ("week", "2027-01-01", "2026-12-28", "2027-01-04"),
    "a month": ("month", "2026-11-25T13:00", "2026-11-01", "2026-12-01"),
    "a month of 31 days": ("month", "2026-12-31T23:59:59.999", "2026-12-01", "2027-01-01"),
    "a short month": ("month", "2027-02-01", "2027-02-01", "2027-03-01"),
    "a leap year's": ("month", "2028-02-29T12:00", "2028-02-01", "2028-03-01"),
}


@pytest.mark.parametrize(("period", "at", "begins", "ends"), CASES.values(), ids=CASES)
def test_a_period_begins_and_ends_where_a_calendar_says(period: str, at: str, begins: str, ends: str) -> None:
    """People plan with calendars."""
    assert (periods.begin(period, _ms(at)), periods.end(period, _ms(at))) == (_ms(begins), _ms(ends))


def test_what_is_for_good_began_before_everything_and_never_ends() -> None:
    """So that one rule counts for all budgets."""
    assert (periods.begin("total", _ms("2026-11-25")), periods.end("total", _ms("2026-11-25"))) == (0, None)


@given(st.sampled_from([each for each in periods.PERIODS if each != "total"]), st.integers(0, 4_000_000_000_000))
def test_every_moment_is_in_one_period(period: str, at: int) -> None:
    """A moment between two periods would be nobody's, and one in both would be spent twice."""
    begins, ends = periods.begin(period, at), periods.end(period, at)
    assert ends is not None
    assert 0 <= begins <= at < ends
    assert periods.begin(period, ends) == ends
    assert periods.begin(period, ends - 1) == periods.begin(period, begins) == begins
