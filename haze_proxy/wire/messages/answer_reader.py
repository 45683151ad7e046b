"""A Messages answer as events, streamed or whole."""

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
    Ping,
    Problem,
    Reason,
    ReasoningDelta,
    Sealed,
    Stopped,
    TextDelta,
    Used,
)
from haze_proxy.wire.messages.blocks_reader import ORIGIN
from haze_proxy.wire.messages.usage import merged, read_usage
from haze_proxy.wire.problems import BROKEN_OFF, NO_ANSWER, problem
from haze_proxy.wire.values import arr, obj, parse, text, written

REASONS: dict[str, Reason] = {
    "end_turn": "end",
    "stop_sequence": "sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "calls",
    "refusal": "refusal",
    "pause_turn": "pause",
}
# The pieces of a block, and the member that holds the text of each.
DELTAS: dict[str, tuple[str, Callable[[str], Event]]] = {
    "text_delta": ("text", TextDelta),
    "thinking_delta": ("thinking", ReasoningDelta),
}


def read_answer(body: dict[str, Any]) -> list[Event]:
    """The events of an answer that was not streamed. Never raises: what is no answer is a Failed."""
    content = body.get("content")
    if body.get("type") == "error" or not isinstance(content, list):
        return [Failed(problem(body)) if body.get("error") else Failed(Problem("server", NO_ANSWER))]
    reader = Reader()
    events: list[Event] = []
    for index, block in enumerate(content):
        events += reader.block(index, obj(block))
        events += reader.stop(index)
    reader.told(body, body.get("usage"))
    reader.done = True
    return events + reader.finish()


class Reader:
    """Reads a stream. Its end is told by finish(), once the terminal event or the end of the body has come."""

    def __init__(self) -> None:
        self.done = False  # whether the terminal event was seen
        self._cut = sse.Reader()
        self._usage: dict[str, Any] = {}
        self._reason = ""
        self._stop: dict[str, Any] = {}
        self._kinds: dict[int, str] = {}  # of the blocks that are open, by index
        self._signatures: dict[int, str] = {}
        self._given: dict[int, str] = {}  # arguments that stood in the start of a call
        self._keys: dict[int, int] = {}  # of the calls, by index
        self._calls = 0
        self._handlers: dict[str, Callable[[dict[str, Any]], list[Event]]] = {
            "content_block_delta": self._delta,
            "content_block_start": lambda body: self.block(_index(body), obj(body.get("content_block"))),
            "content_block_stop": lambda body: self.stop(_index(body)),
            "message_start": self._start,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
            "ping": lambda _: [Ping()],
            "error": lambda body: [Failed(problem(body))],
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
        """How the answer ended. Without a reason to stop it did not end: it broke off."""
        if not self.done and not self._reason:
            return [Failed(Problem("broken", BROKEN_OFF))]
        events: list[Event] = []
        if usage := read_usage(self._usage):
            events.append(Used(usage))
        reason = REASONS.get(self._reason, "end")
        sequence, details = self._stop.get("stop_sequence"), obj(self._stop.get("stop_details"))
        explained = text(details.get("explanation"))
        return [*events, Stopped(reason, sequence if isinstance(sequence, str) else None, explained)]

    def told(self, stop: dict[str, Any], usage: object) -> None:
        """Note why the answer stops and what it used; null erases nothing."""
        self._usage = merged(self._usage, usage)
        if reason := text(stop.get("stop_reason")):
            self._reason, self._stop = reason, stop

    def block(self, index: int, block: dict[str, Any]) -> list[Event]:
        """A block begins; in an answer that was not streamed, with all that is in it."""
        # A broken upstream repeats an index: what was open there is over.
        return [*self.stop(index), *self._begin(index, block)]

    def _begin(self, index: int, block: dict[str, Any]) -> list[Event]:
        kind = self._kinds[index] = text(block.get("type"))
        match kind:
            case "text":
                said = text(block.get("text"))
                cited = [event for entry in arr(block.get("citations")) for event in _cited(obj(entry))]
                return [*([TextDelta(said)] if said else ()), *cited]
            case "thinking":
                self._signatures[index] = text(block.get("signature"))
                thought = text(block.get("thinking"))
                return [ReasoningDelta(thought)] if thought else []
            case "redacted_thinking":
                return [Sealed(Seal(ORIGIN, {"data": text(block.get("data"))}))]
            case "tool_use" if text(block.get("name")):
                given = block.get("input")
                self._given[index] = written(given) if given else ""
                self._keys[index] = key = self._calls
                self._calls += 1
                return [CallStart(key, text(block.get("id")), text(block.get("name")))]
        return []

    def stop(self, index: int) -> list[Event]:
        """A block ends."""
        kind = self._kinds.pop(index, "")
        if kind == "tool_use" and index in self._keys:
            given, key = self._given.pop(index, ""), self._keys.pop(index)
            return [*([CallDelta(key, given)] if given else ()), CallEnd(key)]
        if kind == "thinking" and (signature := self._signatures.pop(index, "")):
            return [Sealed(Seal(ORIGIN, {"signature": signature}))]
        return []

    def _read(self, raw: bytes) -> list[Event]:
        event = sse.parse(raw)
        body = obj(parse(event.data)) if event.data else {}
        handler = self._handlers.get(text(body.get("type")) or event.name or ("error" if body.get("error") else ""))
        return handler(body) if handler and body else []

    def _start(self, body: dict[str, Any]) -> list[Event]:
        self.told({}, obj(body.get("message")).get("usage"))
        return []

    def _delta(self, body: dict[str, Any]) -> list[Event]:
        index, delta = _index(body), obj(body.get("delta"))
        kind = delta.get("type")
        if index not in self._kinds:
            return []
        if isinstance(kind, str) and kind in DELTAS:
            member, event = DELTAS[kind]
            said = text(delta.get(member))
            return [event(said)] if said else []
        if kind == "input_json_delta" and index in self._keys:
            said = text(delta.get("partial_json"))
            if said:
                self._given.pop(index, None)
            return [CallDelta(self._keys[index], said)] if said else []
        if kind == "signature_delta":
            self._signatures[index] = self._signatures.get(index, "") + text(delta.get("signature"))
        return _cited(obj(delta.get("citation"))) if kind == "citations_delta" else []

    def _message_delta(self, body: dict[str, Any]) -> list[Event]:
        self.told(obj(body.get("delta")), body.get("usage"))
        return []

    def _message_stop(self, _body: dict[str, Any]) -> list[Event]:
        self.done = True
        return []


def _index(body: dict[str, Any]) -> int:
    index = body.get("index")
    return index if isinstance(index, int) else -1


def _cited(citation: dict[str, Any]) -> list[Event]:
    """A source on the web; places in the client's own documents have no equal elsewhere."""
    url = text(citation.get("url"))
    return [Cited(url, text(citation.get("title")))] if url else []
