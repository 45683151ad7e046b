"""Log in and out. An unknown e-mail address and a wrong password get the same answer, after the same time."""

from typing import Final

from aiohttp import web

from haze_proxy import passwords
from haze_proxy.address import neighbourhood
from haze_proxy.context import PROXIES, STORE, caller_address
from haze_proxy.errors import Forbidden
from haze_proxy.store import accounts
from haze_proxy.store.accounts import Login
from haze_proxy.store.sessions import StaleLoginError
from haze_proxy.web import forms, sessions
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.forms import Form, local_path
from haze_proxy.web.render import page, see_other
from haze_proxy.web.site import SITE

WRONG = "The e-mail address or the password is wrong."
DISABLED = "This account is disabled. The owner of this Haze can enable it."


async def show(request: web.Request) -> web.Response:
    """GET /login; `next` is where to go on."""
    after = local_path(request.query.get("next", ""))
    if SESSION in request:
        return see_other(after or "/dashboard")
    return page(request, "login.html", form=Form([("next", after)]))


async def submit(request: web.Request) -> web.Response:
    """POST /login. Too many attempts by an e-mail address or from one place are 429."""
    form = await forms.read(request)
    form.values["next"] = after = local_path(form.raw("next"))
    found = await _right(request, form.text("email", forms.EMAIL_MAX), form.raw("password"))
    if found is None:
        return _wrong(request, form)
    if found.is_disabled:
        raise Forbidden(DISABLED)
    response = see_other(after or "/dashboard")
    try:
        await sessions.begin(request, response, found.account_id, found.password_hash)
    except StaleLoginError:
        return _wrong(request, form)
    return response


def _wrong(request: web.Request, form: Form) -> web.Response:
    form.wrong("", WRONG)
    return page(request, "login.html", status=403, form=form)


async def leave(request: web.Request) -> web.Response:
    """POST /logout."""
    response = see_other("/")
    await sessions.end(request, response)
    return response


async def _right(request: web.Request, email: str, password: str) -> Login | None:
    site, name = request.app[SITE], email.lower()
    place = neighbourhood(caller_address(request, request.app[PROXIES]))
    # Asked first: what is counted is remembered, and one place shall not fill the memory with names.
    site.by_address.check(place)
    if len(email) > forms.EMAIL_MAX:
        site.by_address.count(place)
        return None
    site.guesses.count(f"{name} {place}")
    site.by_address.count(place)
    site.by_email.count(name)
    found = await request.app[STORE].read(accounts.login, email)
    stored = found.password_hash if found else None
    if len(password) > passwords.LENGTH_MAX or not await site.passwords.matches(stored, password):
        return None
    site.guesses.forget(f"{name} {place}")
    site.by_address.take_back(place)
    site.by_email.take_back(name)
    return found


ROUTES: Final = (
    Page("GET", "/login", Who.ANYONE, show),
    Page("POST", "/login", Who.ANYONE, submit),
    Page("POST", "/logout", Who.ANYONE, leave),
)
