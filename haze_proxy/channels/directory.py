"""Who serves a model: configured channels, their exact ids, aliases and globs, and what each candidate costs.

Candidates of a model are the first non-empty of: exact ids, exact aliases, what the upstreams of `*` channels list,
glob ids and aliases; over every configured channel that is active and not switched off.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from types import MappingProxyType
from typing import Final

from cachetools import LRUCache

from haze_proxy import config, config_models
from haze_proxy.channels import channel as channels
from haze_proxy.channels import verdict
from haze_proxy.channels.catalogue import Listing, Offer
from haze_proxy.channels.channel import EVERYTHING, Channel
from haze_proxy.channels.kinds import PATHS
from haze_proxy.channels.order import in_order
from haze_proxy.channels.pricing import Pricing
from haze_proxy.channels.verdict import Verdict
from haze_proxy.money.prices import Price
from haze_proxy.wire import translate

# Ids that only a glob serves are remembered, up to this many: a caller chooses them.
ANSWERS_KEPT: Final = 1024
GLOB: Final = frozenset("*?[")
NO_LISTS: Final[Mapping[str, Listing]] = MappingProxyType({})
NONE_OFF: Final[Mapping[str, str]] = MappingProxyType({})
EXACT, ALIAS, LISTED, PATTERN = "exact id", "alias", "upstream's list", "glob"
RANKS: Final = (EXACT, ALIAS, LISTED, PATTERN)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A channel that could serve a request, the id it knows the model by, and what it costs (None: unknown).

    `max_output_tokens` is the model's own limit where it is known. `asked` is the caller's protocol, `protocol` the one
    that the channel is spoken to in: the same, or one that the request is translated into.
    """

    channel: Channel
    model: str
    upstream_model: str
    how: str
    price: Price | None
    max_output_tokens: int | None
    asked: str = ""
    protocol: str = ""

    @property
    def is_translated(self) -> bool:
        """Whether what the caller asks must be said in another protocol."""
        return bool(self.protocol) and self.asked != self.protocol


@dataclass(frozen=True, slots=True)
class Listed:
    """A model id that would be served now, and what people read about it: its row, else what the upstream lists."""

    id: str
    row: config_models.Model | None
    offer: Offer | None
    candidate: Candidate


def _nothing(_candidate: Candidate) -> str:
    return ""


class Directory:
    """Everything that follows from one configuration, from what upstreams list and from who is switched off (both by
    the channel's name); it never changes, and a request keeps the directory it was admitted with.
    """

    def __init__(
        self,
        settings: config.Config,
        environ: Mapping[str, str],
        lists: Mapping[str, Listing] = NO_LISTS,
        off: Mapping[str, str] = NONE_OFF,
    ) -> None:
        self.config = settings
        self.channels = tuple(channels.made(row, environ, off.get(row.name, "")) for row in settings.channels)
        self._active = tuple(channel for channel in self.channels if not channel.inactive)
        # One that is switched off for an hour is real all the same.
        self._real = any(channel.kind.name != "echo" for channel in self._active)
        told = ((channel, lists.get(channel.name)) for channel in self._active if channel.lists)
        # A list of another upstream, which had this channel's name once, says nothing about this one.
        self.lists = {channel.name: found for channel, found in told if found and found.origin == channel.origin}
        self._pricing = Pricing(settings.models, self.lists)
        self._known: LRUCache[tuple[str, str], tuple[Candidate, ...]] = LRUCache(ANSWERS_KEPT)

    def candidates(self, model: str, protocol: str, session: str = "") -> tuple[Candidate, ...]:
        """The channels that would serve `model` in `protocol` for a price that is known, in order."""
        known = self._known.get((model, protocol))
        if known is None:
            served = (each for each in self._of(model) if not self._left_out(each, protocol))
            known = tuple(_for(each, protocol) for each in served)
            if known:  # an id that nobody serves is not worth remembering, and callers invent them
                self._known[model, protocol] = known
        return known if len(known) < 2 else tuple(in_order(known, session))

    def serves(self, model: str) -> Candidate | None:
        """The first channel that would serve a model in any protocol; None if no one would."""
        found = in_order(self._of(model), "")
        return next((c for c in found if any(not self._left_out(c, protocol) for protocol in PATHS)), None)

    def protocols(self, model: str) -> list[str]:
        """The protocols in which a model is served."""
        return sorted({p for c in self._of(model) for p in PATHS if not self._left_out(c, p)})

    def natives(self, model: str) -> list[str]:
        """Those of its protocols that a channel which serves it speaks itself: nothing is translated there."""
        return sorted({p for c in self._of(model) for p in c.channel.protocols if not self._left_out(c, p)})

    def beside(self, candidate: Candidate, model: str, protocol: str) -> Candidate | None:
        """Another model at a candidate's own channel; None where the channel would not serve it for a known price."""
        if (match := self._names(candidate.channel, model)) is None:
            return None
        how, upstream_model = match
        other = self._candidate(candidate.channel, model, upstream_model, how)
        return None if self._left_out(other, protocol) else other

    def price_of_answer(self, candidate: Candidate, named: str) -> Price | None:
        """The price of the model an answer names, where it has one of its own."""
        return self._pricing.of_answer(candidate, named)

    def unpriced(self, model: str) -> bool:
        """Whether channels list a model, but its price is unknown at every one of them."""
        found = self._of(model)
        return bool(found) and all(candidate.price is None for candidate in found)

    @cached_property
    def waiting(self) -> tuple[str, ...]:
        """Names of the channels whose upstream has not told its list yet."""
        listing = (channel.name for channel in self._active if channel.lists and channel.serves)
        return tuple(name for name in listing if name not in self.lists)

    def listed(self) -> tuple[Listed, ...]:
        """Every concrete id that would be served now; globs list nothing."""
        return self._listed

    @cached_property
    def _listed(self) -> tuple[Listed, ...]:
        ids = dict.fromkeys(name for channel in self._active if channel.serves for name in self._ids(channel))
        return tuple(found for model in ids if (found := self.find(model)))

    def priced(self, channel: Channel) -> int:
        """How many of the models that a channel's upstream lists have a price."""
        offers = self.lists[channel.name].offers if channel.name in self.lists else ()
        return sum(1 for model in offers if self._pricing.price(channel, model, model))

    def find(self, model: str) -> Listed | None:
        """A model with what people read about it; None if no one would serve it."""
        if (candidate := self.serves(model)) is None:
            return None
        row = self._pricing.row(model, candidate.upstream_model)
        return Listed(model, row, self._pricing.offer(candidate.channel, candidate.upstream_model), candidate)

    def price(self, channel: Channel, model: str) -> Price | None:
        """What a model costs at a channel that lists it, active or not; None where that is not known."""
        how, upstream_model = self._names(channel, model) or ("", model)
        return self._candidate(channel, model, upstream_model, how).price

    def explain(
        self, model: str, protocol: str | None = None, session: str = "", resting: Callable[[Candidate], str] = _nothing
    ) -> list[Verdict]:
        """What each configured channel would do for a model, in the order they would be asked.

        `resting` says why a candidate is not asked for the moment, or "".
        """
        chosen = in_order(tuple(_for(each, protocol) for each in self._of(model)), session)
        reasons = [self._left_out(each, protocol) or resting(each) for each in chosen]
        served = [each for each, reason in zip(chosen, reasons, strict=True) if not reason]
        verdicts = [verdict.of(each, n, "") for n, each in enumerate(served, 1)]
        verdicts += [verdict.of(each, None, reason) for each, reason in zip(chosen, reasons, strict=True) if reason]
        named = {each.channel for each in verdicts}
        for channel in self.channels:
            if channel.name not in named:
                verdicts.append(self._passed_over(channel, model))
        return verdicts

    def _of(self, model: str) -> tuple[Candidate, ...]:
        found = [(channel, match) for channel in self._active if (match := self._match(channel, model))]
        best = min((RANKS.index(how) for channel, (how, _) in found if channel.serves), default=0)
        # A real channel that is switched off gives no answer, and a parrot's in its place would be none.
        real = any(channel.kind.name != "echo" for channel, (how, _) in found if RANKS.index(how) <= best)
        return tuple(
            self._candidate(channel, model, upstream_model, how)
            for channel, (how, upstream_model) in found
            if channel.serves and RANKS.index(how) == best and not (real and channel.kind.name == "echo")
        )

    def _ids(self, channel: Channel) -> Iterator[str]:
        yield from (name for name in (*channel.models, *channel.aliases) if not _is_glob(name))
        if channel.name in self.lists:
            yield from self.lists[channel.name].offers

    def _match(self, channel: Channel, model: str) -> tuple[str, str] | None:
        match = self._names(channel, model)
        # A parrot must not answer for a real model once real ones are served.
        if match and match[0] == PATTERN and channel.kind.name == "echo" and self._real:
            return None
        return match

    def _names(self, channel: Channel, model: str) -> tuple[str, str] | None:
        """(how, upstream model): the most exact way in which a channel lists a model."""
        match = _match(channel, model)
        listed = (match is None or match[0] == PATTERN) and self._pricing.offer(channel, model)
        return (LISTED, model) if listed else match

    def _candidate(self, channel: Channel, model: str, upstream_model: str, how: str) -> Candidate:
        price = self._pricing.price(channel, model, upstream_model)
        limit = self._pricing.max_output_tokens(channel, model, upstream_model)
        return Candidate(channel, model, upstream_model, how, price, limit)

    def _left_out(self, candidate: Candidate, protocol: str | None) -> str:
        if candidate.price is None:
            return self._pricing.why_unknown(candidate.channel, candidate.model, candidate.upstream_model)
        if candidate.price.output is None and not candidate.price.free and not _only_input(candidate, protocol):
            return "the price of its output is unknown: add `output` to its [[models]] row"
        if protocol is not None and not spoken(candidate.channel, protocol):
            return f"{_speaker(candidate.channel)} does not speak {protocol}"
        return ""

    def _passed_over(self, channel: Channel, model: str) -> Verdict:
        match = self._names(channel, model)
        if channel.inactive:
            reason = f"inactive: {channel.inactive}"
        elif channel.off:
            reason = f"switched {channel.off}"
        elif match is None and channel.name in self.waiting:
            reason = "its upstream has not told its list of models yet"
        elif match is None:
            reason = "does not list this model"
        elif channel.kind.name == "echo" and (self._real and match[0] == PATTERN):
            reason = "an echo channel's globs are ignored beside real channels"
        elif channel.kind.name == "echo" and self._real:
            reason = "an echo channel gives way to real ones"
        else:
            reason = "another channel names this model more exactly"
        how, upstream_model = match or ("", "")
        return Verdict(channel.name, upstream_model, how, tuple(sorted(channel.protocols)), None, reason)


def _only_input(candidate: Candidate, protocol: str | None) -> bool:
    """Whether no output is asked for: embeddings have none. Without a protocol: whether they can be asked for."""
    return protocol == "embeddings" or (protocol is None and "embeddings" in candidate.channel.protocols)


def _speaker(channel: Channel) -> str:
    return f"a channel of kind {channel.kind.name}" if channel.protocols == channel.kind.protocols else "this channel"


# Into which protocol a request is translated where a channel speaks several: the one with the longest practice first.
TRANSLATED_INTO: Final = ("chat", "messages", "responses")


def spoken(channel: Channel, protocol: str) -> str:
    """The protocol in which a channel would be asked for an answer in `protocol`; "" where there is none."""
    if protocol in channel.protocols:
        return protocol
    return next((each for each in TRANSLATED_INTO if _is_way(channel, protocol, each)), "")


def _for(candidate: Candidate, protocol: str | None) -> Candidate:
    """The candidate for callers of a protocol."""
    if protocol is None:
        return candidate
    return replace(candidate, asked=protocol, protocol=spoken(candidate.channel, protocol))


def _is_way(channel: Channel, protocol: str, into: str) -> bool:
    return channel.translates and into in channel.protocols and (protocol, into) in translate.PAIRS


def _is_glob(name: str) -> bool:
    return not GLOB.isdisjoint(name)


def _match(channel: Channel, model: str) -> tuple[str, str] | None:
    """(how, upstream model): the most exact way in which a channel's row names a model."""
    if model in channel.models and not _is_glob(model):
        return EXACT, model
    if model in channel.aliases and not _is_glob(model):
        return ALIAS, channel.aliases[model]
    for pattern, upstream_model in channel.aliases.items():
        if _is_glob(pattern) and fnmatchcase(model, pattern):
            return PATTERN, upstream_model
    if channel.models != EVERYTHING and any(_is_glob(name) and fnmatchcase(model, name) for name in channel.models):
        return PATTERN, model
    return None
