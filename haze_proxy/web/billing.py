"""/dashboard/billing: what there is and was spent, codes, when to be told that it runs out, and every transfer."""

from typing import Final

from aiohttp import web

from haze_proxy.address import neighbourhood
from haze_proxy.context import PROXIES, STORE, WALLET, caller_address
from haze_proxy.money import receipt
from haze_proxy.store import accounts, codes, overview
from haze_proxy.store.codes import CodeError
from haze_proxy.web import forms, statement
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.forms import Form
from haze_proxy.web.key_form import usd
from haze_proxy.web.render import page, see_other
from haze_proxy.web.runway import runway
from haze_proxy.web.site import SITE
from haze_proxy.web.words import now_ms

PATH: Final = "/dashboard/billing"
CODE_MAX: Final = 100
DONE: Final = {
    "code": "The code is redeemed. Its money is the first of your transfers below.",
    "notice": "You are told when the balance is below {}.",
    "no-notice": "You are not told any more when the balance is low.",
}


async def show(request: web.Request) -> web.Response:
    """GET /dashboard/billing."""
    return await billing_page(request, Form())


async def redeem(request: web.Request) -> web.Response:
    """POST /dashboard/billing/code. Too many attempts by an account or from one place are 429."""
    form, site = await forms.read(request), request.app[SITE]
    account_id, place = request[SESSION].account_id, neighbourhood(caller_address(request, request.app[PROXIES]))
    site.codes_by_address.count(place)
    site.codes_by_account.count(str(account_id))
    # Whatever was typed: what is no code is unknown.
    code = form.raw("code")[:CODE_MAX]
    try:
        await request.app[STORE].write(codes.redeem, account_id, code, now_ms())
    except CodeError as error:
        form.wrong("code", str(error))
        return await billing_page(request, form)
    site.codes_by_account.forget(str(account_id))
    site.codes_by_address.take_back(place)
    return see_other(f"{PATH}?done=code")


async def notice(request: web.Request) -> web.Response:
    """POST /dashboard/billing/notice: below which balance the account is told; nothing: never."""
    form = await forms.read(request)
    amount = form.parsed("low_balance", usd, None)
    if form.errors:
        return await billing_page(request, form)
    await request.app[STORE].write(accounts.set_low_balance, request[SESSION].account_id, amount)
    return see_other(f"{PATH}?done={'no-notice' if amount is None else 'notice'}")


async def billing_page(request: web.Request, form: Form) -> web.Response:
    """The page, with a form that was wrong where one was."""
    session, now = request[SESSION], now_ms()
    part = await statement.part(request)
    spent = await request.app[STORE].read(accounts.spent, session.account_id)
    per_day = await request.app[STORE].read(overview.per_day, session.account_id, now)
    balance, held = request.app[WALLET].of_account(session.account_id)
    if "low_balance" not in form.values and session.low_balance is not None:
        form.values["low_balance"] = receipt.usd(session.low_balance)
    return page(
        request,
        "billing.html",
        status=422 if form.errors else 200,
        form=form,
        done=DONE.get(request.query.get("done", ""), "").format(f"${receipt.usd(session.low_balance or 0)}"),
        balance=balance,
        held=held,
        spent=spent,
        per_day=per_day,
        runway=runway(balance, per_day),
        part=part,
        kinds=statement.KINDS,
        filters=statement.filters(request),
        shown=statement.shown(request),
    )


ROUTES: Final = (
    Page("GET", PATH, Who.ACCOUNT, show),
    Page("POST", f"{PATH}/code", Who.ACCOUNT, redeem),
    Page("POST", f"{PATH}/notice", Who.ACCOUNT, notice),
)
