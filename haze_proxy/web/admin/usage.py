"""GET /admin/usage: what all accounts used and what that earned, by model, account or channel."""

from dataclasses import replace
from typing import Final

from aiohttp import web

from haze_proxy.context import STORE
from haze_proxy.store import usage_series
from haze_proxy.store.usage_sums import EVERYBODY
from haze_proxy.web.context import Page, Who
from haze_proxy.web.render import page
from haze_proxy.web.usage.chart_view import Asked, view
from haze_proxy.web.usage.spans import EARNING
from haze_proxy.web.words import now_ms

DIMENSIONS: Final = {"model": "Model", "account": "Account", "channel": "Channel"}


async def show(request: web.Request) -> web.Response:
    """Everybody's sums have rows of their own: a thousand accounts are read as quickly as one."""
    now, store = now_ms(), request.app[STORE]
    asked = Asked.of(request, EARNING, DIMENSIONS)
    series = await store.read(usage_series.read, asked.of_account(EVERYBODY, now))
    if asked.choice.by == "account":
        series = replace(series, labels=await store.read(usage_series.emails, series.cells))
    return page(request, "admin_usage.html", view=view(request, asked, series, now))


ROUTES: Final = (Page("GET", "/admin/usage", Who.ADMIN, show),)
