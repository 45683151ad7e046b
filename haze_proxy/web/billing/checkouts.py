"""Top-ups by card: an amount becomes a checkout at Stripe, and whoever comes back is told where it stands."""

import logging
import re
from decimal import Decimal
from typing import Final

from aiohttp import web

from haze_proxy.context import CARDS, STORE
from haze_proxy.errors import RateLimited
from haze_proxy.money import receipt
from haze_proxy.payments.cards import CardError, Order
from haze_proxy.store import card_payments
from haze_proxy.store.card_payments import NANO_PER_CENT, Payment
from haze_proxy.web.billing import settle
from haze_proxy.web.context import SESSION
from haze_proxy.web.site import SITE
from haze_proxy.web.typed import usd
from haze_proxy.web.words import money, now_ms

log = logging.getLogger(__name__)

BACK: Final = "/dashboard/billing"
SESSION_ID: Final = re.compile(r"cs_\w{1,200}", re.ASCII)


def cents(request: web.Request, text: str) -> int:
    """A typed amount as whole cents. ValueError where it is not between the least and the most that is taken."""
    stripe = request.app[CARDS].settings
    amount, rest = divmod(usd(text), NANO_PER_CENT)
    if rest or not stripe.minimum * 100 <= amount <= stripe.maximum * 100:
        raise ValueError(f"From {_usd(stripe.minimum)} to {_usd(stripe.maximum)}, in whole cents.")
    return amount


async def begin(request: web.Request, amount: int) -> str:
    """Begin a payment of so many cents; the address at Stripe where it is made. Raises CardError, Unavailable, and
    RateLimited for too many of them.
    """
    me, site = request[SESSION], request.app[SITE]
    site.checkouts.count(str(me.account_id))
    success = f"{site.url}{BACK}?card={{CHECKOUT_SESSION_ID}}"
    order = Order(str(me.account_id), me.email, amount, success, f"{site.url}{BACK}?done=cancelled")
    begun = await request.app[CARDS].begin(order)
    # Before anybody can pay it: a payment that is not known could not be credited.
    payment = Payment(begun.session_id, me.account_id, amount * NANO_PER_CENT, "open")
    await request.app[STORE].write(card_payments.begin, payment, now_ms())
    return begun.url


async def came_back(request: web.Request) -> Payment | None:
    """The payment that the address names, as it stands; None where the account has no such.

    The row says so. Where it is open, Stripe is asked once: its own call may have been lost.
    """
    session_id, account_id = request.query.get("card", ""), request[SESSION].account_id
    if not SESSION_ID.fullmatch(session_id):
        return None
    found = await request.app[STORE].read(card_payments.find, account_id, session_id)
    if found is None or found.state != "open" or request.app[CARDS].inactive:
        return found
    try:
        request.app[SITE].checkout_looks.count(str(account_id))
        await settle.checkout(request.app, await request.app[CARDS].find(session_id))
    except (CardError, RateLimited):
        return found
    return await request.app[STORE].read(card_payments.find, account_id, session_id)


def limits(request: web.Request) -> tuple[str, str] | None:
    """The least and the most that is taken by card, in words; None where nobody can pay so."""
    cards = request.app[CARDS]
    return None if cards.inactive else (_usd(cards.settings.minimum), _usd(cards.settings.maximum))


def _usd(amount: Decimal) -> str:
    return money(receipt.nano(amount))
