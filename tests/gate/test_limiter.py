"""GCRA by its laws: never more than the burst and the rate together, and exactly as much as that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.gate.limiter import Bucket, request_burst, retry_after

PER_MINUTE = st.integers(1, 10_000)
ARRIVALS = st.lists(st.tuples(st.floats(0, 20, allow_nan=False), st.integers(1, 50)), min_size=1, max_size=60)


@given(PER_MINUTE, st.integers(1, 500), ARRIVALS)
def test_in_no_window_more_passes_than_burst_and_rate_allow(per_minute: int, burst: int, arrivals: list) -> None:
    """The promise of a limit: whoever starts to count at any request finds no more than the limit says."""
    bucket, now, passed = Bucket(), 1000.0, []
    for pause, wanted in arrivals:
        now += pause
        cost = min(wanted, burst)
        if bucket.wait(now, cost, per_minute, burst) == 0:
            bucket.take(now, cost, per_minute)
            passed.append((now, cost))
    for first, (start, _) in enumerate(passed):
        total = 0
        for moment, cost in passed[first:]:
            total += cost
            assert total <= burst + (moment - start) * per_minute / 60 + 1e-6


@given(PER_MINUTE, st.integers(1, 500), ARRIVALS)
def test_the_wait_that_is_told_is_enough_and_not_a_moment_too_long(per_minute: int, burst: int, arrivals: list) -> None:
    """A client that obeys Retry-After must pass; one that comes earlier must not."""
    bucket, now = Bucket(), 1000.0
    for pause, cost in arrivals:
        now += pause
        wait = bucket.wait(now, cost, per_minute, burst)
        if wait > 1e-3:
            assert bucket.wait(now + wait * 0.99, cost, per_minute, burst) > 0
        now += wait
        assert bucket.wait(now + 1e-6, cost, per_minute, burst) == 0
        bucket.take(now, cost, per_minute)


@given(PER_MINUTE, st.integers(1, 500), st.floats(0, 100_000), st.integers(0, 400))
def test_what_is_given_back_leaves_no_trace(per_minute: int, burst: int, later: float, cost: int) -> None:
    """A refused request consumes nothing, and a correction of tokens must not become a gift either."""
    used, never = Bucket(), Bucket()
    for bucket in (used, never):
        bucket.take(1000.0, burst / 2, per_minute)
    used.take(1000.0, cost, per_minute)
    used.take(1000.0 + later, -cost, per_minute)
    now = 1000.0 + later
    assert used.left(now, per_minute, burst) <= never.left(now, per_minute, burst)
    if later == 0:
        assert used.left(now, per_minute, burst) == never.left(now, per_minute, burst)
    assert never.wait(now, burst, per_minute, burst) <= used.wait(now, burst, per_minute, burst) + 1e-6


@given(PER_MINUTE, st.integers(1, 100), st.integers(1, 10_000))
def test_what_is_larger_than_the_bucket_passes_when_it_is_full_and_is_paid_off(
    per_minute: int, burst: int, more: int
) -> None:
    """Else a request larger than the limit of a minute could never be made, whatever the wait."""
    bucket = Bucket()
    assert bucket.wait(1000.0, burst + more, per_minute, burst) == 0
    bucket.take(1000.0, burst + more, per_minute)
    assert bucket.left(1000.0, per_minute, burst) == 0
    assert bucket.full_in(1000.0) == pytest.approx((burst + more) * 60 / per_minute)


@given(PER_MINUTE, st.integers(1, 500), st.integers(0, 10_000))
def test_the_whole_burst_passes_and_not_one_more(per_minute: int, burst: int, start: int) -> None:
    """300 a minute are 300, whatever adding up fractions of a second leaves over."""
    bucket, passed = Bucket(), 0
    while not bucket.wait(start + 0.1, 1, per_minute, burst):
        bucket.take(start + 0.1, 1, per_minute)
        passed += 1
    assert passed == burst


@pytest.mark.parametrize(("per_minute", "burst"), [(1, 10), (59, 10), (60, 10), (66, 11), (120, 20), (600, 100)])
def test_the_burst_is_a_sixth_and_at_least_ten(per_minute: int, burst: int) -> None:
    """It is published, and one page of an agent opens with ten requests."""
    assert request_burst(per_minute) == burst


@pytest.mark.parametrize(("wait", "told"), [(0.0, 1), (0.001, 1), (1.0, 1), (1.01, 2), (59.5, 60), (61, 60), (1e9, 60)])
def test_retry_after_is_whole_seconds_from_one_to_sixty(wait: float, told: int) -> None:
    """Claude Code gives up above a minute; 0 would be a loop."""
    assert retry_after(wait) == told


def test_a_changed_limit_holds_at_once() -> None:
    """What was taken stays taken, in units: a raised limit lets its key go on, and a lowered one is no gift."""
    bucket = Bucket()
    for _ in range(10):
        bucket.take(0.0, 1, 1)
    assert bucket.wait(0.0, 1, 1, 10) == pytest.approx(60)
    assert bucket.left(0.0, 60, 10) == 0
    assert bucket.wait(0.0, 1, 60, 10) == pytest.approx(1)
    assert bucket.wait(0.0, 1, 6000, 1000) == 0
    assert bucket.wait(0.0, 1, 1, 10) == pytest.approx(60)
