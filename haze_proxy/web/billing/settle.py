"""What Stripe says becomes money here: the same way for a webhook, and for whoever comes back from paying."""

import logging

from aiohttp import web

from haze_proxy.context import CARDS, STORE
from haze_proxy.payments.facts import CURRENCY, Checkout, TakenBack
from haze_proxy.store import card_payments
from haze_proxy.store.card_payments import NANO_PER_CENT, Reversal, UnknownPaymentError
from haze_proxy.web.words import now_ms

log = logging.getLogger(__name__)


async def checkout(app: web.Application, found: Checkout) -> None:
    """Take over where a checkout stands; when this returns, memory knows the balance. Raises Unavailable."""
    store, session_id, now = app[STORE], found.session_id, now_ms()
    if found.state == "paid":
        facts = session_id, found.cents, found.currency, found.intent, now
        outcome = await store.write(card_payments.pay, *facts)
        if outcome in TROUBLES:
            log.error(TROUBLES[outcome], session_id, found.cents, found.currency)
    elif found.state != "open":
        await store.write(card_payments.end, session_id, found.state, now)


async def reversal(app: web.Application, back: TakenBack) -> None:
    """Take what Stripe has taken back. Raises Unavailable, and CardError where Stripe must be asked and cannot be."""
    if back.currency != CURRENCY:
        log.error("Stripe took back %d cents of %s (%s): not in USD, look yourself.", *_named(back))
        return
    what = Reversal(back.intent, back.source, back.kind, back.cents * NANO_PER_CENT)
    try:
        await app[STORE].write(card_payments.take_back, what, now_ms())
    except UnknownPaymentError:
        # Told before its payment was, or its payment never: Stripe knows which checkout it belongs to.
        paid = await app[CARDS].find_by_intent(back.intent)
        if paid is not None:
            await checkout(app, paid)
        await _take(app, what, back)


async def _take(app: web.Application, what: Reversal, back: TakenBack) -> None:
    try:
        await app[STORE].write(card_payments.take_back, what, now_ms())
    except UnknownPaymentError:
        log.warning("Stripe took back %d cents of %s (%s): no payment of this Haze.", *_named(back))


def _named(back: TakenBack) -> tuple[int, str, str]:
    return back.cents, back.intent, back.source


TROUBLES = {
    "unknown": "The checkout %s was paid (%d cents, %s), but did not begin here. Nothing was credited.",
    "differs": "The checkout %s was paid with %d cents, %s: not what it began with. Nothing was credited.",
}
