"""How a command reaches the store: opened for one thing, and left."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from haze_proxy.config import Config
from haze_proxy.store import database, requests
from haze_proxy.store.database import StoreError
from haze_proxy.store.migrations import migrate

# Longer than a running server takes to look again, which it does four times a second.
NOTICED_S = 0.35


@contextmanager
def store(settings: Config) -> Iterator[sqlite3.Connection]:
    """The store, made and brought to this version when need be; what SQLite says against it becomes a clear line."""
    path = Path(settings.store.path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
    try:
        with closing(database.connect(str(path), settings.store.durability)) as connection:
            migrate(connection)
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error


def wait_until_noticed(settings: Config) -> None:
    """What was just written is in force when this returns, also in a server that runs."""
    with store(settings) as connection:
        served = requests.is_served(connection)
    if served:
        time.sleep(NOTICED_S)  # a command has no loop; the server is told nothing, it looks by itself


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
