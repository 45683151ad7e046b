"""What has been seen of a channel: counters that stay as small as they are, whatever the traffic is."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.channels.record import ERRORS_KEPT, FIRST_STEP_S, HOUR_MIN, RECENT_MIN, Pace, Record, Records


class Clock:
    """Seconds that go by when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def records(clock: Clock) -> Records:
    """Nothing has been seen yet."""
    return Records(clock)


def attempt(records: Records, clock: Clock, seconds: float | None = None, failed: str = "") -> Record:
    """One attempt at channel `c`: its first byte after `seconds`, or none."""
    flight = records.begin("c", "m", clock.now)
    if seconds is not None:
        clock.now += seconds
        flight.answers(clock.now)
    flight.failed = failed
    flight.end()
    return records.of("c")


def test_what_runs_is_in_flight_until_it_ends_once(records: Records, clock: Clock) -> None:
    """An attempt that failed ends with its failure, and its request ends after it: counted once."""
    first, second = records.begin("c", "m", clock.now), records.begin("c", "m", clock.now)
    record = records.of("c")
    assert (record.in_flight, record.attempts, record.last_used) == (2, 0, 1000.0)
    first.end()
    first.end()
    assert (record.in_flight, record.attempts) == (1, 1)
    second.end()
    assert (record.in_flight, record.attempts) == (0, 2)


def test_minutes_go_by_and_the_total_stays(records: Records, clock: Clock) -> None:
    """An outage of an hour ago is not one of now, and is not forgotten either."""
    record = attempt(records, clock, failed="it broke")
    assert (record.pace(RECENT_MIN), record.pace(HOUR_MIN)) == (Pace(1, 1, None, None),) * 2
    clock.now += 60 * RECENT_MIN
    attempt(records, clock)
    assert (record.pace(RECENT_MIN), record.pace(HOUR_MIN)) == (Pace(1, 0, None, None), Pace(2, 1, None, None))
    clock.now += 60 * HOUR_MIN
    assert record.pace(HOUR_MIN) == Pace(0, 0, None, None)
    assert (record.attempts, record.errors) == (2, 1)


@given(st.lists(st.floats(FIRST_STEP_S, 600), min_size=1, max_size=50))
def test_a_percentile_is_never_too_low_and_at_most_a_fifth_too_high(times: list[float]) -> None:
    """A figure that flatters a slow provider is worse than none."""
    clock = Clock()
    records = Records(clock)
    for seconds in times:
        flight = records.begin("c", "m", 0.0)
        flight.answers(seconds)
        flight.end()
    pace = records.of("c").pace(RECENT_MIN)
    ordered = sorted(times)
    for share, told in ((0.5, pace.p50_s), (0.95, pace.p95_s)):
        true = ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]
        assert told is not None
        assert true * 0.999 <= told <= true * 1.2


def test_what_is_kept_does_not_grow(records: Records, clock: Clock) -> None:
    """A busy year later it is as large as after an hour."""
    chance = random.Random(1)
    for _ in range(20_000):
        attempt(records, clock, chance.expovariate(1), "x" * 5000)
    record = records.of("c")
    assert len(record._minutes) == HOUR_MIN
    assert len(record.failures) == ERRORS_KEPT
    assert max(len(failure.text) for failure in record.failures) == 500
    assert max(len(minute.steps) for minute in record._minutes) < 100


def test_a_channel_that_is_gone_is_forgotten_once_nothing_runs_there(records: Records, clock: Clock) -> None:
    """A configuration is read again while a last answer is on its way."""
    flight = records.begin("c", "m", clock.now)
    records.begin("d", "m", clock.now).end()
    records.keep(["other"])
    assert records.of("c").in_flight == 1
    assert records.of("d").attempts == 0
    flight.end()
    records.keep([])
    assert records.of("c").attempts == 0
