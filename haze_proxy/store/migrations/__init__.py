"""Numbered SQL files and one integer, `user_version`: all of a migration, or none of it."""

import secrets
import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

from haze_proxy.store import receipts
from haze_proxy.store.database import StoreError


def migrate(connection: sqlite3.Connection) -> int:
    """Bring the database to this program's version and return it. A file that holds something is copied first.

    Raises StoreError when the database is newer than the program.
    """
    scripts = _scripts()
    last = max(scripts)
    have = _version(connection)
    if have > last:
        raise StoreError(f"{_file(connection)}: made by a newer Haze (version {have}, this one knows {last})")
    if have == last:
        return have
    if have:
        _copy(connection, have)
    receipts.teach(connection)
    for number in sorted(scripts):
        if number > have:
            _apply(connection, number, scripts[number])
    return last


def newest() -> int:
    """This program's version of the store."""
    return max(_scripts())


def _scripts() -> dict[int, str]:
    files = resources.files(__package__).iterdir()
    return {int(file.name[:4]): file.read_text("utf-8") for file in files if file.name.endswith(".sql")}


def _apply(connection: sqlite3.Connection, number: int, script: str) -> None:
    # The version is looked at again under the lock: two programs may start at the same moment.
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) < number:
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    # executescript() would commit the open transaction; so the script is cut where SQLite says a statement is complete.
    statements, start = [], 0
    for end in (place + 1 for place, character in enumerate(script) if character == ";"):
        if sqlite3.complete_statement(script[start:end]):
            statements.append(script[start:end])
            start = end
    return statements


def _copy(connection: sqlite3.Connection, version: int) -> None:
    path = _file(connection)
    copy = path.with_name(f"{path.name}.before-{version + 1:04}")
    # Under a name of its own first: several programs may find the same old store at the same moment.
    part = copy.with_name(f"{copy.name}.{secrets.token_hex(4)}")
    try:
        # Not a copy of the file: what others still read or write is partly in the WAL beside it.
        connection.execute("VACUUM INTO ?", (str(part),))
        with closing(sqlite3.connect(part)) as made:
            is_old = _version(made) == version
        # Else another program has upgraded the store meanwhile, and copied it before.
        if is_old:
            part.replace(copy)
    finally:
        part.unlink(missing_ok=True)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _file(connection: sqlite3.Connection) -> Path:
    return Path(connection.execute("PRAGMA database_list").fetchone()["file"])
