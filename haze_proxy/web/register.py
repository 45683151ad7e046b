"""Make an account: open to everybody or closed by the configuration; the first administrator comes by a link."""

from hmac import compare_digest
from typing import Final

from aiohttp import web

from haze_proxy import passwords
from haze_proxy.address import neighbourhood
from haze_proxy.context import PROXIES, STORE, caller_address
from haze_proxy.errors import Forbidden
from haze_proxy.money import receipt
from haze_proxy.store import accounts, signups
from haze_proxy.store.accounts import AccountError
from haze_proxy.store.signups import InvitationUsedError
from haze_proxy.web import forms, sessions
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.forms import Form
from haze_proxy.web.render import page, see_other
from haze_proxy.web.site import SITE, config_of
from haze_proxy.web.words import now_ms

CLOSED = "New accounts are made by the owner of this Haze."
USED = "This link was used: somebody administers this Haze."


async def show(request: web.Request) -> web.Response:
    """GET /register. Whoever is logged in has an account."""
    if SESSION in request:
        return see_other("/dashboard")
    invited = await _invited(request, request.query.get("invitation", ""))
    _may_register(request, invited=invited)
    return _form(request, Form([("invitation", request.query.get("invitation", ""))]), invited=invited)


async def submit(request: web.Request) -> web.Response:
    """POST /register: the account, what new accounts are given, and its first session."""
    form = await forms.read(request)
    invited = await _invited(request, form.raw("invitation"))
    _may_register(request, invited=invited)
    email, password = form.email(), _password(form)
    if form.errors:
        return _form(request, form, invited=invited)
    site = request.app[SITE]
    site.registrations.count(neighbourhood(caller_address(request, request.app[PROXIES])))
    password_hash = await site.passwords.hashed(password)
    gift = receipt.nano(config_of(request).accounts.signup_credit)
    try:
        account_id = await request.app[STORE].write(
            signups.add, email, password_hash=password_hash, gift=gift, as_admin=invited, now_ms=now_ms()
        )
    except AccountError as error:
        form.wrong("email", str(error))
        return _form(request, form, invited=invited)
    except InvitationUsedError:
        raise Forbidden(USED) from None
    response = see_other("/dashboard")
    await sessions.begin(request, response, account_id)
    return response


async def _invited(request: web.Request, token: str) -> bool:
    """Whether the first administrator's link brought this person. Raises Forbidden when it was used, or is wrong."""
    if not token:
        return False
    right = compare_digest(token.encode(), request.app[SITE].invitation.encode())
    if not right or await request.app[STORE].read(accounts.has_admin):
        raise Forbidden(USED if right else "This link is not valid any more: each start of Haze prints a new one.")
    return True


def _may_register(request: web.Request, *, invited: bool) -> None:
    if not invited and config_of(request).accounts.registration == "closed":
        raise Forbidden(CLOSED)


def _password(form: Form) -> str:
    password = form.raw("password")
    if complaint := complaint_about(password):
        form.wrong("password", complaint)
    return password


def complaint_about(password: str) -> str:
    """What is wrong with a new password, or ""."""
    if len(password) < passwords.LENGTH_MIN:
        return f"At least {passwords.LENGTH_MIN} characters."
    return f"At most {passwords.LENGTH_MAX} characters." if len(password) > passwords.LENGTH_MAX else ""


def _form(request: web.Request, form: Form, *, invited: bool) -> web.Response:
    return page(request, "register.html", status=422 if form.errors else 200, form=form, invited=invited)


ROUTES: Final = (
    Page("GET", "/register", Who.ANYONE, show),
    Page("POST", "/register", Who.ANYONE, submit),
)
