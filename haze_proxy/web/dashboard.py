"""GET /dashboard: what there is, how long it lasts, what runs, what was spent when, and what went wrong."""

from typing import Final

from aiohttp import web

from haze_proxy.context import DIRECTORY, STORE, WALLET
from haze_proxy.store import overview, usage_series
from haze_proxy.web.billing.runway import runway
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.render import page
from haze_proxy.web.usage.chart_view import Asked, view
from haze_proxy.web.usage.spans import SPENDING
from haze_proxy.web.words import now_ms

# What a refusal means and what helps, by its status.
ADVICE: Final = {
    "400": "The request is wrong: the answer's message names the field.",
    "402": "The balance or the key's budget does not pay for it.",
    "403": "The key may not be used from that address, or the account is disabled.",
    "404": "The model is not there, or this key may not use it.",
    "405": "The address is right, the method is not.",
    "409": "Its Idempotency-Key was used before: take a new one for a new request.",
    "413": "The body is too large.",
    "415": "The body's Content-Encoding is unknown: send it plain, or as gzip.",
    "429": "A limit of this key was hit: wait as long as Retry-After says, or raise the limit.",
    "503": "No channel serves this model at the moment.",
}
OTHER: Final = "The answer's message says why."
DIMENSIONS: Final = {"model": "Model", "key": "Key"}


async def show(request: web.Request) -> web.Response:
    """The account that is logged in."""
    account_id, now = request[SESSION].account_id, now_ms()
    seen = await request.app[STORE].read(overview.read, account_id, now)
    asked = Asked.of(request, SPENDING, DIMENSIONS)
    series = await request.app[STORE].read(usage_series.read, asked.of_account(account_id, now))
    balance, held = request.app[WALLET].of_account(account_id)
    return page(
        request,
        "dashboard.html",
        seen=seen,
        view=view(request, asked, series, now),
        balance=balance,
        held=held,
        kinds=_kinds(request),
        runway=runway(balance, seen.per_day),
        advice=lambda reason: ADVICE.get(reason.partition(" ")[0], OTHER),
    )


def _kinds(request: web.Request) -> set[str]:
    return {each.kind.name for each in request.app[DIRECTORY].value.channels if not each.inactive}


ROUTES: Final = (Page("GET", "/dashboard", Who.ACCOUNT, show),)
