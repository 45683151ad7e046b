"""A pretend provider: a real HTTP server on 127.0.0.1 that can be any provider, on its best or its worst day.

    async with Provider() as provider:                       # provider.url == "http://127.0.0.1:PORT/v1"
        provider.script(Reply(status=529), Reply(chunks=[*events("chat", ["Hel"])[:2], HANG_UP]))
        ...
        assert provider.requests[0].headers["x-api-key"] == "…"

Each request takes the next scripted reply; without one it gets the right answer for its path. Steps of `chunks`: bytes
are written as they are, an `asyncio.Event` is waited for, HANG waits until the caller leaves, HANG_UP cuts the line; a
`Tap` lets one step pass at each `drop()`, and `drip` puts it before every step.

What a provider's kind does to an answer is in provider_kinds, addresses where nobody answers are in provider_places.

Alone: `python tests/provider.py --port 9100 [--kind messages] [--habits openrouter] [--log FILE] [--fail 529]
[--fail-after 3]`.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NoReturn, Self

import provider_kinds
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from provider_answers import TEXTS, USAGE, Call, Json, embedded, error_body, events, whole
from provider_packers import PACKERS


class Fault(Enum):
    """What a provider does instead of going on."""

    HANG = "waits until the caller leaves"
    HANG_UP = "cuts the connection"


class HungUpError(Exception):
    """A scripted cut was reached."""


class Tap:
    """What lets a dripping answer out, one step at a time."""

    def __init__(self) -> None:
        self._drops = asyncio.Semaphore(0)

    def drop(self) -> None:
        """Let one more step pass, now or when it comes."""
        self._drops.release()

    async def passed(self) -> None:
        """Until a drop is there for the step that waits."""
        await self._drops.acquire()


class Reached(asyncio.Event):
    """A step that keeps nobody, and is set once an answer has come so far."""

    async def wait(self) -> bool:
        """At once."""
        self.set()
        return True

    async def arrived(self) -> None:
        """Until what was written before this step has been read by a caller in this process."""
        await super().wait()
        for _ in range(TURNS):
            await asyncio.sleep(0)


HANG, HANG_UP = Fault.HANG, Fault.HANG_UP
# Of the loop, until bytes on their way over 127.0.0.1 are read.
TURNS = 50
Step = bytes | asyncio.Event | Tap | Fault
KINDS = {
    "/chat/completions": "chat",
    "/messages": "messages",
    "/messages/count_tokens": "messages",
    "/responses": "responses",
    "/embeddings": "embeddings",
}


@dataclass
class Reply:
    """One scripted answer.

    `headers` win over the usual ones. `body`: bytes and text go out as they are, anything else as JSON. `chunks`:
    steps, written one by one, with any status. `late`: what comes before the status line. `compress`: one of PACKERS,
    each chunk flushed. `content_length`: claimed instead of the true one; the connection closes after it. `raw`: the
    whole answer, status line and all, sent as it is before the connection closes.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = b""
    chunks: Sequence[Step] | None = None
    late: asyncio.Event | Tap | Fault | None = None
    compress: str | None = None
    content_length: int | None = None
    raw: bytes | None = None


@dataclass
class Received:
    """A request as it came. `closed`: the caller left before the answer ended; `peer`: the port it came from."""

    method: str
    path: str
    query: str
    headers: CIMultiDictProxy[str]
    body: bytes
    peer: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Provider:
    """The server. `otherwise` answers what is not scripted; `requests` are all that came, in their order.

    `encoding`: the one format its vectors have, whatever is asked for. `kind`: whose habits its right answers have.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        texts: Sequence[str] = TEXTS,
        usage: Json | None = None,
        encoding: str | None = None,
        kind: str | None = None,
        otherwise: Callable[[Received], Reply] | None = None,
    ) -> None:
        self.requests: list[Received] = []
        # Says what GET /models gets, whatever is scripted for others: that one is asked in the background.
        self.lists: Callable[[Received], Reply] | None = None
        self.otherwise = otherwise or (lambda received: as_kind(kind, right_answer(received, texts, usage, encoding)))
        self._port = port
        self._script: deque[Reply] = deque()
        self._arrival = asyncio.Condition()
        self._stopping = False
        self._running = 0

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # A handler is cancelled when its caller leaves: that is how `closed` is known.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.05, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await self._runner.cleanup()

    def script(self, *replies: Reply) -> None:
        """Answer the next requests with `replies`, one each."""
        self._script.extend(replies)

    async def received(self, count: int) -> list[Received]:
        """All requests, as soon as there are `count`."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        url = request.rel_url
        peer = request.transport.get_extra_info("peername")[1] if request.transport else 0
        body = await request.read()
        received = Received(request.method, url.raw_path, url.raw_query_string, request.headers, body, peer)
        async with self._arrival:
            self.requests.append(received)
            self._arrival.notify_all()
        self._running += 1
        try:
            return await self._answer(request, received)
        finally:
            self._running -= 1

    async def idle(self) -> None:
        """Until no answer is under way."""
        while self._running:
            await asyncio.sleep(0)

    async def _answer(self, request: web.Request, received: Received) -> web.StreamResponse:
        reply = self._reply(received)
        try:
            return await _send(request, reply)
        except HungUpError:
            _line_of(request).close()  # not abort(): what was written before the cut still arrives
            await _hang()
        except (asyncio.CancelledError, ConnectionResetError):
            if not self._stopping:
                received.closed.set()
            raise

    def _reply(self, received: Received) -> Reply:
        if self.lists is not None and received.path.endswith("/models"):
            return self.lists(received)
        return self._script.popleft() if self._script else self.otherwise(received)


async def _send(request: web.Request, reply: Reply) -> web.StreamResponse:
    await _take(reply.late)
    if reply.raw is not None:
        _line_of(request).write(reply.raw)
        raise HungUpError
    steps, headers = _encoded(reply)
    response = web.StreamResponse(status=reply.status, headers=headers)
    if reply.chunks is None:
        response.content_length = sum(map(len, steps))
    if reply.content_length is not None:
        response.content_length = reply.content_length
        response.force_close()
    await response.prepare(request)
    for step in steps:
        if isinstance(step, bytes):
            await response.write(step)
            await asyncio.sleep(0)
        else:
            await _take(step)
    await response.write_eof()
    return response


async def _take(step: asyncio.Event | Tap | Fault | None) -> None:
    if step is HANG_UP:
        raise HungUpError
    if step is HANG:
        await _hang()
    if isinstance(step, asyncio.Event):
        await step.wait()
    if isinstance(step, Tap):
        await step.passed()


async def _hang() -> NoReturn:
    """Wait until the lost connection cancels this handler."""
    while True:
        await asyncio.Event().wait()


def _line_of(request: web.Request) -> asyncio.Transport:
    assert request.transport is not None
    return request.transport


def _encoded(reply: Reply) -> tuple[list[Any], CIMultiDict[str]]:
    """The steps as they go out, and the headers that go with them."""
    body = reply.body
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = CIMultiDict({"Content-Type": "application/json" if reply.chunks is None else "text/event-stream"})
    headers.update(reply.headers)
    steps = [body] if reply.chunks is None else list(reply.chunks)
    if reply.compress:
        headers["Content-Encoding"] = reply.compress
        steps = _compressed(steps, reply.compress)
    return steps, headers


def _compressed(steps: Iterable[Step], encoding: str) -> list[Step]:
    pack, flush, finish = PACKERS[encoding]()
    return [*[pack(step) + flush() if isinstance(step, bytes) else step for step in steps], finish()]


def drip(steps: Iterable[Step], tap: Tap) -> list[Step]:
    """The same steps, each behind the tap."""
    return [either for step in steps for either in (tap, step)]


# ---- in good health ----


def right_answer(
    received: Received, texts: Sequence[str] = TEXTS, usage: Json | None = None, encoding: str | None = None
) -> Reply:
    """What a provider in good health says. Offered tools are called once, their result is told; schemas are obeyed."""
    path = received.path.removeprefix("/v1")
    kind = KINDS.get(path)
    if path == "/models":
        return Reply(body={"object": "list", "data": [{"id": "pretend", "object": "model"}], "has_more": False})
    if kind is None or received.method != "POST":
        return Reply(status=404, body=error_body("chat", "not_found_error", "no such route"))
    if path.endswith("count_tokens"):
        return Reply(body={"input_tokens": USAGE["messages"]["input_tokens"]})
    asked = received.json()
    if kind == "embeddings":
        return Reply(body=embedded(asked, usage, encoding))
    call, texts = _decided(asked, texts)
    with_usage = kind != "chat" or bool((asked.get("stream_options") or {}).get("include_usage"))
    if asked.get("stream"):
        return Reply(chunks=events(kind, texts, usage, call=call, model=asked["model"], with_usage=with_usage))
    return Reply(body=whole(kind, texts, usage, call=call, model=asked["model"]))


def _decided(asked: Json, texts: Sequence[str]) -> tuple[Call | None, Sequence[str]]:
    turns = asked.get("messages") or asked.get("input")
    turns = [{"role": "user", "content": turns}] if isinstance(turns, str) else turns
    last = [turn for turn in turns if turn.get("role") not in ("system", "developer")][-1]
    blocks = last["content"] if isinstance(last.get("content"), list) else []
    results = [block.get("content") for block in blocks if block.get("type") == "tool_result"]
    results += [last["output"]] if last.get("type") == "function_call_output" else []
    if last.get("role") == "tool" or results:
        told = results[0] if results else last["content"]
        return None, ["Result: ", told if isinstance(told, str) else json.dumps(told)]
    tools = [tool.get("function", tool) for tool in asked.get("tools") or []]
    tools = [tool for tool in tools if "name" in tool and tool.get("type") != "namespace"]
    tools = [tool for tool in tools if not tool.get("defer_loading")]
    if tools and asked.get("tool_choice") not in ("none", {"type": "none"}):
        tool = next((tool for tool in tools if tool["name"].lower() == "bash"), tools[0])
        schema = tool.get("input_schema") or tool.get("parameters") or {}
        return Call(tool["name"], _object(schema)), texts
    form = asked.get("response_format") or (asked.get("output_config") or asked.get("text") or {}).get("format") or {}
    if form.get("type") == "json_schema":
        return None, [json.dumps(_object(form.get("schema") or form["json_schema"]["schema"]))]
    return None, texts


def _object(schema: Json) -> Json:
    values = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}, "null": None}
    properties = schema.get("properties", {})
    return {name: values.get(properties.get(name, {}).get("type"), "echo ok") for name in schema.get("required", [])}


def as_kind(kind: str | None, reply: Reply) -> Reply:
    """The same answer with the habits of a kind of provider, one of provider_kinds.HABITS."""
    if kind is None:
        return reply
    if reply.chunks is not None:
        return replace(reply, chunks=provider_kinds.stream(kind, reply.chunks))
    if reply.status >= 400:
        return replace(reply, body=provider_kinds.error(kind, reply.status, reply.body["error"]["message"]))
    return replace(reply, body=provider_kinds.body(kind, reply.body))


# ---- alone ----


def _as_told(options: argparse.Namespace, received: Received) -> Reply:
    if options.log:
        with open(options.log, "a", encoding="utf-8") as log:
            log.write(json.dumps(_line(received)) + "\n")
    kind = KINDS.get(received.path.removeprefix("/v1"))
    if options.kind and kind and kind != options.kind:
        return Reply(status=404, body=error_body(kind, "not_found_error", "no such route"))
    if options.fail:
        failing = Reply(status=options.fail, body=error_body(kind or "chat", "api_error", "failing as told"))
        return as_kind(options.habits, failing)
    reply = as_kind(options.habits, right_answer(received))
    if options.fail_after is None or reply.chunks is None:
        return reply
    return replace(reply, chunks=[*reply.chunks[: options.fail_after], HANG_UP])


def _line(received: Received) -> Json:
    digest = hashlib.sha256(received.body).hexdigest()
    headers = list(received.headers.items())
    named = {"method": received.method, "path": received.path, "query": received.query}
    return {**named, "headers": headers, "bytes": len(received.body), "sha256": digest}


async def _serve(options: argparse.Namespace) -> None:
    async with Provider(port=options.port, otherwise=lambda received: _as_told(options, received)) as provider:
        print(provider.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A pretend provider on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--kind", choices=sorted(set(KINDS.values())), help="speak only this protocol")
    parser.add_argument("--habits", choices=sorted(provider_kinds.HABITS), help="answer as this kind of provider")
    parser.add_argument("--log", metavar="FILE", help="one JSON line per request: method, path, headers, body's sha256")
    parser.add_argument("--fail", type=int, metavar="STATUS", help="answer everything with this status")
    parser.add_argument("--fail-after", type=int, metavar="K", help="cut every stream after K events")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
