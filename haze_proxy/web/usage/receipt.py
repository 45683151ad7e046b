"""GET /dashboard/usage/{request}: what a request cost, how that came about, and the way of the money."""

from typing import Final

from aiohttp import web

from haze_proxy.context import STORE
from haze_proxy.errors import NotFound
from haze_proxy.store import receipts
from haze_proxy.store.receipts import UnknownRequestError
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.render import page
from haze_proxy.web.usage import log, log_filter, receipt_view

REQUEST: Final = f"{{request:{log_filter.REQUEST_ID.pattern}}}"


async def show(request: web.Request) -> web.Response:
    """A receipt of one's own."""
    try:
        found = await request.app[STORE].read(receipts.find, request.match_info["request"], request[SESSION].account_id)
    except UnknownRequestError:
        raise NotFound(log.NO_REQUEST) from None
    return page(request, "receipt.html", seen=receipt_view.of(found))


ROUTES: Final = (Page("GET", f"{log.PATH}/{REQUEST}", Who.ACCOUNT, show),)
