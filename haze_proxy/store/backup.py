"""Copies of the store: made while the server writes, and proved before anybody relies on them.

SQLite's backup API begins anew with every foreign write and never ended under load; VACUUM INTO reads one moment.
"""

import os
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from haze_proxy.store import migrations, proof
from haze_proxy.store.database import StoreError

# Digests of keys and hashes of passwords are in it.
OWNER_ONLY = 0o600


def make(connection: sqlite3.Connection, target: Path) -> int:
    """Copy the store to a new file, check the copy, and only then give it its name; returns its size in bytes.

    Raises StoreError when there is a file of that name, or when the copy cannot be made or is not whole.
    """
    if target.exists():
        raise StoreError(f"{target}: exists already")
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY))
        connection.execute("VACUUM INTO ?", (str(part),))
        with _open(part) as copy:
            _whole(copy, target)
        _sync(part)
        part.rename(target)
        _sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{target}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a copy. `newest` is when its last transfer was made (ms since 1970); `complaints` is the proof's."""

    version: int
    accounts: int
    transfers: int
    requests: int
    newest: int | None
    complaints: list[str]


def check(path: Path) -> Contents:
    """Prove that a file could take the store's place, without changing it.

    A copy of an older version is brought to this one aside, as a start would. Raises StoreError when it is no whole
    store, or one of a newer version.
    """
    try:
        with _open(path) as copy:
            version = int(copy.execute("PRAGMA user_version").fetchone()[0])
            if not version:
                raise StoreError(f"{path}: not a store of Haze")
            _whole(copy, path)
            with _upgraded(copy, version) as current:
                return _contents(current, version)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error


@contextmanager
def _upgraded(copy: sqlite3.Connection, version: int) -> Iterator[sqlite3.Connection]:
    if version >= migrations.newest():
        migrations.migrate(copy)  # refuses a newer one, and does nothing to one of this version
        yield copy
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "haze.db"
        copy.execute("VACUUM INTO ?", (str(path),))
        with closing(sqlite3.connect(path, isolation_level=None)) as aside:
            aside.row_factory = sqlite3.Row
            migrations.migrate(aside)
            yield aside


def _contents(connection: sqlite3.Connection, version: int) -> Contents:
    transfers, requests = proof.size(connection)
    accounts, newest = connection.execute(
        "SELECT (SELECT count(*) FROM accounts), (SELECT created_at FROM transfers ORDER BY id DESC LIMIT 1)"
    ).fetchone()
    return Contents(version, accounts, transfers, requests, newest, proof.check(connection))


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def _whole(connection: sqlite3.Connection, path: Path) -> None:
    [verdict, *_] = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise StoreError(f"{path}: {verdict}")
    if connection.execute("PRAGMA foreign_key_check").fetchone():
        raise StoreError(f"{path}: rows name others that are not there")


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
