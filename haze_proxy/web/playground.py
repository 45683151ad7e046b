"""The playground: a chat with a model on a page. Each message is a request like any other: it passes the gate with a
key of the account's own, so it is limited, held, charged and written down, and only the secret is missing.
"""

from typing import Final

from aiohttp import web

from haze_proxy.context import DIRECTORY, INSIDE, KEYRING, STORE, VOUCHED
from haze_proxy.errors import BadRequest, Forbidden, NotFound
from haze_proxy.store import playground
from haze_proxy.store.keys import Key
from haze_proxy.store.own_keys import TooManyKeysError
from haze_proxy.web import catalogue
from haze_proxy.web.catalogue import Row
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.render import page, see_other
from haze_proxy.web.site import config_of
from haze_proxy.web.usage.receipt import REQUEST
from haze_proxy.web.words import money, now_ms

JSON: Final = "application/json"
OFF: Final = "The playground is switched off, because its key was revoked. Its page switches it on again."


async def show(request: web.Request) -> web.Response:
    """GET /dashboard/playground."""
    key = await _found(request)
    is_off = key is not None and key.revoked_at is not None
    return page(request, "playground.html", compressed=True, key=key, is_off=is_off, models=_models(request, key))


async def make(request: web.Request) -> web.Response:
    """POST /dashboard/playground/key: switch it on again."""
    await _made(request)
    return see_other("/dashboard/playground")


async def chat(request: web.Request) -> web.StreamResponse:
    """POST /dashboard/playground/chat: the body and the answer of /v1/chat/completions, from the page's own script."""
    if request.content_type != JSON:
        raise BadRequest(f"The playground sends {JSON}.")
    key = await _found(request)
    if key is not None and key.revoked_at is not None:
        raise Forbidden(OFF)
    # What has just been made may be in the store, but not yet in memory; who waits for the writer finds it in both.
    if key is None or key.id not in request.app[KEYRING].digests:
        request[VOUCHED] = await _made(request)
    else:
        request[VOUCHED] = key.id
    return await request.app[INSIDE](request)


async def cost(request: web.Request) -> web.Response:
    """GET /dashboard/playground/cost/{request}: what an answer cost, as soon as it has ended."""
    row = await request.app[STORE].read(playground.cost, request[SESSION].account_id, request.match_info["request"])
    if row is None:
        raise NotFound("There is no such request in this account.")
    return web.json_response({**dict(row), "estimated": bool(row["estimated"]), "shown": money(row["cost"])})


async def _found(request: web.Request) -> Key | None:
    return await request.app[STORE].read(playground.find, request[SESSION].account_id)


async def _made(request: web.Request) -> int:
    limits = config_of(request).limits
    try:
        return await request.app[STORE].write(playground.make, request[SESSION].account_id, limits, now_ms())
    except TooManyKeysError as error:
        raise BadRequest(str(error)) from error


def _models(request: web.Request, key: Key | None) -> list[Row]:
    """What can be chatted with, translated or not, and is allowed to the key."""
    served = (each for each in catalogue.rows(request.app[DIRECTORY].value) if "chat" in each.protocols)
    return [each for each in served if key is None or key.may_use(each.id)]


ROUTES: Final = (
    Page("GET", "/dashboard/playground", Who.ACCOUNT, show),
    Page("POST", "/dashboard/playground/key", Who.ACCOUNT, make),
    Page("POST", "/dashboard/playground/chat", Who.ACCOUNT, chat, is_data=True),
    Page("GET", f"/dashboard/playground/cost/{REQUEST}", Who.ACCOUNT, cost, is_data=True),
)
