"""/password: whoever has a link from an administrator chooses a password. Without one it says where links come from."""

from typing import Final

from aiohttp import web

from haze_proxy.address import neighbourhood
from haze_proxy.context import PROXIES, STORE, caller_address
from haze_proxy.errors import Forbidden
from haze_proxy.store import password_links
from haze_proxy.store.password_links import LinkError
from haze_proxy.web import forms, sessions
from haze_proxy.web.context import Page, Who
from haze_proxy.web.forms import Form
from haze_proxy.web.register import complaint_about
from haze_proxy.web.render import page, see_other
from haze_proxy.web.site import SITE
from haze_proxy.web.words import now_ms

PATH: Final = "/password"


async def show(request: web.Request) -> web.Response:
    """GET /password?link=…; looking at it uses nothing up: programs look at links in messages, too."""
    token = request.query.get("link", "")
    email = await _email(request, token) if token else ""
    return page(request, "password.html", form=Form([("link", token)]), email=email)


async def submit(request: web.Request) -> web.Response:
    """POST /password: the link is used up, and its account is logged in here and nowhere else."""
    form = await forms.read(request)
    token, password = form.raw("link"), form.raw("password")
    email = await _email(request, token)
    if complaint := complaint_about(password):
        form.wrong("password", complaint)
        return page(request, "password.html", status=422, form=form, email=email)
    site = request.app[SITE]
    # Hashing costs time: whoever has one link may not ask for it without end.
    site.by_address.count(neighbourhood(caller_address(request, request.app[PROXIES])))
    password_hash = await site.passwords.hashed(password)
    try:
        account_id = await request.app[STORE].write(password_links.use, token, password_hash, now_ms())
    except LinkError as error:
        raise Forbidden(str(error)) from None
    site.by_email.forget(email.lower())
    response = see_other("/dashboard")
    await sessions.begin(request, response, account_id)
    return response


def address(request: web.Request, token: str) -> str:
    """The link with a token, as it is sent to somebody."""
    return f"{request.app[SITE].url}{PATH}?link={token}"


async def _email(request: web.Request, token: str) -> str:
    try:
        return (await request.app[STORE].read(password_links.find, token, now_ms()))[1]
    except LinkError as error:
        raise Forbidden(str(error)) from None


ROUTES: Final = (
    Page("GET", PATH, Who.ANYONE, show),
    Page("POST", PATH, Who.ANYONE, submit),
)
