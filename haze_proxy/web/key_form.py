"""A key as a form: what is typed becomes what is stored, and the other way round."""

import re
from datetime import UTC, datetime
from typing import Final

from haze_proxy.address import networks
from haze_proxy.config import Limits
from haze_proxy.config_models import USD_MAX
from haze_proxy.money import receipt
from haze_proxy.money.periods import PERIODS, TOTAL
from haze_proxy.store.keys import Key, NewKey
from haze_proxy.web.forms import Form
from haze_proxy.web.words import day, now_ms

COUNT_MAX: Final = 10**12
NAME_MAX: Final = 80
LISTED_MAX: Final = 200
LIMITS: Final = ("requests_per_minute", "tokens_per_minute", "concurrent_requests")


def empty(limits: Limits) -> Form:
    """The form of a new key: what a new key gets."""
    return Form([(name, str(getattr(limits, name))) for name in LIMITS])


def of(key: Key) -> Form:
    """The form of a key that there is."""
    typed = {name: str(getattr(key, name)) for name in LIMITS}
    typed |= {
        "name": key.name,
        "budget": "" if key.budget is None else receipt.usd(key.budget),
        "budget_period": key.budget_period,
        "models": "\n".join(key.models or ()),
        "addresses": "\n".join(key.addresses or ()),
        "expires": "" if key.expires_at is None else day(key.expires_at),
    }
    return Form(list(typed.items()))


def wanted(form: Form, limits: Limits, before: Key | None = None) -> NewKey:
    """What a form says about a key; what is wrong stands in `form.errors`. An emptied limit is a new key's."""
    budget = form.parsed("budget", usd, None)
    period = form.text("budget_period") or TOTAL
    if period not in PERIODS:
        form.wrong("budget_period", "One of the periods of the list.")
    # A key that ends in the middle of a day keeps its minute as long as the day is not changed.
    keeps = before is not None and before.expires_at is not None and form.raw("expires") == day(before.expires_at)
    return NewKey(
        name=form.text("name", NAME_MAX),
        **{name: form.parsed(name, whole, getattr(limits, name)) for name in LIMITS},
        budget=budget,
        budget_period=period if budget is not None else TOTAL,
        models=form.parsed("models", _ids, None),
        addresses=form.parsed("addresses", _networks, None),
        expires_at=before.expires_at if before and keeps else form.parsed("expires", day_to_come, None),
    )


def whole(text: str, most: int = COUNT_MAX) -> int:
    """What was typed as a number from 1 to `most`; commas and spaces group digits. ValueError says what is wrong."""
    digits = re.sub(r"[,_ ]", "", text)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= len(str(COUNT_MAX))):
        raise ValueError("A whole number.")
    if not 1 <= int(digits) <= most:
        raise ValueError(f"From 1 to {most:,}.")
    return int(digits)


def usd(text: str) -> int:
    """What was typed as money, as nano-dollars: more than 0, with at most 9 decimals. ValueError says what is wrong."""
    try:
        amount = receipt.nano(text.removeprefix("$"))
    except ValueError:
        raise ValueError("An amount in USD, such as 5 or 0.25.") from None
    if not 0 < amount <= receipt.nano(str(USD_MAX)):
        raise ValueError(f"More than 0 and at most {USD_MAX:,}.")
    return amount


def _words(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(re.split(r"[,\s]+", text.strip(", \n\r\t"))))
    if len(words) > LISTED_MAX:
        raise ValueError(f"At most {LISTED_MAX} of them.")
    return words


def _ids(text: str) -> tuple[str, ...]:
    ids = _words(text)
    if any(len(each) > 256 or not each.isprintable() for each in ids):
        raise ValueError("Model ids, one on each line.")
    return ids


def _networks(text: str) -> tuple[str, ...]:
    words = _words(text)
    for each in words:
        try:
            networks((each,))
        except ValueError:
            raise ValueError(f"{each[:60]} is neither an address nor a network such as 192.0.2.0/24.") from None
    return words


def day_to_come(text: str, what: str = "the key ends") -> int:
    """The beginning of a day (UTC) that was typed, as ms since 1970. ValueError says what is wrong."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("A day such as 2027-01-31.") from None
    at_ms = int(moment.timestamp() * 1000)
    if at_ms <= now_ms():
        raise ValueError(f"A day to come: {what} as it begins (UTC).")
    return at_ms
