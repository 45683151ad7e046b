"""What came with each key lately, in memory: who sets up a client sees what it did, and what was wrong with it.

Bounded: a few requests of each of the keys that were used last. It is forgotten with the process, and holds neither
credentials nor anything of a body but the model's id.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

KEYS_MAX: Final = 2000
LAST: Final = 8
TEXT_MAX: Final = 120
REASON_MAX: Final = 400


@dataclass(slots=True, eq=False)
class Arrival:
    """One request. `status` is 0 until it is answered; `admitted`: it was let through to a model.

    `agent` is the User-Agent. `beside`: another credential came in the other header, and the one in the header of this
    name was taken. `reason` is what the caller was told, where Haze refused it.
    """

    at_ms: int
    request_id: str
    path: str
    agent: str
    protocol: str = ""
    model: str = ""
    status: int = 0
    reason: str = ""
    beside: str = ""
    admitted: bool = False


@dataclass(slots=True)
class Seen:
    """What is remembered of a key: the last requests, oldest first, and the last one that reached a model.

    `answered` outlives the others: a client that asks for lists of models would push it out.
    """

    last: deque[Arrival] = field(default_factory=lambda: deque(maxlen=LAST))
    answered: Arrival | None = None

    def __iter__(self) -> Iterator[Arrival]:
        """The newest first."""
        return reversed(self.last)


NOTHING: Final = Seen()


class Arrivals:
    """By a key's id; the key that was used longest ago goes first."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._of: OrderedDict[int, Seen] = OrderedDict()

    def __len__(self) -> int:
        """Of how many keys something is remembered."""
        return len(self._of)

    def add(self, key_id: int, arrival: Arrival) -> None:
        """A request has come with a key."""
        seen = self._of.get(key_id)
        if seen is None:
            seen = self._of[key_id] = Seen()
            if len(self._of) > self._keys_max:
                self._of.popitem(last=False)
        else:
            self._of.move_to_end(key_id)
        seen.last.append(arrival)

    def admit(self, key_id: int, arrival: Arrival) -> None:
        """It is let through to a model."""
        arrival.admitted = True
        if key_id in self._of:
            self._of[key_id].answered = arrival

    def of(self, key_id: int) -> Seen:
        """What is remembered of a key."""
        return self._of.get(key_id, NOTHING)
