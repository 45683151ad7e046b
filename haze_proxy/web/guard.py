"""Who may see a page, and from where a form may come. Every row of the page table stands behind this."""

from typing import Final
from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler

from haze_proxy.errors import Forbidden, NotFound
from haze_proxy.web import forms, sessions
from haze_proxy.web.context import PAGE, SESSION, Page, Who
from haze_proxy.web.render import HEADERS, see_other
from haze_proxy.web.site import SITE

SAFE: Final = ("GET", "HEAD")
FOREIGN: Final = "This form came from another site. Open the page here and send it again."


def guarded(page: Page) -> Handler:
    """The handler of a row behind its guard: knows the session, sends strangers to log in, hides what is not theirs."""

    async def handle(request: web.Request) -> web.StreamResponse:
        request[PAGE] = page
        if request.method not in SAFE and not same_origin(request):
            raise Forbidden(FOREIGN)
        if request.method not in SAFE and not page.is_data:
            # Before anyone asks who it is: a form that takes half a minute must not act by rights that have gone.
            await forms.arrived(request)
        session = await sessions.current(request)
        if session is not None:
            request[SESSION] = session
        if page.who is Who.ADMIN and (session is None or not session.is_admin):
            raise NotFound("There is no such page.")
        if page.who is Who.ACCOUNT and session is None:
            return _log_in_first(request)
        response = await page.handler(request)
        response.headers.update({name: value for name, value in HEADERS.items() if name not in response.headers})
        return response

    return handle


def same_origin(request: web.Request) -> bool:
    """Whether one of our own pages sent this: by Sec-Fetch-Site, else by Origin. With neither it is no browser.

    After datasette's csrf.py. Browsers leave Sec-Fetch-Site out towards addresses without TLS.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site == "same-origin"
    if origin is None:
        return True
    own = {f"{scheme}://{request.headers.get('Host', '')}" for scheme in ("http", "https")}
    return origin in own | {request.app[SITE].origin}


def _log_in_first(request: web.Request) -> web.Response:
    back = f"?next={quote(request.path_qs, safe='/')}" if request.method in SAFE else ""
    return see_other(f"/login{back}")
