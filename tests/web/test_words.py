"""Numbers and times as people read them: exact where it is money, and never more than there is."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.money import receipt
from haze_proxy.web import words

HOUR, DAY = 3_600_000, 86_400_000
TABLE: list[tuple[Callable[..., str], tuple[Any, ...], str]] = [
    (words.money, (0,), "$0.00"),
    (words.money, (4 * 10**9,), "$4.00"),
    (words.money, (1,), "$0.000000001"),
    (words.money, (123_456,), "$0.000123456"),
    (words.money, (1_234_567_500_000_000,), "$1,234,567.50"),
    (words.money, (-1_500_000_000,), "-$1.50"),
    (words.usd, ("14",), "$14.00"),
    (words.usd, ("0.0084",), "$0.0084"),
    (words.usd, ("-1234.5",), "-$1,234.50"),
    (words.cents, (0,), "$0.00"),
    (words.cents, (1,), "< $0.01"),
    (words.cents, (25_999_903_500,), "$25.99"),
    (words.cents, (1_234_000_000_000,), "$1,234.00"),
    (words.cents, (-1_509_000_000,), "-$1.50"),
    (words.count, (1_234_567,), "1,234,567"),
    (words.tokens, (None,), "\N{EN DASH}"),
    (words.tokens, (400_000,), "400,000"),
    (words.took, (0,), "0 ms"),
    (words.took, (999,), "999 ms"),
    (words.took, (1_500,), "1.50 s"),
    (words.took, (12_300,), "12.3 s"),
    (words.took, (125_900,), "2 min 5 s"),
    (words.per_million, (None,), "\N{EN DASH}"),
    (words.per_million, (175_000_000,), "$0.175"),
    (words.day, (4_073_500_800_000,), "2099-01-31"),
    (words.moment, (1_764_042_841_999,), "2025-11-25 03:54:01"),
    (words.iso, (1_764_042_841_000,), "2025-11-25T03:54:01+00:00"),
    (words.ago, (0, 59_999), "just now"),
    (words.ago, (0, -5), "just now"),
    (words.ago, (0, 60_000), "1 minute ago"),
    (words.ago, (0, 2 * HOUR - 1), "1 hour ago"),
    (words.ago, (0, 1000 * DAY), "1,000 days ago"),
    (words.span, (59_999,), "less than a minute"),
    (words.browser, ("",), "Unknown browser"),
    (words.browser, ("curl/8.0",), "curl/8.0"),
    (words.browser, ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/1 Chrome/1 Safari/1 Edg/1",), "Edge on Windows"),
    (words.browser, ("Mozilla/5.0 (iPhone; CPU iPhone OS 18 like Mac OS X) Safari/604",), "Safari on iPhone"),
    (words.browser, ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537",), "Chrome on Android"),
]


@pytest.mark.parametrize(("say", "given", "said"), TABLE, ids=lambda value: getattr(value, "__name__", None))
def test_a_value_is_said(say: Callable[..., str], given: tuple[Any, ...], said: str) -> None:
    """One way for each kind of value, on every page."""
    assert say(*given) == said


@given(st.integers(-(10**18), 10**18))
def test_money_is_exact(nano_usd: int) -> None:
    """What is read can be typed again: no nano-dollar is lost, none is made."""
    text = words.money(nano_usd).replace("$", "").replace(",", "")
    assert receipt.nano(text.removeprefix("-")) * (-1 if text.startswith("-") else 1) == nano_usd


@given(st.integers(10**7, 10**18))
def test_cents_are_never_more_than_there_is(nano_usd: int) -> None:
    """And less than a cent below it."""
    shown = receipt.nano(words.cents(nano_usd).replace("$", "").replace(",", ""))
    assert shown <= nano_usd < shown + 10**7
