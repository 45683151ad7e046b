"""Typed names of what the application and a request carry, and the one holder of what can be reloaded."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from aiohttp import web

from haze_proxy import address
from haze_proxy.address import Network
from haze_proxy.arrivals import Arrivals
from haze_proxy.channels.client import Client
from haze_proxy.channels.directory import Candidate, Directory
from haze_proxy.channels.health import Health
from haze_proxy.channels.record import Records
from haze_proxy.config_file import ConfigFile
from haze_proxy.money.wallet import Wallet
from haze_proxy.payments.cards import Cards
from haze_proxy.store.access import Access
from haze_proxy.store.keyring import Keyring
from haze_proxy.store.keys import Key
from haze_proxy.wire.ask import Ask

T = TypeVar("T")


class Live(Generic[T]):
    """A value that can be replaced while requests run; each keeps the one it was admitted with."""

    def __init__(self, value: T) -> None:
        self.value = value


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the route table: what the gate asks before its handler runs.

    `protocol` chooses the envelope of errors. `reads` says that a body is read and admitted: "paid" takes the request
    limit and a hold, "counted" only the counting limit, "" neither. `what` it is for, in a line for people.
    """

    method: str
    path: str
    protocol: str
    reads: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A request that is being answered, as it is seen from outside. `held` is nano-dollars, `seconds` how long it runs.

    `channel` is the one that is asked now, "" before the first; `tries` counts those that were asked.
    """

    id: str
    key: Key
    protocol: str
    model: str
    channel: str
    tries: int
    has_begun: bool
    seconds: float
    held: int


class Running(Protocol):
    """A request while its task relays an answer."""

    def in_flight(self) -> InFlight:
        """How it stands now."""


DIRECTORY = web.AppKey[Live[Directory]]("directory", Live)
CLIENT = web.AppKey("client", Client)
HEALTH = web.AppKey("health", Health)
RECORDS = web.AppKey("records", Records)
CONFIG_FILE = web.AppKey("config_file", ConfigFile)
# Monotonic seconds.
CLOCK = web.AppKey[Callable[[], float]]("clock")
KEYRING = web.AppKey("keyring", Keyring)
WALLET = web.AppKey("wallet", Wallet)
ARRIVALS = web.AppKey("arrivals", Arrivals)
STORE = web.AppKey("store", Access)
CARDS = web.AppKey("cards", Cards)
# The networks whose X-Forwarded-For is believed.
PROXIES = web.AppKey[tuple[Network, ...]]("proxies", tuple)
# The tasks that relay an answer now, and what each of them answers; the oldest first.
RUNNING = web.AppKey[dict["asyncio.Task[object]", Running]]("running", dict)

# A page's way to a model, through the gate: as the key whose id stands in request[VOUCHED].
INSIDE = web.AppKey[Callable[[web.Request], Awaitable[web.StreamResponse]]]("inside")

REQUEST_ID = web.RequestKey("request_id", str)
ENDPOINT = web.RequestKey("endpoint", Endpoint)
CALLER = web.RequestKey("caller", Key)
VOUCHED = web.RequestKey("vouched", int)
ASK = web.RequestKey("ask", Ask)
CANDIDATES = web.RequestKey[tuple[Candidate, ...]]("candidates", tuple)


def caller_address(request: web.BaseRequest, proxies: tuple[Network, ...]) -> str:
    """Where a request comes from, as far as the proxies in front of Haze are believed."""
    return address.caller(request.remote, request.headers.getall("X-Forwarded-For", []), proxies)
