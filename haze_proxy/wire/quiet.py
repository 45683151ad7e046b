"""Keep reasoning from a client that did not ask for it, as far as the provider can do without.

Many providers always show their reasoning, and some want it back with the calls it led to. A Messages client that did
not turn thinking on expects text in the first block. So reasoning waits: before a call it goes out, since it must come
back with it; at the end of an answer without calls it is left out.
"""

from collections.abc import Iterable

from haze_proxy.wire.events import CallStart, Event, ReasoningDelta, Sealed


class Quiet:
    """One per answer. `asked`: the client wants the reasoning, and everything passes."""

    def __init__(self, *, asked: bool) -> None:
        self._asked = asked
        self._held: list[Event] = []

    @property
    def withholds(self) -> bool:
        """Whether reasoning waits."""
        return bool(self._held)

    def feed(self, events: Iterable[Event]) -> list[Event]:
        """The events that may go out now."""
        if self._asked:
            return list(events)
        passing: list[Event] = []
        for event in events:
            if isinstance(event, ReasoningDelta | Sealed):
                self._held.append(event)
                continue
            if isinstance(event, CallStart):
                passing += self._held
                self._held = []
            passing.append(event)
        return passing
