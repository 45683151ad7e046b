"""Explain: who would serve a model for a caller, who would not and why, what it costs, and what would be held."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, get_args

from aiohttp import web

from haze_proxy import config
from haze_proxy.channels import verdict
from haze_proxy.channels.directory import Candidate, Directory
from haze_proxy.context import DIRECTORY, HEALTH, STORE
from haze_proxy.money import receipt
from haze_proxy.store import callers
from haze_proxy.store.accounts import AccountError
from haze_proxy.store.callers import Named
from haze_proxy.store.keys import UnknownKeyError
from haze_proxy.web import price_list, typed
from haze_proxy.web.admin import channel_rows
from haze_proxy.web.context import Page, Who
from haze_proxy.web.forms import Form
from haze_proxy.web.render import page
from haze_proxy.web.words import moment, now_ms

MODEL_MAX: Final = 256
TOKENS_MAX: Final = 10**9
EXAMPLE: Final = {"input": 1_000, "output": 1_000}
PROTOCOLS: Final = (("", "any"), *((each, each) for each in get_args(config.Protocol)))


@dataclass(frozen=True, slots=True)
class Example:
    """What the example would cost at the first candidate, and what would be held for it at most; nano-dollars."""

    cost: int
    streamed: int
    whole: int


async def show(request: web.Request) -> web.Response:
    """GET /admin/explain?model=&key=&protocol=&input=&output=: the same rows as `haze-proxy explain`."""
    form = Form([(name, value) for name, value in request.query.items() if value])
    model, named = form.text("model", MODEL_MAX), form.text("key")
    tokens = partial(typed.whole, most=TOKENS_MAX, least=0)
    sizes = {name: form.parsed(name, tokens, standard) for name, standard in EXAMPLE.items()}
    protocol = form.raw("protocol") or None
    if protocol is not None and protocol not in dict(PROTOCOLS):
        form.wrong("protocol", "One of the protocols.")
    caller = await _caller(request, form, named, model)
    told: dict[str, Any] = {}
    if model and not form.errors:
        told = _told(request, model, protocol, caller, sizes)
    return page(
        request,
        "admin_explain.html",
        status=422 if form.errors else 200,
        form=form,
        model=model,
        example=EXAMPLE,
        protocols=PROTOCOLS,
        told=told,
    )


async def _caller(request: web.Request, form: Form, named: str, model: str) -> Named:
    if not named or form.errors:
        return Named()
    try:
        return await request.app[STORE].read(callers.find, named, model, now_ms())
    except (UnknownKeyError, AccountError) as error:
        form.wrong("key", str(error))
        return Named()


def _told(
    request: web.Request, model: str, protocol: str | None, caller: Named, sizes: dict[str, int]
) -> dict[str, Any]:
    directory = request.app[DIRECTORY].value
    verdicts = directory.explain(model, protocol, caller.session, resting=_resting(request))
    first = next((each.channel for each in verdicts if each.order), None)
    price = next((directory.price(each, model) for each in directory.channels if each.name == first), None)
    return {
        "rows": [verdict.row(each, caller.refusal) for each in verdicts],
        "refusal": caller.refusal,
        "price": price,
        "source": price_list.source(price) if price else "",
        "example": _example(directory, model, **sizes) if price else None,
    }


def _resting(request: web.Request) -> Callable[[Candidate], str]:
    """Why a candidate is not asked for the moment."""
    health = request.app[HEALTH]

    def resting(candidate: Candidate) -> str:
        if health.wait(candidate) <= 0:
            return ""
        of = [each for each in health.of(candidate.channel.name) if each[0] in ("", candidate.upstream_model)]
        model, cooling = max(of, key=lambda each: each[1].until)
        until = moment(channel_rows.at_ms(request, cooling.until))
        return f"{model or 'all models'} until {until} UTC after {cooling.failures} failures: {cooling.reason}"

    return resting


def _example(directory: Directory, model: str, input: int, output: int) -> Example | None:  # noqa: A002 - the form's names
    """A request of so many tokens in, whose limit is so many out; held is what its dearest candidate may cost."""
    candidates = [each for name in get_args(config.Protocol) for each in directory.candidates(model, name)]
    prices = [each.price for each in candidates if each.price]
    if not prices:
        return None
    piece = min(output, directory.config.billing.output_slice_tokens)
    return Example(
        cost=receipt.most(prices[0], input, output),
        streamed=max(receipt.most(each, input, piece) for each in prices),
        whole=max(receipt.most(each, input, output) for each in prices),
    )


ROUTES: Final = (Page("GET", "/admin/explain", Who.ADMIN, show),)
