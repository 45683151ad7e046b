"""A TCP relay that keeps a copy of what passes: before Haze and before a pretend provider.

It forwards bytes as they come and parses only its copy of the requests, so that a journey can count them, compare them
byte for byte and save them.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness import free_port


@dataclass
class Seen:
    """One request as it passed a front; `headers` in their order and spelling, `status` None until an answer began."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    status: int | None = None

    def header(self, name: str) -> str | None:
        """Return the value of a header by its name in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.body)


@dataclass
class RequestCopy:
    """Cuts the copied bytes of one client connection into requests."""

    keep: Callable[[Seen], None]
    requests: list[Seen] = field(default_factory=list)
    answered: int = 0
    _buffer: bytes = b""
    _missing: int = 0  # bytes of the last request's body

    def feed(self, data: bytes) -> None:
        """Take bytes of the client. A request counts from its head on: a refusal may overtake the body."""
        self._buffer += data
        while self._body() and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
            self._open(head.decode("latin-1"))

    def _body(self) -> bool:
        """Move what has come of the last request's body; tell whether it is whole."""
        if self._missing:
            piece = self._buffer[: self._missing]
            self.requests[-1].body += piece
            self._buffer = self._buffer[len(piece) :]
            self._missing -= len(piece)
        return not self._missing

    def _open(self, head: str) -> None:
        line, *lines = head.split("\r\n")
        method, target, _ = line.split(" ", 2)
        entries = (entry.partition(":") for entry in lines)
        seen = Seen(method, target, [(name, value.strip()) for name, _, value in entries])
        assert seen.header("transfer-encoding") is None, "a chunked request body: teach the front to read it"
        self._missing = int(seen.header("content-length") or 0)
        self.requests.append(seen)
        self.keep(seen)

    def answer(self, data: bytes) -> bool:
        """Take bytes of the server; tell whether an answer begins. Nobody pipelines: a status line opens a read."""
        begins = data.startswith(b"HTTP/1.1 ") and self.answered < len(self.requests)
        if begins:
            self.requests[self.answered].status = int(data[9:12])
            self.answered += 1
        return begins


class Front:
    """A relay that remembers the requests. `hold_after = k`: an event stream is held back behind its k-th event."""

    def __init__(self, target_port: int) -> None:
        self.requests: list[Seen] = []
        self.hold_after: int | None = None
        self.port = free_port()
        self._target = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        listening = asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(5)

    @property
    def url(self) -> str:
        """The address clients are given."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop relaying; connections still open are cut."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        copy = RequestCopy(self.requests.append)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        both = self._up(reader, up_writer, copy), self._down(up_reader, writer, copy)
        ways = [asyncio.ensure_future(way) for way in both]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way, end in zip(ways, (writer, up_writer), strict=True):
                way.cancel()
                end.close()

    @staticmethod
    async def _up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: RequestCopy) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                copy.feed(data)
                writer.write(data)
                await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: RequestCopy) -> None:
        events = 0
        try:
            while data := await reader.read(65536):
                if copy.answer(data):
                    events = 0  # the connection was kept and carries its next answer
                piece = self._until_hold(data, events)
                events += piece.count(b"\n\n")
                writer.write(piece)
                await writer.drain()
                if len(piece) < len(data):
                    await asyncio.Event().wait()  # until the reader leaves
        except ConnectionResetError:
            writer.transport.abort()  # a cut answer stays a cut answer

    def _until_hold(self, data: bytes, events: int) -> bytes:
        if self.hold_after is None:
            return data
        end = 0
        for _ in range(self.hold_after - events):
            if (found := data.find(b"\n\n", end)) < 0:
                return data
            end = found + 2
        return data[:end]
