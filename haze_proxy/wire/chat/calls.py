"""Tell the tool calls of a chat stream apart, whatever a provider leaves out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from haze_proxy.wire.conversation import Json
from haze_proxy.wire.events import CallDelta, CallEnd, CallExtra, CallStart, Event
from haze_proxy.wire.values import obj, text, written


@dataclass(slots=True)
class _Call:
    key: int
    index: int | None
    id: str = ""
    name: str = ""
    custom: bool = False
    extra: Json = None
    pieces: list[str] = field(default_factory=list)  # arguments that came before the name


class Calls:
    """All calls of one answer. A call begins with its name; what comes before it waits."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    @property
    def any(self) -> bool:
        """Whether there was a call."""
        return any(call.name for call in self._calls)

    def feed(self, pieces: Iterable[object]) -> list[Event]:
        """The events of the `tool_calls` of one chunk."""
        events: list[Event] = []
        for piece in map(obj, pieces):
            events += self._one(piece)
        return events

    def end(self) -> list[Event]:
        """All calls end with the answer: before that, none is known to be complete."""
        return [CallEnd(call.key) for call in self._calls if call.name]

    def _one(self, piece: dict[str, Any]) -> list[Event]:
        custom = obj(piece.get("custom"))
        function = custom or obj(piece.get("function"))
        name = text(function.get("name"))
        call = self._find(piece.get("index"), text(piece.get("id")), name)
        call.id = call.id or text(piece.get("id"))
        call.custom = call.custom or bool(custom)
        said, extra = _arguments(function.get("input" if custom else "arguments")), piece.get("extra_content")
        if not call.name:
            call.name, call.extra = name, call.extra or extra
            call.pieces.append(said)
            return self._start(call) if name else []
        events: list[Event] = [CallDelta(call.key, said)] if said else []
        return [*events, CallExtra(call.key, extra)] if extra is not None else events

    def _start(self, call: _Call) -> list[Event]:
        said = "".join(call.pieces)
        start = CallStart(call.key, call.id, call.name, call.custom, extra=call.extra)
        return [start, CallDelta(call.key, said)] if said else [start]

    def _find(self, index: object, call_id: str, name: str) -> _Call:
        """The call a piece belongs to: by its index, else by its id; without both a name begins a new one."""
        last = self._calls[-1] if self._calls else None
        if isinstance(index, int):
            known = next((call for call in reversed(self._calls) if call.index == index), None)
            # Some number every call 0: another id and a name of its own make it another call.
            if known and not (name and call_id and known.id not in ("", call_id)):
                return known
        elif call_id:
            known = next((call for call in self._calls if call.id == call_id), None)
            if known or (last and not name):
                return known or last or self._new(None)
        elif last and not (name and last.name):
            return last
        return self._new(index if isinstance(index, int) else None)

    def _new(self, index: int | None) -> _Call:
        call = _Call(len(self._calls), index)
        self._calls.append(call)
        return call


def _arguments(given: object) -> str:
    return given if isinstance(given, str) else "" if given is None else written(given)
