"""GET /models for people: what is served now, and what it costs."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from haze_proxy.channels.directory import Listed
from haze_proxy.context import DIRECTORY
from haze_proxy.money.prices import Price
from haze_proxy.web import paging
from haze_proxy.web.context import Page, Who
from haze_proxy.web.render import page

QUERY_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Row:
    """A model as people read about it. Sizes are tokens, None where they are not known."""

    id: str
    name: str
    provider: str
    notes: str
    price: Price | None
    context_tokens: int | None
    max_output_tokens: int | None

    def fits(self, words: list[str]) -> bool:
        """Whether all the words stand in its id, its name or its provider."""
        text = f"{self.id} {self.name} {self.provider}".casefold()
        return all(word in text for word in words)


async def show(request: web.Request) -> web.Response:
    """The catalogue, in the order of the configuration. Programs get JSON at the same address (api/models.py)."""
    query = request.query.get("q", "")[:QUERY_MAX]
    words = query.casefold().split()
    every = [row(listed) for listed in request.app[DIRECTORY].value.listed()]
    found = paging.part(request, [each for each in every if each.fits(words)])
    return page(request, "models.html", found=found, query=query, count=len(every))


def row(listed: Listed) -> Row:
    """The owner's words where there are any, else the upstream's."""
    own, offer, candidate = listed.row, listed.offer, listed.candidate
    return Row(
        id=listed.id,
        name=(own.name if own else "") or (offer.name if offer else ""),
        provider=(own.provider if own else "") or candidate.channel.kind.name,
        notes=own.notes if own else "",
        price=candidate.price,
        context_tokens=(own.context_tokens if own else None) or (offer.context_tokens if offer else None),
        max_output_tokens=candidate.max_output_tokens,
    )


ROUTES: Final = (Page("GET", "/models", Who.ANYONE, show),)
