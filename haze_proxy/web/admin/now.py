"""GET /admin: what runs at this moment, the money in the house, and what went wrong."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from aiohttp import web

from haze_proxy.context import RUNNING, STORE, WALLET, InFlight
from haze_proxy.store import accounts
from haze_proxy.store import now as stored
from haze_proxy.web.context import Page, Who
from haze_proxy.web.render import page
from haze_proxy.web.site import config_of
from haze_proxy.web.words import now_ms

# The newest of them are listed: a page stays light, and the log of requests has all that run.
LISTED: Final = 25
INTERRUPTED_LISTED: Final = 10
VERSION: Final = version("haze-proxy")
# What SQLite keeps of a store: the file, and what is not in it yet.
FILES: Final = ("", "-wal")


async def show(request: web.Request) -> web.Response:
    """For administrators."""
    app = request.app
    running = [each.in_flight() for each in app[RUNNING].values()]
    listed = _newest(running)
    return page(
        request,
        "admin_now.html",
        seen=await app[STORE].read(stored.read, now_ms()),
        running=listed,
        count=len(running),
        waiting=sum(not each.has_begun for each in running),
        emails=await app[STORE].read(accounts.emails, {each.key.account_id for each in listed}),
        held=app[WALLET].held(),
        is_writable=app[STORE].is_writable,
        size=await asyncio.to_thread(_size, config_of(request).store.path),
        version=VERSION,
        interrupted_listed=INTERRUPTED_LISTED,
        admitted_max=stored.RATE_ROWS,
    )


def _newest(running: Sequence[InFlight]) -> list[InFlight]:
    return list(running[-LISTED:])[::-1]


def _size(path: str) -> int:
    """Bytes that the store takes on the disk."""
    size = 0
    for end in FILES:
        with suppress(FileNotFoundError):
            size += Path(path + end).stat().st_size
    return size


ROUTES: Final = (Page("GET", "/admin", Who.ADMIN, show),)
