"""The one door to SQLite: how a connection is opened, and how a whole function runs in its thread."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import aiosqlite

P = ParamSpec("P")
R = TypeVar("R")

BUSY_TIMEOUT_MS = 5000
WAL_RETRY_S = 0.01
SYNCHRONOUS = {"full": "FULL", "normal": "NORMAL"}


class StoreError(Exception):
    """The store cannot be used; the message says why and names the file."""


class Connection(aiosqlite.Connection):
    """aiosqlite's connection, and one thing more: a whole function in the connection's thread.

    One crossing between the threads for a transaction, instead of one for each statement.
    """

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """`function(connection, *args)` in the connection's thread; its result, or what it raised."""
        # aiosqlite has no public way to run a function in its thread, and no types for this one.
        result: R = await self._execute(function, self._conn, *args, **kwargs)  # type: ignore[no-untyped-call]
        return result


def connect(path: str, durability: str = "full") -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are begun and ended by name. Rows are sqlite3.Row."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    # busy_timeout comes first: switching to WAL can itself meet a lock.
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    _use_wal(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    # Else INSERT OR REPLACE would delete a transfer without asking the trigger that keeps it.
    connection.execute("PRAGMA recursive_triggers = ON")
    connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")
    connection.row_factory = sqlite3.Row
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    # Two programs that make a new file at once: SQLite refuses one of them at once, whatever busy_timeout says.
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(WAL_RETRY_S)  # before any loop runs, or in the thread of the connection
        else:
            return


def open_async(path: str, durability: str) -> Connection:
    """A connection that lives in a thread of its own; await it, and `close()` it."""
    return Connection(lambda: connect(path, durability), iter_chunk_size=64)


def read_only(path: str) -> Connection:
    """A connection like that of `open_async` on which nothing can be changed."""

    def made() -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA query_only = ON")
        return connection

    return Connection(made, iter_chunk_size=64)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """BEGIN IMMEDIATE … COMMIT; whatever is raised inside rolls everything back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Everything read inside is of one moment, whatever others commit meanwhile."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def only_server(folder: Path) -> Iterator[None]:
    """Hold `haze.lock` in `folder` as the one process that runs requests. Raises StoreError naming the holder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "haze.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise StoreError(f"{file.name}: held by another server, {file.read().strip() or 'unknown'}") from error
        file.truncate(0)
        file.write(f"process {os.getpid()}\n")
        file.flush()
        yield
