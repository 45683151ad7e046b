"""The pages' door to the store: they read on a connection of their own, and write in the one writer's order.

What a page changes is known to memory (keys, balances) before its answer goes out, in the same way as a change by
another process.
"""

import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from haze_proxy.errors import Unavailable
from haze_proxy.store import changes
from haze_proxy.store.changes import Changes
from haze_proxy.store.database import Connection, snapshot
from haze_proxy.store.writer import Writer

log = logging.getLogger(__name__)

UNREADABLE = "Haze cannot read its store right now. Try again in a moment."
P = ParamSpec("P")
R = TypeVar("R")


class Access:
    """`remember` is told of each change that memory must hear of."""

    def __init__(self, remember: Callable[[Changes], None]) -> None:
        self._remember = remember
        self._reader: Connection | None = None
        self._writer: Writer | None = None

    def begin(self, reader: Connection, writer: Writer) -> None:
        """The store is open."""
        self._reader, self._writer = reader, writer

    @property
    def is_writable(self) -> bool:
        """Whether what is written now can be committed."""
        return self._writer is not None and self._writer.ready

    async def read(
        self, function: Callable[Concatenate[sqlite3.Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """`function(connection, *args)`, everything it reads being of one moment.

        Raises what it raised, or Unavailable when the store cannot be read.
        """
        if self._reader is None:
            raise _starting()
        try:
            return await self._reader.run(_at_one_moment, lambda connection: function(connection, *args, **kwargs))
        except sqlite3.Error as error:
            log.error("The store cannot be read: %s. A page is not shown.", error)
            raise Unavailable(UNREADABLE, retry_after_s=1) from error

    async def write(
        self, function: Callable[Concatenate[sqlite3.Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """`function(connection, *args)` in a transaction; returns once it is committed and memory knows what changed.

        Raises what it raised, or Unavailable when nothing can be written.
        """
        if self._writer is None:
            raise _starting()
        work = partial(changes.noticed, work=lambda connection: function(connection, *args, **kwargs))
        result: R = (await self._writer.submit(work, self._told).done)[0]
        return result

    def _told(self, result: Any) -> None:
        if not isinstance(result, Exception):
            self._remember(result[1])


def _at_one_moment(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], R]) -> R:
    with snapshot(connection):
        return work(connection)


def _starting() -> Unavailable:
    return Unavailable("Haze is starting. Try again in a moment.", retry_after_s=1)
