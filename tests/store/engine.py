"""A server without HTTP: the real store, wallet, writer and settlement on a real file, in a loop that a test turns.

What happens between two calls of `run` happens at one moment for the server: nothing moves while no loop turns.
"""

import asyncio
import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from haze_proxy import resources
from haze_proxy.gate.settlement import Books, Outcome, RequestHold
from haze_proxy.money import endings
from haze_proxy.money.prices import Price
from haze_proxy.money.usage import Usage
from haze_proxy.money.wallet import Wallet
from haze_proxy.store import database, keys, requests
from haze_proxy.store.changes import Watch
from haze_proxy.store.database import Connection, transaction
from haze_proxy.store.keyring import Keyring
from haze_proxy.store.migrations import migrate
from haze_proxy.store.writer import Writer
from haze_proxy.wire.ask import Ask

T = TypeVar("T")
ASK = Ask("chat", b"", {}, "m", True)
# In nano-dollars a token.
ONE_A_TOKEN = Price(input=1_000_000)


class Engine:
    """One process after the other on the same store. `now` is ms since 1970, `durability` as in config.toml."""

    connection: Connection
    wallet: Wallet
    books: Books

    def __init__(self, path: Path, now: int, durability: str = "normal") -> None:
        self.path, self.now, self.durability = path, now, durability
        self.loop = asyncio.new_event_loop()
        self.failures: list[str] = []
        with closing(database.connect(str(path), "normal")) as connection:
            migrate(connection)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the server live until `work` is done."""
        return self.loop.run_until_complete(work)

    def outside(self) -> sqlite3.Connection:
        """The store as another program opens it; the caller closes it."""
        return database.connect(str(self.path), "normal")

    def start(self) -> requests.Epoch:
        """A process begins; returns what it found."""
        return self.run(self._start())

    async def _start(self) -> requests.Epoch:
        self.connection = database_connection = database.open_async(str(self.path), self.durability)
        await database_connection
        epoch = await database_connection.run(self._begin_epoch)
        self.keyring, self.wallet, self.watch = Keyring(), Wallet(lambda: self.now), Watch()
        self.writer = Writer(database_connection, self.look, self.failures.append)
        self.books = Books(self.wallet, lambda: self.now / 1000)
        self.books.begin(self.writer, epoch.id)
        await self.look()
        self.task = asyncio.create_task(self.writer.run())
        return epoch

    def _begin_epoch(self, connection: sqlite3.Connection) -> requests.Epoch:
        with transaction(connection):
            return requests.begin_epoch(connection, 1, self.now)

    async def look(self) -> None:
        """Notice what others have changed, as the server does four times a second."""
        changes = await self.connection.run(self.watch.look)
        if changes is not None:
            resources._remember(self.keyring, self.wallet, changes)

    def key(self, key_id: int) -> keys.Key:
        """A key as the server knows it."""
        return next(each for each in self.keyring.keys.values() if each.id == key_id)

    def stop(self) -> None:
        """The process ends in order: everything that waits is written."""
        self.run(self._stop())

    async def _stop(self) -> None:
        self.writer.close()
        await self.task
        await self.connection.run(requests.end_epoch, self.books._epoch, self.now)
        await self.connection.close()

    def die(self, hold: RequestHold, cost: int, turns: int) -> "asyncio.Future[requests.Standing]":
        """The process is killed when the loop has turned a few times since a request ended: what was not written by
        then never is. Returns what somebody waited for.
        """
        return self.run(self._die(hold, cost, turns))

    async def _die(self, hold: RequestHold, cost: int, turns: int) -> "asyncio.Future[requests.Standing]":
        done = hold.finish(used(cost))
        for _ in range(turns):
            await asyncio.sleep(0)
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.connection.close()
        return done

    def settle(self, hold: RequestHold, cost: int) -> "asyncio.Future[requests.Standing]":
        """End a request that used `cost` tokens at a nano-dollar each."""
        return self._in_loop(lambda: hold.finish(used(cost)))

    def void(self, hold: RequestHold) -> "asyncio.Future[requests.Standing]":
        """End a request that costs nothing."""
        return self._in_loop(lambda: hold.finish(Outcome(endings.FAILED_UPSTREAM)))

    def open(self, request_id: str, key_id: int, amount: int) -> RequestHold:
        """Admit a request. Raises ShortError."""
        return self._in_loop(lambda: self.books.open(request_id, self.key(key_id), ASK, amount))

    def _in_loop(self, step: Any) -> Any:
        async def call() -> Any:
            return step()

        return self.run(call())


def used(cost: int) -> Outcome:
    """An answer that used `cost` tokens at a nano-dollar each."""
    return Outcome(endings.COMPLETED, (), Usage(input=cost), ONE_A_TOKEN)
