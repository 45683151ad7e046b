"""Checks of the line: does a server run, and is it where people are told to find it?"""

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from haze_proxy.doctor.findings import FAIL, OK, WARN, Finding, House
from haze_proxy.store import look

PATIENCE_S: Final = 5
PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Told:
    """An HTTP answer; status 0: there was none, and `text` says why."""

    status: int
    text: str
    server: str = ""

    def json(self) -> Any:
        """Its body, parsed; {} where it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return {}


def ask(url: str, *, secret: str = "", body: object = None, patience_s: float = PATIENCE_S) -> Told:
    """Ask an address, directly and without following anything but redirects; never raises."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    # Not through the proxies of the environment: those are another question.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(Request(url, data, headers), timeout=patience_s) as answer:  # noqa: S310 - config allows http(s)
            return Told(answer.status, answer.read().decode("utf-8", "replace"), answer.headers.get("Server", ""))
    except HTTPError as error:
        with error:
            return Told(error.code, error.read().decode("utf-8", "replace"), error.headers.get("Server", ""))
    except (OSError, HTTPException, ValueError) as error:
        return Told(0, str(getattr(error, "reason", error)) or type(error).__name__)


def server(house: House) -> Iterator[Finding]:
    """Whether a server runs on this store: it holds a lock beside it."""
    holder = look.server(house.path.parent)
    if holder:
        yield Finding("server", OK, f"Runs: {holder}")
    else:
        yield Finding("server", WARN, "None runs on this store", "haze-proxy serve starts it.")


def address(house: House) -> Iterator[Finding]:
    """Whether what people are shown fits what the server listens on."""
    settings, public = house.settings.server, urlsplit(house.url)
    name, listens = public.hostname or "", f"{settings.host}:{settings.port}"
    if not _is_here(name):
        yield from _public(house, name)
        return
    if _port(house.url) != settings.port and settings.port:
        advice = "Make them the same, or start it with that --port."
        yield Finding("address", WARN, f"public_url is {house.url}, but [server] listens on {listens}", advice)
    elif not _is_here(settings.host):
        advice = "Others are shown an address that only this machine has: set public_url."
        yield Finding("address", WARN, f"public_url is {house.url}, and [server] listens on {listens}", advice)
    else:
        yield Finding("address", OK, f"{house.url}, for this machine alone")


def _public(house: House, name: str) -> Iterator[Finding]:
    settings = house.settings.server
    if urlsplit(house.url).scheme != "https":
        advice = "Put a proxy with TLS before it: keys and passwords travel in the clear."
        yield Finding("address", WARN, f"{house.url} is not https", advice)
    if settings.trusted_proxies or not _is_here(settings.host):
        yield Finding("address", OK, f"{house.url}, and [server] listens on {settings.host}:{settings.port}")
        return
    advice = "Name the proxy in server.trusted_proxies, or everybody seems to come from it."
    yield Finding("address", WARN, f"{name} is reached through a proxy, and none is trusted", advice)


def _is_here(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _port(url: str) -> int | None:
    parts = urlsplit(url)
    return parts.port or PORTS.get(parts.scheme)


def answers(house: House) -> Iterator[Finding]:
    """Whether Haze answers at the address that people are shown, and can write."""
    is_running = bool(look.server(house.path.parent))
    alive = ask(f"{house.url}/healthz")
    is_haze = alive.server == "Haze" or alive.json() == {"status": "alive"}
    if not is_haze:
        yield _silent(house, alive, is_running)
        return
    if not is_running:
        advice = "Another Haze runs there, or this one under another store: see public_url and --config."
        yield Finding("answers", WARN, f"{house.url} is a Haze, but none runs on this store", advice)
        return
    ready = ask(f"{house.url}/readyz")
    if ready.status == 200:
        yield Finding("answers", OK, f"{house.url} answers, and can write")
    else:
        advice = "See its log: the disk may be full, or the file read-only."
        yield Finding("answers", FAIL, f"{house.url} answers, but cannot write its store", advice)


def _silent(house: House, alive: Told, is_running: bool) -> Finding:
    if alive.status:
        advice = "Another program has the port, or a proxy leads elsewhere."
        return Finding("answers", FAIL, f"{house.url}/healthz answers {alive.status}, and not as Haze does", advice)
    if is_running:
        advice = "Look at public_url, --port, the firewall, and the proxy in between."
        return Finding("answers", FAIL, f"{house.url} does not answer: {alive.text}", advice)
    return Finding("answers", WARN, f"{house.url} does not answer: {alive.text}", "Start it first.")
