"""Who is calling? A key in `x-api-key` or `Authorization: Bearer`, on every route."""

import time
from collections.abc import Callable, Iterator, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from haze_proxy.address import networks, within
from haze_proxy.context import CALLER, PROXIES, caller_address
from haze_proxy.errors import Forbidden, Unauthorized
from haze_proxy.store import keys
from haze_proxy.store.keyring import Keyring
from haze_proxy.store.keys import Key

WRONG = "The API key is missing, unknown, revoked or expired. Keys start with sk-rr-."


def auth(keyring: Keyring, clock: Callable[[], float] = time.time) -> Middleware:
    """A gate that sets request[CALLER]. Raises Unauthorized (one text for every reason) or Forbidden."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[CALLER] = key = identify(keyring, request.headers, clock())
        if key.addresses is not None:
            _check_address(key.addresses, caller_address(request, request.app[PROXIES]))
        return await handler(request)

    return gate


def _check_address(allowed: tuple[str, ...], address: str) -> None:
    if not within(address, networks(allowed)):
        raise Forbidden(f"This API key may not be used from the address {address}.")


def identify(keyring: Keyring, headers: Mapping[str, str], now_s: float) -> Key:
    """The live key among the credentials of a request. With two, `x-api-key` wins, as at Anthropic's own API."""
    for secret in presented(headers):
        key = keyring.find(keys.digest(secret))
        if key is None or (key.expires_at is not None and key.expires_at <= now_s * 1000):
            continue
        if key.account_id in keyring.disabled:
            raise Forbidden("The account of this key is disabled.")
        return key
    raise Unauthorized(WRONG)


def presented(headers: Mapping[str, str]) -> Iterator[str]:
    """The credentials a request brings that can be a key of Haze."""
    for name in ("x-api-key", "Authorization"):
        value = headers.get(name, "").strip()
        if name == "Authorization":
            scheme, *rest = value.split(maxsplit=1) or [""]
            value = rest[0] if rest and scheme.lower() == "bearer" else ""
        if value.startswith(keys.PREFIX):
            yield value
