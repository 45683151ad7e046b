"""What does the caller ask? Reads a body once: bounded in size and time, and out of one share of memory for all.

A small compressed body may hold a large one, so what is compressed, or has no length, is counted as the largest allowed
until it has been read.
"""

import asyncio
from collections import deque
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from haze_proxy.context import ASK, ENDPOINT, REQUEST_ID
from haze_proxy.errors import BadEncoding, BadRequest, BodyTooLarge, Unavailable
from haze_proxy.gate.errors import new_request_id, render
from haze_proxy.money import estimate
from haze_proxy.wire import ask

ENCODINGS: Final = frozenset({"", "identity", "gzip", "deflate", "br", "zstd"})
CUT: Final = "The body cannot be read: it is empty, cut, or not what its headers say."
MIB: Final = 2**20
SHARED_BYTES: Final = 256 * MIB
# What is smaller never waits.
SMALL_BYTES: Final = MIB
SHARE_TIMEOUT_S: Final = 5


class BodyShare:
    """The bytes that all bodies in flight may take together."""

    def __init__(self, total: int = SHARED_BYTES) -> None:
        self.free = total
        self.understanding = asyncio.Lock()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Take `size` bytes; a large body waits its turn. Raises Unavailable after SHARE_TIMEOUT_S."""
        if size > SMALL_BYTES and (self._waiting or size > self.free):
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                async with asyncio.timeout(SHARE_TIMEOUT_S):
                    await turn
            except BaseException as error:
                self._forget(turn)
                self._call_next()  # who stands behind may need less
                if not isinstance(error, TimeoutError):
                    raise
                text = "Too many large requests are being read. Try again in a moment."
                raise Unavailable(text, retry_after_s=SHARE_TIMEOUT_S) from error
            self._forget(turn)
        self.free -= size

    def give(self, size: int) -> None:
        """Give bytes back; who waits longest is next."""
        self.free += size
        self._call_next()

    def _forget(self, turn: asyncio.Future[None]) -> None:
        self._waiting = deque(entry for entry in self._waiting if entry[1] is not turn)

    def _call_next(self) -> None:
        room = self.free
        for needed, turn in self._waiting:
            if needed > room:
                break
            room -= needed
            if not turn.done():
                turn.set_result(None)


BODIES = web.AppKey("bodies", BodyShare)
MAX_BODY_MIB = web.AppKey("max_body_mib", int)
# How long a body may take to arrive, in seconds.
BODY_TIMEOUT_S = web.AppKey("body_timeout_s", float)
# What a request has of the share now.
TAKEN = web.RequestKey("taken", int)


async def read(request: web.Request) -> ask.Ask:
    """Read and understand a body. Raises BadRequest and its kin, or Unavailable when there is no room for it.

    Its share is kept until `let_go`.
    """
    coding = ",".join(request.headers.getall("Content-Encoding", ())).strip().lower()
    if coding not in ENCODINGS:
        raise BadEncoding(f"Content-Encoding {coding[:40]!r} is unknown. Use gzip, deflate, br, zstd, or none.")
    most = request.app[MAX_BODY_MIB] * MIB
    length = request.content_length
    if length is not None and length > most:
        raise _too_large(request)
    plain = length is not None and coding in ("", "identity")
    await _take(request, length if plain and length is not None else most)
    body = await _bytes(request)
    if not body and not plain:
        raise BadRequest(CUT)
    _keep(request, len(body))
    if len(body) <= SMALL_BYTES:
        return _understood(body, request[ENDPOINT].protocol)
    async with request.app[BODIES].understanding:
        # One large body at a time, and everybody else's turn between two of them.
        await asyncio.sleep(0)
        return _understood(body, request[ENDPOINT].protocol)


def let_go(request: web.Request) -> None:
    """Forget a body and give its share back; a second call does nothing.

    aiohttp keeps a connection's last request until the next one comes, so what is not forgotten here stays for as long
    as the client keeps the line open: the bytes, and what was parsed of them, which is several times as large.
    """
    request._read_bytes = None
    if ASK in request:
        request[ASK].body, request[ASK].parsed = b"", {}
    _keep(request, 0)


def _keep(request: web.Request, size: int) -> None:
    if taken := request.get(TAKEN, 0):
        request[TAKEN] = min(taken, size)
        request.app[BODIES].give(taken - request[TAKEN])


def _understood(body: bytes, protocol: str) -> ask.Ask:
    understood = ask.read(body, protocol)
    understood.input_estimate = estimate.input_tokens(body, understood.parsed, understood.protocol)
    understood.output_limit = estimate.output_limit(understood.parsed, understood.protocol)
    return understood


async def expect(request: web.Request) -> web.StreamResponse | None:
    """Answer `Expect: 100-continue` before the gate: a body that is too large is not asked for."""
    request[REQUEST_ID] = new_request_id()
    if request.headers.get("Expect", "").lower() != "100-continue":
        return render(request, BadRequest("Expect: only 100-continue is understood."))
    if (request.content_length or 0) > request.app[MAX_BODY_MIB] * MIB:
        return render(request, _too_large(request))
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0
    return None


async def _take(request: web.Request, size: int) -> None:
    await request.app[BODIES].take(size)
    request[TAKEN] = size


async def _bytes(request: web.Request) -> bytes:
    longest = request.app[BODY_TIMEOUT_S]
    try:
        # A body that came along with its headers needs no clock.
        async with asyncio.timeout(None if request.content.is_eof() else longest):
            return await request.read()
    except TimeoutError as error:
        raise BadRequest(f"The body did not arrive within {longest:g} s.") from error
    except HTTPRequestEntityTooLarge as error:
        raise _too_large(request) from error
    except (HttpProcessingError, web.RequestPayloadError, ConnectionError) as error:
        # The reader of the body keeps this error: with its traceback it would keep itself, and the body, for ever.
        error.__traceback__ = None
        raise BadRequest(CUT) from error


def _too_large(request: web.Request) -> BodyTooLarge:
    return BodyTooLarge(f"The body is over the limit of {request.app[MAX_BODY_MIB]} MiB.")
