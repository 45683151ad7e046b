"""/dashboard/account: another password, and where one is logged in."""

from typing import Final

from aiohttp import web

from haze_proxy import passwords
from haze_proxy.context import STORE
from haze_proxy.errors import NotFound
from haze_proxy.store import accounts, password_links
from haze_proxy.store import sessions as stored
from haze_proxy.web import forms, sessions
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.forms import Form
from haze_proxy.web.register import complaint_about
from haze_proxy.web.render import page, see_other
from haze_proxy.web.site import SITE
from haze_proxy.web.words import now_ms


async def show(request: web.Request) -> web.Response:
    """GET /dashboard/account."""
    return await _page(request, Form())


async def change_password(request: web.Request) -> web.Response:
    """POST /dashboard/account/password: asks for the old one, and logs out everywhere else."""
    form, session, site = await forms.read(request), request[SESSION], request.app[SITE]
    new = form.raw("new_password")
    if complaint := complaint_about(new):
        form.wrong("new_password", complaint)
    if form.raw("password") == "" or len(form.raw("password")) > passwords.LENGTH_MAX:
        form.wrong("password", "The password you use now.")
    if form.errors:
        return await _page(request, form)
    site.guesses.count(f"{session.email.lower()} session")
    login = await request.app[STORE].read(accounts.login, session.email)
    if not await site.passwords.matches(login.password_hash if login else None, form.raw("password")):
        form.wrong("password", "This is not the password you use now.")
        return await _page(request, form)
    site.guesses.forget(f"{session.email.lower()} session")
    password_hash = await site.passwords.hashed(new)
    await request.app[STORE].write(password_links.choose, session.account_id, password_hash)
    # A new token, too: whoever may have seen the old one sees nothing more.
    response = see_other("/dashboard/account?done=password")
    await sessions.begin(request, response, session.account_id)
    return response


async def end_others(request: web.Request) -> web.Response:
    """POST /dashboard/account/sessions: logged in here, and nowhere else."""
    await request.app[STORE].write(stored.end_others, request[SESSION])
    return see_other("/dashboard/account?done=sessions")


async def end_one(request: web.Request) -> web.Response:
    """POST /dashboard/account/sessions/{digest}: one of one's own; another's is not there."""
    digest = bytes.fromhex(request.match_info["session"])
    if not await request.app[STORE].write(stored.end, request[SESSION].account_id, digest):
        raise NotFound("There is no such session in this account.")
    return see_other("/dashboard/account?done=session")


DONE: Final = {
    "password": "The password is changed, and you are logged out everywhere else.",
    "sessions": "You are logged out everywhere else.",
    "session": "That session has ended.",
}


async def _page(request: web.Request, form: Form) -> web.Response:
    found = await request.app[STORE].read(stored.of_account, request[SESSION].account_id, now_ms())
    done = DONE.get(request.query.get("done", ""), "")
    return page(request, "account.html", status=422 if form.errors else 200, form=form, sessions=found, done=done)


ROUTES: Final = (
    Page("GET", "/dashboard/account", Who.ACCOUNT, show),
    Page("POST", "/dashboard/account/password", Who.ACCOUNT, change_password),
    Page("POST", "/dashboard/account/sessions", Who.ACCOUNT, end_others),
    Page("POST", "/dashboard/account/sessions/{session:[0-9a-f]{64}}", Who.ACCOUNT, end_one),
)
