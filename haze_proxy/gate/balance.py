"""Can they pay? Finds who would serve the request, prices it high, and sets money aside before any is spent."""

from datetime import UTC, datetime
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from haze_proxy.channels.directory import Candidate, Directory
from haze_proxy.channels.order import session_of
from haze_proxy.context import ASK, CALLER, CANDIDATES, DIRECTORY, ENDPOINT, HEALTH, REQUEST_ID, WALLET
from haze_proxy.errors import BadRequest, ModelNotFound, NoChannel, PaymentRequired
from haze_proxy.gate import limiter, witness
from haze_proxy.gate.claims import CLAIM
from haze_proxy.gate.settlement import HOLD, Books, Outcome, RequestHold
from haze_proxy.gate.terms import Terms, terms
from haze_proxy.money import endings, estimate, receipt
from haze_proxy.money.wallet import ShortError
from haze_proxy.store.keys import Key
from haze_proxy.wire.ask import Ask
from haze_proxy.wire.stateful import ADVICE, stateful_field

MODELS_NAMED_MAX: Final = 20
# An answer cut shorter than this helps nobody.
LIMITED_TOKENS_MIN: Final = 1024
# While a provider has not told its models yet, an unknown one may be among them.
LIST_WAIT_S: Final = 5

# What each of a request's candidates may charge, in their order.
TERMS = web.RequestKey[tuple[Terms, ...]]("terms", tuple)


def balance(books: Books, top_up: str) -> Middleware:
    """A gate that sets request[CANDIDATES] and request[HOLD]. A hold that nobody ended on the way out is void. Whose
    balance is too low is sent to the address `top_up`.

    Raises NoChannel before any PaymentRequired, ModelNotFound for what the key may not use, BadRequest for a field that
    cannot be priced.
    """

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        reads = request[ENDPOINT].reads
        if not reads:
            return await handler(request)
        request[CANDIDATES] = find(request)
        if reads != "paid":
            return await handler(request)
        try:
            hold = request[HOLD] = _place(books, request)
        except ShortError as short:
            raise PaymentRequired(_too_little(request, short, top_up)) from short
        witness.admitted(request)
        try:
            return await handler(request)
        finally:
            if hold.result is None:
                hold.finish(Outcome(endings.FAILED_BEFORE))

    return gate


def find(request: web.Request) -> tuple[Candidate, ...]:
    """The candidates of a request that are worth asking now, in order; never none."""
    ask, key = request[ASK], request[CALLER]
    directory = request.app[DIRECTORY].value
    if not key.may_use(ask.model):
        raise ModelNotFound(_not_allowed(key, ask.model), param="model")
    session = session_of(request.headers, ask.parsed, key.prefix)
    candidates = directory.candidates(ask.model, ask.protocol, session)
    if not candidates:
        wait = LIST_WAIT_S if directory.waiting else None
        raise NoChannel(_nobody(directory, ask), param="model", retry_after_s=wait)
    ready = request.app[HEALTH].ready(candidates)
    if not ready and request[ENDPOINT].reads == "paid":
        raise NoChannel(_all_out(ask), param="model", retry_after_s=_back_in(request, candidates))
    candidates = ready or candidates
    stateful = all(candidate.channel.stateful for candidate in candidates)
    if not stateful and (field := stateful_field(ask.parsed, ask.protocol)):
        raise BadRequest(_kept(field), param=field)
    return candidates


def _place(books: Books, request: web.Request) -> RequestHold:
    ask, key = request[ASK], request[CALLER]
    found = request[TERMS] = _terms(request)
    # Only those that can serve all of the request for a price that is known.
    request[CANDIDATES] = tuple(each.candidates[0] for each in found)
    slice_tokens = request.app[DIRECTORY].value.config.billing.output_slice_tokens
    amount = max(each.worth(ask, slice_tokens) for each in found)
    try:
        return books.open(request[REQUEST_ID], key, ask, amount, request.get(CLAIM))
    except ShortError as short:
        limited = _limited(ask, found, short.available)
        if limited is None:
            raise
        return books.open(request[REQUEST_ID], key, ask, limited, request.get(CLAIM))


def _limited(ask: Ask, found: tuple[Terms, ...], available: int) -> int | None:
    """Nano-dollars to hold for as much output as the account can pay for, and its limit set on the ask.

    None where that is too little to be of use, where a stream would do with one slice anyway, or where a fallback of
    the provider's has a limit of its own.
    """
    if ask.stream or ask.protocol not in estimate.LIMIT_FIELDS or ask.parsed.get("fallbacks"):
        return None
    answers = estimate.answers(ask.parsed, ask.protocol)
    most = min(each.affordable_output(ask, available) for each in found) // answers
    if most < max(LIMITED_TOKENS_MIN, estimate.thinking_budget(ask.parsed) + 1):
        return None
    ask.limited_to, ask.output_limit = most, most * answers
    return max(each.worth(ask) for each in found)


def _terms(request: web.Request) -> tuple[Terms, ...]:
    """What each candidate may charge. Raises BadRequest if none of them knows what all of the request would cost."""
    directory, found, refusals = request.app[DIRECTORY].value, [], []
    for candidate in request[CANDIDATES]:
        try:
            found.append(terms(directory, request[CALLER], request[ASK], candidate))
        except BadRequest as refusal:
            refusals.append(refusal)
    if found:
        return tuple(found)
    try:
        raise refusals[0]
    finally:
        # An error's traceback holds this frame, and with it the request and its body.
        refusals.clear()


def _too_little(request: web.Request, short: ShortError, top_up: str) -> str:
    needed, available = receipt.usd(short.needed), receipt.usd(short.available)
    if short.budget:
        resets_at = request.app[WALLET].resets_at(request[CALLER].id)
        text = f"This API key's budget is used up: the request needs up to ${needed}, ${available} are left of it."
        return text if resets_at is None else f"{text} It begins anew at {_iso(resets_at)}."
    text = f"Insufficient balance: the request needs up to ${needed}, ${available} are available."
    return f"{text} Top up at {top_up}"


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _kept(field: str) -> str:
    text = f"{field}: What is kept on the provider's account cannot be used through Haze."
    return f"{text} {ADVICE[field]}" if field in ADVICE else text


def _not_allowed(key: Key, model: str) -> str:
    named = ", ".join((key.models or ())[:MODELS_NAMED_MAX]) or "no model"
    return f"This API key may not use `{model}`. It may use: {named}."


def _back_in(request: web.Request, candidates: tuple[Candidate, ...]) -> int | None:
    wait_s = request.app[HEALTH].returns_in(candidates)
    return None if wait_s is None else limiter.retry_after(wait_s)


def _all_out(ask: Ask) -> str:
    return f"No available upstream channel for the requested model `{ask.model}`: all that serve it are failing."


def _nobody(directory: Directory, ask: Ask) -> str:
    text = f"No available upstream channel for the requested model `{ask.model}`"
    if spoken := directory.protocols(ask.model):
        return f"{text} in the {ask.protocol} protocol. It is served on: {', '.join(spoken)}."
    if directory.unpriced(ask.model):
        return f"{text}: its price is not known here. The owner can add it to config.toml."
    if directory.waiting:
        return f"{text} yet: a provider has not told what it serves. Try again in a moment."
    return f"{text}. GET /v1/models lists what is served."
