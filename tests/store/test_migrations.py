"""All of a migration, or none of it."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from haze_proxy.store import database, migrations
from haze_proxy.store.database import StoreError
from haze_proxy.store.migrations import migrate

Later = Callable[..., None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """A program that is newer by some scripts."""
    shipped = migrations._scripts()

    def later(*scripts: str) -> None:
        newer = dict(enumerate(scripts, max(shipped) + 1))
        monkeypatch.setattr(migrations, "_scripts", lambda: shipped | newer)

    return later


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def test_an_empty_file_becomes_the_newest_version_without_a_copy(books) -> None:
    """A first start has nothing to keep."""
    assert _version(books.connection) == max(migrations._scripts())
    assert not list(books.path.parent.glob("*.before-*"))


def test_a_store_of_this_version_is_left_alone(books) -> None:
    """Every command migrates first: it must cost nothing."""
    before = books.connection.total_changes
    assert migrate(books.connection) == _version(books.connection)
    assert books.connection.total_changes == before


def test_the_schema_is_strict_and_foreign_keys_hold(books) -> None:
    """Money that is a text, or belongs to nobody, is refused by the database itself."""
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT"):
        books.connection.execute("INSERT INTO ledger (name, balance) VALUES ('house:x', 'much')")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        books.key(account_id=77)


def test_a_newer_version_keeps_what_was_there_and_copies_the_file_first(books, later: Later) -> None:
    """An upgrade that disappoints can be undone by putting a file back."""
    account = books.account(7)
    old = _version(books.connection)
    later("CREATE TABLE extra (a INTEGER) STRICT;")
    assert migrate(books.connection) == old + 1
    assert books.balance(account) == 7
    with closing(sqlite3.connect(f"{books.path}.before-{old + 1:04}")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone()[0] == old
        assert copy.execute("SELECT balance FROM ledger WHERE name = ?", (f"account:{account}",)).fetchone()[0] == 7


def test_the_copy_is_whole_while_somebody_reads(books, other, later: Later) -> None:
    """What a reader keeps from being checkpointed stands only in the WAL; a copy of the file would miss it."""
    other.connection.execute("BEGIN")
    other.connection.execute("SELECT * FROM ledger").fetchall()
    account = books.account(7)
    later("CREATE TABLE extra (a INTEGER) STRICT;")
    newest = migrate(books.connection)
    with closing(sqlite3.connect(f"{books.path}.before-{newest:04}")) as copy:
        assert copy.execute("SELECT balance FROM ledger WHERE name = ?", (f"account:{account}",)).fetchone()[0] == 7


def test_a_migration_that_breaks_leaves_nothing_of_itself(books, later: Later) -> None:
    """A half-migrated store would fit neither program."""
    old = _version(books.connection)
    later("CREATE TABLE good (a TEXT);", "CREATE TABLE half (a TEXT); INSERT INTO missing VALUES (1);")
    with pytest.raises(sqlite3.OperationalError):
        migrate(books.connection)
    tables = {row[0] for row in books.connection.execute("SELECT name FROM sqlite_schema")}
    assert _version(books.connection) == old + 1
    assert "good" in tables
    assert "half" not in tables
    assert not books.connection.in_transaction


def test_a_migration_can_be_tried_again(books, later: Later) -> None:
    """The copy of the first try must not stand in the way of the second."""
    old = _version(books.connection)
    later("INSERT INTO missing VALUES (1);")
    with pytest.raises(sqlite3.OperationalError):
        migrate(books.connection)
    later("CREATE TABLE fixed (a INTEGER) STRICT;")
    assert migrate(books.connection) == old + 1


def test_triggers_survive_the_cutting_into_statements(books, later: Later) -> None:
    """A trigger holds semicolons of its own, and a comment may, too."""
    trigger = "CREATE TRIGGER t AFTER INSERT ON keys BEGIN SELECT 1; SELECT ';'; END;"
    later(f"-- one; two\n{trigger} CREATE TABLE z (a TEXT);")
    migrate(books.connection)
    assert {"t", "z"} <= {row[0] for row in books.connection.execute("SELECT name FROM sqlite_schema")}


def test_a_newer_store_is_refused_by_name(books) -> None:
    """An old program would write rows the new one cannot explain."""
    books.connection.execute("PRAGMA user_version = 9999")
    with pytest.raises(StoreError, match=rf"{books.path}: made by a newer Haze \(version 9999"):
        migrate(books.connection)


def test_programs_that_start_together_migrate_once(tmp_path: Path) -> None:
    """The server and a command may meet an empty file at the same moment."""

    def start(_: int) -> int:
        with closing(database.connect(str(tmp_path / "new.db"), "normal")) as connection:
            return migrate(connection)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(start, range(8))) == {max(migrations._scripts())}


def test_programs_that_upgrade_together_all_succeed(books, later: Later) -> None:
    """A server and a command that is run beside it meet the old store at once; each wants a copy of it first."""
    account = books.account(7)
    old = _version(books.connection)
    later("CREATE TABLE one (a INTEGER) STRICT;", "CREATE TABLE two (a INTEGER) STRICT;")

    def upgrade(_: int) -> int:
        with closing(database.connect(str(books.path), "normal")) as connection:
            return migrate(connection)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(upgrade, range(16))) == {old + 2}
    with closing(sqlite3.connect(f"{books.path}.before-{old + 1:04}")) as copy:
        assert _version(copy) == old
        assert copy.execute("SELECT balance FROM ledger WHERE name = ?", (f"account:{account}",)).fetchone()[0] == 7
    assert {path.name.rpartition(".")[2][:6] for path in books.path.parent.glob("*.before-*")} == {"before"}
