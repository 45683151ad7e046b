"""What a model costs at a channel and how large it is: config.toml first, then the upstream's own list, then the
table that ships with Haze.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from haze_proxy import config
from haze_proxy.channels.catalogue import Listing, Offer
from haze_proxy.money import prices
from haze_proxy.money.prices import Price

if TYPE_CHECKING:  # the directory asks here
    from haze_proxy.channels.directory import Candidate, Channel

UNKNOWN = "add a [[models]] row with `input` and `output`, or `free = true`"


class Pricing:
    """The catalogue of one configuration, and the lists its channels' upstreams told (by the channel's name)."""

    def __init__(self, rows: tuple[config.Model, ...], lists: Mapping[str, Listing]) -> None:
        self._rows = {row.id: row for row in rows}
        self._prices = {row.id: _price(row) for row in rows}
        self._lists = lists
        self._table = prices.load_table()

    def row(self, model: str, upstream_model: str) -> config.Model | None:
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
        if (row := self.row(model, upstream_model)) and row.price == "upstream":
            return None
        if own := self._prices.get(model) or self._prices.get(upstream_model):
            return own
        if (offer := self.offer(channel, upstream_model)) and (offer.price or offer.unpriced):
            return offer.price
        return self._table.find(_provider(channel), upstream_model)

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
        if named in self._rows:
            return self._prices[named]
        price = candidate.price
        if price is None or price.free or price.source == "config":
            return None
        if (asked := self.offer(candidate.channel, candidate.upstream_model)) and asked.price:
            offer = self.offer(candidate.channel, named)
            return offer.price if offer else None
        return self._table.find(_provider(candidate.channel), named)

    def why_unknown(self, channel: "Channel", upstream_model: str) -> str:
        """Why there is no price, and what the owner can do about it."""
        offer = self.offer(channel, upstream_model)
        return f"the price is unknown{f' ({offer.unpriced})' if offer and offer.unpriced else ''}: {UNKNOWN}"


def _provider(channel: "Channel") -> str:
    return prices.KIND_PROVIDER.get(channel.kind.name, "")


def _price(row: config.Model) -> Price | None:
    if row.free:
        return prices.FREE
    if row.input is None and row.output is None:
        return None
    return Price(
        request=_nano(row.request) or 0,
        tiers=tuple(prices.Tier(above=tier.above, **_rates(tier)) for tier in row.tiers),
        source="config",
        **_rates(row),
    )


def _rates(row: config.Model | config.Tier) -> dict[str, Any]:
    return {name: _nano(getattr(row, name)) for name in config.TIER_KEYS}


def _nano(usd: Decimal | None) -> int | None:
    return None if usd is None else prices.nano_per_million(usd)
