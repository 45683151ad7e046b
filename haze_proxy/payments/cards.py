"""Top-ups by card through Stripe Checkout: a session is begun and looked up, and Stripe's own calls are verified.

Stripe's library speaks, over a session of ours, so that nothing blocks the loop. It is loaded only where config.toml
has `[stripe]`. Its errors hold what was sent and received; none of them leaves this file.
"""

import asyncio
import json
import logging
import secrets
import ssl
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import aiohttp

from haze_proxy import config
from haze_proxy.payments import facts
from haze_proxy.payments.facts import Checkout, Fact

T = TypeVar("T")

log = logging.getLogger(__name__)

MISSING: Final = "the library `stripe` is not installed (pip install 'haze-proxy[stripe]')"
PRODUCT: Final = "Prepaid balance"
REFUSED: Final = "Stripe refused a call: %s, status %s, code %s, field %s, request %s"
# Whoever pays is sent nowhere else.
CHECKOUT: Final = "https://checkout.stripe.com"
TOLERANCE_S: Final = 300
# One call, all calls of a checkout that begins, and a question that a page or a webhook waits for.
CALL_S: Final = 8
BEGIN_S: Final = 20
ASK_S: Final = 6
RETRIES: Final = 2


class CardError(Exception):
    """Stripe did not answer, or not with what was asked for. The message is for the person who pays."""

    def __init__(self, field: str | None = None) -> None:
        super().__init__("The card payment could not be begun. Try again in a moment.")
        # Which of the things sent Stripe did not like.
        self.field = field


class NotStripeError(Exception):
    """What came was not signed by Stripe, is too old, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who pays how much: `account` is how Haze calls them, `cents` whole cents of USD."""

    account: str
    email: str
    cents: int
    success_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class Secrets:
    """Never shown, not even by mistake."""

    key: str = field(repr=False)
    webhook: str = field(repr=False)


class Cards:
    """`inactive` says why nobody can pay by card, "" where they can; `deaf` why Stripe's calls are not taken."""

    def __init__(self, settings: config.Stripe, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.is_configured = bool(settings.secret_key or settings.webhook_secret)
        self._secrets = Secrets(
            config.secret(settings.secret_key, environ), config.secret(settings.webhook_secret, environ)
        )
        self.inactive = _why_not("secret_key", settings.secret_key, self._secrets.key, ("sk_", "rk_"))
        self.deaf = self.inactive or _why_not(
            "webhook_secret", settings.webhook_secret, self._secrets.webhook, ("whsec_",)
        )
        self.is_live = "_live_" in self._secrets.key
        self._client: Any = None
        self._http: aiohttp.ClientSession | None = None
        if not self.inactive:
            self._load()

    def _load(self) -> None:
        # Before the loop begins: a thousand modules and a list of authorities are read from the disk.
        try:
            import stripe
        except ImportError:
            self.inactive = self.deaf = MISSING
            return
        self._stripe: Any = stripe
        self._stripe.enable_telemetry = False
        self._stripe.checkout.Session.construct_from({"object": "checkout.session"}, "")
        self._stripe.ListObject.construct_from({"object": "list", "data": []}, "")
        self._tls = ssl.create_default_context(cafile=self._stripe.ca_bundle_path)
        # It tells of each call, and at its lowest level what was in it.
        logging.getLogger("stripe").setLevel(logging.WARNING)

    async def __aenter__(self) -> Self:
        if not self.inactive:
            connector = aiohttp.TCPConnector(ssl=self._tls)
            self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            timeout = aiohttp.ClientTimeout(total=CALL_S)
            self._client = self._stripe.StripeClient(
                self._secrets.key,
                http_client=self._stripe.AIOHTTPClient(timeout=timeout, session=self._http),
                max_network_retries=RETRIES,
                base_addresses={"api": self.settings.base_url.rstrip("/")} if self.settings.base_url else None,
            )
            _ = self._client.v1.checkout.sessions
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http is not None:
            await self._http.close()

    @property
    def origins(self) -> tuple[str, ...]:
        """Where whoever pays may be sent."""
        if not self.settings.base_url:
            return (CHECKOUT,)
        parts = urlsplit(self.settings.base_url)
        return (CHECKOUT, f"{parts.scheme}://{parts.netloc}")

    async def begin(self, order: Order) -> Checkout:
        """A new checkout; its `url` is one of `origins`. Raises CardError.

        The library repeats a call that fails on the way; the key makes that one checkout.
        """
        try:
            found = self._checked(await self._created(order))
        except CardError as error:
            if error.field != "customer_email":
                raise
            # Haze takes addresses that Stripe does not; without one it asks for it.
            found = self._checked(await self._created(replace(order, email="")))
        parts = urlsplit(found.url)
        if f"{parts.scheme}://{parts.netloc}" not in self.origins or found.cents != order.cents:
            log.error("Stripe answered with a checkout that was not asked for. Nobody is sent there.")
            raise CardError
        return found

    async def _created(self, order: Order) -> Any:
        options = {"idempotency_key": f"haze-{secrets.token_hex(16)}"}
        return await self._asked(self._client.v1.checkout.sessions.create_async(_params(order), options), BEGIN_S)

    async def find(self, session_id: str) -> Checkout:
        """Where a checkout stands. Raises CardError."""
        return self._checked(await self._asked(self._client.v1.checkout.sessions.retrieve_async(session_id), ASK_S))

    async def find_by_intent(self, intent: str) -> Checkout | None:
        """The checkout of a payment; None where it was none of Checkout's. Raises CardError."""
        params = {"payment_intent": intent, "limit": 1}
        found = await self._asked(self._client.v1.checkout.sessions.list_async(params), ASK_S)
        return self._checked(found.data[0]) if found.data else None

    def heard(self, body: bytes, signature: str) -> Fact | None:
        """What Stripe says with a call of its own; None where it is nothing to Haze. Raises NotStripeError."""
        try:
            self._stripe.WebhookSignature.verify_header(body, signature, self._secrets.webhook, TOLERANCE_S)
        except (self._stripe.SignatureVerificationError, ValueError, TypeError):
            # The library's error holds the body; so nothing of it goes on.
            raise NotStripeError("The signature does not fit, or is older than five minutes.") from None
        try:
            said = facts.fact(json.loads(body))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise NotStripeError("The event cannot be read.") from None
        if said is not None and said.is_live is not self.is_live:
            raise NotStripeError(f"It is of Stripe's {'live' if said.is_live else 'test'} mode, the key is not.")
        return said

    async def _asked(self, call: Awaitable[T], seconds: float) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await call
        except TimeoutError:
            log.error("Stripe did not answer within %s s.", seconds)
        except aiohttp.ClientError as error:
            # Cut within an answer, which the library lets pass.
            log.error("Stripe's answer broke off: %s", type(error).__name__)
        except self._stripe.StripeError as error:
            # Not its message: that may repeat what was sent.
            field, name = getattr(error, "param", None), type(error).__name__
            log.error(REFUSED, name, error.http_status, error.code, field, error.request_id)
            raise CardError(field) from None
        raise CardError

    def _checked(self, session: Any) -> Checkout:
        try:
            found = facts.checkout(session.to_dict())
        except (KeyError, TypeError, ValueError, AttributeError):
            log.error("Stripe answered with something that is no checkout.")
            raise CardError from None
        if found.is_live is not self.is_live:
            log.error("Stripe answered with a checkout of its other mode.")
            raise CardError
        return found


def _why_not(name: str, written: str, secret: str, begins: tuple[str, ...]) -> str:
    if not secret:
        return f"the variable {written[4:]} is not set" if written.startswith("env:") else f"{name} is not set"
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        return f"{name} holds a character that cannot be sent"
    return "" if secret.startswith(begins) else f"{name} does not begin with {' or '.join(begins)}"


def _params(order: Order) -> dict[str, Any]:
    price = {"currency": facts.CURRENCY, "unit_amount": order.cents, "product_data": {"name": PRODUCT}}
    about = {"account": order.account}
    params: dict[str, Any] = {
        "mode": "payment",
        "line_items": [{"quantity": 1, "price_data": price}],
        "client_reference_id": order.account,
        "metadata": about,
        "payment_intent_data": {"metadata": about},
        "success_url": order.success_url,
        "cancel_url": order.cancel_url,
    }
    return {**params, "customer_email": order.email} if order.email else params
