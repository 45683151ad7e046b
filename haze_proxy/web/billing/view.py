"""The page of billing, put together: what there is, what was spent, what can be done, and the transfers."""

from typing import Final

from aiohttp import web

from haze_proxy.context import CARDS, STORE, WALLET
from haze_proxy.money import receipt
from haze_proxy.store import accounts, overview
from haze_proxy.web.billing import checkouts, statement
from haze_proxy.web.billing.runway import runway
from haze_proxy.web.context import SESSION
from haze_proxy.web.forms import Form
from haze_proxy.web.render import page, policy
from haze_proxy.web.words import money, now_ms

DONE: Final = {
    "code": "The code is redeemed. Its money is the first of your transfers below.",
    "notice": "You are told when the balance is below {}.",
    "no-notice": "You are not told any more when the balance is low.",
    "cancelled": "You have left the card payment. Nothing was paid.",
}


async def view(request: web.Request, form: Form, status: int = 422) -> web.Response:
    """The page; with a form that was wrong it has that status."""
    session, store, now = request[SESSION], request.app[STORE], now_ms()
    # First: what it finds out changes the rest.
    payment = await checkouts.came_back(request)
    part = await statement.part(request)
    spent = await store.read(accounts.spent, session.account_id)
    per_day = await store.read(overview.per_day, session.account_id, now)
    balance, held = request.app[WALLET].of_account(session.account_id)
    if "low_balance" not in form.values and session.low_balance is not None:
        form.values["low_balance"] = receipt.usd(session.low_balance)
    response = page(
        request,
        "billing.html",
        status=status if form.errors else 200,
        form=form,
        done=DONE.get(request.query.get("done", ""), "").format(money(session.low_balance or 0)),
        payment=payment,
        limits=checkouts.limits(request),
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
    if checkouts.limits(request):
        # The form is sent here, and led on from here: browsers ask the page's policy about both.
        response.headers["Content-Security-Policy"] = policy(form_action=request.app[CARDS].origins)
    return response
