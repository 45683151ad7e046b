"""One writer: many charges in one commit, none of them hurt by another, and a full disk is not the end."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from haze_proxy.errors import Unavailable
from haze_proxy.store import database, transfers
from haze_proxy.store import writer as writer_module
from haze_proxy.store.transfers import Transfer
from haze_proxy.store.writer import Writer

PATIENCE_S = 5


@dataclass
class Desk:
    """A running writer, and what was observed of it."""

    writer: Writer
    connection: database.Connection
    task: asyncio.Task[None] | None = None
    statements: list[str] = field(default_factory=list)
    fatal: list[str] = field(default_factory=list)
    polled: asyncio.Event = field(default_factory=asyncio.Event)

    def commits(self) -> int:
        """How many transactions were committed since the writer started."""
        return self.statements.count("COMMIT")

    async def next_poll(self) -> None:
        """Wait until the writer has looked for foreign changes once more: it does so only while it can write."""
        self.polled.clear()
        await asyncio.wait_for(self.polled.wait(), PATIENCE_S)


@asynccontextmanager
async def _desk(connection: database.Connection, poll: Callable[[], Any] | None = None) -> AsyncIterator[Desk]:
    async def polled() -> None:
        desk.polled.set()

    async with connection:
        statements: list[str] = []
        await connection.set_trace_callback(statements.append)
        fatal: list[str] = []
        desk = Desk(Writer(connection, poll or polled, fatal.append), connection, None, statements, fatal)
        desk.task = asyncio.create_task(desk.writer.run())
        yield desk
        desk.writer.close()
        await asyncio.wait_for(desk.task, PATIENCE_S)


@pytest.fixture
def rich(books):
    """A store with one account of 1000 nano-dollars."""
    books.account(1000)
    return books


@pytest.fixture
async def desk(rich) -> AsyncIterator[Desk]:
    """A running writer on it."""
    async with _desk(database.open_async(str(rich.path), "normal")) as desk:
        yield desk


def _balance(books) -> int:
    return books.connection.execute("SELECT balance FROM ledger WHERE name = 'account:1'").fetchone()[0]


def _charge(amount: int) -> Callable[[sqlite3.Connection], int]:
    def work(connection: sqlite3.Connection) -> int:
        transfers.move(connection, Transfer("account:1", transfers.REVENUE, amount, "fee"), 0)
        return transfers.balance(connection, "account:1")

    return work


def _blob(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS blobs (content BLOB)")
    connection.execute("INSERT INTO blobs VALUES (zeroblob(1000000))")


async def test_what_waits_together_is_committed_together(desk: Desk, rich) -> None:
    """A commit costs the same for one charge as for a hundred."""
    entries = [desk.writer.submit(_charge(1)) for _ in range(100)]
    balances = await asyncio.gather(*(entry.done for entry in entries))
    assert balances == [1000 - n for n in range(1, 101)]
    assert desk.commits() == 1
    assert _balance(rich) == 900


async def test_more_than_a_batch_is_committed_in_batches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction must not grow without bound while everybody waits for it."""
    monkeypatch.setattr(writer_module, "BATCH_MAX", 10)
    await asyncio.gather(*(desk.writer.submit(_charge(1)).done for _ in range(25)))
    assert desk.commits() == 3


async def test_a_result_is_told_once_it_is_on_the_disk(desk: Desk, rich) -> None:
    """Whoever is told "charged" may show the end of an answer."""
    assert await desk.writer.write(_charge(400)) == 600
    assert _balance(rich) == 600


@pytest.mark.parametrize("position", [0, 2, 4], ids=["first", "between", "last"])
async def test_a_piece_that_fails_hurts_nobody_else(desk: Desk, rich, position: int) -> None:
    """One account's overdraft must not void the charges of those who happened to wait beside it."""
    amounts = [10] * 5
    amounts[position] = 5000
    entries = [desk.writer.submit(_charge(amount)) for amount in amounts]
    results = await asyncio.gather(*(entry.done for entry in entries), return_exceptions=True)
    assert isinstance(results.pop(position), sqlite3.IntegrityError)
    assert results == [990, 980, 970, 960]
    assert _balance(rich) == 960
    assert await asyncio.to_thread(rich.check) == []
    assert desk.writer.ready


async def test_a_mistake_of_ours_fails_its_own_piece_only(desk: Desk) -> None:
    """An exception that has nothing to do with SQLite rolls back like any other."""
    entries = [desk.writer.submit(_charge(10)), desk.writer.submit(lambda _: 1 // 0), desk.writer.submit(_charge(10))]
    results = await asyncio.gather(*(entry.done for entry in entries), return_exceptions=True)
    assert (results[0], type(results[1]), results[2]) == (990, ZeroDivisionError, 980)
    assert desk.writer.ready


async def test_a_failure_nobody_waits_for_is_silent(desk: Desk) -> None:
    """An opening row is not awaited; its failure must not end up as a warning at some later time."""
    desk.writer.submit(_charge(5000))
    assert await desk.writer.write(_charge(1)) == 999


async def test_memory_hears_before_anyone_who_waits(desk: Desk) -> None:
    """Who sees his answer end and asks again at once must meet his new balance."""
    heard: list[Any] = []

    async def wait(name: str, done: asyncio.Future[Any]) -> None:
        await done
        heard.append(name)

    first = desk.writer.submit(_charge(1), heard.append)
    waiting = asyncio.create_task(wait("first waiter", first.done))
    await asyncio.sleep(0)
    second = desk.writer.submit(_charge(1), heard.append)
    await asyncio.gather(waiting, second.done)
    assert heard.index(999) < heard.index("first waiter")
    assert [each for each in heard if isinstance(each, int)] == [999, 998]


async def test_memory_hears_of_what_was_not_written(desk: Desk) -> None:
    """A hold must be released then, too; the balance stays what the database has."""
    heard: list[Any] = []
    entry = desk.writer.submit(_charge(5000), heard.append)
    with pytest.raises(sqlite3.IntegrityError) as caught:
        await entry.done
    assert heard == [caught.value]


async def test_who_left_is_charged_all_the_same(desk: Desk, rich) -> None:
    """A waiter that is cancelled does not take the work with it."""
    heard: list[int] = []
    entry = desk.writer.submit(_charge(1), heard.append)
    entry.done.cancel()
    await desk.writer.write(_charge(1))
    assert heard == [999]
    assert _balance(rich) == 998


async def test_an_opening_row_waits_for_company(desk: Desk) -> None:
    """A request that ends at once is written once: its opening row is taken back before it costs anything."""
    opening = desk.writer.submit(_charge(500), urgent=False)
    await asyncio.sleep(0)
    opening.cancelled = True
    assert await desk.writer.write(_charge(1)) == 999
    assert desk.commits() == 1
    assert not opening.done.done()


async def test_an_opening_row_goes_with_the_next_commit(desk: Desk) -> None:
    """Order is kept: what was opened first is written first, in the same transaction."""
    opening = desk.writer.submit(_charge(500), urgent=False)
    assert await desk.writer.write(_charge(1)) == 499
    assert await opening.done == 500
    assert desk.commits() == 1


async def test_an_opening_row_without_company_is_written_soon(desk: Desk) -> None:
    """A long answer must be visible as open long before it ends."""
    opening = desk.writer.submit(_charge(1), urgent=False)
    assert await asyncio.wait_for(opening.done, PATIENCE_S) == 999


async def test_a_place_is_kept_for_each_request_until_there_are_none(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue without end would fill the memory with answers nobody has been charged for."""
    monkeypatch.setattr(writer_module, "PLACES", 2)
    writer = Writer(desk.connection, lambda: None, print)
    writer.reserve()
    writer.reserve()
    with pytest.raises(Unavailable, match="Try again") as caught:
        writer.reserve()
    assert caught.value.retry_after_s == 1
    writer.give_back()
    writer.reserve()


async def test_what_waits_is_written_before_the_writer_ends(desk: Desk, rich) -> None:
    """A server that is told to stop has answers whose ends were already seen."""
    entries = [desk.writer.submit(_charge(1), urgent=False) for _ in range(5)]
    desk.writer.close()
    assert desk.task is not None
    await asyncio.wait_for(desk.task, PATIENCE_S)
    assert [entry.done.result() for entry in entries] == [999, 998, 997, 996, 995]
    assert _balance(rich) == 995


async def test_a_writer_that_is_closed_before_it_runs_still_writes(rich) -> None:
    """A server may be told to stop while it is still starting; what it took on is written."""
    async with database.open_async(str(rich.path), "normal") as connection:
        writer = Writer(connection, lambda: None, print)
        entry = writer.submit(_charge(1), urgent=False)
        writer.close()
        await asyncio.wait_for(writer.run(), PATIENCE_S)
        assert entry.done.result() == 999


async def test_foreign_changes_are_looked_for_while_nothing_happens(desk: Desk) -> None:
    """A revoked key must stop working on an idle server, too."""
    await desk.next_poll()
    await desk.next_poll()


def _set_pragma(text: str) -> Callable[[sqlite3.Connection], Any]:
    return lambda connection: connection.execute(f"PRAGMA {text}").fetchall()


async def test_a_full_disk_refuses_and_recovers_by_itself(desk: Desk, rich) -> None:
    """Those who wait get 503, nothing of their work stays, and no hand is needed once there is room again."""
    [[pages]] = await desk.connection.run(_set_pragma("page_count"))
    await desk.connection.run(_set_pragma(f"max_page_count = {pages}"))
    entries = [desk.writer.submit(_charge(1)), desk.writer.submit(_blob)]
    results = await asyncio.gather(*(entry.done for entry in entries), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    assert not desk.writer.ready
    with pytest.raises(Unavailable):
        desk.writer.reserve()
    assert _balance(rich) == 1000
    await desk.connection.run(_set_pragma("max_page_count = 100000"))
    await desk.next_poll()
    assert desk.writer.ready
    desk.writer.reserve()
    await asyncio.gather(*(desk.writer.submit(work).done for work in (_charge(1), _blob)))
    assert _balance(rich) == 999
    assert desk.fatal == []


@pytest.fixture
async def probes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Wait until the writer has tried once more whether it can write."""
    loop, seen = asyncio.get_running_loop(), asyncio.Queue[bool]()
    can_write = writer_module._can_write

    def probe(connection: sqlite3.Connection) -> bool:
        answer = can_write(connection)
        loop.call_soon_threadsafe(seen.put_nowait, answer)
        return answer

    monkeypatch.setattr(writer_module, "_can_write", probe)
    return lambda: asyncio.wait_for(seen.get(), PATIENCE_S)


async def test_a_read_only_store_refuses_until_it_is_writable(
    desk: Desk, rich, probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that was remounted read-only after a fault: payers are refused, and it is retried."""
    monkeypatch.setattr(writer_module, "RETRY_S", 0.01)
    await desk.connection.run(_set_pragma("query_only = ON"))
    with pytest.raises(Unavailable):
        await desk.writer.write(_charge(1))
    await probes()
    await probes()
    assert not desk.writer.ready
    with pytest.raises(Unavailable):
        await desk.writer.write(_charge(1))
    await desk.connection.run(_set_pragma("query_only = OFF"))
    await desk.next_poll()
    assert desk.writer.ready
    assert await desk.writer.write(_charge(1)) == 999
    assert desk.fatal == []


async def test_a_lock_that_lasts_too_long_is_a_503_and_no_more(rich, other, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's forgotten shell on the database must not take the server down for good."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 1)
    async with _desk(database.open_async(str(rich.path), "normal")) as desk:
        other.connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await desk.writer.write(_charge(1))
        assert not desk.writer.ready
        other.connection.execute("ROLLBACK")
        await desk.next_poll()
        assert await desk.writer.write(_charge(1)) == 999
        assert desk.fatal == []


async def test_trouble_is_logged_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand refused requests are one event for the owner, and its end is another."""
    await desk.connection.run(_set_pragma("query_only = ON"))
    await asyncio.gather(*(desk.writer.submit(_charge(1)).done for _ in range(3)), return_exceptions=True)
    with pytest.raises(Unavailable):
        await desk.writer.write(_charge(1))
    await desk.connection.run(_set_pragma("query_only = OFF"))
    await desk.next_poll()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def _break(books) -> None:
    books.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with books.path.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(100)
        file.write(b"\x55" * (size - 100))


@pytest.mark.parametrize("where", ["work", "poll"])
async def test_a_broken_file_ends_the_process(rich, where: str) -> None:
    """Nobody knows what is in it any more: to go on charging would be to invent balances."""
    connection = database.open_async(str(rich.path), "normal")

    async def poll() -> None:
        if where == "poll":
            await connection.run(lambda c: c.execute("SELECT * FROM ledger").fetchall())

    async with _desk(connection, poll) as desk:
        _break(rich)
        entry = desk.writer.submit(_charge(1)) if where == "work" else None
        assert desk.task is not None
        await asyncio.wait_for(desk.task, PATIENCE_S)
        assert "malformed" in desk.fatal[0]
        assert not desk.writer.ready
        assert entry is None or isinstance(entry.done.exception(), Unavailable)


class Flaky(sqlite3.Connection):
    """A connection whose next COMMIT reports that the disk failed."""

    code = 0

    def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.code:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self.code
            raise error
        return super().execute(sql, *more)


FATES = {
    "nobody knows": (sqlite3.SQLITE_IOERR, True),
    "nobody knows (fsync)": (sqlite3.SQLITE_IOERR_FSYNC, True),
    "not written (full)": (sqlite3.SQLITE_FULL, False),
    "not written (a write failed)": (sqlite3.SQLITE_IOERR_WRITE, False),
    "not written (busy)": (sqlite3.SQLITE_BUSY, False),
}


@pytest.mark.parametrize(("code", "fatal"), FATES.values(), ids=FATES)
async def test_a_commit_of_unknown_outcome_ends_the_process(rich, code: int, fatal: bool) -> None:
    """To retry might charge twice, to drop might not charge at all; a commit that surely failed is only a 503."""

    def connector() -> sqlite3.Connection:
        return sqlite3.connect(rich.path, isolation_level=None, check_same_thread=False, factory=Flaky)

    async with _desk(database.Connection(connector, iter_chunk_size=64)) as desk:
        await desk.connection.run(lambda connection: setattr(connection, "code", code))
        entry = desk.writer.submit(_charge(1))
        assert desk.task is not None
        await asyncio.wait({desk.task, entry.done}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
        assert bool(desk.fatal) is fatal
        assert desk.task.done() is fatal
        if not fatal:
            assert isinstance(entry.done.exception(), Unavailable)
            await desk.connection.run(lambda connection: setattr(connection, "code", 0))
    assert _balance(rich) == 1000


async def test_nobody_waits_for_a_writer_that_has_stopped(desk: Desk) -> None:
    """A process that must end is held up by every request that still hopes for its commit."""
    first = desk.writer.submit(_charge(1), lambda _: 1 // 0)
    second = desk.writer.submit(_charge(1))
    assert desk.task is not None
    await asyncio.wait_for(desk.task, PATIENCE_S)
    third = desk.writer.submit(_charge(1))
    assert [type(entry.done.exception()) for entry in (first, second, third)] == [Unavailable] * 3


async def test_a_mistake_in_what_memory_hears_ends_the_process(desk: Desk) -> None:
    """A writer that died unnoticed would leave every request waiting for ever."""
    desk.writer.submit(_charge(1), lambda _: 1 // 0)
    assert desk.task is not None
    await asyncio.wait_for(desk.task, PATIENCE_S)
    assert desk.fatal == ["integer division or modulo by zero"]
    assert not desk.writer.ready
