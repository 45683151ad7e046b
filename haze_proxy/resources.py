"""What is open while the application runs, each from its opening to its end: the store, connections, side work."""

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from haze_proxy.api.keepalive import KEEPALIVES
from haze_proxy.channels.health import Change
from haze_proxy.config import Config
from haze_proxy.context import CARDS, CLIENT, HEALTH, KEYRING, STORE, WALLET
from haze_proxy.errors import Unavailable
from haze_proxy.gate.claims import CLAIMS
from haze_proxy.gate.request_log import REFUSALS
from haze_proxy.gate.settlement import Books
from haze_proxy.lists import LISTS, Lists
from haze_proxy.money.receipt import usd
from haze_proxy.money.wallet import Wallet
from haze_proxy.store import channel_health, idempotency, refusals, requests, usage_sums
from haze_proxy.store.changes import Changes, Watch
from haze_proxy.store.database import Connection, StoreError, only_server, open_async, read_only, transaction
from haze_proxy.store.idempotency import Keyed
from haze_proxy.store.keyring import Keyring
from haze_proxy.store.migrations import migrate
from haze_proxy.store.writer import Writer

log = logging.getLogger(__name__)

MINUTE_S: Final = 60
# Digests of used keys, of those that are older than a day.
FORGOTTEN_A_MINUTE: Final = 5_000
INTERRUPTED: Final = (
    "%d requests were interrupted when the last server ended. None was charged; upstream they may have cost what they"
    " had begun to hold, $%s. (haze-proxy receipt ID shows one.)"
)
BOOKS = web.AppKey("books", Books)


def contexts(settings: Config, fatal: Callable[[str], None]) -> list[Callable[[web.Application], AsyncIterator[None]]]:
    """All of it, in the order of opening. `fatal` is told when the store cannot be trusted any more."""
    path = settings.store.path
    opened = partial(store, settings=settings, fatal=fatal), partial(reads, path=path), partial(used_keys, path=path)
    return [*opened, refusal_rows, usage_folds, upstream, cards, lists, keepalives]


async def store(app: web.Application, *, settings: Config, fatal: Callable[[str], None]) -> AsyncIterator[None]:
    """The database, its one writer, and what memory knows of it."""
    path = Path(settings.store.path)
    with ExitStack() as lock:
        await asyncio.to_thread(lock.enter_context, only_server(path.parent))
        connection = open_async(str(path), settings.store.durability)
        try:
            await connection
            await connection.run(migrate)
            epoch = await connection.run(_begin_epoch)
        except sqlite3.Error as error:
            await connection.close()
            raise StoreError(f"{path}: {error}") from error
        try:
            if epoch.interrupted:
                log.warning(INTERRUPTED, epoch.interrupted, usd(epoch.held))
            watch = Watch()
            look = partial(_look, connection, watch, app)
            await look()
            writer = Writer(connection, look, fatal)
            running = asyncio.create_task(writer.run())
            app[BOOKS].begin(writer, epoch.id)
            app[HEALTH].changed = partial(_write_health, writer)
            yield
            # What has ended must be written before the store closes.
            writer.close()
            await running
            await connection.run(requests.end_epoch, epoch.id, now_ms())
        finally:
            await connection.close()


async def reads(app: web.Application, *, path: str) -> AsyncIterator[None]:
    """The connection that pages read on: never the writer's."""
    reader = read_only(path)
    await reader
    app[STORE].begin(reader, app[BOOKS].writer)
    yield
    await reader.close()


async def used_keys(app: web.Application, *, path: str) -> AsyncIterator[None]:
    """Who asks with an `Idempotency-Key` is looked up on a connection of its own; what is too old is forgotten."""

    def forget() -> None:
        app[CLAIMS].forget()
        if (writer := app[BOOKS].writer).ready:
            writer.submit(partial(idempotency.forget, now_ms=now_ms(), most=FORGOTTEN_A_MINUTE), urgent=False)

    reader = read_only(path)
    async with reader, each_minute(forget):
        app[CLAIMS].look = partial(_charged, reader)
        yield


async def _charged(reader: Connection, key: bytes) -> Keyed | None:
    try:
        return await reader.run(idempotency.find, key, now_ms())
    except sqlite3.Error as error:
        log.error("The store cannot be read: %s. A request with an Idempotency-Key is refused.", error)
        raise Unavailable("Haze cannot read its store right now. Try again in a moment.", retry_after_s=1) from error


@asynccontextmanager
async def each_minute(work: Callable[[], None]) -> AsyncIterator[None]:
    """Inside, `work` is done once a minute."""

    async def run() -> None:
        while True:
            await asyncio.sleep(MINUTE_S)  # housekeeping: nobody waits for it, and cancelling ends it
            work()

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def refusal_rows(app: web.Application) -> AsyncIterator[None]:
    """One row a minute for each key and reason that was refused."""

    def write() -> None:
        if counts := app[REFUSALS].take():
            app[BOOKS].writer.submit(
                partial(refusals.add, minute=int(time.time() // MINUTE_S), counts=counts), urgent=False
            )

    async with each_minute(write):
        yield
    write()


async def usage_folds(app: web.Application) -> AsyncIterator[None]:
    """What requests came to is summed for the charts once a minute, and at the start: an upgrade may leave much."""

    stopped = asyncio.Event()

    def write(is_more: Any = True) -> None:
        if is_more is True and not stopped.is_set() and (writer := app[BOOKS].writer).ready:
            writer.submit(partial(usage_sums.fold, now_ms=now_ms()), write, urgent=False)

    write()
    async with each_minute(write):
        yield
    stopped.set()


async def upstream(app: web.Application) -> AsyncIterator[None]:
    """The one session towards the providers."""
    async with app[CLIENT]:
        yield


async def cards(app: web.Application) -> AsyncIterator[None]:
    """The session towards Stripe, where people can pay by card."""
    async with app[CARDS]:
        yield


async def keepalives(app: web.Application) -> AsyncIterator[None]:
    """The ticker that keeps silent streams alive."""
    ticker = asyncio.create_task(app[KEEPALIVES].run())
    yield
    ticker.cancel()
    with suppress(asyncio.CancelledError):
        await ticker


async def lists(app: web.Application) -> AsyncIterator[None]:
    """What upstreams list, fetched now and then; a start waits for none of them."""
    await app[LISTS].begin(app[CLIENT], app[BOOKS].writer)
    yield
    await app[LISTS].end()


async def _look(connection: Connection, watch: Watch, app: web.Application) -> None:
    changes = await connection.run(watch.look)
    if changes is not None:
        hear(app[KEYRING], app[WALLET], app[LISTS], changes)


def hear(keyring: Keyring, wallet: Wallet, lists_told: Lists, changes: Changes) -> None:
    """Let memory know what has changed in the store: keys, balances, switches."""
    _remember(keyring, wallet, changes)
    lists_told.switched(changes.switches)


def _remember(keyring: Keyring, wallet: Wallet, changes: Changes) -> None:
    for change in changes.keys:
        keyring.change(change)
        key = change.key
        wallet.set_budget(key.id, key.budget, key.budget_period)
        wallet.set_spent(key.id, key.spent, key.period_spent, key.period_started)
    for account_id, amount in changes.balances:
        wallet.set_balance(account_id, amount)


def _write_health(writer: Writer, change: Change) -> None:
    channel, model = change.place
    if change.cooling is None:
        writer.submit(partial(channel_health.remove, channel=channel, model=model), urgent=False)
        return
    cooling, until = change.cooling, now_ms() + int(change.wait_s * 1000)
    row = channel_health.Resting(channel, model, cooling.failures, cooling.owners, cooling.reason, until)
    writer.submit(partial(channel_health.put, resting=row), urgent=False)


def _begin_epoch(connection: sqlite3.Connection) -> requests.Epoch:
    with transaction(connection):
        channel_health.clear(connection)
        return requests.begin_epoch(connection, os.getpid(), now_ms())


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
