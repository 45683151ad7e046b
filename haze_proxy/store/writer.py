"""One writer, group commit.

All that waits goes into one BEGIN IMMEDIATE … COMMIT on the one write connection: a commit costs the same for one
charge as for a hundred. The writer's task is the only one that touches the connection, so two coroutines never share a
transaction, and what a transaction returned is applied to memory in the order of the commits.
"""

import asyncio
import logging
import math
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from haze_proxy.errors import Unavailable
from haze_proxy.store.database import Connection

Work = Callable[[sqlite3.Connection], Any]

BATCH_MAX: Final = 1000
# How many finished requests may wait to be written at once; each running request keeps one of these places.
PLACES: Final = 20_000
# An opening row waits this long for company: a request that ends sooner is written once, not twice.
LAZY_S: Final = 0.05
# While other requests run, one that ends waits for theirs: a commit costs more than the charge it carries.
GATHER_S: Final = 0.002
POLL_S: Final = 0.25
RETRY_S: Final = 1.0
# After these nobody knows what is on the disk; anything else leaves the file as it was.
BROKEN: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
UNKNOWN_AT_COMMIT: Final = {sqlite3.SQLITE_IOERR}
# … but this: a file system that became read-only. Without its last frame, whole and with its checksum, a transaction is
# not in the log: https://www.sqlite.org/fileformat2.html#the_write_ahead_log. What is not known is if a sync failed.
NOT_WRITTEN: Final = {sqlite3.SQLITE_IOERR_WRITE}
# The low byte of an extended result code names its family.
FAMILY: Final = 0xFF

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Entry:
    """One piece of work, and what waits for it. A cancelled entry is left out of the batch."""

    work: Work
    done: asyncio.Future[Any]
    then: Callable[[Any], None] | None = None
    cancelled: bool = False

    def tell(self, result: Any) -> None:
        """Wake who waits, with what the work returned or with an exception."""
        if self.done.done():
            return
        if isinstance(result, Exception):
            self.done.set_exception(result)
            self.done.exception()  # not everyone waits: an opening row has nobody to tell
        else:
            self.done.set_result(result)


class CommitUnknownError(Exception):
    """The commit failed and nobody knows whether it is on the disk, or the file is broken."""


class Writer:
    """The queue in front of the write connection. `poll` is run in the same thread, four times a second."""

    def __init__(self, connection: Connection, poll: Callable[[], Any], fatal: Callable[[str], None]) -> None:
        self.ready = True
        self._connection = connection
        self._poll = poll
        self._fatal = fatal
        self._queue: deque[Entry] = deque()
        self._later: list[Entry] = []
        self._free = PLACES
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self._closing = False
        self._stopped = False
        self._batch: list[Entry] = []

    def reserve(self) -> None:
        """Keep one place in the queue. Raises Unavailable (503) when there is none, or when nothing can be written."""
        if not self.ready or self._free <= 0:
            raise _unavailable()
        self._free -= 1

    def give_back(self) -> None:
        """Return a place that was reserved."""
        self._free += 1

    def submit(self, work: Work, then: Callable[[Any], None] | None = None, *, urgent: bool = True) -> Entry:
        """Queue a function of the connection. `entry.done` resolves to its result once it is committed.

        `then` is called in the loop with the result, or with the exception if it could not be written, before anyone
        who waits. Work that is not urgent waits a moment for company.
        """
        entry = Entry(work, self._loop.create_future(), then)
        if self._stopped:
            entry.tell(_unavailable())
            return entry
        self._queue.append(entry)
        if not urgent:
            self._wake_in(LAZY_S)
        elif self._free < PLACES - 1:
            self._wake_in(GATHER_S)
        else:
            self._wake.set()
        return entry

    def _wake_in(self, seconds: float) -> None:
        due = self._loop.time() + seconds
        if due < self._due:
            self._cancel_timer()
            self._due, self._timer = due, self._loop.call_later(seconds, self._wake.set)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due, self._timer = math.inf, None

    def later(self, work: Work, then: Callable[[Any], None]) -> None:
        """Queue as soon as the store can be written again; not at all if it cannot before the end."""
        self._later.append(Entry(work, self._loop.create_future(), then))

    async def write(self, work: Work) -> Any:
        """Queue, and wait for the commit. Raises what the work raised, or Unavailable."""
        return await self.submit(work).done

    async def run(self) -> None:
        """Commit what waits, until `close`; then what is left."""
        poll_at = self._loop.time() + POLL_S
        timer = self._loop.call_at(poll_at, self._wake.set)
        try:
            while not (self._closing and not self._queue):
                await self._wake.wait()
                self._wake.clear()
                await self._commit(poll_at)
                if self._loop.time() >= poll_at:
                    await self._tick()
                    poll_at = self._loop.time() + (POLL_S if self.ready else RETRY_S)
                    timer = self._loop.call_at(poll_at, self._wake.set)
        except Exception as error:
            # A broken file, a commit nobody knows the outcome of, or a mistake of ours: without a writer nothing can be
            # charged, so nothing may be answered.
            log.exception("The writer stopped.")
            self._fatal(str(error))
            self._abandon()
        finally:
            timer.cancel()

    def close(self) -> None:
        """Let `run` end once everything that waits is written."""
        self._closing = True
        self._resume()

    def _resume(self) -> None:
        self._queue.extend(self._later)
        self._later.clear()
        self._wake.set()

    def _abandon(self) -> None:
        # Whoever waits would keep the process from ending.
        self.ready, self._stopped = False, True
        for entry in (*self._batch, *self._queue):
            entry.tell(_unavailable())
        self._queue.clear()

    async def _commit(self, until: float) -> None:
        self._cancel_timer()
        while self._queue:
            taken = [self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue)))]
            batch = [entry for entry in taken if not entry.cancelled]
            if batch:
                self._batch = batch
                results = await self._connection.run(_transaction, [entry.work for entry in batch])
                self._apply(batch, results)
            if self.ready and self._loop.time() >= until:
                # However much there is to write: a revoked key must be noticed.
                self._wake.set()
                return

    def _apply(self, batch: list[Entry], results: list[Any]) -> None:
        for entry, written in zip(batch, results, strict=True):
            result = self._cannot_write(written) if isinstance(written, sqlite3.OperationalError) else written
            if entry.then is not None:
                entry.then(result)
            entry.tell(result)

    def _cannot_write(self, error: sqlite3.OperationalError) -> Unavailable:
        if self.ready:
            log.error("The store cannot be written: %s. Paid requests are refused until it can.", error)
        self.ready = False
        return _unavailable()

    async def _tick(self) -> None:
        if not self.ready:
            self.ready = await self._connection.run(_can_write)
            if not self.ready:
                return
            log.warning("The store can be written again.")
            self._resume()
        try:
            await self._poll()
        except sqlite3.OperationalError as error:
            self._cannot_write(error)


def _unavailable() -> Unavailable:
    return Unavailable("Haze cannot write to its store right now. Try again in a moment.", retry_after_s=1)


def _transaction(connection: sqlite3.Connection, works: list[Work]) -> list[Any]:
    """One transaction for all; if one of them fails, each for itself. A result that is an exception was not written."""
    unknown = BROKEN
    try:
        connection.execute("BEGIN IMMEDIATE")
        results = [work(connection) for work in works]
        unknown = BROKEN | UNKNOWN_AT_COMMIT
        connection.execute("COMMIT")
        return results
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told to who waits; the others go on
        _roll_back(connection, error, unknown)
        if isinstance(error, sqlite3.OperationalError) or len(works) == 1:
            return [error] * len(works)
    return [_transaction(connection, [work])[0] for work in works]


def _roll_back(connection: sqlite3.Connection, error: Exception, unknown: set[int]) -> None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & FAMILY in unknown and code not in NOT_WRITTEN:
        raise CommitUnknownError(f"The store is broken, or a commit's outcome is unknown: {error}") from error
    if not connection.in_transaction:
        return
    try:
        connection.execute("ROLLBACK")
    except sqlite3.Error as second:
        raise CommitUnknownError(f"A commit failed ({error}) and could not be undone ({second})") from second


def _can_write(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE clock SET revision = revision")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        _roll_back(connection, error, BROKEN)
        return False
    return True
