"""Copies of the store: made at any moment, and proved before anybody needs them."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from desk import Desk, fails

from haze_proxy.store import backup, database, migrations
from haze_proxy.store.database import StoreError


@pytest.fixture
def copy(desk: Desk) -> Path:
    """A backup of the desk's store."""
    path = desk.folder / "copy ?#%41.db"
    said = desk.says("backup", str(path))
    assert said == f"{path}: {path.stat().st_size} bytes, whole"
    return path


def test_a_copy_holds_what_was_committed(desk: Desk, copy: Path) -> None:
    """And nothing of what came after; only its owner may read it, for digests and hashes are in it."""
    desk.says("credit", "a@b.c", "1")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT balance FROM ledger WHERE name = 'account:1'").fetchone() == (5_000_000_000,)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [each.name for each in desk.folder.iterdir() if "copy" in each.name] == [copy.name]


def test_a_copy_is_proved(desk: Desk, copy: Path) -> None:
    """Weeks later, on another machine: what is in it, and that its books add up; the file is not touched."""
    before = copy.read_bytes()
    said = desk.says("restore", str(copy), "--check")
    assert said.startswith(f"{copy}: whole, version {migrations.newest()}, 1 accounts, 1 transfers (the last at 2")
    assert said.endswith("), 0 requests, sum 0")
    assert copy.read_bytes() == before
    assert [each.name for each in desk.folder.iterdir() if "copy" in each.name] == [copy.name]


def test_a_copy_is_made_while_others_write(desk: Desk) -> None:
    """Nobody stops a gateway for a backup; what is not committed is not in it."""
    with closing(database.connect(str(desk.folder / "data" / "haze.db"))) as other, database.transaction(other):
        other.execute("UPDATE accounts SET email = 'later@b.c'")
        desk.says("backup", str(desk.folder / "copy.db"))
    with closing(sqlite3.connect(desk.folder / "copy.db")) as connection:
        assert connection.execute("SELECT email FROM accounts").fetchall() == [("a@b.c",)]


def test_a_copy_never_replaces_a_file(desk: Desk, copy: Path) -> None:
    """A slip must not destroy last week's copy, or the store itself."""
    assert fails(desk("backup", str(copy))) == f"{copy}: exists already"
    store = desk.folder / "data" / "haze.db"
    assert fails(desk("backup", str(store))) == f"{store}: exists already"
    assert fails(desk("backup", str(desk.folder / "none" / "copy.db"))).endswith("copy.db: No such file or directory")


def test_a_copy_that_is_not_whole_gets_no_name(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a backup that looks like one is found out on the worst day."""

    def broken(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(backup, "_whole", broken)
    assert fails(desk("backup", str(desk.folder / "copy.db"))).endswith("copy.db: database disk image is malformed")
    assert not [each for each in desk.folder.iterdir() if "copy" in each.name]


def _cut(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:-4096])


def _scribbled(copy: Path) -> None:
    data = bytearray(copy.read_bytes())
    data[4096:-4096] = b"\xff" * (len(data) - 8192)
    copy.write_bytes(data)


def _other(copy: Path) -> None:
    copy.write_bytes(b"this is no database at all" * 100)


def _empty(copy: Path) -> None:
    copy.write_bytes(b"")


def _gone(copy: Path) -> None:
    copy.unlink()


def _newer(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA user_version = 9999")


def _orphan(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("DELETE FROM accounts")
        connection.execute(
            "INSERT INTO keys (account_id, prefix, digest, requests_per_minute, tokens_per_minute, concurrent_requests,"
            " created_at) VALUES (1, '', x'00', 1, 1, 1, 0)"
        )


@pytest.mark.parametrize("spoil", [_cut, _scribbled, _other, _empty, _gone, _newer, _orphan])
def test_a_copy_that_cannot_be_used_is_one_line_that_names_it(desk: Desk, copy: Path, spoil) -> None:
    """The owner learns it today and not when he needs it."""
    spoil(copy)
    assert fails(desk("restore", str(copy), "--check")).startswith(f"{copy}: ")


def test_a_copy_whose_books_do_not_add_up_says_so(desk: Desk, copy: Path) -> None:
    """The complaints on stdout, as `ledger check` has them."""
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE ledger SET balance = balance + 1 WHERE name = 'account:1'")
    result = desk("restore", str(copy), "--check")
    assert (result.exit_code, result.stderr) == (1, f"{copy}: the books do not add up: 2 complaints.\n")
    assert result.stdout.splitlines()[0] == "The balances add up to 1, not to zero."


def test_a_copy_of_an_older_version_is_proved_as_it_would_be_used(
    desk: Desk, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade happens at the next start; that it works is part of the proof, and the copy stays as it is."""
    old = migrations.newest()
    later = {**migrations._scripts(), old + 1: "CREATE TABLE extra (a INTEGER) STRICT;"}
    monkeypatch.setattr(migrations, "_scripts", lambda: later)
    assert backup.check(copy).version == old
    later[old + 1] = "INSERT INTO missing VALUES (1);"
    with pytest.raises(StoreError, match="no such table: missing"):
        backup.check(copy)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (old,)


def test_restore_says_that_it_only_checks(desk: Desk, copy: Path) -> None:
    """Nobody must believe that a store was replaced which was not."""
    assert "--check" in fails(desk("restore", str(copy)))
