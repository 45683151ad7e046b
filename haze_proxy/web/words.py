"""Numbers and times as people read them."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup, escape

from haze_proxy.money import receipt

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
AGES: Final = ((DAY_MS, "day"), (HOUR_MS, "hour"), (MINUTE_MS, "minute"))
# Marks in a User-Agent -> what people call it; the first that is there, for most pretend to be others as well.
BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
SIZES: Final = ((10**9, "bn"), (10**6, "M"))
CENT: Final = Decimal("0.01")
CODE: Final = re.compile(r"`([^`]+)`")


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def money(nano_usd: int) -> str:
    """Nano-dollars, exactly, with at least two decimals: $4.00, $0.000123456, -$1.50."""
    whole, _, decimals = receipt.usd(abs(nano_usd)).partition(".")
    return f"{'-' if nano_usd < 0 else ''}${int(whole):,}.{decimals.ljust(2, '0')}"


def usd(amount: str) -> str:
    """An amount in USD that is written out already, with at least two decimals: 14 is $14.00."""
    whole, _, decimals = amount.removeprefix("-").partition(".")
    return f"{'-' if amount.startswith('-') else ''}${int(whole):,}.{decimals.ljust(2, '0')}"


def cents(nano_usd: int) -> str:
    """Nano-dollars in whole cents, for where the exact amount stands beside. The rest is cut off: nobody is shown more
    than there is. What is above zero and below a cent is said to be so.
    """
    if 0 < nano_usd < receipt.nano(CENT):
        return "< $0.01"
    amount = Decimal(receipt.usd(abs(nano_usd))).quantize(CENT, ROUND_DOWN)
    return f"{'-' if nano_usd < 0 else ''}${amount:,}"


def count(number: int) -> str:
    """1234567 is 1,234,567."""
    return f"{number:,}"


def tokens(number: int | None) -> str:
    """A number of tokens; a dash where it is not known."""
    return "\N{EN DASH}" if number is None else count(number)


def rounded(number: int) -> str:
    """A count for where there is little room and the exact one stands beside: 41381182 is 41.38 M, cut off."""
    for unit, name in SIZES:
        if number >= 10 * unit:
            return f"{number * 100 // unit / 100:,.2f} {name}"
    return count(number)


def share(part: int, whole: int) -> str:
    """A part of a whole in percent, rounded down: 71.4 %; a dash where there is no whole."""
    return f"{part * 1000 // whole / 10:.1f} %" if whole else "\N{EN DASH}"


def day(at_ms: int) -> str:
    """The day of a time, in UTC: 2026-11-25."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"


def moment(at_ms: int) -> str:
    """A time to the second, in UTC: 2026-11-25 03:54:01."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def iso(at_ms: int) -> str:
    """A time for `<time datetime>`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")


def ago(at_ms: int, now: int) -> str:
    """How long ago: `just now`, `3 minutes ago`, `2 days ago`."""
    past = now - at_ms
    return "just now" if past < MINUTE_MS else f"{span(past)} ago"


def span(ms: int) -> str:
    """A length of time in its largest unit: `3 minutes`, `1 day`."""
    for unit, name in AGES:
        if ms >= unit:
            return f"{ms // unit:,} {name}{'' if ms // unit == 1 else 's'}"
    return "less than a minute"


def took(ms: int) -> str:
    """How long something took: 420 ms, 1.50 s, 12.3 s, 2 min 5 s."""
    if ms < 1000:
        return f"{ms} ms"
    if ms < MINUTE_MS:
        return f"{ms / 1000:.{2 if ms < 10_000 else 1}f} s"
    return f"{ms // MINUTE_MS} min {ms % MINUTE_MS // 1000} s"


def per_million(rate: int | None) -> str:
    """A rate in nano-dollars per million tokens as USD: $0.175; a dash where there is none."""
    return "\N{EN DASH}" if rate is None else money(rate)


def factor(millionths: int) -> str:
    """A factor in millionths as a decimal: 1.05, 2."""
    return f"{Decimal(millionths).scaleb(-6).normalize():f}"


def browser(user_agent: str) -> str:
    """A browser by its User-Agent, as people call it: `Firefox on Windows`; a program's as it is."""
    names = [next((name for mark, name in marks if mark in user_agent), "") for marks in (BROWSERS, SYSTEMS)]
    return " on ".join(filter(None, names)) or user_agent[:60] or "Unknown browser"


def ticks(text: str) -> Markup:
    """A text whose backticks mark what is code; everything else in it is text."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped in the line itself


def link(name: str) -> str:
    """A name as a part of an address; slashes stay."""
    return quote(name, safe="/:@~")


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "money": money,
    "usd": usd,
    "cents": cents,
    "count": count,
    "tokens": tokens,
    "rounded": rounded,
    "share": share,
    "day": day,
    "moment": moment,
    "iso": iso,
    "ago": ago,
    "span": span,
    "took": took,
    "per_million": per_million,
    "browser": browser,
    "factor": factor,
    "ticks": ticks,
    "link": link,
}
