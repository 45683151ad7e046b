"""The pretend provider's answers, made once for each model as the bytes that go out.

The shapes are the providers' own (OpenAI's chat completions, Anthropic's messages), with the fields that cost a gateway
attention: with `include_usage` every chat chunk carries `"usage":null` and one more chunk carries the usage itself.
"""

import json
from dataclasses import dataclass
from typing import Any

TEXT = "The quick brown fox jumps over the lazy dog near the river bank. " * 10
WORD = " relayed"  # the text of every streamed chunk: the driver counts it
CHAT_TERMINAL = b"data: [DONE]\n\n"
MESSAGES_TERMINAL = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
CHAT_USAGE = {
    "prompt_tokens": 300, "completion_tokens": 100, "total_tokens": 400,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}  # fmt: skip
MESSAGES_USAGE = {
    "input_tokens": 300, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 100,
    "service_tier": "standard",
}  # fmt: skip
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)
STREAM_END = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Stream:
    """A streamed answer: `first` opens it, `chunk` is sent once per chunk, `last` ends it."""

    first: bytes
    chunk: bytes
    last: bytes


def whole(body: dict[str, Any], status: str = "200 OK") -> bytes:
    """A complete HTTP response with this JSON body."""
    data = _json(body)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def chat(model: str) -> bytes:
    """A finished chat completion, as an HTTP response."""
    message: dict[str, Any] = {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return whole({
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1_700_000_000, "model": model,
        "choices": [choice], "usage": CHAT_USAGE, "service_tier": "default", "system_fingerprint": "fp_bench",
    })  # fmt: skip


def messages(model: str) -> bytes:
    """A finished message, as an HTTP response."""
    return whole({
        "id": "msg_bench", "type": "message", "role": "assistant", "model": model,
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn", "stop_sequence": None, "usage": MESSAGES_USAGE,
    })  # fmt: skip


def chat_stream(model: str, include_usage: bool) -> Stream:
    """A streamed chat completion; `include_usage` as the request's `stream_options` says."""
    usage_null: dict[str, Any] = {"usage": None} if include_usage else {}

    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        chunk = {
            "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": model,
            "service_tier": "default", "system_fingerprint": "fp_bench", "choices": choices, **more,
        }  # fmt: skip
        return _frame(b"data: " + _json(chunk) + b"\n\n")

    def delta(content: dict[str, Any], finish_reason: str | None = None) -> bytes:
        return event([{"index": 0, "delta": content, "logprobs": None, "finish_reason": finish_reason}], **usage_null)

    usage = event([], usage=CHAT_USAGE) if include_usage else b""
    return Stream(
        first=STREAM_HEAD + delta({"role": "assistant", "content": "", "refusal": None}),
        chunk=delta({"content": WORD}),
        last=delta({}, "stop") + usage + _frame(CHAT_TERMINAL) + STREAM_END,
    )


def messages_stream(model: str) -> Stream:
    """A streamed message with one text block."""
    message: dict[str, Any] = {
        "id": "msg_bench", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {**MESSAGES_USAGE, "output_tokens": 1},
    }  # fmt: skip
    opening = [
        _event("message_start", message=message),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _event("ping"),
    ]
    closing = [
        _event("content_block_stop", index=0),
        _event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 100}),
        _frame(MESSAGES_TERMINAL),
    ]
    text = _event("content_block_delta", index=0, delta={"type": "text_delta", "text": WORD})
    return Stream(first=STREAM_HEAD + b"".join(opening), chunk=text, last=b"".join(closing) + STREAM_END)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _frame(payload: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def _event(kind: str, **fields: Any) -> bytes:
    return _frame(f"event: {kind}\n".encode() + b"data: " + _json({"type": kind, **fields}) + b"\n\n")
