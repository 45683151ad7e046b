"""/admin/requests: everybody's requests, filtered, each with its receipt, and the way to give its money back."""

from typing import Final

from aiohttp import web

from haze_proxy.context import DIRECTORY, STORE
from haze_proxy.errors import NotFound
from haze_proxy.store import accounts, keys, money_acts, receipts, request_log
from haze_proxy.store.accounts import Account, AccountError
from haze_proxy.store.keys import Key, UnknownKeyError
from haze_proxy.store.receipts import Receipt, UnknownRequestError
from haze_proxy.store.refunds import RefundError
from haze_proxy.store.request_log import Wanted
from haze_proxy.web import forms, typed
from haze_proxy.web.admin.account import MEMO_MAX
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.forms import EMAIL_MAX, Form
from haze_proxy.web.render import page, see_other
from haze_proxy.web.usage import log_filter, receipt_view
from haze_proxy.web.usage.receipt import REQUEST
from haze_proxy.web.words import now_ms

PATH: Final = "/admin/requests"
FILTERS: Final = (*log_filter.FILTERS, "account", "channel")
KEY_MAX: Final = 100
NO_REQUEST: Final = "There is no such request."


async def show(request: web.Request) -> web.Response:
    """GET: the log; with `?find=` the receipt of that one."""
    form = log_filter.read(request)
    if wish := form.text("find"):
        if log_filter.REQUEST_ID.fullmatch(wish) and await _receipt(request, wish) is not None:
            return see_other(f"{PATH}/{wish}")
        form.wrong("find", NO_REQUEST)
    wanted = await _wanted(request, form)
    place, newer = log_filter.cursor(form)
    limits = {"rows": request_log.ROWS, "walk": request_log.WALK}
    found = await request.app[STORE].read(request_log.read, wanted, place, newer=newer, **limits)
    return page(
        request,
        "admin_requests.html",
        status=422 if form.errors else 200,
        form=form,
        is_filtered=any(form.raw(name).strip() for name in FILTERS),
        quick=list(log_filter.quick(request)),
        statuses=log_filter.STATUSES,
        channels=_channels(request, wanted.channel),
        **log_filter.turning(request, found, place, newer=newer),
    )


async def one(request: web.Request) -> web.Response:
    """GET …/{request}: the receipt of anybody's."""
    return await _shown(request, Form())


async def refund(request: web.Request) -> web.Response:
    """POST …/{request}/refund: what its account paid comes back, once."""
    form, request_id = await forms.read(request), request.match_info["request"]
    memo = form.text("memo", MEMO_MAX)
    if form.errors or await _receipt(request, request_id) is None:
        return await _shown(request, form)
    actor = request[SESSION].account_id
    try:
        await request.app[STORE].write(money_acts.refund, actor, request_id, memo or None, now_ms())
    except RefundError as error:
        form.wrong("", str(error))
        return await _shown(request, form)
    return see_other(f"{PATH}/{request_id}?done=refund")


async def _shown(request: web.Request, form: Form) -> web.Response:
    found = await _receipt(request, request.match_info["request"])
    if found is None:
        raise NotFound(NO_REQUEST)
    return page(
        request,
        "admin_receipt.html",
        status=422 if form.errors else 200,
        form=form,
        seen=receipt_view.of(found, is_owners=True),
        is_refunded=request.query.get("done") == "refund" and found.refunded > 0,
    )


async def _receipt(request: web.Request, request_id: str) -> Receipt | None:
    try:
        return await request.app[STORE].read(receipts.find, request_id)
    except UnknownRequestError:
        return None


async def _wanted(request: web.Request, form: Form) -> Wanted:
    """What the query asks for; what is wrong with it stands in the form, and is left out."""
    account, key = await _account(request, form), await _key(request, form)
    if account is not None and key is not None and key.account_id != account.id:
        form.wrong("key", "This key is another account's.")
        key = None
    since, until = log_filter.period(form)
    # A key's account is named with it: the log is quickest by both.
    account_id = account.id if account else key.account_id if key else None
    model, channel = form.text("model", log_filter.MODEL_MAX), form.text("channel")
    return Wanted(
        account_id, key.id if key else None, model or None, channel or None, log_filter.status(form), since, until
    )


async def _account(request: web.Request, form: Form) -> Account | None:
    """Named by its number or its e-mail address; the form says the address."""
    named = form.text("account", EMAIL_MAX)
    if not named or "account" in form.errors:
        return None
    number, store = typed.plain(named), request.app[STORE]
    try:
        found = await (store.read(accounts.find, named) if number is None else store.read(accounts.get, number))
    except AccountError as error:
        form.wrong("account", str(error))
        return None
    form.values["account"] = found.email
    return found


async def _key(request: web.Request, form: Form) -> Key | None:
    """Named by its number or by what is visible of it."""
    named = form.text("key", KEY_MAX)
    if not named or "key" in form.errors:
        return None
    try:
        return await request.app[STORE].read(keys.find, named.rstrip("…"))
    except UnknownKeyError as error:
        form.wrong("key", str(error))
        return None


def _channels(request: web.Request, chosen: str | None) -> list[tuple[str, str]]:
    """Those of the configuration, and the one that was asked for, which may be there no more."""
    names = [each.name for each in request.app[DIRECTORY].value.channels]
    gone = [chosen] if chosen is not None and chosen not in names else []
    return [("", "All"), *((name, name) for name in [*names, *gone])]


ROUTES: Final = (
    Page("GET", PATH, Who.ADMIN, show),
    Page("GET", f"{PATH}/{REQUEST}", Who.ADMIN, one),
    Page("POST", f"{PATH}/{REQUEST}/refund", Who.ADMIN, refund),
)
