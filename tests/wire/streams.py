"""Streams that are made up: every protocol, any text, any order and spelling a provider might choose, any ending.

Each is a Recording, so it comes with what must be known at its end; `tokens` and `text` stay empty.
"""

import json
from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import strategies as st
from wire.recordings import Recording

Json = dict[str, Any]
Fact = dict[str, Any]

WRITERS: list[Callable[[object], bytes]] = [
    orjson.dumps,
    lambda value: json.dumps(value).encode(),
    lambda value: json.dumps(value, ensure_ascii=False).encode(),
]
_WORDS = [
    "data: [DONE]\n\n",
    '"finish_reason":"stop"',
    "event: message_stop",
    'event: error\r\ndata: {"error":{}}\r\n\r\n',
    "response.completed",
    '"usage":{"prompt_tokens":1}',
    "\\",
    '"',
    "message_delta",
    '"content":"x"',
    "",
    "é😀\u2028",
]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(_WORDS)
counts = st.integers(0, 10**6)
errors = st.fixed_dictionaries({"message": texts, "type": st.sampled_from(["server_error", "overloaded_error"])})
_names = st.fixed_dictionaries({"model": st.sampled_from(["gpt-5.2", "m"]), "id": st.sampled_from(["a-1", "msg_1"])})
_comments = st.sampled_from([": OPENROUTER PROCESSING", ": keep-alive", ":", "retry: 10", ": data: [DONE]"])


class Script:
    """A stream while it is written: documents in one spelling, comments between them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.stream = b""
        self.delivered_bytes = 0
        self._write = draw(st.sampled_from(WRITERS))
        self._line_ends = draw(st.sampled_from([[b"\n"], [b"\r\n"], [b"\r"], [b"\n", b"\r\n", b"\r"]]))
        self._space = draw(st.sampled_from([b" ", b""]))
        self.no_usage: Json = draw(st.sampled_from([{}, {"usage": None}]))

    def say(self, document: Json | str, name: str | None = None) -> None:
        """One event, perhaps after a comment."""
        line_end = self.draw(st.sampled_from(self._line_ends))
        if not self.draw(st.integers(0, 5)):
            self.stream += self.draw(_comments).encode() + line_end * 2
        data = document.encode() if isinstance(document, str) else self._write(document)
        lines = [b"event:" + self._space + name.encode()] if name else []
        self.stream += line_end.join([*lines, b"data:" + self._space + data, b"", b""])

    def text(self) -> str:
        """A piece of generated text, which is going to be said."""
        text: str = self.draw(texts)
        self.delivered_bytes += len(self._write(text)) - 2
        return text

    def end(self, protocol: str, state: str, **facts: Any) -> Recording:
        """The finished stream. After an end some upstreams go on: what follows waits, too."""
        trail = self.draw(st.sampled_from([b"", b"", b"\n", b": bye\n\n", b"data: [DONE]\n\n", b"data: {"]))
        stream = self.stream + (b"" if state == "open" else trail)
        known = {"usage": {}, "reported_final": False, "finished": state == "complete", **facts}
        return Recording(stream, protocol, state, "", tokens={}, text="", delivered_bytes=self.delivered_bytes, **known)


def _usage(names: list[str], values: st.SearchStrategy[Any] = counts) -> st.SearchStrategy[Json]:
    return st.dictionaries(st.sampled_from(names), values, min_size=1)


_chat_usage = _usage(["prompt_tokens", "completion_tokens", "total_tokens", "cost"])
_chat_deltas: list[Callable[[str], Json]] = [
    lambda text: {"content": text},
    lambda text: {"reasoning": text, "content": None},
    lambda text: {"reasoning_content": text},
    lambda text: {"refusal": text},
    lambda text: {"tool_calls": [{"index": 0, "function": {"arguments": text}}]},
]


@st.composite
def chat(draw: st.DrawFn) -> Recording:
    """Choices beside each other, usage nowhere, at the end, beside the reason or on every chunk."""
    script, names, answers = Script(draw), draw(_names), draw(st.integers(1, 2))
    place = draw(st.sampled_from(["nowhere", "extra", "every"]))
    ending = draw(st.sampled_from(["done", "done", "body", "cut", "error"]))
    facts: Fact = {**_named(names), "usage": {}, "reported_final": False, "end_reason": None, "answers": answers}
    stopped: set[int] = set()

    def chunk(index: int, delta: Json, reason: str | None = None) -> None:
        document = {**names, "choices": [{"index": index, "delta": delta, "finish_reason": reason}]}
        if reason:
            stopped.add(index)
            facts["end_reason"] = reason
        if place == "every":
            facts["usage"] = document["usage"] = draw(_chat_usage)
            facts["reported_final"] = len(stopped) == answers
        script.say(script.no_usage | document)

    chunk(0, {"role": "assistant"})
    for _ in range(draw(st.integers(0, 4))):
        chunk(draw(st.integers(0, answers - 1)), draw(st.sampled_from(_chat_deltas))(script.text()))
    if ending == "error":
        facts["error"] = draw(errors)
        broken = {"index": 0, "delta": {}, "finish_reason": "error"}
        script.say({**names, "error": facts["error"], "choices": [broken]})
        return script.end("chat", "error", **facts)
    for index in range(answers - (ending == "cut")):
        chunk(index, {}, draw(st.sampled_from(["stop", "length", "tool_calls"])))
    if ending == "cut":
        return script.end("chat", "open", **facts)
    if place == "extra":
        facts |= {"usage": draw(_chat_usage), "reported_final": True}
        script.say({**names, "choices": [], "usage": facts["usage"]})
    if ending == "done":
        script.say("[DONE]")
    return script.end("chat", "complete" if ending == "done" else "open", **facts, finished=True)


def _named(names: Json) -> Fact:
    return {"model": names["model"], "upstream_id": names["id"]}


_messages_usage = _usage(["input_tokens", "output_tokens", "cache_read_input_tokens"], counts | st.none())
_blocks: list[tuple[Json, Callable[[str], Json]]] = [
    ({"type": "text", "text": ""}, lambda text: {"type": "text_delta", "text": text}),
    ({"type": "thinking", "thinking": ""}, lambda text: {"type": "thinking_delta", "thinking": text}),
    ({"type": "tool_use", "name": "x"}, lambda text: {"type": "input_json_delta", "partial_json": text}),
]


@st.composite
def messages(draw: st.DrawFn) -> Recording:
    """Blocks one after the other, counts told anew at any time, pings and events nobody knows between them."""
    script, names = Script(draw), draw(_names)
    ending = draw(st.sampled_from(["stop", "stop", "body", "cut", "error"]))
    facts: Fact = {**_named(names), "usage": {}, "reported_final": False, "end_reason": None}

    def say(kind: str, **members: Any) -> None:
        script.say({"type": kind, **members}, kind)

    def count(usage: Json) -> Json:
        facts["usage"] |= {name: tokens for name, tokens in usage.items() if tokens is not None}
        return usage

    def delta(reason: str | None) -> None:
        usage = count(draw(_messages_usage))
        facts["reported_final"] |= any(tokens is not None for tokens in usage.values())
        facts["end_reason"] = reason or facts["end_reason"]
        say("message_delta", delta={"stop_reason": reason}, usage=usage)

    say("message_start", message={**names, "content": [], "usage": count(draw(_messages_usage))})
    for index in range(draw(st.integers(0, 3))):
        block, piece = draw(st.sampled_from(_blocks))
        say("content_block_start", index=index, content_block=block)
        for _ in range(draw(st.integers(0, 3))):
            say("content_block_delta", index=index, delta=piece(script.text()))
        say(draw(st.sampled_from(["ping", "hologram"])))
        say("content_block_stop", index=index)
    if draw(st.booleans()):
        delta(None)
    if ending == "error":
        error = draw(errors)
        say("error", error=error)
        return script.end("messages", "error", **facts, error=error)
    if ending == "cut":
        return script.end("messages", "open", **facts)
    delta(draw(st.sampled_from(["end_turn", "tool_use", "max_tokens"])))
    if ending == "stop":
        say("message_stop")
    return script.end("messages", "complete" if ending == "stop" else "open", **facts, finished=True)


_responses_usage = _usage(["input_tokens", "output_tokens", "total_tokens"], counts | st.none())
_responses_deltas = ["output_text", "reasoning_summary_text", "function_call_arguments", "refusal"]


@st.composite
def responses(draw: st.DrawFn) -> Recording:
    """The deltas of many items, the whole answer again in the last event, with or without event names."""
    script, names, named = Script(draw), draw(_names), draw(st.booleans())
    ending = draw(st.sampled_from(["completed", "completed", "incomplete", "failed", "error", "cut"]))
    facts: Fact = {**_named(names), "usage": {}, "reported_final": False}
    told: list[str] = []

    def say(kind: str, **members: Any) -> None:
        script.say({"type": kind, **members}, kind if named else None)

    say("response.created", response={**names, "status": "in_progress", "error": None, "usage": None})
    for _ in range(draw(st.integers(0, 5))):
        told.append(script.text())
        say(f"response.{draw(st.sampled_from(_responses_deltas))}.delta", delta=told[-1], item_id="i")
    say("response.output_text.done", text="".join(told))
    if ending == "cut":
        return script.end("responses", "open", **facts)
    error = draw(errors)
    if ending == "error":
        say("error", error=error)
        if draw(st.booleans()):
            return script.end("responses", "error", **facts, error=error)
        ending = "failed"  # OpenAI tells a failure twice
    usage = draw(st.none() | _responses_usage)
    facts["usage"] = {name: tokens for name, tokens in (usage or {}).items() if tokens is not None}
    facts["reported_final"] = bool(facts["usage"])
    failed = ending == "failed"
    response = {**names, "output": [{"content": "".join(told)}], "error": error if failed else None, "usage": usage}
    say(f"response.{ending}", response=response)
    return script.end("responses", "error" if failed else "complete", **facts, error=error if failed else None)


streams = chat() | messages() | responses()
