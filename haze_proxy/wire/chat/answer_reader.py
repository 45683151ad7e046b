"""A Chat Completions answer as events, streamed or whole. Only the first choice is read.

Providers differ most in tool calls: without an index, without an id, with both repeated, all in one piece, arguments
as an object, the last piece only a signature (Gemini). The end is not the reason to stop: usage comes after it.
"""

import re
from collections.abc import Callable
from typing import Any

from haze_proxy.wire import sse
from haze_proxy.wire.chat.calls import Calls
from haze_proxy.wire.chat.reasoning import DETAILS, ORIGIN, TEXTS, joined, merged
from haze_proxy.wire.conversation import Seal
from haze_proxy.wire.events import (
    Cited,
    Event,
    Failed,
    Problem,
    Reason,
    ReasoningDelta,
    RefusalDelta,
    Sealed,
    Stopped,
    TextDelta,
    Usage,
    Used,
)
from haze_proxy.wire.openai import read_usage
from haze_proxy.wire.problems import BROKEN_OFF, NO_ANSWER, problem
from haze_proxy.wire.values import arr, obj, parse, text

STEMS = ("prompt", "completion")
REASONS: dict[str, Reason] = {
    "stop": "end",
    "length": "length",
    "tool_calls": "calls",
    "function_call": "calls",
    "content_filter": "refusal",
}
ERROR = "error"  # OpenRouter's reason to stop beside an error object
# A provider's own reason that tells of a failure OpenRouter calls a stop.
NATIVE_FAILURE = re.compile(r"error|fail|abort|cancel", re.IGNORECASE)


def read_answer(body: dict[str, Any]) -> list[Event]:
    """The events of an answer that was not streamed. Never raises: what is no answer is a Failed."""
    choice = obj(next(iter(arr(body.get("choices"))), None))
    if not choice and not body.get("error"):
        return [Failed(Problem("server", NO_ANSWER))]
    reader = Reader()
    events = reader.chunk({**body, "choices": [{**choice, "delta": choice.get("message")}]})
    reader.done = True
    return events if events and isinstance(events[-1], Failed) else events + reader.finish()


class Reader:
    """Reads a stream. Its end is told by finish(), once the terminal event or the end of the body has come."""

    def __init__(self) -> None:
        self.done = False  # whether [DONE] was seen
        self._cut = sse.Reader()
        self._usage: Usage | None = None
        self._reason = ""
        self._native = ""
        self._calls = Calls()
        self._said = False  # whether there was anything to show
        self._field = ""  # the one reasoning comes in
        self._details: list[dict[str, Any]] = []
        self._sealing = False  # whether reasoning has begun and not been sealed

    def feed(self, chunk: bytes) -> list[Event]:
        """The events this chunk completes."""
        try:
            events: list[Event] = []
            for raw in self._cut.feed(chunk):
                events += self._read(raw)
            return events
        except sse.EventTooLong:
            return [Failed(Problem("server", NO_ANSWER))]

    def close(self) -> list[Event]:
        """The end of the body: what an event without its blank line says, and how the answer ended."""
        return [*(self._read(self._cut.rest) if not self.done else ()), *self.finish()]

    def finish(self) -> list[Event]:
        """How the answer ended. Without [DONE] and a reason to stop it did not end: it broke off."""
        if not self.done and not self._reason:
            return [Failed(Problem("broken", BROKEN_OFF))]
        shown = self._said or self._calls.any
        if not shown and NATIVE_FAILURE.search(self._native):
            return [Failed(Problem("server", f"The provider failed: {self._native}."))]
        if not shown and not self._reason and self._usage is None:
            return [Failed(Problem("server", NO_ANSWER))]
        used: list[Event] = [Used(self._usage)] if self._usage else []
        reason = REASONS.get(self._reason, "end")
        # Gemini says "stop" after calls; one that met its limit is not complete, and must not be run.
        reason = "calls" if self._calls.any and reason == "end" else reason
        return [*self._seal(), *self._calls.end(), *used, Stopped(reason)]

    def _read(self, raw: bytes) -> list[Event]:
        data = sse.parse(raw).data
        if not data:
            return []
        if data.strip() == b"[DONE]":
            self.done = True
            return []
        return self.chunk(obj(parse(data)))

    def chunk(self, body: dict[str, Any]) -> list[Event]:
        """The events of one chunk."""
        if usage := read_usage(body.get("usage"), STEMS):
            self._usage = usage
        events: list[Event] = []
        choices = body.get("choices")
        if isinstance(choices, list) and choices and not (choice := obj(choices[0])).get("index"):
            events = self._delta(obj(choice.get("delta")))
            self._native = text(choice.get("native_finish_reason")) or self._native
            reason = text(choice.get("finish_reason"))
            self._reason = reason or self._reason
            if reason == ERROR and not body.get("error"):
                return [*events, Failed(Problem("server", f"The provider failed: {self._native or reason}."))]
        if body.get("error"):
            return [*events, Failed(problem(body["error"]))]
        return events

    def _delta(self, delta: dict[str, Any]) -> list[Event]:
        events = [] if _REASONING.isdisjoint(delta) else self._reasoning(delta)
        for name, read in _MEMBERS:
            if value := delta.get(name):
                events += read(self, value)
        return events

    def _reasoning(self, delta: dict[str, Any]) -> list[Event]:
        field = next((name for name in TEXTS if text(delta.get(name))), "")
        details = [detail for detail in arr(delta.get(DETAILS)) if isinstance(detail, dict)]
        merged(self._details, details)
        self._field = self._field or field
        said = text(delta.get(field)) or joined(details)
        self._sealing = self._sealing or bool(said or details)
        self._said = self._said or bool(said)
        return [ReasoningDelta(said)] if said else []

    def _seal(self) -> list[Event]:
        if not self._sealing:
            return []
        data: dict[str, Any] = {"details": self._details} if self._details else {"field": self._field}
        self._sealing, self._details = False, []
        return [Sealed(Seal(ORIGIN, data))]

    def _content(self, content: object) -> list[Event]:
        # Mistral sends content as parts, some of them thoughts.
        said = content if isinstance(content, str) else "".join(text(obj(part).get("text")) for part in arr(content))
        if not said:
            return []
        self._said = True
        return [*(self._seal() if said.strip() else ()), TextDelta(said)]

    def _refusal(self, refusal: object) -> list[Event]:
        self._said = True
        return [*self._seal(), RefusalDelta(text(refusal))]

    def _cite(self, annotations: object) -> list[Event]:
        cited = (obj(obj(entry).get("url_citation")) for entry in arr(annotations))
        return [Cited(text(source["url"]), text(source.get("title"))) for source in cited if text(source.get("url"))]

    def _tool_calls(self, calls: object) -> list[Event]:
        return [*self._seal(), *self._calls.feed(arr(calls))]

    def _function_call(self, function: object) -> list[Event]:
        return [*self._seal(), *self._calls.feed([{"index": 0, "function": function}])]


_REASONING = frozenset({*TEXTS, DETAILS})
_MEMBERS: tuple[tuple[str, Callable[[Reader, Any], list[Event]]], ...] = (
    ("content", Reader._content),
    ("annotations", Reader._cite),
    ("refusal", Reader._refusal),
    ("tool_calls", Reader._tool_calls),
    ("function_call", Reader._function_call),
)
