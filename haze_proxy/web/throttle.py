"""How often may somebody try? Attempts are counted by name (an e-mail address, a network address) before they run."""

from collections.abc import Callable
from typing import Final

from cachetools import TTLCache

from haze_proxy.errors import RateLimited

# More names than that are not remembered: whoever has so many addresses is not stopped by counting them.
NAMES_MAX: Final = 100_000
# What Retry-After may say at most.
RETRY_AFTER_MAX_S: Final = 60


class Throttle:
    """At most `most` attempts by one name, until none was made for `quiet_s` seconds of the clock."""

    def __init__(self, most: int, quiet_s: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._quiet_s = quiet_s
        self._counts: TTLCache[str, int] = TTLCache(NAMES_MAX, quiet_s, clock)

    def count(self, name: str) -> None:
        """Count an attempt. Raises RateLimited (429), and counts nothing, when there were too many."""
        self._counts[name] = self.check(name) + 1

    def check(self, name: str) -> int:
        """How many attempts were made. Raises RateLimited (429) when another one would be too many."""
        before = self._counts.get(name, 0)
        if before >= self._most:
            minutes = self._quiet_s // 60
            raise RateLimited(f"Too many attempts. Try again in {minutes} minutes.", retry_after_s=RETRY_AFTER_MAX_S)
        return before

    def take_back(self, name: str) -> None:
        """The last attempt was no guess: people who log in from one place are not counted against it."""
        if (before := self._counts.get(name)) is not None:
            self._counts[name] = before - 1

    def forget(self, name: str) -> None:
        """The right person came."""
        self._counts.pop(name, None)
