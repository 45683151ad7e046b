"""Short ways to translate in tests."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
from hypothesis import settings
from wire.fold import fold
from wire.lint import lint

from haze_proxy.wire import translate
from haze_proxy.wire.meter import Meter
from haze_proxy.wire.options import Options
from haze_proxy.wire.translate import Stream, Translated

RECORDED = Path(__file__).parent / "recorded"
ESTIMATE = 77  # tokens of every request's input
ASKS: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream_options": {"include_usage": True}},
    "messages": {
        "model": "m",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hi"}],
        "thinking": {"type": "adaptive"},
    },
    "responses": {"model": "m", "input": "Hi"},
}
Chunk = dict[str, Any]


def law(examples: int = 100) -> Callable[[Any], Any]:
    """Settings of a property: how many examples; a busy machine is no fault."""
    return settings(max_examples=examples, deadline=None)


def asked(source: str, target: str, options: Options | None = None, **fields: Any) -> Translated:
    """A client's request for a channel: the shortest one, with these fields."""
    read = translate.request({**ASKS[source], **fields}, source, target, "upstream", options or Options())
    return read.with_facts(seed="s1", created=1_800_000_000, input_estimate=ESTIMATE)


def sent(source: str, target: str, options: Options | None = None, **fields: Any) -> dict[str, Any]:
    """The body that goes to the channel."""
    body: dict[str, Any] = orjson.loads(asked(source, target, options, **fields).body)
    return body


def answered(body: Any, source: str, target: str) -> dict[str, Any]:
    """A channel's whole answer for the client."""
    answer: dict[str, Any] = orjson.loads(translate.answer(body, asked(source, target)))
    return answer


def refused(status: int, body: Any, source: str, target: str) -> tuple[int, dict[str, Any]]:
    """A channel's refusal for the client."""
    told, error = translate.error(status, body, asked(source, target))
    return told, orjson.loads(error)


def streamed(translated: Translated, pieces: Iterable[bytes]) -> tuple[bytes, Stream]:
    """A channel's stream for the client: all its bytes, the last ones too. Every one is linted."""
    stream = Stream(translated, Meter(translated.target))
    early = b"".join([stream.feed(piece) for piece in pieces]) + stream.close()
    lint(translated.source, early, whole=False)
    lint(translated.source, early + stream.held)
    return early + stream.held, stream


def folded(source: str, target: str, pieces: Iterable[bytes], **fields: Any) -> dict[str, Any]:
    """What a client of `source` makes of a channel's stream."""
    out, stream = streamed(asked(source, target, **fields), pieces)
    assert stream.problem is None, stream.problem
    return fold(source, out)


def chunks(*bodies: Chunk | str) -> list[bytes]:
    """Chat chunks as bytes."""
    return [b"data: " + (body.encode() if isinstance(body, str) else orjson.dumps(body)) + b"\n\n" for body in bodies]


def delta(finish: str | None = None, usage: Chunk | None = None, **members: Any) -> Chunk:
    """A chat chunk with these members in its delta."""
    choice = {"index": 0, "delta": members, "finish_reason": finish}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "up",
        "choices": [choice],
        "usage": usage,
    }


def call(
    index: int | None = None, call_id: str | None = None, name: str | None = None, args: Any = None, **more: Any
) -> Chunk:
    """A piece of a tool call; what is None is not in it."""
    function = {key: value for key, value in (("name", name), ("arguments", args)) if value is not None}
    piece = {"index": index, "id": call_id, "function": function or None, **more}
    return {key: value for key, value in piece.items() if value is not None}


def named(*bodies: Chunk) -> list[bytes]:
    """Events of messages or responses as bytes."""
    return [b"event: " + body["type"].encode() + b"\ndata: " + orjson.dumps(body) + b"\n\n" for body in bodies]


def recorded(name: str) -> bytes:
    """A recorded stream."""
    return (RECORDED / name / "response.sse").read_bytes()


PNG = "data:image/png;base64,aGF6ZQ=="
USER = {"role": "user", "content": "Hi"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}


def called(*ids: str, name: str = "weather", **more: Any) -> dict[str, Any]:
    """An assistant's chat message with these calls."""
    calls = [{"id": i, "type": "function", "function": {"name": name, "arguments": "{}"}} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls, **more}


def result(call_id: str, content: Any = "sunny") -> dict[str, Any]:
    """A chat message with the result of a call."""
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def text(said: str, **more: Any) -> dict[str, Any]:
    """A text part, or block."""
    return {"type": "text", "text": said, **more}


def kinds(turn: dict[str, Any]) -> list[str]:
    """The types of a turn's blocks."""
    return [block["type"] for block in turn["content"]]
