"""What memory must hear of: keys, accounts, balances and switches of channels that changed, by whomever.

Every change raises the store's revision (a trigger does); rows above the last seen revision are read. Changes made by
other processes are noticed by SQLite's data_version, which counts their commits and not our own.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from haze_proxy.store import channel_switches
from haze_proxy.store.channel_switches import Switch
from haze_proxy.store.database import snapshot
from haze_proxy.store.keys import COLUMNS, Key, key

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key as it is now, found by its digest, and whether its account is disabled."""

    digest: bytes
    key: Key
    account_disabled: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that changed after a revision: balances are (account id, nano-dollars)."""

    revision: int
    keys: list[KeyChange] = field(default_factory=list)
    balances: list[tuple[int, int]] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)


class Watch:
    """Reads changes on the write connection; the first reading is everything."""

    def __init__(self) -> None:
        self._version = -1
        self._seen = -1

    def look(self, connection: sqlite3.Connection) -> Changes | None:
        """What changed since the last look; None when no other process has committed since."""
        version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        if version == self._version:
            return None
        changes = since(connection, self._seen)
        self._version, self._seen = version, changes.revision
        return changes


def since(connection: sqlite3.Connection, seen: int) -> Changes:
    """Rows whose revision is above `seen`, read in one transaction."""
    with snapshot(connection):
        return _above(connection, seen)


def noticed(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], R]) -> tuple[R, Changes]:
    """What `work` returns, and what it changed, read in the caller's transaction."""
    before = _revision(connection)
    return work(connection), _above(connection, before)


def _above(connection: sqlite3.Connection, seen: int) -> Changes:
    revision = _revision(connection)
    keys = [_key_change(row) for row in connection.execute(KEYS, (seen, seen))]
    balances = [(row[0], row[1]) for row in connection.execute(BALANCES, (seen,))]
    return Changes(revision, keys, balances, channel_switches.above(connection, seen))


def _revision(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT revision FROM clock").fetchone()[0])


# A disabled account changes all of its keys.
KEYS = (
    f"SELECT digest, {', '.join('keys.' + name.strip() for name in COLUMNS.split(','))}, disabled_at"
    " FROM keys JOIN accounts ON accounts.id = account_id WHERE keys.id IN ("
    " SELECT id FROM keys WHERE revision > ?"
    " UNION SELECT keys.id FROM accounts JOIN keys ON account_id = accounts.id WHERE accounts.revision > ?)"
)
BALANCES = (
    "SELECT CAST(substr(name, 9) AS INTEGER), balance FROM ledger"
    " WHERE name >= 'account:' AND name < 'account;' AND revision > ?"
)


def _key_change(row: sqlite3.Row) -> KeyChange:
    return KeyChange(row["digest"], key(row), row["disabled_at"] is not None)
