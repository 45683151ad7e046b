"""Everything that a price says, as rows for people: its classes, tiers, modes and fees, where it is from, and what
requests of typical sizes cost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from haze_proxy.money import receipt
from haze_proxy.money.prices import CLASSES, Price
from haze_proxy.money.usage import Usage

THOUSAND: Final = 1_000
# What people ask of a model that answers, and of one for embeddings.
SIZES: Final = (
    ("A short question", Usage(input=500, output=200)),
    ("A long document, summed up", Usage(input=20_000, output=1_000)),
    ("A turn of a coding agent, most of it cached", Usage(input=5_000, cache_read=45_000, output=1_000)),
)
EMBEDDED: Final = (
    ("A sentence", Usage(input=25)),
    ("A paragraph", Usage(input=200)),
    ("A page", Usage(input=1_000)),
)
# How `source` begins -> what people read; the rest of it and the version follow.
SOURCES: Final = (
    ("config", "the owner's config.toml"),
    ("prices.json ", "the table that ships with Haze: "),
    ("held by ", "what is held until the provider tells its cost; from "),
)


@dataclass(frozen=True, slots=True)
class Rates:
    """One row: when it holds, and nano-dollars per million tokens of each of CLASSES; None has no price of its own."""

    when: str
    rates: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Typical:
    """A request of a typical size, and what a thousand of them cost (nano-dollars)."""

    what: str
    input_tokens: int
    output_tokens: int
    cost: int


def rates(price: Price) -> list[Rates]:
    """The usual prices, those of long requests, and those of every mode."""
    return list(_levels(price, ""))


def _levels(price: Price, mode: str) -> Iterator[Rates]:
    yield _rates(price, mode or "Usual")
    for tier in sorted(price.tiers, key=lambda tier: tier.above):
        when = f"above {tier.above:,} input tokens"
        yield _rates(price.at(tier.above + 1), f"{mode}, {when}" if mode else when.capitalize())
    for variant in price.variants if not mode else ():
        yield from _levels(variant.of(price), f"{_said(variant.field).capitalize()}: {variant.value}")


def _rates(price: Price, when: str) -> Rates:
    return Rates(when, tuple(getattr(price, name) for name in CLASSES))


def fees(price: Price) -> list[tuple[str, int]]:
    """(what, nano-dollars) of what is not counted in tokens."""
    found = [(f"{_said(name)}, a thousand calls", fee * THOUSAND) for name, fee in price.server_tools]
    return [("each request", price.request), *found] if price.request else found


def _said(name: str) -> str:
    return name.replace("_", " ")


def source(price: Price) -> str:
    """Where the numbers are from, and of which day, if that is known."""
    begins, text = next((row for row in SOURCES if price.source.startswith(row[0])), ("", ""))
    return f"{text}{price.source.removeprefix(begins)}{f', {price.version}' if price.version else ''}"


def typical(price: Price) -> list[Typical]:
    """What a thousand requests cost, by their size; nothing where only the provider knows."""
    if price.free or price.markup is not None:
        return []
    sizes = EMBEDDED if price.output is None else SIZES
    return [Typical(what, used.total_input, used.output, THOUSAND * receipt.cost(used, price)) for what, used in sizes]
