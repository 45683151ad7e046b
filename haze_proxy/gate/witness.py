"""What came with a key? Remembered for its owner (arrivals.py), at no cost worth naming: no SQL, no line in a log.

A request is noted when its key is known, and its note is completed on the way out. What never comes so far (a path that
is not there, an expired key) is noted where its error is rendered, if a key of Haze came with it.
"""

import re
import time
from typing import Final

from aiohttp import hdrs, web

from haze_proxy.arrivals import REASON_MAX, TEXT_MAX, Arrival
from haze_proxy.context import ARRIVALS, ASK, CALLER, ENDPOINT, KEYRING, REQUEST_ID
from haze_proxy.errors import HazeError
from haze_proxy.gate.credentials import HEADERS, X_API_KEY, credential, presented
from haze_proxy.gate.settlement import HOLD
from haze_proxy.store import keys
from haze_proxy.store.keyring import Keyring
from haze_proxy.store.keys import Key

ANOTHER: Final = "It came in {name}, beside another credential in {taken}, which was taken instead."
# People paste keys in the oddest places.
SECRET: Final = re.compile(rf"{keys.PREFIX}[\w-]*")

ARRIVAL = web.RequestKey("arrival", Arrival)


def came(request: web.Request, key: Key) -> None:
    """A request has come with a live key."""
    arrival = request[ARRIVAL] = _arrival(request)
    request.app[ARRIVALS].add(key.id, arrival)
    if X_API_KEY in request.headers and hdrs.AUTHORIZATION in request.headers:
        _compare(request, key, arrival)


def admitted(request: web.Request) -> None:
    """A request is let through to a model."""
    if (arrival := request.get(ARRIVAL)) is not None:
        arrival.model = _kept(request[ASK].model)
        request.app[ARRIVALS].admit(request[CALLER].id, arrival)


def answered(request: web.Request, status: int, error: HazeError | None = None) -> None:
    """A request that came with a live key has its answer."""
    if (arrival := request.get(ARRIVAL)) is None:
        return
    arrival.status = status
    if error is not None and HOLD not in request:
        # What a provider said may repeat a prompt; what Haze itself says does not.
        arrival.reason = _kept(error.message, REASON_MAX)
        if ASK in request:
            arrival.model = _kept(request[ASK].model)


def strayed(request: web.Request, error: HazeError) -> None:
    """A request was refused before anyone knew whose it is: noted with the key that came with it, if one is known."""
    if CALLER in request or (key := _known(request)) is None:
        return
    arrival = _arrival(request)
    arrival.status, arrival.reason = error.status, _kept(error.message, REASON_MAX)
    request.app[ARRIVALS].add(key.id, arrival)


def _arrival(request: web.Request) -> Arrival:
    return Arrival(
        at_ms=time.time_ns() // 1_000_000,
        request_id=request[REQUEST_ID],
        path=_kept(request.rel_url.raw_path),
        agent=_kept(request.headers.get(hdrs.USER_AGENT, "")),
        protocol=request[ENDPOINT].protocol if ENDPOINT in request else "",
    )


def _kept(text: str, most: int = TEXT_MAX) -> str:
    if keys.PREFIX in text:
        text = SECRET.sub(f"{keys.PREFIX}…", text)
    return text[:most]


def _compare(request: web.Request, key: Key, arrival: Arrival) -> None:
    """Note it where two different credentials came: at the key that was taken, and at the one that was not."""
    credentials = {name: credential(request.headers, name) for name in HEADERS}
    if not all(credentials.values()) or len(set(credentials.values())) == 1:
        return
    keyring = request.app[KEYRING]
    own = keyring.digests.get(key.id)
    taken, left = sorted(HEADERS, key=lambda name: keys.digest(credentials[name]) != own)
    arrival.beside = taken
    other = keyring.find(keys.digest(credentials[left]))
    if other is not None:
        passed_over = _arrival(request)
        passed_over.beside, passed_over.reason = taken, ANOTHER.format(name=left, taken=taken)
        request.app[ARRIVALS].add(other.id, passed_over)


def _known(request: web.Request) -> Key | None:
    keyring = request.app.get(KEYRING, Keyring())
    found = (keyring.find(keys.digest(secret)) for secret in presented(request.headers))
    return next((key for key in found if key is not None), None)
