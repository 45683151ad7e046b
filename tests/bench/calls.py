"""The requests of the benchmark, each with what a right answer to it must hold."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from . import answers

PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}
TERMINALS = {"chat": answers.CHAT_TERMINAL, "messages": answers.MESSAGES_TERMINAL}
PROSE = 'He said: "read the file first", then ran the tests again.\n\tTwo failed, one was new; see src/relay.py:41.\n'
HELD_MS = 600_000  # the pause after the first chunk of a stream that is only held open


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request, and what its answer must hold.

    `chunks`: how many its stream must bring, 0 if it does not stream. `shows_usage`: the client asked to see it.
    `spoken`: the protocol of the channel that has the model, where that is another one.
    """

    protocol: str
    model: str
    body: bytes
    chunks: int = 0
    shows_usage: bool = True
    spoken: str = ""

    @property
    def channel(self) -> str:
        """The protocol of the channel that has the model."""
        return self.spoken or self.protocol

    def request(self, headers: str) -> bytes:
        """The HTTP request with these extra header lines (each ended by CRLF)."""
        head = (
            f"POST {PATHS[self.protocol]} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self.body)}\r\n{headers}\r\n"
        )
        return head.encode() + self.body

    def fault(self, status: int, body: bytes) -> str:
        """What is wrong with this answer; empty when it is right."""
        if status != 200:
            return f"status {status}"
        if (b'_tokens":' in body) != self.shows_usage:
            return "no usage" if self.shows_usage else "usage that was not asked for"
        if not self.chunks:
            return ""
        if not body.endswith(TERMINALS[self.protocol]):
            return "the terminal event is missing"
        count = body.count(answers.WORD.encode())
        return "" if count == self.chunks else f"{count} chunks instead of {self.chunks}"


def chat() -> Call:
    """A small chat completion: a body of 1.5 KB."""
    return Call("chat", "bench-chat", _chat_body("bench-chat"))


def chat_stream(chunks: int, delay_ms: int, include_usage: bool = True) -> Call:
    """The same, streamed."""
    model = f"bench-chat-n{chunks}-d{delay_ms}"
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if include_usage else {}
    return Call("chat", model, _chat_body(model, stream=True, **more), chunks, include_usage)


def chat_stream_without_usage(chunks: int, delay_ms: int) -> Call:
    """The same from a client that does not ask for the usage, as most do: a gateway asks for it and keeps it."""
    return chat_stream(chunks, delay_ms, include_usage=False)


def messages_big() -> Call:
    """A coding agent's turn: a body of 150 KB with tools, cache marks and a long history."""
    body = {
        "model": "bench-messages", "max_tokens": 8192, "tools": [_tool(i) for i in range(20)],
        "system": [{"type": "text", "text": PROSE * 110, "cache_control": {"type": "ephemeral"}}],
        "messages": [message for i in range(30) for message in _agent_turn(i)],
    }  # fmt: skip
    return Call("messages", "bench-messages", _json(body))


def messages_stream(chunks: int, delay_ms: int) -> Call:
    """A small streamed message: a body of 1.5 KB."""
    model = f"bench-messages-n{chunks}-d{delay_ms}"
    turn = {"role": "user", "content": [{"type": "text", "text": PROSE * 12}]}
    body = {"model": model, "max_tokens": 1024, "stream": True, "messages": [turn]}
    return Call("messages", model, _json(body), chunks)


def elsewhere(call: Call, spoken: str) -> Call:
    """The same request for a model whose channel speaks another protocol only."""
    model = call.model.replace("bench-", f"bench-{spoken}-for-", 1)
    body = call.body.replace(call.model.encode(), model.encode(), 1)
    return dataclasses.replace(call, model=model, body=body, spoken=spoken)


def held_stream() -> Call:
    """A chat stream that brings one chunk and then pauses for minutes."""
    return chat_stream(2, HELD_MS)


def _chat_body(model: str, **more: Any) -> bytes:
    system = {"role": "system", "content": "You are a helpful assistant. " + PROSE * 2}
    turns = [system, {"role": "user", "content": PROSE * 10}]
    return _json({"model": model, "messages": turns, "temperature": 0.7, "max_tokens": 1024, **more})


def _tool(number: int) -> dict[str, Any]:
    properties = {f"field_{i}": {"type": "string", "description": PROSE} for i in range(8)}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": f"tool_{number}", "description": PROSE * 6, "input_schema": schema}


def _agent_turn(number: int) -> list[dict[str, Any]]:
    use = {"type": "tool_use", "id": f"toolu_{number:024}", "name": "tool_1", "input": {"field_1": PROSE * 2}}
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": [{"type": "text", "text": PROSE * 24}]}
    return [
        {"role": "assistant", "content": [{"type": "text", "text": PROSE}, use]},
        {"role": "user", "content": [result]},
    ]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


if __name__ == "__main__":
    for call in (chat(), chat_stream(50, 2), messages_big(), messages_stream(50, 2)):
        print(call.model, len(call.body))
