"""What a model costs at a channel and how large it is: config.toml first, then the upstream's own list, then the
table that ships with Haze.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from haze_proxy import config_models
from haze_proxy.channels.catalogue import Listing, Offer
from haze_proxy.money import prices
from haze_proxy.money.prices import Price

if TYPE_CHECKING:  # the directory asks here
    from haze_proxy.channels.channel import Channel
    from haze_proxy.channels.directory import Candidate

MILLION = 1_000_000
Fees = tuple[tuple[str, int], ...]
Variants = tuple[prices.Variant, ...]
UNKNOWN = "add a [[models]] row with `input` and `output`, or `free = true`"


class Pricing:
    """The catalogue of one configuration, and the lists its channels' upstreams told (by the channel's name)."""

    def __init__(self, rows: tuple[config_models.Model, ...], lists: Mapping[str, Listing]) -> None:
        self._rows = {row.id: row for row in rows}
        self._prices = {row.id: _price(row) for row in rows if row.price != "upstream"}
        self._extras = {row.id: (_fees(row), _variants(row)) for row in rows}
        self._lists = lists
        self._table = prices.load_table()

    def row(self, model: str, upstream_model: str) -> config_models.Model | None:
        """The catalogue's row: that of the public id, else of the upstream's."""
        return self._rows.get(model) or self._rows.get(upstream_model)

    def offer(self, channel: "Channel", upstream_model: str) -> Offer | None:
        """What the upstream's list says of a model; None where it is not in it, or there is none."""
        told = self._lists.get(channel.name)
        return told.offers.get(upstream_model) if told else None

    def price(self, channel: "Channel", model: str, upstream_model: str) -> Price | None:
        """The public id's own price, else the upstream id's, else the upstream's list's, else the shipped table's.

        Never one found by a pattern, and none that the list itself makes doubtful. None: unknown.
        """
        row = self.row(model, upstream_model)
        if row and row.price == "upstream":
            return self._upstream(channel, row, upstream_model) if channel.kind.reports_cost else None
        own = self._prices.get(model) or self._prices.get(upstream_model)
        found = own or self._told(channel, upstream_model)
        return _with(found, *self._extras[row.id]) if found and row else found

    def _told(self, channel: "Channel", upstream_model: str) -> Price | None:
        """What the upstream's list says, else the shipped table."""
        if (offer := self.offer(channel, upstream_model)) and (offer.price or offer.unpriced):
            return offer.price
        return self._table.find(_provider(channel), upstream_model)

    def _upstream(self, channel: "Channel", row: config_models.Model, upstream_model: str) -> Price | None:
        """The upstream's own cost times a markup; the rates are what is held, and charged where it tells no cost.

        They are the row's own, else what is known of the model, else (of a router) the dearest of all its provider's.
        """
        markup = Fraction(row.markup)
        if (own := _price(row)) is None:
            known = self._told(channel, upstream_model) or self._dearest(channel)
            if known is None:
                return None
            held = prices.scaled(known, markup)
            own = _with(replace(held, source=f"held by {known.source}"), *self._extras[row.id])
        return replace(own, markup=int(markup * MILLION))

    def _dearest(self, channel: "Channel") -> Price | None:
        """Rates that no model which the provider is known to have exceeds."""
        told = self._lists.get(channel.name)
        found = [offer.price for offer in told.offers.values() if offer.price] if told else []
        found = found or [price for (name, _), price in self._table.prices.items() if name == _provider(channel)]
        if not found:
            return None
        return Price(
            input=max(price.dearest_input for price in found),
            output=max(price.dearest_output for price in found),
            request=max(price.request for price in found),
            source=f"the dearest model of {channel.kind.name}",
        )

    def max_output_tokens(self, channel: "Channel", model: str, upstream_model: str) -> int | None:
        """The most a model writes, in tokens; None: unknown."""
        limits = self._table.limits(_provider(channel), upstream_model)
        known = (self.row(model, upstream_model), self.offer(channel, upstream_model), limits)
        return next((each.max_output_tokens for each in known if each and each.max_output_tokens), None)

    def of_answer(self, candidate: "Candidate", named: str) -> Price | None:
        """The price of the model an answer names, where it has one of its own.

        The upstream's list and the shipped table speak only where they have priced the request: an owner's own price is
        not undone by a dated name of the same model, and what is free stays so.
        """
        price = candidate.price
        if price is None or price.markup is not None:
            return None
        row = self.row(candidate.model, candidate.upstream_model)
        fees, variants = self._extras[row.id] if row else ((), ())
        if own := self._prices.get(named):
            return _with(own, _joined(price.server_tools, own.server_tools), _beside(variants, own.variants))
        if found := self._answered(candidate, price, named):
            return _with(found, _joined(_joined(price.server_tools, found.server_tools), fees), variants)
        return None

    def _answered(self, candidate: "Candidate", price: Price, named: str) -> Price | None:
        if price.free or price.source == "config":
            return None
        if (asked := self.offer(candidate.channel, candidate.upstream_model)) and asked.price:
            offer = self.offer(candidate.channel, named)
            return offer.price if offer else None
        return self._table.find(_provider(candidate.channel), named)

    def why_unknown(self, channel: "Channel", model: str, upstream_model: str) -> str:
        """Why there is no price, and what the owner can do about it."""
        row = self.row(model, upstream_model)
        if row and row.price == "upstream" and not channel.kind.reports_cost:
            return f"the price is the upstream's own, and a channel of kind {channel.kind.name} does not tell it"
        offer = self.offer(channel, upstream_model)
        return f"the price is unknown{f' ({offer.unpriced})' if offer and offer.unpriced else ''}: {UNKNOWN}"


def _provider(channel: "Channel") -> str:
    return prices.KIND_PROVIDER.get(channel.kind.name, "")


def _price(row: config_models.Model) -> Price | None:
    if row.free:
        return prices.FREE
    if row.input is None and row.output is None:
        return None
    return Price(
        request=_nano(row.request) or 0,
        tiers=_tiers(row),
        server_tools=_fees(row),
        variants=_variants(row),
        source="config",
        **_rates(row),
    )


def _fees(row: config_models.Model) -> Fees:
    return tuple((name, prices.exact_nano(usd) // 1000) for name, usd in row.server_tools.items())


def _variants(row: config_models.Model) -> Variants:
    return tuple(
        _variant(field, value, variant)
        for field, key in config_models.VARIANTS.items()
        for value, variant in getattr(row, key).items()
    )


@lru_cache(1024)
def _with(price: Price, fees: Fees, variants: Variants) -> Price:
    """A price with what the owner adds to it, or says otherwise; a free one stays free."""
    if price.free or not (fees or variants):
        return price
    fees, variants = _joined(price.server_tools, fees), _beside(price.variants, variants)
    return replace(price, server_tools=fees, variants=variants)


def _joined(first: Fees, second: Fees) -> Fees:
    """Fees by name; where both have one, the second's."""
    return tuple((dict(first) | dict(second)).items())


def _beside(first: Variants, second: Variants) -> Variants:
    """Variants by field and value; where both have one, the second's."""
    return tuple({(each.field, each.value): each for each in (*first, *second)}.values())


def _variant(field: str, value: str, row: config_models.Variant) -> prices.Variant:
    if row.factor is not None:
        return prices.Variant(field, value, Fraction(row.factor))
    rates = tuple((name, rate) for name, rate in _rates(row).items() if rate is not None)
    return prices.Variant(field, value, None, rates, _tiers(row))


def _tiers(row: config_models.Model | config_models.Variant) -> tuple[prices.Tier, ...]:
    return tuple(prices.Tier(above=tier.above, **_rates(tier)) for tier in row.tiers)


def _rates(row: config_models.Model | config_models.Tier | config_models.Variant) -> dict[str, Any]:
    return {name: _nano(getattr(row, name)) for name in config_models.TIER_KEYS}


def _nano(usd: Decimal | None) -> int | None:
    return None if usd is None else prices.nano_per_million(usd)
