"""A pretend Stripe on 127.0.0.1: the few endpoints of Checkout, a page to pay on, and webhooks with real signatures.

What the library sends is kept; an answer can be scripted to be late, refused, cut off or of another kind. For browsers,
`python till.py` runs it by itself: it prints its address, and tells the Haze that a payment began at.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import stripe
from aiohttp import web

KEY, SECRET = "sk_test_51Hidden", "whsec_Hidden"
ENVIRON = {"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET}
PAID = {"payment_status": "paid", "status": "complete"}
CONFIG = """
[stripe]
secret_key = "env:STRIPE_SECRET_KEY"
webhook_secret = "env:STRIPE_WEBHOOK_SECRET"
base_url = "{url}"
"""
PAGE = """<!doctype html><html lang="en"><title>Pay</title><link rel="icon" href="data:,"><main><form method="post">
<button>Pay {cents}</button><button name="lost" value="yes">Pay, and lose the webhook</button></form></main></html>"""
Json = dict[str, Any]


@dataclass
class Trouble:
    """What happens to the next call instead: `cut` the line, wait for `gate`, or answer with this status and body."""

    status: int = 200
    body: Any = None
    cut: bool = False
    gate: asyncio.Event | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Till:
    """What Stripe would know. `told` is called when somebody has paid on the page."""

    def __init__(self) -> None:
        self.sessions: dict[str, Json] = {}
        self.calls: list[tuple[str, str, Json, Mapping[str, str]]] = []
        self.troubles: list[Trouble] = []
        self.url = ""
        self.told: Callable[[Json], Any] | None = None
        self._by_key: dict[str, str] = {}
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._troubled])
        app.router.add_post("/v1/checkout/sessions", self._create)
        app.router.add_get("/v1/checkout/sessions", self._list)
        app.router.add_get("/v1/checkout/sessions/{id}", self._retrieve)
        app.router.add_get("/pay/{id}", self._page)
        app.router.add_post("/pay/{id}", self._pay)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def last(self) -> Json:
        """The session that began last."""
        return self.sessions[list(self.sessions)[-1]]

    def paid(self, session: Json | None = None) -> Json:
        """Somebody has paid; returns the session."""
        return self.change(PAID | {"payment_intent": f"pi_{(session or self.last)['id']}"}, session)

    def change(self, facts: Json, session: Json | None = None) -> Json:
        """Something else became of a session."""
        chosen = session or self.last
        chosen.update(facts)
        return chosen

    @web.middleware
    async def _troubled(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith("/v1/"):
            sent = dict(request.query) | dict(await request.post())
            self.calls.append((request.method, request.path, sent, request.headers.copy()))
            if self.troubles:
                return await self._trouble(request, self.troubles.pop(0), handler)
        return await handler(request)

    async def _trouble(self, request: web.Request, trouble: Trouble, handler: Any) -> web.StreamResponse:
        if trouble.gate is not None:
            await trouble.gate.wait()
            return await handler(request)
        if trouble.cut:
            assert request.transport is not None
            request.transport.abort()
        text = trouble.body if isinstance(trouble.body, str) else json.dumps(trouble.body)
        return web.Response(status=trouble.status, text=text, headers=trouble.headers, content_type="application/json")

    async def _create(self, request: web.Request) -> web.Response:
        sent, key = await request.post(), request.headers["Idempotency-Key"]
        number = f"cs_test_{next(self._numbers)}"
        cents = int(str(sent["line_items[0][price_data][unit_amount]"]))
        session_id = self._by_key.setdefault(key, number)
        if session_id == number:
            self.sessions[number] = {
                "id": number,
                "object": "checkout.session",
                "amount_subtotal": cents,
                "amount_total": cents,
                "currency": sent["line_items[0][price_data][currency]"],
                "livemode": False,
                "payment_status": "unpaid",
                "status": "open",
                "payment_intent": None,
                "client_reference_id": sent["client_reference_id"],
                "success_url": sent["success_url"],
                "url": f"{self.url}/pay/{number}",
            }
        return web.json_response(self.sessions[session_id])

    async def _retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self.sessions[request.match_info["id"]])

    async def _list(self, request: web.Request) -> web.Response:
        wanted = request.query["payment_intent"]
        found = [each for each in self.sessions.values() if each["payment_intent"] == wanted]
        return web.json_response({"object": "list", "data": found, "has_more": False, "url": request.path})

    async def _page(self, request: web.Request) -> web.Response:
        session = self.sessions[request.match_info["id"]]
        return web.Response(text=PAGE.format(cents=session["amount_total"]), content_type="text/html")

    async def _pay(self, request: web.Request) -> web.Response:
        session = self.paid(self.sessions[request.match_info["id"]])
        if self.told is not None and "lost" not in await request.post():
            await self.told(session)
        raise web.HTTPSeeOther(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))


def event(kind: str, what: Json, **facts: Any) -> Json:
    """An event as Stripe sends it."""
    return {"id": "evt_1", "object": "event", "type": kind, "livemode": False, "data": {"object": what}, **facts}


def charge(session: Json, refunded: int, **facts: Any) -> Json:
    """The charge of a session of which so many cents were refunded."""
    known = {"id": "ch_1", "object": "charge", "currency": "usd", "livemode": False, "amount_refunded": refunded}
    return {**known, "payment_intent": f"pi_{session['id']}", **facts}


def dispute(session: Json, cents: int, **facts: Any) -> Json:
    """A dispute about so many cents of a session's payment."""
    known = {"id": "dp_1", "object": "dispute", "currency": "usd", "livemode": False, "amount": cents}
    return {**known, "payment_intent": f"pi_{session['id']}", **facts}


def signed(body: str, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    """The header with which Stripe's own library signs a body."""
    header = stripe.WebhookSignature.generate_signature_header(body, secret, int(time.time() if at is None else at))
    return {"Stripe-Signature": header, "Content-Type": "application/json"}


async def deliver(session: aiohttp.ClientSession, url: str, what: Json, **how: Any) -> int:
    """Tell a Haze of an event; its status."""
    body = json.dumps(what)
    async with session.post(f"{url}/webhooks/stripe", data=body, headers=signed(body, **how)) as answer:
        await answer.read()
        return answer.status


async def main() -> None:
    """Serve until the process is ended."""
    async with Till() as till, aiohttp.ClientSession() as session:

        async def told(paid: Json) -> None:
            haze = paid["success_url"].partition("/dashboard/")[0]
            await deliver(session, haze, event("checkout.session.completed", paid))

        till.told = told
        print(till.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
