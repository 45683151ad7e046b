"""A linter of streams: what every client relies on and no test should have to say again.

Blocks are opened and closed once, their indices have no gaps, deltas go to open blocks only, and the terminal event is
the last. `lint` raises AssertionError with the event at fault. A stream that broke off is linted with `whole=False`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from haze_proxy.wire import sse
from haze_proxy.wire.envelope import LAST_SEQUENCE_NUMBER


def lint(protocol: str, stream: bytes, *, whole: bool = True) -> None:
    """Raise AssertionError if a client of the protocol could stumble over the stream."""
    LINTERS[protocol](list(events(stream)), whole)


def events(stream: bytes) -> Iterator[tuple[str | None, Any]]:
    """Each event's name and JSON; "[DONE]" as it is. The stream must end with a whole event."""
    cut = sse.Reader()
    for raw in cut.feed(stream):
        event = sse.parse(raw)
        if event.data:
            yield event.name, event.data.decode() if event.data == b"[DONE]" else orjson.loads(event.data)
    assert not cut.rest, f"The stream ends within an event: {cut.rest!r}"


def _chat(stream: list[tuple[str | None, Any]], whole: bool) -> None:
    bodies = [body for _, body in stream]
    failed = any(isinstance(body, dict) and body.get("error") for body in bodies)
    ended = bodies[-1] == "[DONE]" if bodies else False
    assert ended or failed or not whole, "[DONE] is missing"
    assert bodies.count("[DONE]") <= 1, "[DONE] comes twice"
    chunks = [body for body in bodies if body != "[DONE]" and not body.get("error")]
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) <= 1, "another answer begins"
    finished, calls = False, 0
    for n, chunk in enumerate(chunks):
        assert chunk["object"] == "chat.completion.chunk"
        if not chunk["choices"]:
            assert finished or failed, f"an empty chunk before the end: {chunk}"
            assert chunk["usage"], f"an empty chunk without usage: {chunk}"
            continue
        assert not finished, f"a chunk after the reason to stop: {chunk}"
        choice = chunk["choices"][0]
        assert (choice["delta"].get("role") == "assistant") == (n == 0), "the first chunk alone has the role"
        for call in choice["delta"].get("tool_calls") or ():
            calls = _chat_call(call, calls)
        finished = choice["finish_reason"] is not None
    assert finished or failed or not whole, "no reason to stop"


def _chat_call(call: dict[str, Any], calls: int) -> int:
    begins = bool((call.get("function") or call.get("custom") or {}).get("name"))
    if begins:
        assert call["index"] == calls, f"call {call['index']} begins after {calls} others"
        assert call["id"], "a call without an id"
        return calls + 1
    assert 0 <= call["index"] < calls, f"a delta of call {call['index']}, which has not begun"
    return calls


DELTA_OF = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "redacted_thinking": set(),
    "tool_use": {"input_json_delta"},
}


def _messages(stream: list[tuple[str | None, Any]], whole: bool) -> None:
    kinds = [body["type"] for _, body in stream]
    assert all(name == body["type"] for name, body in stream), "an event's name is not its type"
    failed = "error" in kinds
    assert not whole or failed or kinds[-1:] == ["message_stop"], "message_stop is not the last event"
    assert kinds.count("error") <= 1, "two errors"
    assert not failed or kinds[-1] == "error", "something comes after an error"
    said = [(kind, body) for (kind, (_, body)) in zip(kinds, stream, strict=True) if kind not in ("ping", "error")]
    assert not said or said[0][0] == "message_start", "the first event is not message_start"
    assert [kind for kind, _ in said].count("message_start") <= 1, "message_start comes twice"
    open_block: dict[str, Any] | None = None
    opened, stopped = 0, False
    for kind, body in said[1:]:
        if kind == "content_block_start":
            assert open_block is None, f"block {body['index']} begins within another"
            assert not stopped, "a block begins after the reason to stop"
            assert body["index"] == opened, f"block {body['index']} comes after {opened} blocks"
            open_block, opened = body, opened + 1
        elif kind == "content_block_delta":
            assert open_block is not None, f"a delta while no block is open: {body}"
            assert body["index"] == open_block["index"], f"a delta to a block that is not open: {body}"
            block = open_block["content_block"]["type"]
            assert block not in DELTA_OF or body["delta"]["type"] in DELTA_OF[block], f"{body} in a {block} block"
        elif kind == "content_block_stop":
            assert open_block is not None, f"a block is closed while none is open: {body}"
            assert body["index"] == open_block["index"], f"a block is closed that is not open: {body}"
            open_block = None
        elif kind == "message_delta":
            assert open_block is None, "the message stops within a block"
            stopped = stopped or body["delta"].get("stop_reason") is not None
            assert isinstance(body["usage"]["output_tokens"], int), "a client cannot do without usage"
    assert stopped or failed or not whole, "no reason to stop"


ENDS = {"response.completed", "response.incomplete", "response.failed"}


def _responses(stream: list[tuple[str | None, Any]], whole: bool) -> None:
    assert all(name in (None, body["type"]) for name, body in stream), "an event's name is not its type"
    bodies = [body for _, body in stream if body["type"] != "keepalive"]
    # Haze ends a native stream that dies, or that nobody pays for, without having counted along.
    ended_here = bool(bodies) and bodies[-1].get("sequence_number") == LAST_SEQUENCE_NUMBER
    counted = bodies[:-1] if ended_here else bodies
    assert [body.get("sequence_number") for body in counted] == list(range(len(counted))), "the numbers have gaps"
    kinds = [body["type"] for body in bodies]
    assert not bodies or kinds[0] in ("response.created", "error"), "the first event is not response.created"
    assert not whole or kinds[-1] in ENDS | {"error"}, "the last event is not terminal"
    assert sum(kind in ENDS for kind in kinds) <= 1, "two ends"
    items: dict[int, dict[str, Any]] = {}
    done: dict[int, dict[str, Any]] = {}
    for body in bodies:
        _response_event(body, items, done)
    if whole and kinds[-1] in ENDS and kinds[-1] != "response.failed" and not ended_here:
        assert items.keys() == done.keys(), "an item was not completed"
        final = bodies[-1]["response"]
        assert final["output"] == [done[n] for n in sorted(done)], "the end repeats another answer"
        assert isinstance(final["usage"]["output_tokens"], int)


def _response_event(body: dict[str, Any], items: dict[int, dict[str, Any]], done: dict[int, dict[str, Any]]) -> None:
    kind, place = body["type"], body.get("output_index")
    if kind == "response.output_item.added":
        assert place == len(items), f"item {place} comes after {len(items)} items"
        assert items.keys() == done.keys(), "an item begins within another"
        items[place] = body["item"]
    elif kind == "response.output_item.done":
        assert place in items.keys() - done.keys(), f"an item is completed that is not open: {body}"
        assert body["item"]["id"] == items[place]["id"], "an item changes its id"
        done[place] = body["item"]
    elif place is not None:
        assert place in items.keys() - done.keys(), f"an event for an item that is not open: {body}"
        assert body.get("item_id") == items[place]["id"], f"an event names another item: {body}"


LINTERS: dict[str, Callable[[list[tuple[str | None, Any]], bool], None]] = {
    "chat": _chat,
    "messages": _messages,
    "responses": _responses,
}
