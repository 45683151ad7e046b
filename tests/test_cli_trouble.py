"""The owner's commands when something is wrong, and among others."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from click.testing import CliRunner
from desk import Desk, fails

from haze_proxy.cli import main
from haze_proxy.store import database

MISUSED = {
    "no command": (),
    "no such command": ("acount",),
    "half a command": ("account",),
    "half a key command": ("key",),
    "half a ledger command": ("ledger",),
    "no such half": ("account", "remove", "a@b.c"),
    "a missing argument": ("credit", "a@b.c"),
    "an argument too many": ("account", "show", "a@b.c", "x"),
    "no such option": ("account", "list", "--xml"),
    "an option without its value": ("key", "add", "a@b.c", "--name"),
    "a port that is none": ("serve", "--port", "65536"),
}


@pytest.mark.parametrize("words", MISUSED.values(), ids=MISUSED)
def test_a_misused_command_is_one_line_with_a_way_out(haze_cli: Desk, words: tuple[str, ...]) -> None:
    """A wrong word is answered with where the right ones stand, and does nothing."""
    assert re.fullmatch(r"(haze-proxy|main).*: .+ \(See .+ --help\.\)", fails(haze_cli(*words)))
    assert not (haze_cli.folder / "data").exists()


def _no_config(desk: Desk) -> None:
    (desk.folder / "config.toml").unlink()


def _wrong_config(desk: Desk) -> None:
    (desk.folder / "config.toml").write_text("[server]\nport = 'x'")


def _no_database(desk: Desk) -> None:
    (desk.folder / "data" / "haze.db").write_bytes(b"this is no database at all" * 100)


def _newer_database(desk: Desk) -> None:
    desk.rows("PRAGMA user_version = 9999")


def _a_folder(desk: Desk) -> None:
    (desk.folder / "config.toml").write_text("[store]\npath = '.'")


def _below_a_file(desk: Desk) -> None:
    (desk.folder / "config.toml").write_text("[store]\npath = 'config.toml/haze.db'")


def _no_room(desk: Desk) -> None:
    desk.rows("DROP TABLE clock")


TROUBLE: dict[str, tuple[Callable[[Desk], None], str]] = {
    "no configuration": (_no_config, r"config\.toml: No such file or directory"),
    "a wrong configuration": (_wrong_config, r"config\.toml: Expected `int`, got `str` - at `\$\.server\.port`"),
    "no database": (_no_database, r"haze\.db: file is not a database"),
    "a newer database": (_newer_database, r"haze\.db: made by a newer Haze \(version 9999"),
    "a folder for a store": (_a_folder, r": unable to open database file"),
    "a file for a folder": (_below_a_file, r"config\.toml/haze\.db: (Not a directory|File exists)"),
    "a database without a table": (_no_room, r"haze\.db: no such table: .*clock"),
}


@pytest.mark.parametrize(("spoil", "complaint"), TROUBLE.values(), ids=TROUBLE)
def test_trouble_is_one_line_that_names_the_file(desk: Desk, spoil, complaint: str) -> None:
    """The owner must know which of many files is meant."""
    spoil(desk)
    line = fails(desk("credit", "a@b.c", "1"))
    assert re.search(complaint, line)
    assert str(desk.folder) in line


def test_a_store_that_others_keep_locked_is_one_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command waits a while for its turn, and does not wait for ever."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 1)
    with closing(database.connect(str(desk.folder / "data" / "haze.db"))) as other, database.transaction(other):
        assert fails(desk("credit", "a@b.c", "1")).endswith("haze.db: database is locked")
        assert desk.says("account", "show", "a@b.c")
    assert desk.says("credit", "a@b.c", "1") == "6"


def _commands() -> Iterator[tuple[str, ...]]:
    for name, command in main.commands.items():
        inner = getattr(command, "commands", None)
        yield from ((name, each) for each in inner) if inner else [(name,)]


def test_the_documented_commands_are_all_there() -> None:
    """The list is a contract."""
    assert set(_commands()) >= {
        ("serve",), ("credit",), ("channels",), ("explain",),
        ("account", "add"), ("account", "list"), ("account", "show"), ("account", "disable"),
        ("key", "add"), ("key", "list"), ("key", "revoke"), ("ledger", "check"), ("ledger", "export"),
    }  # fmt: skip


@pytest.mark.parametrize("words", [(), *_commands()], ids=" ".join)
def test_every_command_explains_itself_without_a_configuration(words: tuple[str, ...]) -> None:
    """Help is most needed before anything works."""
    result = CliRunner().invoke(main, ["--config", "/nowhere", *words, "--help"])
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")


def test_the_module_is_the_command(haze_cli: Desk) -> None:
    """`python -m haze_proxy` reads config.toml where it stands, and its store lies beside that."""
    assert haze_cli.apart("account", "add", "a@b.c").stdout == "1\n"
    assert (haze_cli.folder / "data" / "haze.db").exists()
    failed = haze_cli.apart("account", "add", "a@b.c")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "There is already an account for a@b.c.\n"
    assert haze_cli.apart("account").stderr.startswith("haze-proxy account: ")


def test_commands_that_meet_lose_nothing(haze_cli: Desk) -> None:
    """A script that makes accounts in parallel starts with an empty folder; one id credits once, whoever is first."""
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: haze_cli.apart("account", "add", f"{n}@b.c"), range(6)))
        assert sorted(each.stdout for each in made) == [f"{n}\n" for n in range(1, 7)]
        credited = list(pool.map(lambda _: haze_cli.apart("credit", "0@b.c", "1", "--id", "x"), range(4)))
    assert {each.stdout for each in credited} == {"1\n"}
    assert haze_cli.says("ledger", "check") == "clean: 1 transfers, 0 requests, sum 0"


def test_a_reader_who_leaves_an_export_is_no_traceback(desk: Desk) -> None:
    """`ledger export --csv | head` is how people look."""
    with closing(database.connect(str(desk.folder / "data" / "haze.db"))) as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
            " INSERT INTO transfers (debit, credit, amount, kind, created_at, memo)"
            " SELECT 'external:manual', 'account:1', 1, 'credit', 0, printf('%0100d', i) FROM n"
        )
    command = [sys.executable, "-m", "haze_proxy", "ledger", "export", "--csv"]
    with subprocess.Popen(command, cwd=desk.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"id,")
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_account_commands_do_not_load_the_server() -> None:
    """A loop in a shell over a thousand accounts starts this a thousand times."""
    code = "import sys, haze_proxy.cli; print(sorted({'aiohttp', 'uvloop', 'argon2'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "[]\n"
