"""What a check is given, and what it finds."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from haze_proxy.config import Config
from haze_proxy.store import channel_models, channel_switches, database, look, migrations

if TYPE_CHECKING:  # the channels' room loads aiohttp, which most commands do without
    from haze_proxy.channels.directory import Directory

OK, WARN, FAIL = "ok", "warn", "fail"
LEVELS: Final = (OK, WARN, FAIL)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: which check, how bad (one of LEVELS), what was found, and what to do about it."""

    check: str
    level: str
    found: str
    advice: str = ""


@dataclass(frozen=True)
class House:
    """What is examined: a configuration, the variables of this process, and perhaps a key."""

    settings: Config
    environ: Mapping[str, str]
    named: str | None = None

    @property
    def path(self) -> Path:
        """The store's file."""
        return Path(self.settings.store.path)

    @property
    def url(self) -> str:
        """The public address without a slash at its end."""
        return self.settings.server.public_url.rstrip("/")

    @cached_property
    def version(self) -> int | None:
        """The store's version; None where there is no store yet."""
        if not self.path.exists():
            return None
        with look.opened(self.path) as connection:
            return look.version(connection)

    @property
    def is_readable(self) -> bool:
        """Whether there is a store that this program understands as it is: the doctor changes none."""
        return self.version == migrations.newest()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The store at one moment. Only where it `is_readable`."""
        with look.opened(self.path) as connection, database.snapshot(connection):
            yield connection

    @cached_property
    def directory(self) -> "Directory":
        """Who serves what, with the lists and the switches that the store remembers."""
        from haze_proxy.channels.directory import Directory
        from haze_proxy.lists import known

        directory = Directory(self.settings, self.environ)
        if not self.is_readable:
            return directory
        with self.read() as connection:
            lists = known(directory.channels, channel_models.load(connection))
            off = {switch.channel: switch.words for switch in channel_switches.every(connection)}
        return Directory(self.settings, self.environ, lists, off)
