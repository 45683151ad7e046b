"""GET /models/{model} for people: one model with all its prices, names and protocols, and lines to copy."""

from typing import Final

from aiohttp import web

from haze_proxy.channels.directory import Directory, Listed
from haze_proxy.context import DIRECTORY
from haze_proxy.errors import NotFound
from haze_proxy.money.prices import CLASSES
from haze_proxy.web import catalogue, examples, price_list
from haze_proxy.web.context import Page, Who
from haze_proxy.web.render import page
from haze_proxy.web.site import SITE

UNKNOWN: Final = "No model of that name is served here now."


async def show(request: web.Request) -> web.Response:
    """Every id that would be served has a page, also one that only an alias or a glob knows. Raises NotFound."""
    directory = request.app[DIRECTORY].value
    listed = directory.find(request.match_info["model"].rstrip("/"))
    if listed is None or (price := listed.candidate.price) is None:
        raise NotFound(UNKNOWN)
    row = catalogue.row(directory, listed)
    return page(
        request,
        "model.html",
        compressed=True,
        model=row,
        description=(listed.offer.description if listed.offer else "") or row.notes,
        upstream_model=listed.candidate.upstream_model,
        other_names=other_names(directory, listed),
        classes=CLASSES,
        rates=price_list.rates(price),
        fees=price_list.fees(price),
        source=price_list.source(price),
        typical=price_list.typical(price),
        snippets=examples.of_model(request.app[SITE].url, row.id, row.protocols),
    )


def other_names(directory: Directory, listed: Listed) -> list[str]:
    """Aliases that lead to the same model at the same channel now; globs among them."""
    channel, upstream = listed.candidate.channel, listed.candidate.upstream_model
    names = [name for name, to in channel.aliases.items() if to == upstream and name != listed.id]
    return [
        name
        for name in names
        if (found := directory.serves(name)) and found.channel is channel and found.upstream_model == upstream
    ]


ROUTES: Final = (Page("GET", "/models/{model:.+}", Who.ANYONE, show),)
