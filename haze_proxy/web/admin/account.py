"""/admin/accounts/{id}: one account, and what an administrator does to it. Each act holds at once and is logged."""

import re
import secrets
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from haze_proxy.context import STORE, WALLET
from haze_proxy.errors import NotFound
from haze_proxy.money.wallet import ShortError
from haze_proxy.store import account_acts, accounts, money_acts, own_keys, people, transfers
from haze_proxy.store.account_acts import LastAdminError
from haze_proxy.store.accounts import Account, AccountError
from haze_proxy.store.keys import UnknownKeyError
from haze_proxy.store.transfers import AlreadyMovedError, Transfer
from haze_proxy.web import forms, paging
from haze_proxy.web.admin.accounts import linked
from haze_proxy.web.billing.statement import KINDS
from haze_proxy.web.context import ID, SESSION, Handler, Page, Who
from haze_proxy.web.forms import Form
from haze_proxy.web.keys import is_live
from haze_proxy.web.render import page, see_other
from haze_proxy.web.typed import usd
from haze_proxy.web.words import money, now_ms

MEMO_MAX: Final = 200
# As many stand on a page.
KEYS: Final = 10
SESSIONS: Final = 5
ONCE: Final = re.compile(r"[\w-]{22}", re.ASCII)
PLACE: Final = f"/admin/accounts/{ID}"
DONE: Final = {
    "new": "The account is made. Its owner logs in with the password that you chose.",
    "credit": "The money is there.",
    "correction": "The money is taken back.",
    "disable": "The account is disabled: its requests are refused with 403, and it is logged out.",
    "enable": "The account is enabled: its requests are answered again.",
    "admin": "This account administers this Haze.",
    "no-admin": "This account does not administer this Haze any more. Links to choose a password are to be made anew.",
    "log-out": "This account is logged out everywhere.",
    "revoke": "The key is revoked.",
}


async def show(request: web.Request) -> web.Response:
    """GET: what there is to know of it."""
    return await _page(request, _form())


async def move(request: web.Request) -> web.Response:
    """POST …/money: give or take back; the token of the form makes it happen once, however often it is sent."""
    form, account = await forms.read(request), await _account(request)
    kind, once = form.raw("kind"), form.raw("once")
    amount, memo = form.parsed("amount", usd, 0), form.text("memo", MEMO_MAX)
    if not amount:
        form.wrong("amount", "An amount in USD, such as 5 or 0.25.")
    if kind not in MOVES:
        form.wrong("kind", "One of the list.")
    if not ONCE.fullmatch(once):
        form.wrong("", "This form is incomplete. Open the page again.")
    if form.errors:
        return await _page(request, form)
    try:
        await MOVES[kind](request, account, amount, memo, f"admin:{once}")
    except ShortError as error:
        if await _has_just_moved(request, f"admin:{once}"):
            return _done(account, kind)
        form.wrong("amount", f"At most what is available: {money(error.available)}.")
    except AlreadyMovedError:
        form.wrong("", "This form was sent before, with another amount. Open the page again to send it anew.")
    return await _page(request, form) if form.errors else _done(account, kind)


async def _give(request: web.Request, account: Account, amount: int, memo: str, unique: str) -> None:
    how = Transfer(transfers.MANUAL, "", amount, "credit", idempotency_key=unique, memo=memo or None)
    await request.app[STORE].write(money_acts.credit, request[SESSION].account_id, account, amount, how, now_ms())


async def _take_back(request: web.Request, account: Account, amount: int, memo: str, unique: str) -> None:
    """Raises ShortError where running requests hold it, or there is not so much."""
    store, actor = request.app[STORE], request[SESSION].account_id
    if await store.read(transfers.has_moved, unique):
        return
    aside = request.app[WALLET].set_aside(account.id, amount)
    try:
        # It goes on, and the money stays aside, where the administrator has left by then: no page is cancelled.
        await store.write(money_acts.correct, actor, account, amount, memo, unique, now_ms())
    finally:
        aside.release()


async def _has_just_moved(request: web.Request, unique: str) -> bool:
    """Whether the same form, sent twice at once, has set aside the money that is missing now."""
    # Behind it in the writer's line, where it has stood since it set the money aside.
    return await request.app[STORE].write(transfers.has_moved, unique)


MOVES: Final = {"credit": _give, "correction": _take_back}


def _doing(act: Callable[..., Any], done: str, *, to_oneself: bool = False, **more: Any) -> Handler:
    """The handler of a button: `act` of the store; some of them nobody does to himself."""

    async def handle(request: web.Request) -> web.Response:
        account, actor = await _account(request), request[SESSION].account_id
        if actor == account.id and not to_oneself:
            return await _refused(request, "Nobody does this to their own account: ask another administrator.")
        try:
            await request.app[STORE].write(act, actor, account, now_ms(), **more)
        except LastAdminError as error:
            return await _refused(request, str(error))
        return _done(account, done)

    return handle


async def link(request: web.Request) -> web.Response:
    """POST …/password: a link with which the account's owner chooses a password."""
    return await linked(request, await _account(request))


async def revoke(request: web.Request) -> web.Response:
    """POST …/keys/{key}/revoke: it is refused from now on."""
    account = await _account(request)
    try:
        key = await request.app[STORE].read(own_keys.find, account.id, int(request.match_info["key"]))
    except UnknownKeyError:
        raise NotFound("There is no such key in this account.") from None
    await request.app[STORE].write(account_acts.revoke_key, request[SESSION].account_id, key, now_ms())
    return _done(account, "revoke")


async def _account(request: web.Request) -> Account:
    try:
        return await request.app[STORE].read(accounts.get, int(request.match_info["id"]))
    except AccountError:
        raise _nobody() from None


async def _refused(request: web.Request, why: str) -> web.Response:
    form = _form()
    form.wrong("", why)
    return await _page(request, form)


async def _page(request: web.Request, form: Form) -> web.Response:
    now, account_id = now_ms(), int(request.match_info["id"])
    try:
        person = await request.app[STORE].read(people.read, account_id, now)
    except AccountError:
        raise _nobody() from None
    live = [key for key in person.keys if is_live(key, now)]
    balance, held = request.app[WALLET].of_account(account_id)
    return page(
        request,
        "admin_account.html",
        status=422 if form.errors else 200,
        form=form,
        person=person,
        balance=balance,
        held=held,
        live=paging.part(request, live, KEYS),
        gone=len(person.keys) - len(live),
        most=own_keys.REVOKED_SHOWN,
        sessions=person.sessions[:SESSIONS],
        kinds=KINDS,
        done=DONE.get(request.query.get("done", ""), ""),
    )


def _form() -> Form:
    return Form([("once", secrets.token_urlsafe(16)), ("kind", "credit")])


def _done(account: Account, what: str) -> web.Response:
    return see_other(f"/admin/accounts/{account.id}?done={what}")


def _nobody() -> NotFound:
    return NotFound("There is no such account.")


ROUTES: Final = (
    Page("GET", PLACE, Who.ADMIN, show),
    Page("POST", f"{PLACE}/money", Who.ADMIN, move),
    Page("POST", f"{PLACE}/disable", Who.ADMIN, _doing(account_acts.disable, "disable")),
    Page("POST", f"{PLACE}/enable", Who.ADMIN, _doing(account_acts.enable, "enable")),
    Page("POST", f"{PLACE}/admin", Who.ADMIN, _doing(account_acts.set_admin, "admin", is_admin=True)),
    Page(
        "POST",
        f"{PLACE}/no-admin",
        Who.ADMIN,
        _doing(account_acts.set_admin, "no-admin", to_oneself=True, is_admin=False),
    ),
    Page("POST", f"{PLACE}/sessions", Who.ADMIN, _doing(account_acts.end_sessions, "log-out")),
    Page("POST", f"{PLACE}/password", Who.ADMIN, link),
    Page("POST", f"{PLACE}/keys/{{key:[0-9]{{1,15}}}}/revoke", Who.ADMIN, revoke),
)
