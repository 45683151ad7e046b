"""GET /docs: how this Haze is used, with its own address, models and numbers; its tables are the code's own."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from haze_proxy import errors
from haze_proxy.channels.directory import Directory
from haze_proxy.context import DIRECTORY, STORE
from haze_proxy.money import endings
from haze_proxy.store import own_keys
from haze_proxy.store.keys import Key
from haze_proxy.web import catalogue, examples
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.keys import is_live
from haze_proxy.web.reference import REFERENCE
from haze_proxy.web.render import page
from haze_proxy.web.site import SITE
from haze_proxy.web.words import now_ms

MODELS_MAX: Final = 50
# Anchor -> title, in the order of the page; each is the id of a heading.
SECTIONS: Final = {
    "quick-start": "Quick start",
    "quick-call": "OpenRouter-style quick call",
    "endpoints": "Endpoints",
    "openai-python": "OpenAI SDK, Python",
    "openai-node": "OpenAI SDK, Node.js",
    "anthropic": "Anthropic SDKs",
    "claude-code": "Claude Code",
    "codex": "Codex",
    "cursor": "Cursor",
    "models": "Supported models",
    "streaming": "Streaming",
    "limits": "Rate limits",
    "errors": "Errors",
    "retries": "Retry strategy",
    "idempotency": "Asking again without paying again",
    "cost": "What a request costs",
    "headers": "Headers",
    "privacy": "What is kept",
}
# What examples name where nothing fits: the ids of the product's own documentation.
ANY_MODEL: Final = {"chat": "hekiu", "embeddings": "text-embedding-3-small"}
# Clients of the examples: a model that answers all of them makes every line of the page run as it stands.
SPOKEN: Final = ("chat", "messages", "responses")


@dataclass(frozen=True, slots=True)
class Known:
    """A row of the table of models; one that is not live is configured, and waits for its channel or its price."""

    id: str
    name: str
    provider: str
    notes: str
    live: bool


async def show(request: web.Request) -> web.Response:
    """For anyone. Whoever is logged in finds a model that his own newest key may use in the examples."""
    directory = request.app[DIRECTORY].value
    key = await _newest(request)
    live = [each for each in catalogue.rows(directory) if key is None or key.may_use(each.id)]
    made = examples.every(
        request.app[SITE].url,
        _example(live, SPOKEN) or _example(live, ("chat",)) or ANY_MODEL["chat"],
        _example(live, ("embeddings",)) or ANY_MODEL["embeddings"],
    )
    known = models(directory)
    return page(
        request,
        "docs.html",
        compressed=True,
        sections=SECTIONS,
        examples=made,
        models=known[:MODELS_MAX],
        more=len(known) > MODELS_MAX,
        errors=errors.TABLE,
        endings=endings.TABLE,
        reference=request.app[REFERENCE],
    )


def models(directory: Directory) -> list[Known]:
    """What is served now in the order of the configuration, then the catalogue's rows that are not."""
    live = [Known(each.id, each.name, each.provider, each.notes, True) for each in catalogue.rows(directory)]
    served = {each.id for each in live}
    waiting = [row for row in directory.config.models if row.id not in served]
    return [*live, *(Known(row.id, row.name, row.provider, row.notes, False) for row in waiting)]


def _example(rows: list[catalogue.Row], spoken: tuple[str, ...]) -> str:
    """The first model that answers in all of these protocols; "" where none does."""
    return next((row.id for row in rows if set(spoken) <= set(row.protocols)), "")


async def _newest(request: web.Request) -> Key | None:
    """The visitor's newest live key; None where he has none, or nobody is logged in."""
    if SESSION not in request:
        return None
    found = await request.app[STORE].read(own_keys.shown, request[SESSION].account_id)
    return next((key for key in reversed(found) if is_live(key, now_ms())), None)


ROUTES: Final = (Page("GET", "/docs", Who.ANYONE, show),)
