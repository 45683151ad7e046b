"""What does a caller hear when something goes wrong? One place renders every error, the framework's own too.

The outermost gate: it gives each request its id; whatever is raised below it becomes a body in the caller's protocol.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_exceptions import HTTPException, HTTPExpectationFailed, HTTPMethodNotAllowed, HTTPNotFound

from haze_proxy.context import ENDPOINT, REQUEST_ID
from haze_proxy.errors import TABLE, BadRequest, HazeError, MethodNotAllowed, NotFound, Unauthorized
from haze_proxy.gate import witness
from haze_proxy.wire import envelope

log = logging.getLogger(__name__)

MESSAGES_PATH: Final = re.compile(r"/+(v1/+)*messages(/|$)")
MODELS_PATH: Final = re.compile(r"/+(v1/+)*models(/|$)")


# An error as a page, or None where nobody looks at a page.
PageError = Callable[[web.Request, HazeError], web.Response | None]


def errors(page: PageError) -> Middleware:
    """A gate that renders what is raised below: as a page for people, else in the caller's protocol.

    An answer that has begun is the relay's to end: nothing is raised after that.
    """

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_ID] = new_request_id()
        try:
            return await handler(request)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            if isinstance(error, HTTPException) and error.status < HTTPStatus.BAD_REQUEST:
                raise
            if request.writer.output_size > 0:
                # The status line has left: only a cut line can say that the rest is missing.
                raise ConnectionAbortedError("The answer had begun.") from error
            # Not kept in a name: the error's traceback holds this frame, and with it the request and its body.
            return _rendered(request, _told(request, error), page)

    return gate


def _rendered(request: web.Request, error: HazeError, page: PageError) -> web.Response:
    witness.strayed(request, error)
    return page(request, error) or render(request, error)


def render(request: web.BaseRequest, error: HazeError) -> web.Response:
    """An error as a response: status, body and retry headers as the caller's protocol has them."""
    protocol = protocol_of(request)
    response = web.Response(
        status=envelope.status(error, protocol),
        body=envelope.body(error, protocol, request.get(REQUEST_ID, "")),
        content_type="application/json",
    )
    if error.final:
        response.headers["x-should-retry"] = "false"
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = error.allow
    if request.content.exception() is not None:
        # Where the next request would begin is not known any more; a client must not try.
        response.force_close()
    return response


def protocol_of(request: web.BaseRequest) -> str:
    """Whose envelope a request wants: by its route, or where it has none, by its path.

    A request for the model list is Anthropic's if it brings `anthropic-version`; its credential says nothing.
    """
    if MODELS_PATH.match(request.path) and "anthropic-version" in request.headers:
        return "messages"
    if ENDPOINT in request:
        return request[ENDPOINT].protocol
    return "messages" if MESSAGES_PATH.match(request.path) else "chat"


def new_request_id() -> str:
    """`req_`, 12 hexadecimal digits of milliseconds, 16 of chance: in the order of time, and not to be guessed."""
    return f"req_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


def _told(request: web.Request, error: Exception) -> HazeError:
    if isinstance(error, HazeError):
        return error
    if isinstance(error, HTTPException):
        return from_framework(request, error)
    log.error("Request %s failed", request[REQUEST_ID], exc_info=error)
    return HazeError("Something went wrong inside Haze. The owner can find it in the log.")


def from_framework(request: web.BaseRequest, error: HTTPException) -> HazeError:
    """What aiohttp refused by itself, as a row of the table: the one of its status, else a request that is wrong."""
    if isinstance(error, HTTPNotFound):
        return NotFound(f"There is no {request.method} {request.path} here.")
    if isinstance(error, HTTPMethodNotAllowed):
        return MethodNotAllowed(f"{request.path} does not take {request.method}.", allow=sorted(error.allowed_methods))
    if isinstance(error, HTTPExpectationFailed):
        return BadRequest("Expect: only 100-continue is understood.")
    row = next((row for row in TABLE if row.status == error.status), BadRequest)
    return row(f"The request cannot be served: {error.reason}.")
