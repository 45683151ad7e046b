"""Passwords off the loop, one at a time: each costs 20 ms of a core and 19 MiB, and streams run beside them."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from haze_proxy import passwords
from haze_proxy.errors import Unavailable

R = TypeVar("R")

WAITING_MAX: Final = 50


class Passwords:
    """A queue in front of argon2."""

    def __init__(self) -> None:
        self._one = asyncio.Semaphore(1)
        self._waiting = 0

    async def hashed(self, password: str) -> str:
        """What is stored of a password. Raises Unavailable when too many wait."""
        return await self._in_turn(lambda: passwords.hashed(password))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether a password is the stored one; as slow where nothing is stored. Raises Unavailable."""
        return await self._in_turn(lambda: passwords.matches(stored, password))

    async def _in_turn(self, work: Callable[[], R]) -> R:
        if self._waiting >= WAITING_MAX:
            raise Unavailable("Too many people log in at this moment. Try again in a few seconds.", retry_after_s=2)
        self._waiting += 1
        try:
            async with self._one:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
