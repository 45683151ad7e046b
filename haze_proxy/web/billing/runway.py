"""How long money lasts."""

from typing import Final

from haze_proxy.web.words import DAY_MS, span

LONG_DAYS: Final = 365


def runway(balance: int, per_day: int) -> str:
    """How long a balance lasts at a rate (nano-dollars a day), in words; "" when nothing is spent."""
    if per_day <= 0:
        return ""
    return "over a year" if balance // per_day > LONG_DAYS else span(balance * DAY_MS // per_day)
