"""The transfers of an account as a part of a page: which are shown, and the links to those before and after."""

from typing import Final, get_args

from aiohttp import web

from haze_proxy.context import STORE
from haze_proxy.store import statement
from haze_proxy.store.statement import NEWEST, Line, Show
from haze_proxy.web import typed
from haze_proxy.web.context import SESSION
from haze_proxy.web.paging import Part, with_query

ROWS: Final = 50
SHOWN: Final[dict[Show, str]] = {"": "All", "in": "Money in", "charges": "Charges"}
# A kind of transfer in a person's words.
KINDS: Final = {
    "charge": "Request",
    "refund": "Refund of a request",
    "credit": "Credit from the owner",
    "correction": "Correction by the owner",
    "code": "Code",
    "signup": "Welcome credit",
    "card": "Card payment",
    "card_refund": "Refund to the card",
    "card_dispute": "Disputed card payment",
}


async def part(request: web.Request) -> Part[Line]:
    """The transfers that the address asks for: `show` which, `before` or `above` an id."""
    store, account_id, show = request.app[STORE], request[SESSION].account_id, shown(request)
    if above := _id(request, "above"):
        lines = await store.read(statement.newer, account_id, show, above, ROWS + 1)
        # The one more says that there are newer ones; without it this is the first page, which is shown whole.
        if len(lines) > ROWS:
            return _part(request, lines[1:], has_newer=True, has_older=True)
    before = _id(request, "before")
    lines = await store.read(statement.older, account_id, show, before or NEWEST, ROWS + 1)
    return _part(request, lines[:ROWS], has_newer=bool(before), has_older=len(lines) > ROWS)


def shown(request: web.Request) -> Show:
    """Which transfers the address asks for; all, where it asks for nothing known."""
    asked = request.query.get("show", "")
    return next((show for show in get_args(Show) if show == asked), "")


def filters(request: web.Request) -> list[tuple[str, str, bool]]:
    """(address, name, whether it is this one) of the choices."""
    now = shown(request)
    return [
        (f"{request.path}?show={show}" if show else request.path, name, show == now) for show, name in SHOWN.items()
    ]


def _part(request: web.Request, lines: list[Line], *, has_newer: bool, has_older: bool) -> Part[Line]:
    back = {"above": "", "before": "", "done": "", "card": ""}
    newer = with_query(request, **{**back, "above": str(lines[0].id)}) if lines and has_newer else ""
    older = with_query(request, **{**back, "before": str(lines[-1].id)}) if lines and has_older else ""
    return Part(lines, len(lines), newer, older)


def _id(request: web.Request, name: str) -> int:
    return typed.plain(request.query.get(name, "")) or 0
