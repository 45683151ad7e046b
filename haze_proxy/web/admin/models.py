"""Every model that a channel lists, live or not: what it costs, where that comes from, and who would be asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from haze_proxy.channels.channel import EVERYTHING
from haze_proxy.channels.directory import GLOB, Directory
from haze_proxy.channels.verdict import Verdict
from haze_proxy.context import DIRECTORY
from haze_proxy.money.prices import Price
from haze_proxy.web import paging, price_list
from haze_proxy.web.context import Page, Who
from haze_proxy.web.render import page
from haze_proxy.web.words import money, per_million

QUERY_MAX: Final = 100
A_GLOB: Final = "a glob: it serves the ids that fit it, and is listed nowhere"
NOBODY: Final = "no channel lists it"


@dataclass(frozen=True, slots=True)
class Row:
    """A model. `why_not` says why it is not live, or is "". `channels` are those that list it, in the order in which
    they would be asked; `aliases` is what they call it.
    """

    id: str
    name: str
    why_not: str
    price: Price | None
    channels: list[Verdict]
    aliases: list[str]

    @property
    def source(self) -> str:
        """Where its price is from, and of which day."""
        return price_list.source(self.price) if self.price else ""

    @property
    def more(self) -> list[str]:
        """What it costs beyond a size, in other modes, and what is not counted in tokens."""
        if self.price is None or self.price.free:
            return []
        levels = [
            f"{each.when}: {per_million(each.rates[0])} in, {per_million(each.rates[-1])} out"
            for each in price_list.rates(self.price)[1:]
        ]
        return levels + [f"{what}: {money(fee)}" for what, fee in price_list.fees(self.price)]


async def show(request: web.Request) -> web.Response:
    """GET /admin/models: all of them, or those whose id or channels hold all the words of `q`."""
    query = request.query.get("q", "")[:QUERY_MAX]
    words, directory = query.casefold().split(), request.app[DIRECTORY].value
    every = named(directory)
    found = [model for model, by in every.items() if all(word in f"{model} {by}".casefold() for word in words)]
    part = paging.part(request, found)
    rows = [row(directory, model) for model in part.rows]
    return page(request, "admin_models.html", compressed=True, rows=rows, found=part, query=query, count=len(every))


def named(directory: Directory) -> dict[str, str]:
    """Every id and glob that a channel or a [[models]] row names, and the names of the channels that do."""
    found: dict[str, list[str]] = {}
    for channel in directory.channels:
        ids = channel.models if channel.models != EVERYTHING else ()
        listing = directory.lists.get(channel.name)
        for model in dict.fromkeys((*ids, *channel.aliases, *(listing.offers if listing else ()))):
            found.setdefault(model, []).append(channel.name)
    for each in directory.config.models:
        found.setdefault(each.id, [])
    return {model: " ".join(names) for model, names in found.items()}


def row(directory: Directory, model: str) -> Row:
    """One model as it stands now."""
    channels = [each for each in directory.explain(model) if each.how]
    live = directory.find(model)
    is_glob = not GLOB.isdisjoint(model)
    own = next((each.name for each in directory.config.models if each.id == model), "")
    by_name = {each.name: each for each in directory.channels}
    prices = (directory.price(by_name[each.channel], model) for each in channels)
    return Row(
        id=model,
        name=own or (live.offer.name if live and live.offer else ""),
        why_not=A_GLOB if is_glob else "" if live else _why_not(channels),
        price=live.candidate.price if live else next((each for each in prices if each), None),
        channels=channels,
        aliases=list(_aliases(directory, model)),
    )


def _why_not(channels: list[Verdict]) -> str:
    told = "; ".join(f"{each.channel}: {each.reason}" for each in channels if each.reason)
    return told.replace("`", "") or NOBODY


def _aliases(directory: Directory, model: str) -> Iterator[str]:
    for channel in directory.channels:
        yield from (f"{alias} at {channel.name}" for alias, known in channel.aliases.items() if known == model)


ROUTES: Final = (Page("GET", "/admin/models", Who.ADMIN, show),)
