"""Who is on the line? aiohttp's connection, with two things more.

What cannot be read as HTTP is answered in JSON, in one body that clients of every protocol can read. And a task can ask
to be cancelled when its caller leaves: a stream does, because its provider should stop; a call that is not streamed
does not, because its provider bills it anyway.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError, InvalidHeader, InvalidURLError, LineTooLong
from aiohttp.web_exceptions import HTTPException
from aiohttp.web_protocol import RequestHandler

from haze_proxy.context import REQUEST_ID
from haze_proxy.errors import BadRequest, HazeError
from haze_proxy.gate.errors import from_framework, new_request_id, render
from haze_proxy.wire import envelope


class HttpConnection(RequestHandler):
    """One client's connection."""

    __slots__ = ("_leaves", "lost")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leaves: asyncio.Task[Any] | None = None
        self.lost = False

    def log_exception(self, *args: Any, **kwargs: Any) -> None:
        """A body that cannot be read was answered; that its rest cannot be read either is no news."""
        if not isinstance(kwargs.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kwargs)

    def cancel_when_left(self, task: "asyncio.Task[Any] | None") -> None:
        """Cancel `task` when the client goes away; None: nobody any more."""
        self._leaves = task

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client is gone."""
        super().connection_lost(exc)
        self.lost = True
        if self._leaves is not None:
            self._leaves.cancel()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write an answer; what aiohttp refused before the gate (an unknown `Expect`) in the right envelope."""
        if isinstance(resp, HTTPException) and resp.status >= HTTPStatus.BAD_REQUEST:
            request[REQUEST_ID] = new_request_id()
            resp = render(request, from_framework(request, resp))
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """An answer to what never reached the gate; the connection is closed after it."""
        if request.writer.output_size > 0 or isinstance(exc, ConnectionError):
            raise ConnectionError("The answer has begun, or nobody is there to hear it.")
        error: HazeError = BadRequest(_complaint(exc, message))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception("A request failed outside the gate", exc_info=exc)
            error = HazeError("Something went wrong inside Haze.")
        request_id = new_request_id()
        response = web.Response(
            status=status,
            body=envelope.either(error, request_id),
            content_type="application/json",
            headers={"request-id": request_id, "x-request-id": request_id},
        )
        response.force_close()
        return response


@contextmanager
def cancelled_when_left(request: web.Request) -> Iterator[None]:
    """Inside, the task is cancelled when the caller goes away. Under another server than ours it is not."""
    connection = request.protocol if isinstance(request.protocol, HttpConnection) else None
    if connection is not None:
        connection.cancel_when_left(asyncio.current_task())
    try:
        yield
    finally:
        if connection is not None:
            connection.cancel_when_left(None)


class HttpServer(web.Server):
    """aiohttp's server with our connections."""

    def __call__(self) -> RequestHandler:
        return HttpConnection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """aiohttp's runner with our server."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return HttpServer(made.request_handler, request_factory=made.request_factory, loop=made._loop, **made._kwargs)


# Said without repeating bytes that may be a secret.
COMPLAINTS: Final = {
    ContentEncodingError: "The body cannot be read: it is cut, or not what its Content-Encoding says.",
    InvalidHeader: "A header of the request cannot be read.",
    InvalidURLError: "The URL of the request cannot be read.",
}


def _complaint(exc: BaseException | None, message: str | None) -> str:
    if isinstance(exc, LineTooLong):
        return f"The request line or a header is longer than {exc.args[1]} bytes."
    told = next((text for kind, text in COMPLAINTS.items() if isinstance(exc, kind)), "")
    lines = (message or "malformed").strip().splitlines()
    return told or f"The request cannot be read as HTTP: {lines[0].rstrip(':') if lines else 'malformed'}"
