"""Was this asked before? A request with the `Idempotency-Key` of another one of its account, and the same body, is that
request: it waits for the running one, or gets its answer again. Nothing is held, charged or asked upstream twice.

A client that loses an answer can so ask again without paying again. Streams are not repeated: what is lost of one is
lost, and the client hears 409 instead of paying for another. No SDK of OpenAI's or Anthropic's sends the header unless
told to; all of them repeat a 409 by themselves, and obey its `x-should-retry: false`.
"""

import asyncio
import hashlib
from collections.abc import Awaitable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import istr

from haze_proxy.context import ASK, CALLER, ENDPOINT, REQUEST_ID
from haze_proxy.errors import BadRequest, HazeError, Unavailable
from haze_proxy.gate.body import let_go
from haze_proxy.gate.claims import CLAIM, KEY, Answer, Claim, Claims, gone
from haze_proxy.gate.connection import cancelled_when_left
from haze_proxy.store.idempotency import Keyed

HEADER: Final = istr(KEY)
CHARACTERS_MAX: Final = 255
DIGEST_BYTES: Final = 16
# What is larger is digested beside the loop.
SMALL_BYTES: Final = 2**20
# Set where the answer is another request's.
REPLAYED = web.RequestKey("replayed", str)


def idempotency(claims: Claims) -> Middleware:
    """A gate that answers for the first request with a key. Raises Conflict, or BadRequest for a key that is none."""

    @web.middleware
    def gate(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
        # No coroutine of its own: whoever sends no key pays for one look at the headers.
        if HEADER in request.headers and request[ENDPOINT].reads == "paid":
            return _keyed(claims, request, handler)
        return handler(request)

    return gate


async def _keyed(claims: Claims, request: web.Request, handler: Handler) -> web.StreamResponse:
    key = _key(request)
    if not request[CALLER].may_use(request[ASK].model):
        # Another key of the account may have asked; the next gate tells this one what it may not.
        return await handler(request)
    body = await _body(request)
    found = claims.find(key, body)
    if found is None:
        return await _first(claims.begin(Keyed(key, body, request[REQUEST_ID])), request, handler)
    answer = found if isinstance(found, Answer) else await _joined(found, request)
    request[REPLAYED] = answer.keyed.request_id
    return answer.again()


async def _first(claim: Claim, request: web.Request, handler: Handler) -> web.StreamResponse:
    request[CLAIM] = claim
    answer: Answer | None = None
    try:
        await claim.ask_store()
        response = await handler(request)
        answer = Answer.of(claim.keyed, response)
        return response
    except HazeError as error:
        claim.refusal = error.again()
        raise
    finally:
        claim.leaves(answer)


async def _joined(claim: Claim, request: web.Request) -> Answer:
    """The answer of a request that runs. Whoever waits for it may leave; it goes on."""
    let_go(request)
    with cancelled_when_left(request):
        answer = await claim.told()
    if answer is not None:
        return answer
    if claim.refusal is not None:
        raise claim.refusal.again()
    if claim.streams:
        raise gone(claim.keyed)
    text = f"Request {claim.keyed.request_id} had this {KEY} and ended without an answer. Try again in a moment."
    raise Unavailable(text, retry_after_s=1)


def _key(request: web.Request) -> bytes:
    """The digest of account and key. Raises BadRequest naming the header."""
    keys = request.headers.getall(HEADER)
    text = keys[0]
    if len(keys) > 1 or not (0 < len(text) <= CHARACTERS_MAX and text.isascii() and text.isprintable()):
        raise BadRequest(f"{KEY}: Expected once, 1 to {CHARACTERS_MAX} printable ASCII characters.", param=KEY)
    return _digest(str(request[CALLER].account_id).encode(), text.encode())


async def _body(request: web.Request) -> bytes:
    """The digest of what is asked, and where: path, query, and the bytes after decoding."""
    place, body = f"{request[ENDPOINT].path}?{request.rel_url.raw_query_string}".encode(), request[ASK].body
    if len(body) <= SMALL_BYTES:
        return _digest(place, body)
    return await asyncio.to_thread(_digest, place, body)


def _digest(scope: bytes, text: bytes) -> bytes:
    # No scope has a zero in it, so no two pairs are the same bytes. Not joined: a body may be large.
    digest = hashlib.blake2b(scope + b"\0", digest_size=DIGEST_BYTES)
    digest.update(text)
    return digest.digest()
