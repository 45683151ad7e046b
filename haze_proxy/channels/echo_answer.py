"""What the echo channel hands to the relay, and how its bytes are made."""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from multidict import CIMultiDict

# `created` of every answer, 2026-01-01T00:00:00Z: the same request gives the same bytes on every day.
CREATED_UNIX_S = 1_767_225_600


class EchoAnswer:
    """An upstream's answer, of the same shape as the HTTP client's.

    `status` and `headers` are there at once; the body is made while it is read, one server-sent event a chunk, a plain
    body in one chunk. After `close()` nothing more comes.
    """

    def __init__(self, status: int, headers: dict[str, str], body: Iterable[bytes]) -> None:
        self.status = status
        self.headers: CIMultiDict[str] = CIMultiDict(headers)
        self._body = iter(body)
        self._closed = False

    async def chunk(self) -> bytes:
        """The next piece of the body, b"" at its end; other tasks get their turn first."""
        await asyncio.sleep(0)
        return b"" if self._closed else next(self._body, b"")

    def close(self) -> None:
        """End the answer; a second call does nothing."""
        self._closed = True

    # There is no connection to be used again.
    finish = close


def whole(status: int, document: Any, request_id: dict[str, str]) -> EchoAnswer:
    """A JSON document as an answer. `request_id`: the header of that name, as the protocol spells it."""
    return EchoAnswer(status, {"content-type": "application/json", **request_id}, [orjson.dumps(document)])


def stream(events: Iterator[bytes], request_id: dict[str, str]) -> EchoAnswer:
    """Server-sent events as an answer."""
    headers = {"content-type": "text/event-stream", "cache-control": "no-cache", **request_id}
    return EchoAnswer(200, headers, events)


def identify(body: bytes) -> str:
    """24 hexadecimal digits that are the same for the same request: what ids are made of."""
    return hashlib.sha256(body).hexdigest()[:24]
