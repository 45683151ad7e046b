"""What the pure part of translation costs: CPU of a stream beside the meter of a native one, and of a long request.

    .venv/bin/python -m tests.bench.translation

It is for work on haze_proxy/wire. `make bench` measures the whole gateway, over HTTP: there a relayed native chunk
costs about 47 µs of CPU, and what stands here comes on top of it.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from haze_proxy.wire import ask, translate
from haze_proxy.wire.meter import Meter
from haze_proxy.wire.options import Options
from haze_proxy.wire.translate import Stream

CHUNKS = 2000
REPEATS = 7
NATIVE_CHUNK_US = 47
CAPTURE = Path(__file__).parents[1] / "wire" / "captures" / "claude_code-tool-turn2.json"
ROUNDS = 20  # of the long conversation
ASKS: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "messages": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
    "responses": {"model": "m", "input": "Hi"},
}


def cpu_s(work: Callable[[], object]) -> float:
    """The least CPU time of several runs."""
    times = []
    for _ in range(REPEATS):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def event(**body: Any) -> bytes:
    """A named event, or a chat chunk."""
    named = b"event: " + body["type"].encode() + b"\n" if "type" in body else b""
    return named + b"data: " + orjson.dumps(body) + b"\n\n"


def words(protocol: str) -> list[bytes]:
    """A stream of one word a chunk."""
    texts = [f" word{n}" for n in range(CHUNKS)]
    if protocol == "chat":
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up"}
        choices = [[{"index": 0, "delta": {"content": text}, "finish_reason": None}] for text in texts]
        end = event(**head, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        return [*[event(**head, choices=choice) for choice in choices], end, b"data: [DONE]\n\n"]
    if protocol == "messages":
        start = event(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
        deltas = [{"type": "text_delta", "text": text} for text in texts]
        end = event(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": CHUNKS})
        pieces = [event(type="content_block_delta", index=0, delta=delta) for delta in deltas]
        return [start, *pieces, event(type="content_block_stop", index=0), end, event(type="message_stop")]
    place = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0}
    end = event(type="response.completed", response={"status": "completed", "output": []})
    return [*[event(**place, delta=text) for text in texts], end]


def arguments() -> list[bytes]:
    """A chat stream of one tool call."""

    def chunk(call: dict[str, Any]) -> bytes:
        return event(choices=[{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}])

    start = chunk({"index": 0, "id": "call_1", "function": {"name": "write", "arguments": ""}})
    pieces = [chunk({"index": 0, "function": {"arguments": '"ab",'}}) for _ in range(CHUNKS)]
    return [start, *pieces, b"data: [DONE]\n\n"]


def run(stream: Stream | Meter, chunks: list[bytes]) -> None:
    """All chunks, and the end."""
    for chunk in chunks:
        stream.feed(chunk)
    stream.close()


def long_request() -> dict[str, Any]:
    """A conversation of Claude Code of about 150 kB: 20 tool round trips."""
    body: dict[str, Any] = json.loads(CAPTURE.read_text())["body"]
    body["system"][2]["text"] = "x" * 7000
    for tool in body["tools"]:
        tool["description"] = "d" * 1500
    for n in range(ROUNDS):
        use = {"type": "tool_use", "id": f"toolu_{n}", "name": "Bash", "input": {"command": "ls " * 200}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": "out\n" * 1000}
        body["messages"] += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    return body


def streams() -> None:
    """Print a line for each pair of protocols."""
    cases = [(pair, words(pair[1]), "text") for pair in sorted(translate.PAIRS)]
    cases.append((("messages", "chat"), arguments(), "tool arguments"))
    for (source, target), chunks, kind in cases:
        translated = translate.request(ASKS[source], source, target, "up", Options())
        native_us = cpu_s(lambda: run(Meter(target), chunks)) / len(chunks) * 1e6  # noqa: B023 - called at once
        us = cpu_s(lambda: run(Stream(translated, Meter(target)), chunks)) / len(chunks) * 1e6  # noqa: B023
        end_to_end = (NATIVE_CHUNK_US + us - native_us) / NATIVE_CHUNK_US
        print(
            f"{source:>9} client, {target:>9} channel, {kind:14}: {us:5.1f} µs a chunk, the meter alone "
            f"{native_us:4.1f}; end to end about {end_to_end:.2f} x native"
        )


def requests() -> None:
    """Print a line for each way of a long request."""
    body = long_request()
    raw = orjson.dumps(body)
    read_ms = cpu_s(lambda: ask.read(raw, "messages")) * 1e3
    for target in ("chat", "responses"):
        ms = cpu_s(lambda: translate.request(body, "messages", target, "up", Options())) * 1e3  # noqa: B023
        print(f"{len(raw):,} bytes of Claude Code for {target}: {ms:.2f} ms, beside {read_ms:.2f} ms to read them")


if __name__ == "__main__":
    streams()
    requests()
