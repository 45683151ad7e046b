"""Is a channel worth asking now? One that failed cools down, and comes back by itself.

It cools as long as it said itself (Retry-After), else a second, doubled with each failure in a row. The owner's trouble
(a refused credential, an empty wallet) is out for a minute at first. What concerns one model, such as a rate limit,
cools that model and leaves the channel's others alone; a line that cannot be reached and a refused credential concern
all of them. A caller's own fault concerns nobody.

Cooling is a preference: where every channel of a model cools after failures of its own, they are asked all the same,
because a refusal would help nobody. A channel that asked to be left alone, or that the owner must mend first, is not.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from haze_proxy.channels.channel import Channel
from haze_proxy.channels.directory import Candidate
from haze_proxy.channels.faults import OwnersTrouble, Unreachable, blames_the_channel, for_owner
from haze_proxy.errors import HazeError

log = logging.getLogger(__name__)

# Seconds of the first failure, and the most that doubling leads to.
FAILURE_S: Final = (1.0, 60.0)
OWNERS_TROUBLE_S: Final = (60.0, 1800.0)
# A channel that asks for more is asked again all the same.
OWN_WAIT_S_MAX: Final = 1800.0

Place = tuple[str, str]  # channel name, upstream model; "" for all of its models


@dataclass(slots=True)
class Cooling:
    """What is wrong with a channel, or with one model there. Times are seconds of the injected clock.

    `owners`: the owner must act. `barred`: not to be asked before its time, not even when there is no other.
    """

    failures: int = 0
    since: float = 0.0
    until: float = 0.0
    reason: str = ""
    owners: bool = False
    barred: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A place began to cool for `wait_s` seconds, or works again (no `cooling`)."""

    place: Place
    cooling: Cooling | None
    wait_s: float


class Health:
    """What is known of all channels; kept in memory, told to `changed` whenever it changes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.changed: Callable[[Change], None] = lambda change: None
        self._cooling: dict[Place, Cooling] = {}

    def ready(self, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        """The candidates that may be asked now, in their order: those that do not cool, else those that are not barred.

        Empty when all of them are.
        """
        if not self._cooling:
            return candidates
        warm = tuple(candidate for candidate in candidates if self.wait(candidate) <= 0)
        return warm or tuple(candidate for candidate in candidates if not self.is_barred(candidate))

    def wait(self, candidate: Candidate) -> float:
        """Seconds until a candidate has cooled down; 0: it is ready."""
        now = self.clock()
        return max((cooling.until - now for cooling in self._of(candidate)), default=0.0)

    def is_barred(self, candidate: Candidate) -> bool:
        """Whether a candidate must not be asked now."""
        now = self.clock()
        return any(cooling.barred and cooling.until > now for cooling in self._of(candidate))

    def returns_in(self, candidates: Iterable[Candidate]) -> int | None:
        """Whole seconds until the first one returns; None where the owner has to do something first."""
        waits = [self.wait(each) for each in candidates if not any(cooling.owners for cooling in self._of(each))]
        return max(1, math.ceil(min(waits))) if waits else None

    def failed(self, candidate: Candidate, error: HazeError, *, began: float, own_wait_s: float | None = None) -> None:
        """A candidate's attempt, begun at `began`, came to nothing. Requests that fail together count once."""
        if not blames_the_channel(error):
            return
        place = _place(candidate, error)
        cooling = self._cooling.setdefault(place, Cooling())
        if cooling.failures and began <= cooling.since:
            return
        cooling.failures += 1
        cooling.since, cooling.reason = self.clock(), for_owner(error)
        cooling.owners = isinstance(error, OwnersTrouble)
        cooling.barred = cooling.owners or own_wait_s is not None
        wait_s = _wait(cooling, own_wait_s)
        cooling.until = cooling.since + wait_s
        level = logging.ERROR if cooling.owners else logging.WARNING
        log.log(
            level, "Channel %s (%s) is out for %.0f s: %s", place[0], place[1] or "all models", wait_s, cooling.reason
        )
        self.changed(Change(place, cooling, wait_s))

    def worked(self, candidate: Candidate, *, began: float) -> None:
        """The answer to an attempt begun at `began` came to its end: the candidate is as good as new.

        Not if it failed others since then: a long stream's end says nothing of what is asked now.
        """
        for place in _places(candidate) if self._cooling else ():
            if place in self._cooling and began >= self._cooling[place].since:
                del self._cooling[place]
                log.info("Channel %s (%s) answers again.", place[0], place[1] or "all models")
                self.changed(Change(place, None, 0.0))

    def of(self, channel: str) -> list[tuple[str, Cooling]]:
        """(upstream model, what is wrong with it) at a channel, "" being all of its models; also what has cooled down
        and has not answered since.
        """
        found = [(model, cooling) for (name, model), cooling in self._cooling.items() if name == channel]
        return sorted(found, key=lambda each: each[0])

    def forgive(self, channel: str) -> None:
        """The owner has mended it: a channel and all of its models may be asked at once."""
        for place in [place for place in self._cooling if place[0] == channel]:
            del self._cooling[place]
            self.changed(Change(place, None, 0.0))

    def keep(self, before: Iterable[Channel], after: Iterable[Channel]) -> None:
        """The configuration was changed: of a channel that is not as it was, nothing is known any more."""
        old, new = ({channel.name: channel for channel in channels} for channels in (before, after))
        for place in [place for place in self._cooling if old.get(place[0]) != new.get(place[0])]:
            del self._cooling[place]
            self.changed(Change(place, None, 0.0))

    def _of(self, candidate: Candidate) -> list[Cooling]:
        return [self._cooling[place] for place in _places(candidate) if place in self._cooling]


def _places(candidate: Candidate) -> tuple[Place, Place]:
    name = candidate.channel.name
    return (name, ""), (name, candidate.upstream_model)


def _place(candidate: Candidate, error: HazeError) -> Place:
    everything = isinstance(error, Unreachable) or (isinstance(error, OwnersTrouble) and error.every_model)
    return candidate.channel.name, "" if everything else candidate.upstream_model


def _wait(cooling: Cooling, own_wait_s: float | None) -> float:
    first, most = OWNERS_TROUBLE_S if cooling.owners else FAILURE_S
    if own_wait_s is not None and not cooling.owners:
        return min(max(own_wait_s, first), OWN_WAIT_S_MAX)
    return min(most, first * 2.0 ** min(cooling.failures - 1, 16))
