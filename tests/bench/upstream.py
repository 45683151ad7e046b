"""A pretend provider that is never the bottleneck: a bare asyncio.Protocol that writes bytes made beforehand.

The end of the model's name says how a stream comes: `…-n50-d2` is 50 chunks, one each 2 ms.

    python -m tests.bench.upstream --port 9100
"""

import argparse
import asyncio
import functools
import re
from typing import cast

import uvloop

from . import answers

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
MODEL = re.compile(rb'"model": ?"([^"]+)"')
STREAM = re.compile(rb'"stream": ?true')
INCLUDE_USAGE = re.compile(rb'"include_usage": ?true')
PACE = re.compile(r"-n(\d+)-d(\d+)$")
MODELS = answers.whole({"object": "list", "data": [{"id": "bench", "object": "model", "created": 1, "owned_by": "me"}]})
NOT_FOUND = answers.whole({"error": {"message": "no such route", "type": "not_found_error"}}, "404 Not Found")


@functools.cache
def whole_answer(path: bytes, model: str) -> bytes:
    """The answer to a request that does not stream."""
    if path.endswith(b"/models"):
        return MODELS
    if path.endswith(b"/chat/completions"):
        return answers.chat(model)
    return answers.messages(model) if path.endswith(b"/messages") else NOT_FOUND


@functools.cache
def streamed_answer(path: bytes, model: str, include_usage: bool) -> tuple[answers.Stream, int, float]:
    """A stream, its number of chunks, and the seconds before each chunk after the first."""
    pace = PACE.search(model)
    count, delay_ms = (int(pace[1]), int(pace[2])) if pace else (20, 0)
    chat = path.endswith(b"/chat/completions")
    return answers.chat_stream(model, include_usage) if chat else answers.messages_stream(model), count, delay_ms / 1000


class Upstream(asyncio.Protocol):
    """One keep-alive connection; one request at a time."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.buffer = b""
        self.left = 0
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self.transport = cast("asyncio.Transport", transport)
        self.loop = asyncio.get_running_loop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop a stream nobody reads."""
        if self.timer:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Collect one request, then answer it. Every request must say its length."""
        self.buffer += data
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self.buffer[:head_end]
        length = LENGTH.search(head)
        body_end = head_end + 4 + (int(length[1]) if length else 0)
        if len(self.buffer) >= body_end:
            body, self.buffer = self.buffer[head_end + 4 : body_end], self.buffer[body_end:]
            self.answer(head.split(b" ", 2)[1], body)

    def answer(self, path: bytes, body: bytes) -> None:
        """Write the answer, or begin to stream it."""
        found = MODEL.search(body)
        model = found[1].decode() if found else ""
        if not STREAM.search(body):
            self.transport.write(whole_answer(path, model))
            return
        self.stream, self.left, self.delay = streamed_answer(path, model, bool(INCLUDE_USAGE.search(body)))
        self.transport.write(self.stream.first)
        self.tick()

    def tick(self) -> None:
        """Write the next chunk. The pause counts from now on, so that chunks never come in a bunch to catch up."""
        self.left -= 1
        if self.left:
            self.transport.write(self.stream.chunk)
            self.timer = self.loop.call_later(self.delay, self.tick)
        else:
            self.transport.write(self.stream.chunk + self.stream.last)


async def serve(port: int) -> None:
    """Answer on 127.0.0.1 until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
