"""What somebody typed, as what it means. ValueError says to them what is wrong with it."""

import re
from datetime import UTC, datetime
from typing import Final

from haze_proxy.config_models import USD_MAX
from haze_proxy.money import receipt
from haze_proxy.web.words import now_ms

COUNT_MAX: Final = 10**12
# SQLite holds every number of so few digits.
DIGITS_MAX: Final = 18


def whole(text: str, most: int = COUNT_MAX, least: int = 1) -> int:
    """A number from `least` to `most`; commas and spaces group digits."""
    number = plain(re.sub(r"[,_ ]", "", text))
    if number is None:
        raise ValueError("A whole number.")
    if not least <= number <= most:
        raise ValueError(f"From {least:,} to {most:,}.")
    return number


def plain(text: str, digits_max: int = DIGITS_MAX) -> int | None:
    """A number as addresses have it: digits and nothing else; None for what is none, or has more digits than that."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits_max else None


def usd(text: str) -> int:
    """Money, as nano-dollars: more than 0, with at most 9 decimals."""
    try:
        amount = receipt.nano(text.removeprefix("$"))
    except ValueError:
        raise ValueError("An amount in USD, such as 5 or 0.25.") from None
    if not 0 < amount <= receipt.nano(str(USD_MAX)):
        raise ValueError(f"More than 0 and at most {USD_MAX:,}.")
    return amount


def day(text: str) -> int:
    """The beginning of a day (UTC), as ms since 1970."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("A day such as 2027-01-31.") from None
    return int(moment.timestamp() * 1000)


def day_to_come(text: str, what: str = "the key ends") -> int:
    """The beginning of a day that has not begun (UTC), as ms since 1970."""
    at_ms = day(text)
    if at_ms <= now_ms():
        raise ValueError(f"A day to come: {what} as it begins (UTC).")
    return at_ms
