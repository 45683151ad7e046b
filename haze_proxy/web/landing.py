"""GET /: what this is, its address, and how to begin."""

from typing import Final

from aiohttp import web

from haze_proxy.context import DIRECTORY
from haze_proxy.web import snippets
from haze_proxy.web.context import Page, Who
from haze_proxy.web.render import page
from haze_proxy.web.site import SITE


async def show(request: web.Request) -> web.Response:
    """For whoever comes first: three quick starts with this deployment's own address."""
    model = snippets.example_model(request.app[DIRECTORY].value)
    return page(request, "landing.html", snippets=snippets.quick(request.app[SITE].url, model))


ROUTES: Final = (Page("GET", "/", Who.ANYONE, show),)
