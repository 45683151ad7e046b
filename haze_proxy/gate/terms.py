"""What may one candidate charge for a request? All prices it can come to before it runs, and the right one at its end.

A request can name other models that may answer, ask for a mode with other rates, and bring tools that the provider runs
for a fee. Whatever of these has no price at a candidate is refused by name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from haze_proxy.channels.directory import Candidate, Directory
from haze_proxy.errors import BadRequest
from haze_proxy.money import estimate, fields, media, receipt, variants
from haze_proxy.money.fields import Mode
from haze_proxy.money.prices import Price
from haze_proxy.money.usage import Usage
from haze_proxy.store.keys import Key
from haze_proxy.wire import gemini
from haze_proxy.wire.ask import Ask
from haze_proxy.wire.responses.request_writer import OUTPUT_TOKENS_MIN

# What a model may write when neither the caller nor the catalogue says: more than models without a known limit do.
OUTPUT_TOKENS_UNKNOWN: Final = 16_384
# Of each tool that the provider would run for a fee. What is not used comes back.
TOOL_CALLS_HELD: Final = 10
# Held for a call whose fee is part of the cost that the upstream will tell, in nano-dollars: OpenRouter's own search
# costs 20 million.
UNKNOWN_FEE: Final = 50_000_000
NOT_OFFERED: Final = "This changes the price of a request and is not offered here."


@dataclass(frozen=True, slots=True)
class Terms:
    """`candidates` are all models that may answer at one channel, the one asked for first; `prices` all that it can
    come to; `price` that of the model asked for, in no mode yet. `calls` are (tool, calls) to hold money for, `always`
    the tools that run whether the answer says so or not. `rewritten` are fields that name models by the channel's ids.
    """

    candidates: tuple[Candidate, ...]
    price: Price
    prices: tuple[Price, ...]
    modes: tuple[Mode, ...] = ()
    calls: tuple[tuple[str, int], ...] = ()
    always: tuple[str, ...] = ()
    rewritten: tuple[tuple[str, list[Any]], ...] = ()

    @property
    def dearest_output(self) -> Price:
        """The price by which a stream's hold grows."""
        return max(self.prices, key=lambda price: price.dearest_output)

    def output_limit(self, ask: Ask) -> int:
        """The most output tokens a request may lead to: the caller's own limit, else the model's, times its answers."""
        if ask.output_limit is not None:
            return max(ask.output_limit, *map(_least_limit, self.candidates))
        own = max(each.max_output_tokens or _unknown_limit(each) for each in self.candidates)
        return own * estimate.answers(ask.parsed, ask.protocol)

    def worth(self, ask: Ask, slice_tokens: int | None = None) -> int:
        """Nano-dollars to hold: a stream begins with one slice of output."""
        limit = self.output_limit(ask)
        output = min(limit, slice_tokens) if ask.stream and slice_tokens is not None else limit
        return max(receipt.most(price, ask.input_estimate, output, self.calls) for price in self.prices)

    def affordable_output(self, ask: Ask, available: int) -> int:
        """The most output tokens that so many nano-dollars pay for, whatever answers."""
        tokens = ask.input_estimate
        return min(receipt.affordable_output(price, available, tokens, self.calls) for price in self.prices)

    def charged(self, directory: Directory, named: str | None, reported: Mapping[str, str]) -> Price:
        """The price of an answer: by the model it names, where that has one, in the modes it reports."""
        return variants.charged(self._of_model(directory, named), self.modes, reported)

    def counted(self, used: Usage, raw: Mapping[str, Any]) -> Usage:
        """A usage with one call of each tool that always runs, where the answer does not say how often it did."""
        if not self.always or "server_tool_use" in raw:
            return used
        return replace(used, server_tools=tuple((name, 1) for name in self.always))

    def _of_model(self, directory: Directory, named: str | None) -> Price:
        for candidate in self.candidates:
            if named in (candidate.upstream_model, candidate.model):
                return candidate.price or self.price
        if named is None or self.price.markup is not None:
            return self._unnamed
        return directory.price_of_answer(self.candidates[0], named) or self._unnamed

    @property
    def _unnamed(self) -> Price:
        """Of an answer by a model that was not asked for by this name: the dearest it can be."""
        if len(self.candidates) == 1:
            return self.price
        found = variants.dearest(tuple(each.price for each in self.candidates if each.price))
        return replace(found, flags=(*found.flags, "it is not known which of the models answered"))


def terms(directory: Directory, key: Key, ask: Ask, candidate: Candidate) -> Terms:
    """What a candidate may charge. Raises BadRequest naming the field that cannot be priced there."""
    price = candidate.price
    assert price is not None  # noqa: S101 - candidates are those with a price
    if fields.CHANGING.isdisjoint(ask.parsed) and price.markup is None and not price.unmetered:
        if field := fields.router(ask.parsed, ask.model, candidate.upstream_model):
            raise _refused(field)
        return Terms((candidate,), price, (price,))
    return _special(directory, key, ask, candidate, price)


def _special(directory: Directory, key: Key, ask: Ask, candidate: Candidate, price: Price) -> Terms:
    _look_at_media(ask, price)
    if price.markup is None and (field := fields.router(ask.parsed, ask.model, candidate.upstream_model)):
        raise _refused(field)
    if lost := _lost(ask, candidate):
        raise _refused(lost)
    candidates = (candidate, *_others(directory, key, ask, candidate))
    modes = fields.modes(ask.parsed)
    # Translation leaves the provider's own tools out, and names them.
    runs = candidate.channel.kind.runs_tools and not candidate.is_translated
    tools = fields.fee_tools(ask.parsed) if runs else ()
    prices = tuple(found for each in candidates for found in _prices(ask, each, modes, tools))
    return Terms(
        candidates,
        price,
        prices,
        modes,
        tuple((name, TOOL_CALLS_HELD) for name in sorted({name for _, name in tools})),
        tuple(sorted({name for _, name in fields.always_run(ask.parsed)})) if tools else (),
        tuple(_rewritten(ask, candidates)),
    )


def _lost(ask: Ask, candidate: Candidate) -> str | None:
    """The first field asked for that the candidate's channel would not be sent: its price would be charged for nothing,
    and what it asks for (another model, a place to compute) may be the point of the request.
    """
    asked = [field for field, _ in fields.modes(ask.parsed)]
    asked += [field for field in (*fields.OTHER_MODELS, "plugins", "preset") if ask.parsed.get(field)]
    return next((field for field in asked if not _is_sent(candidate, field)), None)


def _is_sent(candidate: Candidate, field: str) -> bool:
    if not candidate.is_translated:
        return field in gemini.FIELDS or not candidate.channel.kind.chat_fixed
    allowed = candidate.channel.options.allowed_fields
    # Anthropic's tiers are not OpenAI's.
    alike = field == "service_tier" and "messages" not in (candidate.asked, candidate.protocol)
    return alike and (allowed is None or field in allowed)


def _unknown_limit(candidate: Candidate) -> int:
    """What a model may write of which no limit is known; a translated request is given one where it needs one."""
    sent = candidate.channel.options.limit_default if candidate.is_translated else 0
    return max(OUTPUT_TOKENS_UNKNOWN, sent)


def _least_limit(candidate: Candidate) -> int:
    """Translation raises a limit that the channel's protocol does not take."""
    return OUTPUT_TOKENS_MIN if candidate.is_translated and candidate.protocol == "responses" else 0


def _look_at_media(ask: Ask, price: Price) -> None:
    if field := fields.unmetered(ask.parsed, ask.protocol):
        raise _refused(field)
    if price.unmetered and (field := media.unmetered_field(ask.parsed, ask.protocol, price.unmetered)):
        kinds = " and ".join(price.unmetered)
        text = f"{field}: The provider's price for {kinds} input to this model is not offered here."
        raise BadRequest(text, param=field)


def _others(directory: Directory, key: Key, ask: Ask, candidate: Candidate) -> Iterator[Candidate]:
    """The other models that may answer, at the candidate's channel."""
    for field, model in fields.other_models(ask.parsed):
        if not model:
            raise _refused(field)
        if not key.may_use(model):
            raise BadRequest(f"{field}: This API key may not use `{model}`.", param=field)
        other = directory.beside(candidate, model, ask.protocol)
        if other is None or other.price is None:
            text = f"{field}: `{model}` is not served beside `{ask.model}` for a price that is known."
            raise BadRequest(text, param=field)
        if other.price.markup is None and fields.router({}, model, other.upstream_model):
            raise _refused(field)
        _look_at_media(ask, other.price)
        yield other
    if dearer := fields.dearer_fallback(ask.parsed):
        raise _refused(dearer)


def _prices(
    ask: Ask, candidate: Candidate, modes: tuple[Mode, ...], tools: tuple[tuple[str, str], ...]
) -> tuple[Price, ...]:
    """The prices of one model in the modes asked for; `auto` may become any."""
    price = candidate.price
    assert price is not None  # noqa: S101 - candidates are those with a price
    found = variants.asked(price, modes)
    if isinstance(found, str):
        raise _refused(found)
    for field, name in tools:
        if price.markup is None and not _can_charge(candidate, ask.protocol, name, price):
            raise _refused(field)
    if price.markup is not None:
        fees = {name: UNKNOWN_FEE for _, name in tools} | dict(found.server_tools)
        found = replace(found, server_tools=tuple(fees.items()))
    automatic = ask.parsed.get("service_tier") == "auto"
    return (found, *(variants.of_field(found, "service_tier") if automatic else ()))


def _can_charge(candidate: Candidate, protocol: str, tool: str, price: Price) -> bool:
    """Whether calls of a tool that the provider runs would be paid for, were this candidate to serve them."""
    return price.free or (protocol in candidate.channel.kind.counts_tools and tool in dict(price.server_tools))


def _rewritten(ask: Ask, candidates: tuple[Candidate, ...]) -> Iterator[tuple[str, list[Any]]]:
    """`models` and `fallbacks` with the ids by which the channel knows the models, where these are others."""
    known = {each.model: each.upstream_model for each in candidates}
    for field in fields.OTHER_MODELS:
        entries = ask.parsed.get(field)
        if entries and any(known[model] != model for model in map(fields.model_of, entries)):
            yield field, [_with_model(entry, known[fields.model_of(entry)]) for entry in entries]


def _with_model(entry: Any, model: str) -> Any:
    return {**entry, "model": model} if isinstance(entry, dict) else model


def _refused(field: str) -> BadRequest:
    return BadRequest(f"{field}: {NOT_OFFERED}", param=field)
