"""POST /webhooks/stripe: Stripe itself says that somebody has paid. No browser comes here, so nothing guards it but its
signature; without a secret to verify it with the address is not there.

Any answer but 2xx makes Stripe say it again, for three days: https://docs.stripe.com/webhooks#retries.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from aiohttp import web

from haze_proxy.context import CARDS
from haze_proxy.errors import BadRequest, RateLimited, Unavailable
from haze_proxy.payments.cards import CardError, NotStripeError
from haze_proxy.payments.facts import Checkout, Fact
from haze_proxy.web import forms
from haze_proxy.web.billing import settle
from haze_proxy.web.site import SITE

log = logging.getLogger(__name__)

PATH: Final = "/webhooks/stripe"
BYTES_MAX: Final = 64 * 2**10
ARRIVES_S: Final = 10


def mount(root: web.Application) -> None:
    """Listen to Stripe, where its signature can be verified."""
    if not root[CARDS].deaf:
        root.router.add_post(PATH, receive)


async def receive(request: web.Request) -> web.Response:
    """Credited, or taken back, before it answers. 400 for what Stripe did not sign, 503 where the store cannot be
    written.
    """
    said = await _heard(request)
    try:
        if isinstance(said, Checkout):
            await settle.checkout(request.app, said)
        elif said is not None:
            await settle.reversal(request.app, said)
    except CardError as error:
        raise Unavailable("Stripe cannot be asked right now. Say it again in a moment.", retry_after_s=60) from error
    return web.json_response({"received": True})


async def _heard(request: web.Request) -> Fact | None:
    try:
        async with asyncio.timeout(ARRIVES_S):
            body = await forms.bounded(request, BYTES_MAX)
    except TimeoutError as error:
        raise BadRequest(f"The event did not arrive within {ARRIVES_S} s.") from error
    try:
        return request.app[CARDS].heard(body, request.headers.get("Stripe-Signature", ""))
    except NotStripeError as error:
        _complain(request, error)
        raise BadRequest(str(error)) from error


def _complain(request: web.Request, error: NotStripeError) -> None:
    # Anybody can call, without end; the owner needs to read it once.
    with suppress(RateLimited):
        request.app[SITE].unsigned.count("")
        log.warning("A call to %s was refused: %s", PATH, error)
