"""/admin/accounts: everybody who has an account, and a new one for somebody."""

from typing import Final

from aiohttp import web

from haze_proxy.context import STORE, WALLET
from haze_proxy.money import receipt
from haze_proxy.store import account_acts, accounts, password_links, people, transfers
from haze_proxy.store.accounts import Account, AccountError
from haze_proxy.store.transfers import Transfer
from haze_proxy.web import forms, keyset
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.forms import EMAIL_MAX, Form
from haze_proxy.web.keyset import Part
from haze_proxy.web.password import address
from haze_proxy.web.register import complaint_about
from haze_proxy.web.render import page, see_other
from haze_proxy.web.site import SITE, config_of
from haze_proxy.web.typed import usd
from haze_proxy.web.words import now_ms


async def every(request: web.Request) -> web.Response:
    """GET /admin/accounts: the newest first; `?q=` finds those whose e-mail address begins so, by the alphabet."""
    begin = request.query.get("q", "").strip()[:EMAIL_MAX]
    part = await _found(request, begin) if begin else await _newest(request)
    wallet = request.app[WALLET]
    held = {each.id: wallet.of_account(each.id)[1] for each in part.rows}
    return page(request, "admin_accounts.html", part=part, begin=begin, held=held)


async def new(request: web.Request) -> web.Response:
    """GET /admin/accounts/new."""
    return _form(request, Form())


async def create(request: web.Request) -> web.Response:
    """POST /admin/accounts: with a password, or with a link that is shown once and lets its bearer choose one."""
    form = await forms.read(request)
    email, password, credit = form.email(), form.raw("password"), form.parsed("credit", usd, 0)
    if password and (complaint := complaint_about(password)):
        form.wrong("password", complaint)
    if form.errors:
        return _form(request, form)
    hashed = await request.app[SITE].passwords.hashed(password) if password else None
    gifts = [
        Transfer(transfers.PROMOTION, "", receipt.nano(config_of(request).accounts.signup_credit), "signup"),
        Transfer(transfers.MANUAL, "", credit, "credit"),
    ]
    try:
        account_id = await request.app[STORE].write(
            account_acts.add,
            request[SESSION].account_id,
            email,
            password_hash=hashed,
            is_admin=bool(form.raw("admin")),
            gifts=gifts,
            now_ms=now_ms(),
        )
    except AccountError as error:
        form.wrong("email", str(error))
        return _form(request, form)
    if password:
        return see_other(f"/admin/accounts/{account_id}?done=new")
    return await linked(request, await request.app[STORE].read(accounts.get, account_id))


async def linked(request: web.Request, account: Account) -> web.Response:
    """The one page that ever shows a link with which an account's password is chosen."""
    token = password_links.make_token()
    actor = request[SESSION].account_id
    await request.app[STORE].write(account_acts.link_password, actor, account, token, now_ms())
    return page(request, "admin_link.html", account=account, link=address(request, token))


async def _newest(request: web.Request) -> Part[Account]:
    rows = await request.app[STORE].read(people.newest, keyset.number(request), keyset.ROWS + 1)
    return keyset.part(request, rows, lambda each: each.id)


async def _found(request: web.Request, begin: str) -> Part[Account]:
    rows = await request.app[STORE].read(people.search, begin, keyset.cursor(request), keyset.ROWS + 1)
    return keyset.part(request, rows, lambda each: each.email)


def _form(request: web.Request, form: Form) -> web.Response:
    return page(request, "admin_account_new.html", status=422 if form.errors else 200, form=form)


ROUTES: Final = (
    Page("GET", "/admin/accounts", Who.ADMIN, every),
    Page("GET", "/admin/accounts/new", Who.ADMIN, new),
    Page("POST", "/admin/accounts", Who.ADMIN, create),
)
