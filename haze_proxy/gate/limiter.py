"""How fast may a key be? One GCRA for each limit, in memory, exact because one process runs all requests.

GCRA keeps one number for a limit: the moment at which all that was taken would have been earned at the steady rate. A
bucket of `burst` units refills at `per_minute`; what is refused takes nothing.
"""

import math
from dataclasses import dataclass, field
from typing import Final

MINUTE_S: Final = 60.0
# Less than this is what adding up fractions of seconds leaves over: the last unit of a burst must not hang on it.
ROUNDING_S: Final = 1e-6
# Official clients misread longer waits: Claude Code gives up above a minute, OpenAI's Node client ignores it.
RETRY_AFTER_S: Final = (1, 60)
# A sixth of a minute's requests may come at once, and never fewer than these.
BURST_SHARE: Final = 6
BURST_MIN: Final = 10
# One `/context` of Claude Code counts 26 bodies at once.
COUNTS_PER_MINUTE: Final = 300
COUNTS_AT_ONCE: Final = 32


@dataclass(slots=True)
class Bucket:
    """One limit of one key, and the rate at which it was used last. Times are seconds of a monotonic clock."""

    earned_at: float = 0.0
    per_minute: int = 0

    def wait(self, now: float, cost: float, per_minute: int, burst: float) -> float:
        """Seconds until `cost` units could be taken; 0 if they can be taken now. Takes nothing."""
        self._keep_units(now, per_minute)
        interval = MINUTE_S / per_minute
        # What is larger than the whole bucket passes when the bucket is full, and is paid off afterwards.
        full = min(cost, burst)
        wait = max(self.earned_at, now) + interval * (full - burst) - now
        return wait if wait > ROUNDING_S else 0.0

    def take(self, now: float, cost: float, per_minute: int) -> None:
        """Take units; a negative cost gives them back."""
        self._keep_units(now, per_minute)
        self.earned_at = max(self.earned_at, now) + cost * MINUTE_S / per_minute

    def left(self, now: float, per_minute: int, burst: float) -> int:
        """Whole units that could be taken now."""
        self._keep_units(now, per_minute)
        interval = MINUTE_S / per_minute
        return max(0, math.floor(burst - max(0.0, self.earned_at - now) / interval + 1e-6))

    def full_in(self, now: float) -> float:
        """Seconds until the bucket is full again."""
        return max(0.0, self.earned_at - now)

    def _keep_units(self, now: float, per_minute: int) -> None:
        """Where the limit was changed, what was taken is earned at the new rate from now on."""
        if per_minute != self.per_minute:
            if self.per_minute and self.earned_at > now:
                self.earned_at = now + (self.earned_at - now) * self.per_minute / per_minute
            self.per_minute = per_minute


@dataclass(slots=True)
class Pace:
    """What one key has running and has used."""

    requests: Bucket = field(default_factory=Bucket)
    tokens: Bucket = field(default_factory=Bucket)
    counts: Bucket = field(default_factory=Bucket)
    running: int = 0
    counting: int = 0


def request_burst(per_minute: int) -> int:
    """How many requests may come at once."""
    return max(BURST_MIN, per_minute // BURST_SHARE)


def retry_after(wait_s: float) -> int:
    """Whole seconds for the Retry-After header, within what clients understand."""
    low, high = RETRY_AFTER_S
    return min(high, max(low, math.ceil(wait_s)))
