"""/dashboard/billing: codes, payments by card, and when to be told that the balance runs low."""

from typing import Final

from aiohttp import web

from haze_proxy.address import neighbourhood
from haze_proxy.context import CARDS, PROXIES, STORE, caller_address
from haze_proxy.errors import NotFound
from haze_proxy.payments.cards import CardError
from haze_proxy.store import accounts, codes
from haze_proxy.store.codes import CodeError
from haze_proxy.web import forms
from haze_proxy.web.billing import checkouts
from haze_proxy.web.billing.view import view
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.forms import Form
from haze_proxy.web.render import HEADERS, see_other
from haze_proxy.web.site import SITE
from haze_proxy.web.typed import usd
from haze_proxy.web.words import now_ms

PATH: Final = "/dashboard/billing"
CODE_MAX: Final = 100
NO_CARDS: Final = "Nobody can pay by card here. The owner of this Haze can set it up."


async def show(request: web.Request) -> web.Response:
    """GET /dashboard/billing; `card` names a payment that somebody comes back from."""
    return await view(request, Form())


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
        return await view(request, form)
    site.codes_by_account.forget(str(account_id))
    site.codes_by_address.take_back(place)
    return see_other(f"{PATH}?done=code")


async def pay(request: web.Request) -> web.Response:
    """POST /dashboard/billing/card: an amount in USD; on to Stripe, where it is paid."""
    form = await forms.read(request)
    if request.app[CARDS].inactive:
        raise NotFound(NO_CARDS)
    amount = form.parsed("amount", lambda text: checkouts.cents(request, text), 0)
    if not amount:
        form.wrong("amount", "How much, in USD?")
        return await view(request, form)
    try:
        address = await checkouts.begin(request, amount)
    except CardError as error:
        form.wrong("amount", str(error))
        return await view(request, form, status=503)
    return web.Response(status=303, headers={**HEADERS, "Location": address})


async def notice(request: web.Request) -> web.Response:
    """POST /dashboard/billing/notice: below which balance the account is told; nothing: never."""
    form = await forms.read(request)
    amount = form.parsed("low_balance", usd, None)
    if form.errors:
        return await view(request, form)
    await request.app[STORE].write(accounts.set_low_balance, request[SESSION].account_id, amount)
    return see_other(f"{PATH}?done={'no-notice' if amount is None else 'notice'}")


ROUTES: Final = (
    Page("GET", PATH, Who.ACCOUNT, show),
    Page("POST", f"{PATH}/code", Who.ACCOUNT, redeem),
    Page("POST", f"{PATH}/card", Who.ACCOUNT, pay),
    Page("POST", f"{PATH}/notice", Who.ACCOUNT, notice),
)
