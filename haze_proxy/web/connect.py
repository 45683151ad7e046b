"""Connect a client: the lines to paste, and then what Haze sees of it, until its first call has reached a model."""

import re
from dataclasses import replace
from typing import Final

from aiohttp import web

from haze_proxy.arrivals import Arrival, Seen
from haze_proxy.context import ARRIVALS, DIRECTORY, STORE
from haze_proxy.errors import NotFound
from haze_proxy.store import own_keys
from haze_proxy.store.keys import Key, UnknownKeyError
from haze_proxy.web import mistakes, snippets, typed
from haze_proxy.web.context import ID, SESSION, Page, Who
from haze_proxy.web.keys import is_live
from haze_proxy.web.mistakes import Place
from haze_proxy.web.render import page
from haze_proxy.web.site import SITE
from haze_proxy.web.snippets import Snippet
from haze_proxy.web.words import now_ms

# A client -> how its first call is made: a command, and what to know. In the order in which they are offered.
FIRST_CALL: Final = {
    "Claude Code": ('claude -p "Say hello"', "In a new terminal, or begin a session with claude alone."),
    "Codex": ('codex exec "Say hello"', "In a terminal that knows HAZE_KEY."),
    "Cursor": (
        "",
        "Choose the model in a chat and say hello. Cursor calls from its own servers: of a Haze that only your machine"
        " can reach it hears nothing.",
    ),
    "OpenAI SDK, Python": ("", "Run these lines."),
    "OpenAI SDK, Node.js": ("", "Run these lines."),
    "Anthropic SDK, Python": ("", "Run these lines."),
    "curl": ("", "Run this line."),
}
PRODUCT: Final = re.compile(r"[\w.+-]+(/[\w.+-]+)?", re.ASCII)
WAITING, ARRIVED, CONNECTED = "waiting", "arrived", "connected"


async def show(request: web.Request) -> web.Response:
    """GET /dashboard/connect?key=ID&client=NAME."""
    found = await request.app[STORE].read(own_keys.shown, request[SESSION].account_id)
    found = [each for each in found if each.has_secret]
    live = [each for each in reversed(found) if is_live(each, now_ms())]
    key = _chosen(found, live, request.query.get("key", ""))
    if key is None:
        return page(request, "connect.html", live=live, key=None)
    url, model = request.app[SITE].url, snippets.example_model(request.app[DIRECTORY].value, key.models)
    lines = _lines(request.query.get("client", ""), url, model, key)
    seen = request.app[ARRIVALS].of(key.id)
    return page(
        request,
        "connect.html",
        live=live,
        key=key,
        is_live=is_live(key, now_ms()),
        clients=[(slug(client), client) for client in FIRST_CALL],
        chosen=lines,
        slug=slug(lines.client),
        first_call=FIRST_CALL[lines.client],
        state=state(seen),
        mark=mark(seen),
        answered=shown(seen.answered) if seen.answered else None,
        last=[shown(each) for each in seen],
        mistakes=list(mistakes.found(map(shown, seen), Place(url, model, key.id))),
        advice=mistakes.advice(url),
    )


async def told(request: web.Request) -> web.Response:
    """GET /dashboard/connect/{id}/state: whether there is anything new to see. `mark` changes with whatever is seen."""
    try:
        key = await request.app[STORE].read(own_keys.find, request[SESSION].account_id, int(request.match_info["id"]))
    except UnknownKeyError:
        raise _no_such_key() from None
    seen = request.app[ARRIVALS].of(key.id)
    return web.json_response({"state": state(seen), "mark": mark(seen)})


def state(seen: Seen) -> str:
    """How far a client has come: nothing was seen, something, or a call that was let through to a model."""
    return CONNECTED if seen.answered else ARRIVED if seen.last else WAITING


def mark(seen: Seen) -> str:
    """Another text whenever there is something new to see."""
    newest = next(iter(seen), None)
    answered = seen.answered.status if seen.answered else ""
    return f"{newest.request_id}-{newest.status}-{answered}" if newest else ""


def shown(arrival: Arrival) -> Arrival:
    """A request as it can be shown: its client by the first word of its User-Agent, and no odd characters."""
    product = PRODUCT.match(arrival.agent)
    return replace(
        arrival,
        agent=product[0] if product else "",
        path=_printable(arrival.path),
        model=_printable(arrival.model),
        reason=_printable(arrival.reason),
    )


def slug(client: str) -> str:
    """A client's name in an address: `claude-code`."""
    return re.sub(r"[^a-z0-9]+", "-", client.lower())


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _chosen(found: list[Key], live: list[Key], wanted: str) -> Key | None:
    """The key of the address, else the newest live one. Raises NotFound for one that the account does not have."""
    if not wanted:
        return live[0] if live else None
    number = typed.plain(wanted)
    key = next((each for each in found if each.id == number), None)
    if key is None:
        raise _no_such_key()
    return key


def _no_such_key() -> NotFound:
    return NotFound("There is no such key in this account.")


def _lines(client: str, url: str, model: str, key: Key) -> Snippet:
    """The lines of the client that is chosen; the secret is known by its beginning alone."""
    every = snippets.every(url, model, f"{key.prefix}-and-the-rest-of-your-key")
    by_slug = {slug(each.client): each for each in every}
    return by_slug.get(client, by_slug[slug(next(iter(FIRST_CALL)))])


ROUTES: Final = (
    Page("GET", "/dashboard/connect", Who.ACCOUNT, show),
    Page("GET", f"/dashboard/connect/{ID}/state", Who.ACCOUNT, told, is_data=True),
)
