"""config.toml while Haze runs: where it is, since when it holds, and how it is read again.

A changed file holds once somebody says so (SIGHUP, or the administrator's button): half of an edit must not. What is
wrong changes nothing. What was opened at the start (`[server]`, `[store]`, `[stripe]`) stays as it was until a restart.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from haze_proxy import config
from haze_proxy.config import Config, ConfigError

log = logging.getLogger(__name__)

# The tables that a running server does not take over.
OPENED: Final = ("server", "store", "stripe")


class ConfigFile:
    """`path` is the file, `loaded_at` (ms since 1970) since when what it said then holds. `refused` is why the last
    reading was not taken over, or "". `read` makes a configuration of the file, or raises ConfigError. Whoever calls
    `begin` is told of each one that holds from then on.
    """

    def __init__(self, path: Path, settings: Config, read: Callable[[Path], Config] = config.load) -> None:
        self.path = path.absolute()
        self.settings = settings
        self.loaded_at = _now_ms()
        self.refused = ""
        self._opened = settings
        self._read = read
        self._digest = self._look()
        self._take_over: Callable[[Config], None] = lambda settings: None
        self._turn = asyncio.Lock()

    def begin(self, take_over: Callable[[Config], None]) -> None:
        """From now on there is something that takes a configuration over."""
        self._take_over = take_over

    async def reload(self) -> bool:
        """Read the file and take over what it says; whether that was done. `refused` says why not."""
        async with self._turn:
            digest = await asyncio.to_thread(self._look)
            try:
                settings = await asyncio.to_thread(self._read, self.path)
            except ConfigError as error:
                self.refused = str(error)
                log.error("The configuration stays as it was: %s", error)
                return False
            self._take_over(settings)
            self.settings, self.loaded_at, self.refused, self._digest = settings, _now_ms(), "", digest
        log.info("The configuration was read again.")
        return True

    async def has_changed(self) -> bool:
        """Whether the file says something else now than what holds."""
        return await asyncio.to_thread(self._look) != self._digest

    def waiting(self) -> list[str]:
        """The keys that say something else than at the start, and need a restart to hold."""
        return [key for table in OPENED for key in _differing(table, self._opened, self.settings)]

    def _look(self) -> bytes:
        try:
            return hashlib.blake2b(self.path.read_bytes()).digest()
        except OSError:
            return b""


def _differing(table: str, before: Config, after: Config) -> Iterator[str]:
    old, new = getattr(before, table), getattr(after, table)
    return (f"{table}.{key}" for key in old.__struct_fields__ if getattr(old, key) != getattr(new, key))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
