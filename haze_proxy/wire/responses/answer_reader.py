"""A Responses answer as events, streamed or whole."""

from collections.abc import Callable
from typing import Any

from haze_proxy.wire import sse
from haze_proxy.wire.conversation import Seal
from haze_proxy.wire.events import (
    CallDelta,
    CallEnd,
    CallStart,
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
from haze_proxy.wire.responses.items_reader import ORIGIN
from haze_proxy.wire.values import arr, obj, parse, text

STEMS = ("input", "output")
INCOMPLETE: dict[str, Reason] = {"max_output_tokens": "length", "content_filter": "refusal"}
ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
PARAGRAPH = "\n\n"  # between the parts of a summary
CALLS = frozenset({"function_call", "custom_tool_call"})


def read_answer(body: dict[str, Any]) -> list[Event]:
    """The events of an answer that was not streamed. Never raises: what is no answer is a Failed."""
    if not isinstance(body.get("output"), list):
        return [Failed(problem(body)) if body.get("error") else Failed(Problem("server", NO_ANSWER))]
    reader = Reader()
    events = reader.ended(body)
    return events if events and isinstance(events[-1], Failed) else events + reader.finish()


class Reader:
    """Reads a stream. Its end is told by finish(), once the terminal event or the end of the body has come.

    Some servers send whole values only ("done"), some the last event only: what has not come in pieces is read there.
    """

    def __init__(self) -> None:
        self.done = False  # whether the terminal event was seen
        self._cut = sse.Reader()
        self._usage: Usage | None = None
        self._stopped = Stopped("end")
        self._called = False
        self._sent: dict[tuple[object, str, object], int] = {}  # characters of each value that have come in pieces
        self._open: dict[int, CallStart] = {}
        self._finished: set[int] = set()  # output indices of items that are complete
        self._handlers: dict[str, Callable[[dict[str, Any]], list[Event]]] = {
            "response.output_text.delta": lambda body: self._piece(body, "text", TextDelta),
            "response.output_text.done": lambda body: self._rest(body, "text", TextDelta),
            "response.refusal.delta": lambda body: self._piece(body, "refusal", RefusalDelta),
            "response.refusal.done": lambda body: self._rest(body, "refusal", RefusalDelta),
            "response.reasoning_text.delta": lambda body: self._piece(body, "reasoning", ReasoningDelta),
            "response.reasoning_summary_text.delta": lambda body: self._piece(body, "summary", ReasoningDelta),
            "response.reasoning_summary_part.added": self._paragraph,
            "response.function_call_arguments.delta": self._arguments,
            "response.function_call_arguments.done": self._arguments,
            "response.custom_tool_call_input.delta": self._arguments,
            "response.custom_tool_call_input.done": self._arguments,
            "response.output_text.annotation.added": lambda body: _cited(body.get("annotation")),
            "response.output_item.added": lambda body: self._begin(_index(body), obj(body.get("item"))),
            "response.output_item.done": lambda body: self._item(_index(body), obj(body.get("item"))),
            "error": lambda body: [Failed(problem(body.get("error") or body))],
        }

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
        """How the answer ended. Without the terminal event it did not end: it broke off."""
        if not self.done:
            return [Failed(Problem("broken", BROKEN_OFF))]
        used: list[Event] = [Used(self._usage)] if self._usage else []
        return [*used, Stopped("calls") if self._called and self._stopped.reason == "end" else self._stopped]

    def _read(self, raw: bytes) -> list[Event]:
        event = sse.parse(raw)
        body = obj(parse(event.data)) if event.data else {}
        kind = text(body.get("type")) or event.name or ("error" if body.get("error") else "")
        if kind in ENDS:
            return self.ended(obj(body.get("response")))
        handler = self._handlers.get(kind)
        return handler(body) if handler and body else []

    def ended(self, response: dict[str, Any]) -> list[Event]:
        """The whole response, at its end: what of it has not been read yet."""
        self.done = True
        self._usage = read_usage(response.get("usage"), STEMS)
        if response.get("status") == "failed" or response.get("error"):
            return [Failed(problem(response.get("error") or {}))]
        events: list[Event] = []
        for index, item in enumerate(arr(response.get("output"))):
            events += self._item(index, obj(item))
        for index in list(self._open):
            events += self._end_call(index)
        reason = text(obj(response.get("incomplete_details")).get("reason"))
        if response.get("status") == "incomplete":
            self._stopped = Stopped(INCOMPLETE.get(reason, "length"))
        return events

    def _piece(self, body: dict[str, Any], kind: str, event: Callable[[str], Event]) -> list[Event]:
        said = text(body.get("delta"))
        place = _place(body, kind)
        self._sent[place] = self._sent.get(place, 0) + len(said)
        return [event(said)] if said else []

    def _rest(self, body: dict[str, Any], kind: str, event: Callable[[str], Event]) -> list[Event]:
        """A whole value: what of it has not come in pieces."""
        place, said = _place(body, kind), text(body.get(kind))
        sent = self._sent.get(place, 0)
        self._sent[place] = max(sent, len(said))
        return [event(said[sent:])] if len(said) > sent else []

    def _paragraph(self, body: dict[str, Any]) -> list[Event]:
        return [ReasoningDelta(PARAGRAPH)] if body.get("summary_index") else []

    def _begin(self, index: int, item: dict[str, Any]) -> list[Event]:
        name = text(item.get("name"))
        if text(item.get("type")) not in CALLS or not name or index in self._open or index in self._finished:
            return []
        self._called = True
        custom = item.get("type") == "custom_tool_call"
        call_id = text(item.get("call_id")) or text(item.get("id"))
        call = CallStart(index, call_id, name, custom, text(item.get("namespace")))
        self._open[index] = call
        return [call]

    def _arguments(self, body: dict[str, Any]) -> list[Event]:
        index = _index(body)
        if index not in self._open:
            return []

        def event(said: str) -> Event:
            return CallDelta(index, said)

        if "delta" in body:
            return self._piece({"delta": body["delta"], "output_index": index}, "call", event)
        return self._whole_arguments(index, text(body.get("arguments")) or text(body.get("input")))

    def _whole_arguments(self, index: int, said: str) -> list[Event]:
        place = (index, "call", None)
        sent = self._sent.get(place, 0)
        self._sent[place] = max(sent, len(said))
        return [CallDelta(index, said[sent:])] if len(said) > sent else []

    def _end_call(self, index: int) -> list[Event]:
        self._open.pop(index, None)
        self._finished.add(index)
        return [CallEnd(index)]

    def _item(self, index: int, item: dict[str, Any]) -> list[Event]:
        """A complete item."""
        kind = text(item.get("type"))
        if index in self._finished or not kind:
            return []
        if kind in CALLS:
            begun = self._begin(index, item)
            if index not in self._open:
                return []
            said = self._whole_arguments(index, text(item.get("arguments")) or text(item.get("input")))
            return [*begun, *said, *self._end_call(index)]
        self._finished.add(index)
        if kind == "reasoning":
            return self._reasoning(index, item)
        return self._message(index, item) if kind == "message" else []

    def _message(self, index: int, item: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        for place, part in enumerate(map(obj, arr(item.get("content")))):
            where = {"output_index": index, "content_index": place, **part}
            if part.get("type") == "refusal":
                events += self._rest(where, "refusal", RefusalDelta)
            else:
                known = (index, "text", place) in self._sent
                events += self._rest(where, "text", TextDelta)
                # Those of a streamed text have come as events of their own.
                events += [] if known else [cited for entry in arr(part.get("annotations")) for cited in _cited(entry)]
        return events

    def _reasoning(self, index: int, item: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        if not any(place[0] == index and place[1] in ("reasoning", "summary") for place in self._sent):
            thought = "".join(text(obj(part).get("text")) for part in arr(item.get("content")))
            thought = thought or PARAGRAPH.join(text(obj(part).get("text")) for part in arr(item.get("summary")))
            events += [ReasoningDelta(thought)] if thought else []
        if encrypted := text(item.get("encrypted_content")):
            data = {"id": text(item.get("id")), "encrypted_content": encrypted}
            events.append(Sealed(Seal(ORIGIN, data)))
        return events


def _index(body: dict[str, Any]) -> int:
    index = body.get("output_index")
    return index if isinstance(index, int) else 0


def _place(body: dict[str, Any], kind: str) -> tuple[object, str, object]:
    """Which value a piece belongs to."""
    part = body.get("content_index") if kind in ("text", "refusal") else None
    return _index(body), kind, part if isinstance(part, int) else None


def _cited(annotation: object) -> list[Event]:
    source = obj(annotation)
    url = text(source.get("url"))
    return [Cited(url, text(source.get("title")))] if url else []
