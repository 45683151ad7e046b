"""GET /models for people: what is served now, and what it costs. Programs get JSON there (api/models.py)."""

from typing import Final

from aiohttp import web

from haze_proxy.context import DIRECTORY
from haze_proxy.web import catalogue, paging
from haze_proxy.web.catalogue import Search
from haze_proxy.web.context import Page, Who
from haze_proxy.web.render import page


async def show(request: web.Request) -> web.Response:
    """The catalogue, in the order of the configuration or in another; searched by its address alone."""
    every, search = catalogue.rows(request.app[DIRECTORY].value), Search.of(request.query)
    return page(
        request,
        "models.html",
        compressed=True,
        found=paging.part(request, search.found(every)),
        search=search,
        count=len(every),
        providers=sorted({each.provider for each in every}, key=str.casefold),
        protocols=catalogue.PROTOCOLS,
        sorts=[
            (name, text, paging.with_query(request, sort=name, page="")) for name, (text, _) in catalogue.SORTS.items()
        ],
    )


ROUTES: Final = (Page("GET", "/models", Who.ANYONE, show),)
