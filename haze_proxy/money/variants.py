"""Which of a model's prices holds: while a request runs that of the mode asked for, at its end of the one reported.

An upstream may serve another mode than it was asked for, and bills what it served.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from haze_proxy.money.fields import MODES, Mode, is_plain
from haze_proxy.money.prices import Price

SHOWN_CHARACTERS_MAX: Final = 40


def asked(price: Price, modes: tuple[Mode, ...]) -> Price | str:
    """The price in the modes asked for; or the first field whose value has no price."""
    for field, value in modes:
        found = _in_mode(price, field, value)
        if found is None:
            return field
        price = found
    return price


def of_field(price: Price, field: str) -> tuple[Price, ...]:
    """A price in every variant of one field: what `auto` may become."""
    return tuple(variant.of(price) for variant in price.variants if variant.field == field)


def charged(price: Price, modes: tuple[Mode, ...], reported: Mapping[str, str]) -> Price:
    """The price in the modes that an answer reports, by their fields.

    Of one that has no price, and of one that was asked for and is not reported, it is the dearest it can have been, and
    flagged.
    """
    if price.free or not (modes or reported):
        return price
    wanted = dict(modes)
    for field in MODES:
        if field in reported:
            price = _reported(price, field, reported[field])
        elif field in wanted:
            found = _in_mode(price, field, wanted[field])
            price = _flagged(dearest((price, found or price)), f"{field} was not reported")
    return price


def dearest(prices: tuple[Price, ...]) -> Price:
    """The one whose dearest tokens cost most, in and out."""
    return max(prices, key=lambda price: price.dearest_input + price.dearest_output)


def _reported(price: Price, field: str, value: str) -> Price:
    if (found := _in_mode(price, field, value)) is not None:
        return found
    shown = value[:SHOWN_CHARACTERS_MAX] if value.isprintable() else "?"
    return _flagged(dearest((price, *of_field(price, field))), f"{field} {shown} has no price")


def _in_mode(price: Price, field: str, value: str) -> Price | None:
    for variant in price.variants:
        if (variant.field, variant.value) == (field, value):
            return variant.of(price)
    return price if price.free or is_plain(field, value) else None


def _flagged(price: Price, flag: str) -> Price:
    return replace(price, flags=(*price.flags, flag))
