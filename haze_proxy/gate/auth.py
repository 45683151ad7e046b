"""Who is calling? A key in `x-api-key` or `Authorization: Bearer`; or from a page, whom its session names."""

import time
from collections.abc import Callable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from haze_proxy.address import networks, within
from haze_proxy.context import CALLER, PROXIES, VOUCHED, caller_address
from haze_proxy.errors import Forbidden, Unauthorized
from haze_proxy.gate import witness
from haze_proxy.gate.credentials import presented
from haze_proxy.store import keys
from haze_proxy.store.keyring import Keyring
from haze_proxy.store.keys import Key

WRONG = "The API key is missing, unknown, revoked or expired. Keys start with sk-rr-."
ENDED = "The key of this page is revoked or expired."


def auth(keyring: Keyring, clock: Callable[[], float] = time.time) -> Middleware:
    """A gate that sets request[CALLER]. Raises Unauthorized (one text for every reason) or Forbidden."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        _let_in(request, identify(keyring, request.headers, clock()))
        return await handler(request)

    return gate


def vouched(keyring: Keyring, clock: Callable[[], float] = time.time) -> Middleware:
    """The same for a page, which knows whose it is and brings no secret: request[VOUCHED] is the id of a key."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        key = keyring.find(keyring.digests.get(request[VOUCHED], b""))
        if key is None or not _is_live(keyring, key, clock()):
            raise Unauthorized(ENDED)
        _let_in(request, key)
        return await handler(request)

    return gate


def _let_in(request: web.Request, key: Key) -> None:
    request[CALLER] = key
    witness.came(request, key)
    if key.addresses is not None:
        _check_address(key.addresses, caller_address(request, request.app[PROXIES]))


def _check_address(allowed: tuple[str, ...], address: str) -> None:
    if not within(address, networks(allowed)):
        raise Forbidden(f"This API key may not be used from the address {address}.")


def identify(keyring: Keyring, headers: Mapping[str, str], now_s: float) -> Key:
    """The live key among the credentials of a request. With two, `x-api-key` wins, as at Anthropic's own API."""
    for secret in presented(headers):
        key = keyring.find(keys.digest(secret))
        if key is not None and _is_live(keyring, key, now_s):
            return key
    raise Unauthorized(WRONG)


def _is_live(keyring: Keyring, key: Key, now_s: float) -> bool:
    """Whether a key has not expired. Raises Forbidden if it has not, but its account is disabled."""
    if key.expires_at is not None and key.expires_at <= now_s * 1000:
        return False
    if key.account_id in keyring.disabled:
        raise Forbidden("The account of this key is disabled.")
    return True
