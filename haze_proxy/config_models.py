"""[[models]] in config.toml: the rows of the catalogue, what they cost, and every check of a price."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]

# Prices are kept as whole nano-dollars per million tokens; a finer price could not be charged exactly.
PRICE_DECIMALS_MAX = 9
# Of a thousand calls, and of factors, which are kept in millionths.
TOOL_DECIMALS_MAX = FACTOR_DECIMALS_MAX = 6
FACTOR_MAX = 1000
USD_MAX = 1_000_000
TIER_KEYS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
# The field of a request or an answer -> where the row has its prices, by its values.
VARIANTS = {"service_tier": "service_tiers", "speed": "speeds", "inference_geo": "inference_geos"}
PRICE_KEYS = (*TIER_KEYS, "request")


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of config.toml: unknown keys are errors."""


class Tier(Struct, frozen=True):
    """Prices that hold once a request's whole input is longer than `above` tokens (USD per million tokens)."""

    above: Positive
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None


class Variant(Struct, frozen=True):
    """Other prices of a model: all of them times `factor`, or its own (USD per million tokens)."""

    factor: Decimal | None = None
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    tiers: tuple[Tier, ...] = ()


class Model(Struct, frozen=True):
    """One row of the catalogue. Prices: USD per million tokens (`request`: USD each; `server_tools`: USD per thousand
    calls), exact decimals.
    """

    id: Name
    name: str = ""
    provider: str = ""
    notes: str = ""
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    request: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    server_tools: dict[Name, Decimal] = {}
    service_tiers: dict[Name, Variant] = {}
    speeds: dict[Name, Variant] = {}
    inference_geos: dict[Name, Variant] = {}
    context_tokens: Positive | None = None
    max_output_tokens: Positive | None = None
    free: bool = False
    price: Literal["", "upstream"] = ""
    markup: Decimal = Decimal(1)


def complaints(model: Model) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) of a row."""
    prices = {key: getattr(model, key) for key in PRICE_KEYS}
    named = any(value is not None for value in prices.values())
    yield from _price_complaints("", prices, model.tiers)
    yield from _price_complaints("server_tools.", model.server_tools, (), TOOL_DECIMALS_MAX)
    for key in VARIANTS.values():
        for value, variant in getattr(model, key).items():
            yield from _variant_complaints(f"{key}.{value}", variant, bool(model.tiers))
    if not _is_factor(model.markup):
        yield "markup", f"Expected a factor above 0 with at most {FACTOR_DECIMALS_MAX} decimals"
    if model.tiers and not named:
        yield "tiers", "Tiers change prices: name `input` and `output` first"
    if model.free and (named or model.tiers or model.price):
        yield "free", "A free model has no price"
    if model.price and (model.input is None) != (model.output is None):
        yield "price", "What is held before the upstream tells its cost needs both `input` and `output`, or neither"


def _variant_complaints(path: str, variant: Variant, has_tiers: bool) -> Iterator[tuple[str, str]]:
    prices = {key: getattr(variant, key) for key in TIER_KEYS}
    named = any(value is not None for value in prices.values())
    yield from _price_complaints(f"{path}.", prices, variant.tiers)
    if variant.factor is not None and not _is_factor(variant.factor):
        yield f"{path}.factor", f"Expected a factor above 0 with at most {FACTOR_DECIMALS_MAX} decimals"
    if (variant.factor is not None) == (named or bool(variant.tiers)):
        yield path, "Name either `factor` or prices"
    elif named and (variant.input is None or variant.output is None):
        yield path, "Prices need both `input` and `output`"
    elif named and has_tiers and not variant.tiers:
        # Long requests would cost less than short ones.
        yield path, "The model has tiers: name `tiers` here, too, or a `factor`"


def _price_complaints(
    path: str, prices: Mapping[str, Decimal | None], tiers: tuple[Tier, ...], decimals: int = PRICE_DECIMALS_MAX
) -> Iterator[tuple[str, str]]:
    rows = list(prices.items())
    for number, tier in enumerate(tiers):
        rows += [(f"tiers[{number}].{key}", getattr(tier, key)) for key in TIER_KEYS]
    for key, value in rows:
        if value is not None and (not value.is_finite() or value < 0):
            yield path + key, "Expected a price of 0 or more"
        elif value is not None and not is_exact(value, decimals):
            yield path + key, f"A price has at most {decimals} decimals and is at most {USD_MAX}"
    if len({tier.above for tier in tiers}) < len(tiers):
        yield f"{path}tiers", "Two tiers begin at the same length"


def _is_factor(value: Decimal) -> bool:
    return value.is_finite() and 0 < value <= FACTOR_MAX and is_exact(value, FACTOR_DECIMALS_MAX)


def is_exact(value: Decimal, decimals: int = PRICE_DECIMALS_MAX) -> bool:
    """Finite, at most so many decimals, and small enough that nano-dollars of it fit SQLite's integers."""
    # Looked at as it is written: arithmetic would round it to the context's digits before it is judged.
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -decimals and -USD_MAX <= value <= USD_MAX
