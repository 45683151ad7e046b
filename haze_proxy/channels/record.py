"""What has been seen of each channel since the start: how fast it answers, how often it fails, what runs there.

Kept in memory and nowhere else, in counters of one size whatever the traffic is: a row for each of the last sixty
minutes, and in it how many answers began within which time. Times are sorted into steps of a quarter of an octave, so
that a percentile is at most a fifth too high. An attempt costs a few additions; nothing is kept of a single one but the
last errors.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from haze_proxy.channels.probe import Health

MINUTE_S: Final = 60
HOUR_MIN: Final = 60
RECENT_MIN: Final = 5
ERRORS_KEPT: Final = 10
ERROR_CHARACTERS_MAX: Final = 500
STEPS_PER_OCTAVE: Final = 4
# A quarter of a millisecond and less is the first step.
FIRST_STEP_S: Final = 0.00025


@dataclass(slots=True)
class Minute:
    """The attempts that ended in a minute, how many of them failed, and in which step of time the others began."""

    number: int
    attempts: int = 0
    errors: int = 0
    steps: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed at a time (seconds of the injected clock), in words for the owner."""

    at: float
    model: str
    text: str


@dataclass(frozen=True, slots=True)
class Tested:
    """An answer to the owner's question whether a channel is well, at a time (seconds of the injected clock)."""

    at: float
    health: Health


@dataclass(frozen=True, slots=True)
class Pace:
    """The last minutes in numbers: attempts, those that failed, seconds to the first byte (None: there was none)."""

    attempts: int
    errors: int
    p50_s: float | None
    p95_s: float | None


class Record:
    """One channel. `in_flight` are attempts that run now; `attempts` and `errors` are those since the start."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.in_flight = 0
        self.attempts = 0
        self.errors = 0
        self.last_used: float | None = None
        self.failures: deque[Failure] = deque(maxlen=ERRORS_KEPT)
        self.tested: Tested | None = None
        self.is_being_tested = False
        self.clock = clock
        self._minutes: deque[Minute] = deque(maxlen=HOUR_MIN)

    def pace(self, minutes: int) -> Pace:
        """The last `minutes` (at most 60), the one that runs among them."""
        first = int(self.clock() // MINUTE_S) - minutes
        rows = [each for each in self._minutes if each.number > first]
        steps = sum((each.steps for each in rows), Counter[int]())
        attempts, errors = sum(each.attempts for each in rows), sum(each.errors for each in rows)
        return Pace(attempts, errors, _percentile(steps, 0.5), _percentile(steps, 0.95))

    def minute(self) -> Minute:
        """The minute that runs; one that is over an hour ago gives its place."""
        number = int(self.clock() // MINUTE_S)
        if not self._minutes or self._minutes[-1].number != number:
            self._minutes.append(Minute(number))
        return self._minutes[-1]


class Flight:
    """One attempt at a channel, from its beginning to its end; it ends once."""

    __slots__ = ("_began", "_first_byte_s", "_model", "_record", "failed")

    def __init__(self, record: Record, model: str, began: float) -> None:
        self.failed = ""
        self._record: Record | None = record
        self._model = model
        self._began = began
        self._first_byte_s: float | None = None

    def answers(self, now: float) -> None:
        """The first byte of an answer is there."""
        self._first_byte_s = now - self._began

    def end(self) -> None:
        """It is over. Where `failed` says why in words for the owner, it is an error of the channel."""
        record = self._record
        if record is None:
            return
        self._record = None
        record.in_flight -= 1
        record.attempts += 1
        minute = record.minute()
        minute.attempts += 1
        if self._first_byte_s is not None:
            minute.steps[_step(self._first_byte_s)] += 1
        if self.failed:
            record.errors += 1
            minute.errors += 1
            record.failures.append(Failure(record.clock(), self._model, self.failed[:ERROR_CHARACTERS_MAX]))


class Records:
    """All channels, by their names."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._records: dict[str, Record] = {}

    def of(self, channel: str) -> Record:
        """What is known of a channel; nothing yet, perhaps."""
        record = self._records.get(channel)
        if record is None:
            record = self._records[channel] = Record(self.clock)
        return record

    def begin(self, channel: str, model: str, began: float) -> Flight:
        """An attempt at a channel begins."""
        record = self.of(channel)
        record.in_flight += 1
        record.last_used = began
        return Flight(record, model, began)

    def keep(self, channels: Iterable[str]) -> None:
        """The configuration was changed: what is not in it any more is forgotten once nothing runs there."""
        kept = set(channels)
        for name in [each for each, record in self._records.items() if each not in kept and not record.in_flight]:
            del self._records[name]


def _step(seconds: float) -> int:
    return max(0, math.ceil(STEPS_PER_OCTAVE * math.log2(max(seconds, FIRST_STEP_S) / FIRST_STEP_S)))


def _percentile(steps: Counter[int], share: float) -> float | None:
    """The upper end of the step in which so large a share of the times has been seen."""
    left = math.ceil(steps.total() * share)
    for step in sorted(steps):
        left -= steps[step]
        if left <= 0:
            return FIRST_STEP_S * float(2 ** (step / STEPS_PER_OCTAVE))
    return None
