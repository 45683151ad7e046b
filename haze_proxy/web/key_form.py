"""A key as a form: what is typed becomes what is stored, and the other way round."""

import re
from typing import Final

from haze_proxy.address import networks
from haze_proxy.config import Limits
from haze_proxy.money import receipt
from haze_proxy.money.periods import PERIODS, TOTAL
from haze_proxy.store.keys import Key, NewKey
from haze_proxy.web.forms import Form
from haze_proxy.web.typed import day_to_come, usd, whole
from haze_proxy.web.words import day

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
