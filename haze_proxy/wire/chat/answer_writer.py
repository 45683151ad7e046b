"""Events as a Chat Completions answer, streamed or whole."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from haze_proxy.wire.chat.answer_reader import STEMS
from haze_proxy.wire.chat.reasoning import DETAILS, details_of
from haze_proxy.wire.conversation import Seal
from haze_proxy.wire.events import (
    CHARACTERS_PER_TOKEN,
    CallDelta,
    CallEnd,
    CallExtra,
    CallStart,
    Cited,
    Context,
    Event,
    Ping,
    Problem,
    ReasoningDelta,
    RefusalDelta,
    Sealed,
    Stopped,
    TextDelta,
    Usage,
    Used,
)
from haze_proxy.wire.naming import CallIds
from haze_proxy.wire.openai import error_object, write_usage
from haze_proxy.wire.values import text

REASONS = {"length": "length", "calls": "tool_calls", "refusal": "content_filter"}
KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


class Writer:
    """Writes a stream. feed() gives what may go out at once, close() the end of the answer, fail() its failure."""

    def __init__(self, context: Context) -> None:
        self.begun = False  # whether anything was written
        self._context = context
        head = {
            "id": f"chatcmpl-{context.seed}",
            "object": "chat.completion.chunk",
            "created": context.created,
            "model": context.model,
        }
        # Each chunk differs in its delta only, which is all that is encoded.
        self._head = b"data: " + orjson.dumps(head)[:-1] + b',"choices":[{"index":0,"delta":'
        usage = b',"usage":null' if context.include_usage else b""
        self._tail = b',"logprobs":null,"finish_reason":null}]' + usage + b"}\n\n"
        self._closing = self._head + b'{},"logprobs":null,"finish_reason":%s}]' + usage + b"}\n\n"
        self._answer = _Answer(context)

    def begin(self) -> bytes:
        """The beginning of the answer, if nothing was written yet."""
        return b"" if self.begun else self._chunk({})

    def feed(self, events: Iterable[Event]) -> bytes:
        """The bytes of the next events."""
        written: list[bytes] = []
        for event in events:
            if isinstance(event, Ping):
                written.append(KEEP_ALIVE if self.begun else b"")
            elif (delta := self._answer.take(event)) is not None:
                written.append(self._chunk(delta))
        return b"".join(written)

    def close(self) -> bytes:
        """The end: reason to stop, usage if the client asked for it, [DONE]."""
        answer = self._answer
        rest = [self._chunk(delta) for delta in answer.unfinished()]
        if not self.begun:
            rest.append(self.begin())
        finish = self._closing % orjson.dumps(answer.finish_reason)
        return b"".join((*rest, finish, self._usage() if self._context.include_usage else b"", DONE))

    def fail(self, problem: Problem) -> bytes:
        """An error instead of an end, so that nobody takes the answer for whole."""
        return b"data: " + orjson.dumps({"error": error_object(problem)}) + b"\n\n"

    def _chunk(self, delta: dict[str, Any]) -> bytes:
        if not self.begun:
            self.begun = True
            delta = {"role": "assistant", "content": "", **delta}
        return self._head + orjson.dumps(delta) + self._tail

    def _usage(self) -> bytes:
        head = self._head[: self._head.rindex(b',"choices"')]
        return head + b',"choices":[],"usage":' + orjson.dumps(self._answer.usage) + b"}\n\n"


def write_answer(events: Iterable[Event], context: Context) -> dict[str, Any]:
    """The body of a whole answer."""
    answer = _Answer(context)
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    for event in events:
        _fold(message, answer.take(event) or {})
    for delta in answer.unfinished():
        _fold(message, delta)
    if message["content"] is None and not message.get("tool_calls") and message["refusal"] is None:
        message["content"] = ""
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
    return {
        "id": f"chatcmpl-{context.seed}",
        "object": "chat.completion",
        "created": context.created,
        "model": context.model,
        "choices": [choice],
        "usage": answer.usage,
    }


def _fold(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            _fold_call(message.setdefault(name, []), value[0])
        elif isinstance(value, list):
            message.setdefault(name, []).extend(value)
        else:
            message[name] = text(message.get(name)) + value


def _fold_call(calls: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    if piece["index"] == len(calls):
        calls.append({name: value for name, value in piece.items() if name != "index"})
        return
    call = calls[piece["index"]]
    for name, value in piece.items():
        if name in ("function", "custom"):
            member = "arguments" if name == "function" else "input"
            call[name] = {**call[name], member: call[name][member] + value[member]}
        elif name != "index":
            call[name] = value


class _Answer:
    """Events as deltas, and what must be known at the end."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ids = CallIds(context, "call_")
        self._calls: dict[int, tuple[int, CallStart]] = {}  # by key: the index for the client
        self._empty: set[int] = set()  # calls without arguments up to now
        self._thought: list[str] = []  # of the reasoning that is not sealed yet
        self._details = 0
        self._length = 0  # of the text
        self._made = 0  # characters of everything the model made
        self._usage: Usage | None = None
        self._stopped = Stopped("end")

    @property
    def finish_reason(self) -> str:
        """Why it stopped, in OpenAI's words."""
        reason = REASONS.get(self._stopped.reason, "stop")
        return "tool_calls" if self._calls and reason == "stop" else reason

    @property
    def usage(self) -> dict[str, Any]:
        """What was reported, else what is estimated."""
        estimated = Usage(input=self._context.input_estimate, output=-(-self._made // CHARACTERS_PER_TOKEN))
        return write_usage(self._usage or estimated, STEMS)

    def take(self, event: Event) -> dict[str, Any] | None:
        """The delta of an event; None where it has none."""
        handle = _HANDLERS.get(type(event))
        return handle(self, event) if handle else None

    def unfinished(self) -> list[dict[str, Any]]:
        """Deltas that complete the answer: arguments of calls without any, and why it was refused."""
        deltas = [self._arguments(key, "{}") for key in sorted(self._empty)]
        self._empty.clear()
        if self._stopped.reason == "refusal" and self._stopped.explanation:
            deltas.append({"refusal": self._stopped.explanation})
        return deltas

    def _text(self, event: TextDelta) -> dict[str, Any]:
        self._length += len(event.text)
        self._made += len(event.text)
        return {"content": event.text}

    def _reasoning(self, event: ReasoningDelta) -> dict[str, Any]:
        self._thought.append(event.text)
        self._made += len(event.text)
        return {"reasoning_content": event.text}

    def _sealed(self, event: Sealed) -> dict[str, Any] | None:
        thought, self._thought = "".join(self._thought), []
        return self._details_of(event.seal, thought)

    def _details_of(self, seal: Seal, thought: str) -> dict[str, Any] | None:
        details = details_of(seal, thought, self._details)
        self._details += 1
        return {DETAILS: details} if details else None

    def _refusal(self, event: RefusalDelta) -> dict[str, Any]:
        return {"refusal": event.text}

    def _cited(self, event: Cited) -> dict[str, Any]:
        place = {"start_index": self._length, "end_index": self._length}
        source = {"url": event.url, "title": event.title, **place}
        return {"annotations": [{"type": "url_citation", "url_citation": source}]}

    def _start(self, event: CallStart) -> dict[str, Any]:
        index = len(self._calls)
        self._calls[event.key] = (index, event)
        call: dict[str, Any] = {"index": index, "id": self._ids.of(event)}
        if event.custom:
            call |= {"type": "custom", "custom": {"name": event.name, "input": ""}}
        else:
            self._empty.add(event.key)
            call |= {"type": "function", "function": {"name": event.name, "arguments": ""}}
        if event.extra is not None:
            call["extra_content"] = event.extra
        return {"tool_calls": [call]}

    def _delta(self, event: CallDelta) -> dict[str, Any] | None:
        if event.key not in self._calls or not event.text:
            return None
        self._empty.discard(event.key)
        self._made += len(event.text)
        return self._arguments(event.key, event.text)

    def _arguments(self, key: int, said: str) -> dict[str, Any]:
        index, start = self._calls[key]
        piece = {"custom": {"input": said}} if start.custom else {"function": {"arguments": said}}
        return {"tool_calls": [{"index": index, **piece}]}

    def _extra(self, event: CallExtra) -> dict[str, Any] | None:
        if event.key not in self._calls:
            return None
        return {"tool_calls": [{"index": self._calls[event.key][0], "extra_content": event.extra}]}

    def _end(self, event: CallEnd) -> dict[str, Any] | None:
        if event.key not in self._empty:
            return None
        self._empty.discard(event.key)
        return self._arguments(event.key, "{}")

    def _used(self, event: Used) -> None:
        self._usage = event.usage

    def _stop(self, event: Stopped) -> None:
        self._stopped = event


_HANDLERS: dict[type, Callable[[_Answer, Any], dict[str, Any] | None]] = {
    TextDelta: _Answer._text,
    ReasoningDelta: _Answer._reasoning,
    Sealed: _Answer._sealed,
    RefusalDelta: _Answer._refusal,
    Cited: _Answer._cited,
    CallStart: _Answer._start,
    CallDelta: _Answer._delta,
    CallExtra: _Answer._extra,
    CallEnd: _Answer._end,
    Used: _Answer._used,
    Stopped: _Answer._stop,
}
