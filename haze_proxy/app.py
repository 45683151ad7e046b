"""The house as a table of contents: what is opened, who stands at the gate in which order, what is mounted where."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from haze_proxy import published, resources
from haze_proxy.address import networks
from haze_proxy.api import openapi, routes
from haze_proxy.api.keepalive import KEEPALIVES, KeepAlives
from haze_proxy.arrivals import Arrivals
from haze_proxy.channels.client import Client
from haze_proxy.channels.directory import Directory
from haze_proxy.channels.health import Health
from haze_proxy.channels.record import Records
from haze_proxy.config import Config
from haze_proxy.config_file import ConfigFile
from haze_proxy.context import (
    ARRIVALS,
    CARDS,
    CLIENT,
    CLOCK,
    CONFIG_FILE,
    DIRECTORY,
    HEALTH,
    INSIDE,
    KEYRING,
    PROXIES,
    RECORDS,
    REQUEST_ID,
    RUNNING,
    STORE,
    WALLET,
    Live,
)
from haze_proxy.gate import rate_limit
from haze_proxy.gate.auth import auth, vouched
from haze_proxy.gate.balance import balance
from haze_proxy.gate.body import BODIES, BODY_TIMEOUT_S, MAX_BODY_MIB, BodyShare
from haze_proxy.gate.claims import CLAIMS, Claims
from haze_proxy.gate.errors import errors
from haze_proxy.gate.idempotency import idempotency as asked_before
from haze_proxy.gate.rate_limit import PACES, Paces
from haze_proxy.gate.request_log import REFUSALS, Refusals, request_log
from haze_proxy.gate.settlement import Books
from haze_proxy.lists import LISTS, Lists
from haze_proxy.money.wallet import Wallet
from haze_proxy.payments.cards import Cards
from haze_proxy.resources import BOOKS
from haze_proxy.store.access import Access
from haze_proxy.store.keyring import Keyring
from haze_proxy.web import pages
from haze_proxy.web.billing import webhook
from haze_proxy.web.billing.routes import PATH as BILLING
from haze_proxy.web.reference import REFERENCE

log = logging.getLogger(__name__)

# To write a last event to those who are told to come again.
GOODBYE_S: Final = 2


def create_app(
    settings: Config,
    environ: Mapping[str, str] = os.environ,
    *,
    file: ConfigFile | None = None,
    fatal: Callable[[str], None] = log.critical,
    clock: Callable[[], float] = time.monotonic,
    shutdown_s: float = 30,
    body_timeout_s: float = 30,
) -> web.Application:
    """The whole application of one configuration; nothing is opened before it starts. When it stops, running requests
    have `shutdown_s` seconds to come to their end. A request's body must arrive within `body_timeout_s` seconds.

    `file` is what the configuration was read from (config.toml), to be read again when somebody says so.
    `fatal` is told in one line when the process must end because the store cannot be trusted any more.
    """
    keyring, wallet = Keyring(), Wallet(resources.now_ms)
    books, paces, claims, refused = Books(wallet), Paces(clock), Claims(clock), Refusals()
    directory = Live(Directory(settings, environ))
    lists_told = Lists(directory, environ)
    shared: dict[web.AppKey[Any], object] = {
        DIRECTORY: directory,
        LISTS: lists_told,
        CONFIG_FILE: file or ConfigFile(Path("config.toml"), settings),
        CLIENT: Client(),
        CARDS: Cards(settings.stripe, environ),
        CLOCK: clock,
        HEALTH: Health(clock),
        RECORDS: Records(clock),
        KEEPALIVES: KeepAlives(clock),
        KEYRING: keyring,
        WALLET: wallet,
        ARRIVALS: Arrivals(),
        STORE: Access(partial(resources.hear, keyring, wallet, lists_told)),
        PROXIES: networks(settings.server.trusted_proxies),
        PACES: paces,
        CLAIMS: claims,
        REFUSALS: refused,
        BOOKS: books,
        BODIES: BodyShare(),
        RUNNING: {},
        BODY_TIMEOUT_S: body_timeout_s,
        MAX_BODY_MIB: settings.server.max_body_mib,
    }
    # errors( request_log( auth( rate_limit( idempotency( balance( handler )))))): errors stands at the root.
    pay = balance(books, top_up=settings.server.public_url.rstrip("/") + BILLING)
    counted, admitted = request_log(refused), (rate_limit.rate_limit(paces), asked_before(claims), pay)
    gate = (counted, auth(keyring), *admitted)

    root = web.Application(middlewares=[errors(pages.error)], client_max_size=settings.server.max_body_mib * 2**20)
    for name, value in shared.items():
        root[name] = value
    root[INSIDE] = routes.inside((counted, vouched(keyring), *admitted), "/chat/completions")
    root.router.add_get("/healthz", alive)
    root.router.add_get("/readyz", ready)
    root.router.add_get("/openapi.json", openapi.page(routes.ROUTES, settings.server.public_url))
    root[REFERENCE] = published.reference()
    pages.mount(root, settings, clock)
    webhook.mount(root)
    routes.mount(root, gate, shared)
    root[CONFIG_FILE].begin(partial(take_over, root))
    root.on_response_prepare.append(identify)
    root.on_shutdown.append(partial(let_running_end, seconds=shutdown_s))
    root.cleanup_ctx.extend(resources.contexts(settings, fatal))
    return root


def take_over(app: web.Application, settings: Config) -> None:
    """Take over a configuration: its channels, models and billing; requests that run keep theirs."""
    before = app[DIRECTORY].value.channels
    app[LISTS].reload(settings)
    app[HEALTH].keep(before, app[DIRECTORY].value.channels)
    app[RECORDS].keep(channel.name for channel in settings.channels)


async def identify(request: web.Request, response: web.StreamResponse) -> None:
    """Who answers, both ids, and the state of the key's limits, on every answer."""
    response.headers["Server"] = "Haze"
    if REQUEST_ID in request:
        response.headers["request-id"] = response.headers["x-request-id"] = request[REQUEST_ID]
    response.headers.update(rate_limit.headers(request))


async def let_running_end(app: web.Application, *, seconds: float) -> None:
    """Let running requests come to their end; what is left then is told that the server stops."""
    running = app[RUNNING]
    if running:
        await asyncio.wait(set(running), timeout=seconds)
    for task in (left := set(running)):
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=GOODBYE_S)


async def alive(_request: web.Request) -> web.Response:
    """The process runs."""
    return web.json_response({"status": "alive"})


async def ready(request: web.Request) -> web.Response:
    """The store can be written."""
    writable = request.app[BOOKS].writer.ready
    return web.json_response({"status": "ready" if writable else "not writable"}, status=200 if writable else 503)
