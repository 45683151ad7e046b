"""What a page's request carries, and what a row of the page table says."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from aiohttp import web

from haze_proxy.store.sessions import Session


class Who(Enum):
    """Who may see a page."""

    ANYONE = 1
    ACCOUNT = 2
    # For everybody else the page does not exist.
    ADMIN = 3


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Page:
    """One row of the page table. `{id}` in a path is a number of a row: `ID` says so.

    `is_data`: what it answers is for a page's script, and is not looked at by anyone.
    """

    method: str
    path: str
    who: Who
    handler: Handler
    is_data: bool = False


# A number as it stands in a path: small enough for the store.
ID = "{id:[0-9]{1,15}}"
PAGE = web.RequestKey("page", Page)
SESSION = web.RequestKey("session", Session)
