"""GET /admin/shortfalls: requests that cost more than they held, so that the owner sees which estimate is wrong."""

from typing import Final

from aiohttp import web

from haze_proxy.context import STORE
from haze_proxy.store import shortfalls, transfers
from haze_proxy.web import keyset
from haze_proxy.web.context import Page, Who
from haze_proxy.web.render import page

# Above every id of a request: those begin with "req_".
TOP: Final = "s"
CURSOR_MAX: Final = 100


async def show(request: web.Request) -> web.Response:
    """The newest first."""
    before = keyset.cursor(request)[:CURSOR_MAX] or TOP
    rows = await request.app[STORE].read(shortfalls.newest, before, keyset.ROWS + 1)
    total = -await request.app[STORE].read(transfers.balance, transfers.SHORTFALL)
    return page(request, "admin_shortfalls.html", part=keyset.part(request, rows, lambda each: each.id), total=total)


ROUTES: Final = (Page("GET", "/admin/shortfalls", Who.ADMIN, show),)
