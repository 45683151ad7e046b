"""What an upstream's own list says a model costs: a row of OpenRouter's GET /models -> Price.

Its `pricing` holds decimal strings in USD per token (`request` and `web_search`: USD each). They become whole
nano-dollars per million tokens, exactly; a finer price is rounded up. The rule for everything else is that nobody is
charged less than the list says: what Haze cannot count is refused unless it costs no more than what it can count.
Sources: OpenRouter's API reference (PublicPricing, PricingOverride) and its page on prompt caching, November 2026.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, Context, Decimal, Inexact
from typing import Any, Final

from haze_proxy.money.prices import NANO_PER_USD, Price, Tier

MILLION: Final = 1_000_000
OVERRIDES_MAX: Final = 32
TOKENS_MAX: Final = 10**12

# The list's key -> our class of tokens.
CLASS_KEYS: Final = {
    "prompt": "input",
    "completion": "output",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write_5m",
    "input_cache_write_1h": "cache_write_1h",
}
WRITES: Final = ("input_cache_write", "input_cache_write_1h")
EACH_KEYS: Final = ("request", "web_search")
# Input that is no text: its key, the text price it hides behind while it is not dearer, and what it is an input of.
OTHER_INPUT: Final = {
    "image": ("prompt", "image"),
    "image_token": ("prompt", "image"),
    "audio": ("prompt", "audio"),
    "input_audio_cache": ("input_cache_read", "audio"),
}
OTHER_OUTPUT: Final = ("image_output", "audio_output")
REASONING: Final = "internal_reasoning"
KNOWN: Final = frozenset({*CLASS_KEYS, *EACH_KEYS, *OTHER_INPUT, *OTHER_OUTPUT, REASONING})
# As config.toml has it: a million USD for a million tokens, or for one call. What is only compared has no limit.
USD_MAX: Final = {**dict.fromkeys(CLASS_KEYS, 1), **dict.fromkeys(EACH_KEYS, MILLION)}
NOT_PRICES: Final = frozenset({"overrides", "discount"})
ABOVE: Final = "min_prompt_tokens"
# What a model may answer with and still be counted in tokens.
COUNTED_OUTPUT: Final = frozenset({"text", "embeddings"})

# Models that search without being asked; how often is not always reported.
SEARCHES: Final = re.compile(r"^perplexity/|search")
# Wide enough for every number below, and loud if it were not: Decimal rounds to its context's digits.
EXACT: Final = Context(prec=250, traps=[Inexact])
_NUMBER: Final = re.compile(r"-?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,2})?", re.ASCII)

Level = dict[str, Decimal]


class UnpricedError(ValueError):
    """Why a row of the list is no price to charge by, in a few words."""


def price(row: Mapping[str, Any], source: str, version: str) -> Price:
    """The price of a row of the list; `source` and `version` stand on its receipts. Raises UnpricedError.

    All zero is free: the list says so. A time of day or an unknown condition that makes a request dearer is taken to
    hold always; a `discount` is left to the owner.
    """
    pricing = row.get("pricing")
    if not isinstance(pricing, dict):
        raise UnpricedError("the list names no price")
    _look_at_output(row)
    base = _level(pricing)
    _look_at_base(str(row.get("id")), base, pricing.get("discount"))
    levels = _levels(base, pricing.get("overrides"))
    if not any(amount for _, level in levels for amount in level.values()):
        return Price(free=True, source=source, version=version)
    (_, lowest), *tiers = levels
    return Price(
        **_rates(lowest),
        request=_nano(lowest.get("request", Decimal(0)), 1),
        server_tools=(("web_search", _nano(lowest["web_search"], 1)),) if lowest.get("web_search") else (),
        tiers=tuple(Tier(above, **_rates(level)) for above, level in tiers),
        unmetered=tuple(sorted({kind for _, level in levels for kind in _dearer_input(level)})),
        source=source,
        version=version,
    )


def _look_at_output(row: Mapping[str, Any]) -> None:
    architecture = row.get("architecture")
    made = architecture.get("output_modalities") if isinstance(architecture, dict) else None
    if isinstance(made, list) and (other := {str(each) for each in made} - COUNTED_OUTPUT):
        raise UnpricedError(f"it answers with {', '.join(sorted(other))[:60]}, which is not counted in tokens")


def _look_at_base(model: str, base: Level, discount: object) -> None:
    if "prompt" not in base or "completion" not in base:
        raise UnpricedError("the list names no price for its input or its output")
    for key in OTHER_OUTPUT:
        if base.get(key, 0) > base["completion"]:
            raise UnpricedError(f"its {key} is dearer than its text")
    # Whether reasoning is inside of what is counted as completion, the list does not say.
    if base.get(REASONING) and base[REASONING] != base["completion"]:
        raise UnpricedError("its reasoning has a price of its own")
    if base.get("web_search") and SEARCHES.search(model):
        raise UnpricedError("it searches by itself, for a fee")
    if discount is not None and not 0 <= _amount("discount", str(discount)) <= 1:
        raise UnpricedError("its discount makes it dearer")


def _level(pricing: Mapping[str, Any]) -> Level:
    """The amounts of known keys; null is as good as absent."""
    level: Level = {}
    for key, value in pricing.items():
        if key in NOT_PRICES or value is None:
            continue
        amount = _amount(key, value)
        if amount < 0:
            raise UnpricedError("the list says that its price varies")
        if amount > USD_MAX.get(key, amount):
            raise UnpricedError(f"its {key} is absurd")
        if key in KNOWN:
            level[key] = amount
        elif amount:
            raise UnpricedError(f"its price has a part that is not known here: {key[:40]}")
    return level


def _amount(key: str, value: object) -> Decimal:
    """A decimal as text, or a whole number; never a float: a price that went through one is not what was meant."""
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise UnpricedError(f"its {key[:40]} is no number")
    return Decimal(text)


def _levels(base: Level, overrides: object) -> list[tuple[int, Level]]:
    """(above so many input tokens, all amounts there), from 0 up.

    Entries apply in their order, later ones win. One with another condition than the length (a time of day) may apply
    or not: of it only what is dearer is taken.
    """
    entries = list(_overrides(overrides))
    found = []
    for above in sorted({0, *(above for above, _, _ in entries)}):
        level = dict(base)
        for start, certain, changed in entries:
            if start <= above and certain:
                level |= changed
        for start, certain, changed in entries:
            if start <= above and not certain:
                level |= {key: max(amount, level.get(key, level["prompt"])) for key, amount in changed.items()}
        found.append((above, level))
    return found


def _overrides(overrides: object) -> Iterator[tuple[int, bool, Level]]:
    """Each entry: where it begins, whether nothing but the length decides, and what it changes."""
    if overrides is None:
        return
    if not isinstance(overrides, list) or len(overrides) > OVERRIDES_MAX:
        raise UnpricedError("its overrides cannot be read")
    for entry in overrides:
        if not isinstance(entry, dict):
            raise UnpricedError("its overrides cannot be read")
        # Amounts are text, conditions are numbers and lists.
        amounts = {key: value for key, value in entry.items() if key in KNOWN or isinstance(value, str)}
        conditions = {key for key, value in entry.items() if key not in amounts and value is not None}
        yield _above(entry.get(ABOVE)), conditions <= {ABOVE}, _level(amounts)


def _above(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= TOKENS_MAX:
        raise UnpricedError("its overrides begin nowhere")
    return int(value)


def _rates(level: Level) -> dict[str, Any]:
    prompt = level["prompt"]
    rates = {}
    for key, name in CLASS_KEYS.items():
        if key in level and not _is_no_price(key, level):
            # A write that costs less than reading the same token in is the storage alone, on top of it.
            storage_only = key in WRITES and level[key] < prompt
            rates[name] = _nano(level[key] + prompt if storage_only else level[key], MILLION)
    return rates


def _is_no_price(key: str, level: Level) -> bool:
    """A cache that is read for nothing, of a model that costs something: lists say 0 where they know none."""
    return key == "input_cache_read" and not level[key] and level["prompt"] > 0


def _dearer_input(level: Level) -> Iterator[str]:
    for key, (text, kind) in OTHER_INPUT.items():
        if level.get(key, 0) > level.get(text, level["prompt"]):
            yield kind


def _nano(usd: Decimal, times: int) -> int:
    """Nano-dollars of `times` such amounts, rounded up."""
    return int(EXACT.multiply(usd, times * NANO_PER_USD).to_integral_value(ROUND_CEILING))
