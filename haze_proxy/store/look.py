"""The store as it is found: looked at without making it, upgrading it, or changing anything in it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from haze_proxy.store.database import BUSY_TIMEOUT_MS

LOCKS = Path("/proc/locks")
# req_ and twelve hexadecimal digits of milliseconds.
TIME_OF_ID = slice(4, 16)


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A store that is there. Raises sqlite3.OperationalError where it is not."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.row_factory = sqlite3.Row
        yield connection


def version(connection: sqlite3.Connection) -> int:
    """Its version; 0 where nothing was written yet."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def try_to_write(connection: sqlite3.Connection) -> None:
    """Write what stands there already, and take it back. Raises sqlite3.Error where that is not allowed."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE clock SET revision = revision")
    connection.execute("ROLLBACK")


def newest_request(connection: sqlite3.Connection) -> int:
    """When the newest request came, in ms since 1970, as its id says; 0 where there is none."""
    row = connection.execute("SELECT max(id) FROM requests").fetchone()
    return int(row[0][TIME_OF_ID], 16) if row[0] else 0


def server(folder: Path) -> str:
    """Who holds the lock of the one server (database.only_server), "" if nobody does.

    Looked up and not tried: who tries to take it could stop a server that starts at this moment.
    """
    lock = folder / "haze.lock"
    if not lock.exists() or not LOCKS.exists():
        return ""
    inode = f":{lock.stat().st_ino}"
    # 1: FLOCK ADVISORY WRITE 4711 fd:00:1234 0 EOF
    rows = (line.split() for line in LOCKS.read_text("utf-8").splitlines())
    if not any(len(row) > 5 and row[1] == "FLOCK" and row[5].endswith(inode) for row in rows):
        return ""
    return lock.read_text("utf-8").strip() or "an unknown process"
