"""Turn the events of an answer into blocks, one open at a time: what messages and responses clients must be sent.

Chat providers run tool calls side by side, put white space between their pieces, and may send text before a call has
come to its end. Here the first open call streams; whatever comes beside it waits and follows as whole blocks. White
space alone opens no text block: it would stand empty beside a call, and providers refuse it when it comes back.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from haze_proxy.wire.conversation import Json, Seal
from haze_proxy.wire.events import (
    CallDelta,
    CallEnd,
    CallExtra,
    CallStart,
    Cited,
    Event,
    ReasoningDelta,
    RefusalDelta,
    Sealed,
    TextDelta,
)
from haze_proxy.wire.seal import CALLS

Kind = Literal["text", "reasoning", "refusal", "call"]


@dataclass(slots=True)
class Block:
    """One block of an answer; `pieces` joined are its text or arguments. `index` counts from 0 without gaps."""

    kind: Kind
    index: int
    id: str = ""
    call: CallStart | None = None
    seal: Seal | None = None
    pieces: list[str] = field(default_factory=list)
    cited: list[Cited] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it, as far as it has come."""
        return "".join(self.pieces)


class Target(Protocol):
    """Who writes the blocks down."""

    def call_id(self, call: CallStart) -> str:
        """The id the client will know the call by."""

    def opened(self, block: Block) -> None:
        """A block begins; the one before it has been closed."""

    def grown(self, block: Block, piece: str) -> None:
        """The open block got a piece, which stands in `pieces` already."""

    def cited(self, block: Block, source: Cited) -> None:
        """The open text block got a source."""

    def closed(self, block: Block) -> None:
        """The open block is complete."""


@dataclass(slots=True)
class _Call:
    """A call that began while another was open."""

    start: CallStart
    pieces: list[str] = field(default_factory=list)
    ended: bool = False


class Sequencer:
    """Feeds a target with blocks. One per answer."""

    def __init__(self, target: Target) -> None:
        self.open: Block | None = None
        self.count = 0
        self.called = False  # whether there was a call
        self._target = target
        self._space = ""  # white space that waits for text
        self._live: int | None = None  # the key of the open call
        self._queue: list[_Call | list[Event]] = []  # what waits for its end
        self._extras: dict[str, Json] = {}

    def feed(self, events: Iterable[Event]) -> None:
        """Take the next events in."""
        for event in events:
            if self._live is None:
                self._now(event)
            else:
                self._beside(event)

    def close(self) -> None:
        """The answer is over: everything that waits goes out, and the open block is closed."""
        while self._live is not None:
            self._end_call()
        self._shut()
        if self._extras:
            self._seal(Seal(CALLS, self._extras))

    def _beside(self, event: Event) -> None:
        """An event while a call is open."""
        if isinstance(event, CallStart):
            self._queue.append(_Call(event))
        elif isinstance(event, CallDelta | CallEnd | CallExtra):
            if event.key == self._live:
                self._now(event)
            elif waiting := self._waiting(event.key):
                _keep(waiting, event)
        elif self._queue and isinstance(self._queue[-1], list):
            self._queue[-1].append(event)
        else:
            self._queue.append([event])

    def _waiting(self, key: int) -> _Call | None:
        return next((item for item in self._queue if isinstance(item, _Call) and item.start.key == key), None)

    def _now(self, event: Event) -> None:
        handle = _HANDLERS.get(type(event))
        if handle is not None:
            handle(self, event)

    def _reason(self, event: ReasoningDelta) -> None:
        self._grow(self._switch("reasoning"), event.text)

    def _refuse(self, event: RefusalDelta) -> None:
        self._grow(self._switch("refusal"), event.text)

    def _grow_call(self, event: CallDelta) -> None:
        if event.key == self._live and self.open is not None:
            self._grow(self.open, event.text)

    def _late_extra(self, event: CallExtra) -> None:
        if event.key == self._live and self.open is not None:
            self._extras[self.open.id] = event.extra

    def _finish_call(self, event: CallEnd) -> None:
        if event.key == self._live:
            self._end_call()

    def _cite(self, source: Cited) -> None:
        if self.open is not None and self.open.kind == "text":
            self.open.cited.append(source)
            self._target.cited(self.open, source)

    def _text(self, event: TextDelta) -> None:
        block, text = self.open, event.text
        if block is not None and block.kind == "text":
            self._grow(block, text)
        elif text.strip():
            text, self._space = self._space + text, ""
            self._grow(self._switch("text"), text)
        else:
            self._space += text

    def _start_call(self, call: CallStart) -> None:
        self._shut()
        self.called = True
        call_id = self._target.call_id(call)
        if call.extra is not None:
            self._seal(Seal(CALLS, {call_id: call.extra}))
        self._live = call.key
        self._begin(Block("call", self.count, call_id, call))

    def _end_call(self) -> None:
        self._live = None
        self._shut()
        while self._queue and self._live is None:
            item = self._queue.pop(0)
            if isinstance(item, list):
                self.feed(item)
                continue
            self._start_call(item.start)
            if self.open is not None:
                self._grow(self.open, "".join(item.pieces))
            if item.ended:
                self._live = None
                self._shut()

    def _sealed(self, event: Sealed) -> None:
        self._seal(event.seal)

    def _seal(self, seal: Seal) -> None:
        if self.open is not None and self.open.kind == "reasoning":
            self.open.seal = seal
        else:
            self._shut()
            self._begin(Block("reasoning", self.count, seal=seal))
        self._shut()

    def _switch(self, kind: Kind) -> Block:
        if self.open is not None and self.open.kind == kind:
            return self.open
        self._shut()
        return self._begin(Block(kind, self.count))

    def _begin(self, block: Block) -> Block:
        self.count += 1
        self.open = block
        self._target.opened(block)
        return block

    def _grow(self, block: Block, piece: str) -> None:
        if piece:
            block.pieces.append(piece)
            self._target.grown(block, piece)

    def _shut(self) -> None:
        block, self.open = self.open, None
        if block is not None:
            self._target.closed(block)


def _keep(waiting: _Call, event: CallDelta | CallEnd | CallExtra) -> None:
    if isinstance(event, CallDelta):
        waiting.pieces.append(event.text)
    elif isinstance(event, CallEnd):
        waiting.ended = True
    else:
        waiting.start = replace(waiting.start, extra=event.extra)


_HANDLERS: dict[type, Callable[[Sequencer, Any], None]] = {
    TextDelta: Sequencer._text,
    ReasoningDelta: Sequencer._reason,
    Sealed: Sequencer._sealed,
    RefusalDelta: Sequencer._refuse,
    Cited: Sequencer._cite,
    CallStart: Sequencer._start_call,
    CallDelta: Sequencer._grow_call,
    CallExtra: Sequencer._late_extra,
    CallEnd: Sequencer._finish_call,
}
