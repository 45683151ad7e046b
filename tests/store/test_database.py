"""The one door to SQLite."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from haze_proxy.store import database
from haze_proxy.store.database import StoreError


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("normal", 1)], ids=["full", "normal"])
def test_a_connection_is_opened_as_the_owner_asked(tmp_path: Path, durability: str, synchronous: int) -> None:
    """`full` must really wait for the disk: it is what survives a power loss."""
    with closing(database.connect(str(tmp_path / "a.db"), durability)) as connection:
        facts = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in EXPECTED}
        assert facts == EXPECTED | {"synchronous": synchronous}


EXPECTED = {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": database.BUSY_TIMEOUT_MS, "synchronous": 0}


def test_what_is_raised_in_a_transaction_undoes_all_of_it(books) -> None:
    """Half of a charge would be a lie in the books."""

    def half() -> None:
        with database.transaction(books.connection):
            books.connection.execute("UPDATE clock SET revision = 99")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert not books.connection.in_transaction
    assert books.connection.execute("SELECT revision FROM clock").fetchone()[0] != 99


def test_a_transaction_is_seen_by_others_once_it_is_over(books, other) -> None:
    """The server learns of the owner's commands by their commits."""
    with database.transaction(books.connection):
        books.connection.execute("UPDATE clock SET revision = 99")
        assert other.connection.execute("SELECT revision FROM clock").fetchone()[0] != 99
    assert other.connection.execute("SELECT revision FROM clock").fetchone()[0] == 99


def test_two_writers_queue_instead_of_failing_at_the_commit(books, other) -> None:
    """A transaction that reads first and writes later must not find out at its end that somebody was faster."""
    other.connection.execute("PRAGMA busy_timeout = 1")
    with database.transaction(books.connection), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.connection.execute("BEGIN IMMEDIATE")


def test_a_snapshot_does_not_move_while_others_write(books, other) -> None:
    """A check that reads balances before a charge and transfers after it would accuse a clean store."""
    with database.snapshot(books.connection):
        before = books.connection.execute("SELECT revision FROM clock").fetchone()[0]
        with database.transaction(other.connection):
            other.connection.execute("UPDATE clock SET revision = 99")
        assert books.connection.execute("SELECT revision FROM clock").fetchone()[0] == before
    assert books.connection.execute("SELECT revision FROM clock").fetchone()[0] == 99


async def test_a_whole_function_runs_in_the_connections_own_thread(books) -> None:
    """One crossing between threads for a transaction: a statement at a time costs ten times the processor."""
    async with database.open_async(str(books.path), "normal") as connection:
        thread, answer = await connection.run(lambda c, n: (threading.get_ident(), c.execute("SELECT ?", (n,))), 7)
        assert thread != threading.get_ident()
        assert (await connection.run(lambda _: answer.fetchone()))[0] == 7


async def test_what_a_function_raises_in_its_thread_comes_back(books) -> None:
    """A refused transfer must reach the one who asked for it."""
    async with database.open_async(str(books.path), "normal") as connection:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await connection.run(lambda c: c.execute("SELECT * FROM missing"))


def test_a_second_server_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    """Two processes with a wallet each would spend every balance twice."""
    second = database.only_server(tmp_path)
    with database.only_server(tmp_path), pytest.raises(StoreError, match=rf"haze\.lock: .*process {os.getpid()}$"):
        second.__enter__()


def test_the_place_is_free_again_when_a_server_stopped(tmp_path: Path) -> None:
    """A restart must not need a hand."""
    folder = tmp_path / "made" / "here"
    for _ in range(2):
        with database.only_server(folder):
            assert (folder / "haze.lock").read_text() == f"process {os.getpid()}\n"


def test_a_killed_server_leaves_no_lock_behind(tmp_path: Path) -> None:
    """After kill -9 the next start must succeed, whatever the file says."""
    code = (
        "import pathlib, sys; from haze_proxy.store import database\n"
        "with database.only_server(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match=f"process {server.pid}"):
            database.only_server(tmp_path).__enter__()
        server.send_signal(signal.SIGKILL)
        server.wait()
    with database.only_server(tmp_path):
        pass


OPEN = """
import sys, time
from haze_proxy.store.database import connect
while time.time() < float(sys.argv[2]):
    pass
connect(sys.argv[1]).execute("SELECT 1")
"""


def test_programs_that_make_a_new_store_at_once_all_succeed(tmp_path: Path) -> None:
    """SQLite refuses the switch to WAL at once when another program makes it: every fifth one failed."""
    for number in range(8):
        path, start = str(tmp_path / f"{number}.db"), str(time.time() + 0.4)
        programs = [subprocess.Popen([sys.executable, "-c", OPEN, path, start]) for _ in range(3)]
        assert [program.wait(20) for program in programs] == [0, 0, 0]
