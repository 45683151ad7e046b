"""What a token costs, in whole nano-dollars (1e-9 USD) per million tokens.

The shipped table prices.json is written by `make prices` and names exact ids only: a price found by prefix would price
tomorrow's dearer model as today's. None is "unknown", never "free".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import orjson

NANO_PER_USD = 10**9

INPUT_CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h")
OUTPUT_CLASSES = ("output",)
CLASSES = (*INPUT_CLASSES, *OUTPUT_CLASSES)

# How many prices read back from rows are remembered: a store holds few different ones.
FACTS_KEPT = 1024

# kind of a channel -> the provider whose table prices it. Other kinds are priced by config.toml alone.
KIND_PROVIDER = {"openai": "openai", "anthropic": "anthropic", "gemini": "google", "openrouter": "openrouter"}


@dataclass(frozen=True, slots=True)
class Tier:
    """Other prices for a request with more than `above` input tokens in all. None keeps the price below it."""

    above: int
    input: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """Other prices of a model while a field of the request or of the answer has a value, as `service_tier` "flex".

    Either all rates times `factor` (rounded up), or the classes of `rates` with their own `tiers` and no others.
    """

    field: str
    value: str
    factor: Fraction | None = None
    rates: tuple[tuple[str, int], ...] = ()
    tiers: tuple[Tier, ...] = ()

    def of(self, price: "Price") -> "Price":
        """The price in this variant."""
        if self.factor is None:
            changed: dict[str, Any] = {**dict.fromkeys(CLASSES), **dict(self.rates)}
            return replace(price, tiers=self.tiers, **changed)
        tiers = tuple(replace(tier, **_scaled(tier, self.factor)) for tier in price.tiers)
        return replace(price, tiers=tiers, **_scaled(price, self.factor))

    def scaled(self, factor: Fraction) -> "Variant":
        """The variant of a price that was scaled; one that is a factor itself scales with it."""
        rates = tuple((name, math.ceil(rate * factor)) for name, rate in self.rates)
        tiers = tuple(replace(tier, **_scaled(tier, factor)) for tier in self.tiers)
        return replace(self, rates=rates, tiers=tiers)


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of one model; None is an unknown class. `request` and `server_tools` are nano-dollars per call.

    `unmetered` are the kinds of input ("audio", "image") that cost something else than these prices say.
    `markup` (in millionths) is what the upstream's own cost is multiplied by: where there is one and the upstream
    reports its cost, that is the price. `source` and `version` say where the numbers come from ("config", or
    "prices.json genai-prices 0.2.3" and a date), `flags` what was remarkable about how this price was found.
    ValueError when neither input nor output has a price and the model is not free: that is an unknown price.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    request: int = 0
    server_tools: tuple[tuple[str, int], ...] = ()
    tiers: tuple[Tier, ...] = ()
    unmetered: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    free: bool = False
    markup: int | None = None
    source: str = "config"
    version: str = ""
    flags: tuple[str, ...] = ()
    # What follows from the above, worked out once instead of for every request: the rate of each of CLASSES, where an
    # unknown one is its side's dearest, the dearest of each side over all tiers, and the whole as JSON for a receipt.
    rates: tuple[int, ...] = field(init=False, repr=False, compare=False)
    dearest_input: int = field(init=False, repr=False, compare=False)
    dearest_output: int = field(init=False, repr=False, compare=False)
    facts: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.free and self.input is None and self.output is None:
            raise ValueError("a price needs `input` or `output`, or `free = true`")
        known = _known(self)
        rates = tuple(known[name] if name in known else _dearest((self,), _side(name)) for name in CLASSES)
        object.__setattr__(self, "rates", rates)
        object.__setattr__(self, "dearest_input", _dearest((self, *self.tiers), INPUT_CLASSES))
        object.__setattr__(self, "dearest_output", _dearest((self, *self.tiers), OUTPUT_CLASSES))
        object.__setattr__(self, "facts", _facts(self))

    def at(self, total_input_tokens: int) -> "Price":
        """The price for a request of this size: every tier it exceeds applies, the highest last, to all its tokens."""
        over = [tier for tier in self.tiers if total_input_tokens > tier.above]
        if not over:
            return self
        changed: dict[str, Any] = {}
        for tier in sorted(over, key=lambda tier: tier.above):
            changed |= _known(tier)
        return replace(self, tiers=(), **changed)


def _facts(price: Price) -> str:
    tiers = [{"above": tier.above, **_known(tier)} for tier in price.tiers]
    facts = {
        "source": price.source,
        "version": price.version,
        "request": price.request,
        "free": price.free,
        **_known(price),
        "server_tools": dict(price.server_tools),
        "tiers": tiers,
    }
    rare = {"markup": price.markup, "flags": price.flags}
    return orjson.dumps(facts | {name: value for name, value in rare.items() if value not in (None, ())}).decode()


@lru_cache(FACTS_KEPT)
def from_facts(text: str) -> Price:
    """The price whose `facts` these are, as a request's row keeps them. ValueError when they cannot be read.

    Facts written before tiers and server tools were part of them (see `is_whole`) give the price without these.
    """
    facts = orjson.loads(text)
    try:
        return Price(
            **_named(facts),
            request=facts.get("request", 0),
            server_tools=tuple(facts.get("server_tools", {}).items()),
            tiers=tuple(Tier(tier["above"], **_named(tier)) for tier in facts.get("tiers", ())),
            free=facts.get("free", False),
            markup=facts.get("markup"),
            source=facts.get("source", ""),
            version=facts.get("version", ""),
            flags=tuple(facts.get("flags", ())),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{text} is not a price") from error


def is_whole(text: str) -> bool:
    """Whether facts are enough to add a request up: those of the first version named neither tiers nor server tools."""
    return '"tiers":' in text


def _named(row: Mapping[str, int]) -> dict[str, Any]:
    return {name: row[name] for name in CLASSES if name in row}


def scaled(price: Price, factor: Fraction) -> Price:
    """A price with all its rates, fees, tiers and variants times `factor`, each rounded up to a whole nano-dollar."""
    tools = tuple((name, math.ceil(fee * factor)) for name, fee in price.server_tools)
    dearer = Variant("", "", factor).of(price)
    variants = tuple(each.scaled(factor) for each in price.variants)
    return replace(dearer, request=math.ceil(price.request * factor), server_tools=tools, variants=variants)


def _scaled(level: Price | Tier, factor: Fraction) -> dict[str, Any]:
    return {name: math.ceil(rate * factor) for name, rate in _known(level).items()}


def _dearest(levels: "tuple[Price | Tier, ...]", side: tuple[str, ...]) -> int:
    rates = [_known(level) for level in levels]
    own = [rate[name] for rate in rates for name in side if name in rate]
    # A side without any price is billed as the other one; a free model has none at all.
    return max(own or [value for rate in rates for value in rate.values()], default=0)


def _side(name: str) -> tuple[str, ...]:
    return INPUT_CLASSES if name in INPUT_CLASSES else OUTPUT_CLASSES


def _known(price: Price | Tier) -> dict[str, int]:
    rates = ((name, getattr(price, name)) for name in CLASSES)
    return {name: rate for name, rate in rates if rate is not None}


FREE = Price(free=True)


def nano_per_million(usd_per_million: Decimal) -> int:
    """USD per million tokens as whole nano-dollars per million. ValueError when negative or not exact."""
    amount = exact_nano(usd_per_million)
    if amount < 0:
        raise ValueError(f"{usd_per_million} is negative")
    return amount


def exact_nano(usd: Decimal) -> int:
    """A USD amount as whole nano-dollars, any sign. ValueError when it has more than 9 decimals or is no number."""
    if not usd.is_finite() or usd.adjusted() > 12:
        raise ValueError(f"{usd} is not an amount of money")
    # Not usd * 10**9: Decimal multiplication rounds to its context. Nor a fraction of a number too small to be exact.
    amount = Fraction(usd) * NANO_PER_USD if usd.adjusted() >= -9 or not usd else Fraction(1, 2)
    if amount.denominator != 1:
        raise ValueError(f"{usd} has more than 9 decimals")
    return amount.numerator


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model can take and give, in tokens; None where the source does not say."""

    context_tokens: int | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The shipped prices by (provider, upstream model)."""

    source: str
    version: str
    prices: Mapping[tuple[str, str], Price]
    sizes: Mapping[tuple[str, str], Limits]

    def find(self, provider: str, upstream_model: str) -> Price | None:
        """The price of exactly this id, or None: unknown."""
        return self.prices.get((provider, upstream_model))

    def limits(self, provider: str, upstream_model: str) -> Limits:
        """The sizes of exactly this id; unknown ones are None."""
        return self.sizes.get((provider, upstream_model), Limits())


@cache
def load_table() -> PriceTable:
    """Read the shipped prices.json (once per process)."""
    document = orjson.loads(files(__package__).joinpath("prices.json").read_bytes())
    source, version = f"prices.json {document['source']}", document["date"]
    prices, sizes = {}, {}
    for row in document["models"]:
        price = _price(row, source, version)
        limits = Limits(row.get("context_tokens"), row.get("max_output_tokens"))
        for model in row["ids"]:
            prices[row["provider"], model] = price
            sizes[row["provider"], model] = limits
    return PriceTable(source, version, prices, sizes)


def _price(row: dict[str, Any], source: str, version: str) -> Price:
    return Price(
        **_rates(row),
        request=nano_per_million(Decimal(row.get("request", 0))),
        server_tools=tuple((name, exact_nano(Decimal(usd))) for name, usd in row.get("server_tools", {}).items()),
        tiers=_tiers(row),
        variants=tuple(_variant(each) for each in row.get("variants", ())),
        source=source,
        version=version,
    )


def _variant(row: dict[str, Any]) -> Variant:
    return Variant(row["field"], row["value"], None, tuple(_rates(row).items()), _tiers(row))


def _tiers(row: dict[str, Any]) -> tuple[Tier, ...]:
    return tuple(Tier(tier["above"], **_rates(tier)) for tier in row.get("tiers", ()))


def _rates(row: dict[str, Any]) -> dict[str, Any]:
    return {name: nano_per_million(Decimal(row[name])) for name in CLASSES if name in row}
