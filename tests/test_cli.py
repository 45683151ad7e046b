"""The owner's commands, as people and scripts use them."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner
from desk import ISO, Desk, fails

import haze_proxy
from haze_proxy.cli import main
from haze_proxy.store import database, keys

# Accounts


def test_a_new_account_prints_its_id_and_nothing_else(haze_cli: Desk) -> None:
    """Scripts read it from stdout."""
    first, second = haze_cli("account", "add", "a@b.c"), haze_cli("account", "add", "d@e.f", "--admin")
    assert (first.stdout, second.stdout) == ("1\n", "2\n")
    assert [each["is_admin"] for each in haze_cli.json("account", "list")] == [False, True]


def test_without_anyone_to_ask_an_account_has_no_password(haze_cli: Desk) -> None:
    """A script must never hang on a question; that nobody can log in is said."""
    result = haze_cli("account", "add", "a@b.c")
    assert "no password" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert haze_cli.rows("SELECT password_hash FROM accounts")[0][0] is None


def test_a_password_from_stdin_is_stored_as_argon2id_only(haze_cli: Desk) -> None:
    """A stolen database must not open the pages."""
    result = haze_cli("account", "add", "a@b.c", "--password-stdin", given="correct horse\nnever read\n")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "1\n", "")
    [[stored]] = haze_cli.rows("SELECT password_hash FROM accounts")
    assert stored.startswith("$argon2id$")
    assert PasswordHasher().verify(stored, "correct horse")


def test_a_person_is_asked_for_the_password_twice(haze_cli: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing mistake in something invisible locks people out; and the questions keep off stdout."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    result = haze_cli("account", "add", "a@b.c", given="secret\nsecrte\nsecret\nsecret\n")
    assert (result.exit_code, result.stdout) == (0, "1\n")
    [[stored]] = haze_cli.rows("SELECT password_hash FROM accounts")
    assert PasswordHasher().verify(stored, "secret")


def test_an_empty_password_makes_no_account(haze_cli: Desk) -> None:
    """An unset variable in a script must not become an account anyone can enter."""
    assert "empty" in fails(haze_cli("account", "add", "a@b.c", "--password-stdin", given="\n"))
    assert not (haze_cli.folder / "data").exists()


def test_money_to_begin_with_comes_from_where_it_comes_from(haze_cli: Desk) -> None:
    """A gift of the house is not income; the books keep them apart."""
    with (haze_cli.folder / "config.toml").open("a") as file:
        file.write("[accounts]\nsignup_credit = 0.25\n")
    haze_cli.says("account", "add", "a@b.c", "--credit", "5")
    haze_cli.says("account", "add", "d@e.f")
    moved = haze_cli.rows("SELECT debit, credit, amount, kind FROM transfers ORDER BY id")
    assert [tuple(row) for row in moved] == [
        ("house:promotion", "account:1", 250_000_000, "signup"),
        ("external:manual", "account:1", 5_000_000_000, "credit"),
        ("house:promotion", "account:2", 250_000_000, "signup"),
    ]


@pytest.mark.parametrize(
    "email",
    ["", "a", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "a\x00@b", "a" * 251 + "@b.c"],
    ids=["empty", "no at", "no host", "no name", "two ats", "space", "newline", "control", "long"],
)
def test_what_is_no_address_is_refused(haze_cli: Desk, email: str) -> None:
    """An address is how people log in; a mistyped one locks them out."""
    assert "is not an e-mail address" in fails(haze_cli("account", "add", email))


def test_an_address_is_taken_once(desk: Desk) -> None:
    """Two accounts of one person would have two balances; the second attempt leaves nothing behind."""
    assert fails(desk("account", "add", "A@B.C", "--credit", "3")) == "There is already an account for A@B.C."
    assert desk.says("ledger", "check") == "clean: 1 transfers, 0 requests, sum 0"


def test_an_account_is_shown_with_its_money(desk: Desk) -> None:
    """The documented fields, money as exact decimal strings."""
    shown = desk.json("account", "show", "a@b.c")
    assert ISO.fullmatch(shown.pop("created_at"))
    assert shown == {
        "id": 1,
        "email": "a@b.c",
        "balance_usd": "5",
        "held_usd": "0",
        "spent_usd": "0",
        "is_admin": False,
        "disabled": False,
    }
    assert desk.json("account", "list") == [desk.json("account", "show", "A@b.C")]


def test_listings_of_nothing_are_still_listings(haze_cli: Desk) -> None:
    """A program reads an empty list, not an error."""
    assert haze_cli.json("account", "list") == []
    assert haze_cli.says("account", "list") == ""


def test_a_table_is_aligned(desk: Desk) -> None:
    """People read columns."""
    desk.says("account", "add", "somebody-else@example.com")
    header, first, second = desk.says("account", "list").splitlines()
    for column in ("email", "balance_usd", "created_at"):
        at = header.index(column)
        assert {line[at - 1] for line in (first, second)} == {" "}
        assert " " not in {line[at] for line in (first, second)}


def test_a_disabled_account_says_so(desk: Desk) -> None:
    """The owner sees what was done."""
    assert desk.says("account", "disable", "a@b.c") == "a@b.c is disabled."
    assert desk.json("account", "show", "a@b.c")["disabled"] is True
    assert desk.says("account", "enable", "a@b.c") == "a@b.c is enabled."
    assert desk.json("account", "show", "a@b.c")["disabled"] is False


@pytest.mark.parametrize(
    "words",
    [("account", "show"), ("account", "disable"), ("key", "list"), ("key", "add"), ("credit",)],
    ids=" ".join,
)
def test_an_unknown_account_is_named(desk: Desk, words: tuple[str, ...]) -> None:
    """The owner mistyped it and wants to see what was typed."""
    amount = ("1",) if words == ("credit",) else ()
    assert fails(desk(*words, "x@y.z", *amount)) == "There is no account for x@y.z."


# Keys


def test_a_new_key_is_printed_once_and_alone(desk: Desk) -> None:
    """`KEY=$(haze-proxy key add …)` is how it is used; afterwards nobody can show it again."""
    result = desk("key", "add", "a@b.c")
    assert re.fullmatch(r"sk-rr-[\w-]{43}\n", result.stdout)
    assert result.stderr == ""
    assert result.stdout.strip() not in desk.says("key", "list", "a@b.c")
    [row] = desk.rows("SELECT digest FROM keys")
    assert row["digest"] == keys.digest(result.stdout.strip())


def test_a_new_key_gets_the_configured_limits(desk: Desk) -> None:
    """What is not said comes from [limits]."""
    desk.says("key", "add", "a@b.c")
    [shown] = desk.json("key", "list", "a@b.c")
    assert ISO.fullmatch(shown.pop("created_at"))
    assert re.fullmatch(r"sk-rr-[\w-]{6}", shown.pop("prefix"))
    assert shown == {
        "id": 1,
        "name": "",
        "requests_per_minute": 7,
        "tokens_per_minute": 70,
        "concurrent_requests": 3,
        "budget_usd": None,
        "budget_period": None,
        "budget_left_usd": None,
        "budget_resets_at": None,
        "spent_usd": "0",
        "models": None,
        "expires_at": None,
        "revoked_at": None,
    }


def test_a_new_key_gets_what_is_said(desk: Desk) -> None:
    """Each option goes to its own column."""
    desk.says(
        "key", "add", "a@b.c", "--name", "laptop", "--rpm", "1", "--tpm", "2", "--concurrent", "4",
        "--budget", "2.5", "--models", " a, b ,", "--expires", "2999-01-31",
    )  # fmt: skip
    [shown] = desk.json("key", "list", "a@b.c")
    limits = ("name", "requests_per_minute", "tokens_per_minute", "concurrent_requests", "budget_usd", "models")
    assert [shown[name] for name in limits] == ["laptop", 1, 2, 4, "2.5", ["a", "b"]]
    assert shown["expires_at"] == "2999-01-31T00:00:00.000Z"


@pytest.mark.parametrize(
    ("words", "span"),
    [("30d", timedelta(days=30)), ("12h", timedelta(hours=12)), ("1h", timedelta(hours=1))],
    ids=["days", "hours", "one"],
)
def test_a_key_can_end_some_time_from_now(desk: Desk, words: str, span: timedelta) -> None:
    """Counted from now, not from midnight."""
    before = datetime.now(UTC)
    desk.says("key", "add", "a@b.c", "--expires", words)
    [shown] = desk.json("key", "list", "a@b.c")
    assert before - timedelta(seconds=1) < datetime.fromisoformat(shown["expires_at"]) - span <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("words", "period", "resets"),
    [((), "total", None), (("--budget-period", "day"), "day", "T00:00:00.000Z"),
     (("--budget-period", "month"), "month", "-01T00:00:00.000Z"), (("--budget-period", "total"), "total", None)],
    ids=["not said", "day", "month", "total"],
)  # fmt: skip
def test_a_budget_can_begin_anew(desk: Desk, words: tuple[str, ...], period: str, resets: str | None) -> None:
    """Five dollars a day, or five for good: the listing says which, what is left, and when it begins anew."""
    desk.says("key", "add", "a@b.c", "--budget", "5", *words)
    [shown] = desk.json("key", "list", "a@b.c")
    assert (shown["budget_usd"], shown["budget_period"], shown["budget_left_usd"]) == ("5", period, "5")
    assert (shown["budget_resets_at"] or "").endswith(resets or "")


REFUSED_KEYS = {
    "--expires": ["2020-01-01", "0d", "30", "30m", "soon", "2027-02-30", "9999999d", "", "-1d"],
    "--rpm": ["0", "-1", "many", "1.5", "1000000000001"],
    "--tpm": ["0"],
    "--concurrent": ["0"],
    "--models": ["", ",", " "],
    "--budget-period": ["day", "year", ""],
}


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in REFUSED_KEYS.items() for value in values]
)
def test_a_limit_that_makes_no_sense_makes_no_key(desk: Desk, option: str, value: str) -> None:
    """A key that can never be used, or never ends by mistake, is worse than a line that says so."""
    line = fails(desk("key", "add", "a@b.c", option, value))
    assert option in line
    assert desk.json("key", "list", "a@b.c") == []


@pytest.mark.parametrize("by", ["id", "prefix", "in full"])
def test_a_key_is_revoked_by_what_is_at_hand(desk: Desk, by: str) -> None:
    """A leak is stopped in one command."""
    secret = desk.says("key", "add", "a@b.c")
    named = {"id": "1", "prefix": secret[:12], "in full": secret}[by]
    assert desk.says("key", "revoke", named) == f"Key 1 ({secret[:12]}…) is revoked."
    [shown] = desk.json("key", "list", "a@b.c")
    assert ISO.fullmatch(shown["revoked_at"])


def test_a_key_that_is_none_cannot_be_revoked(desk: Desk) -> None:
    """ "Revoked" must not be said of a key that goes on working."""
    assert fails(desk("key", "revoke", "sk-rr-zzzzzz")) == "No such key."


# Channels


def test_each_channel_is_shown_with_why_it_is_not_active(haze_cli: Desk) -> None:
    """The first question of every owner is why a model is missing."""
    demo, router = haze_cli.json("channels")
    assert demo == {
        "name": "demo",
        "kind": "echo",
        "active": True,
        "reason": None,
        "models": ["hekiu"],
        "aliases": {"claude-*": "hekiu"},
        "priority": 0,
        "weight": 1.0,
        "resting": None,
        "listed": None,
        "priced": None,
        "fetched_at": None,
        "health": None,
    }
    assert (router["active"], router["reason"]) == (False, "the variable HAZE_TEST_UNSET is not set")
    assert "claude-*=hekiu" in haze_cli.says("channels")


def test_a_credential_is_never_shown(haze_cli: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listings end up in chats and tickets."""
    monkeypatch.setenv("HAZE_TEST_UNSET", "sk-or-very-secret")
    assert haze_cli.json("channels")[1]["active"] is True
    assert "very-secret" not in haze_cli.says("channels") + haze_cli.says("channels", "--json")


def test_a_test_asks_active_channels_only(haze_cli: Desk) -> None:
    """A channel without its key is known to fail."""
    demo, router = haze_cli.json("channels", "--test")
    assert (demo["health"], router["health"]) == ("ok: 200 to POST /chat/completions", None)


def test_a_channel_that_does_not_answer_is_a_failure(haze_cli: Desk) -> None:
    """A script that checks channels goes by the exit status; the listing is whole all the same."""
    with (haze_cli.folder / "config.toml").open("a") as file:
        file.write("[[channels]]\nname='dead'\nkind='openai-compatible'\nbase_url='http://127.0.0.1:9'\nmodels=['m']")
    result = haze_cli("channels", "--test", "--json")
    assert (result.exit_code, result.stderr) == (1, "No good answer from: dead.\n")
    assert json.loads(result.stdout)[2]["health"].startswith("failed: ")


ALL = "chat, embeddings, messages, responses"


def test_an_explanation_says_who_and_why_not(haze_cli: Desk) -> None:
    """In the order they would be asked; the rest with its reason."""
    assert haze_cli.json("explain", "claude-3") == [
        {"order": 1, "channel": "demo", "upstream_model": "hekiu", "how": "glob", "speaks": ALL, "reason": None},
        {
            "order": None,
            "channel": "router",
            "upstream_model": None,
            "how": None,
            "speaks": ALL,
            "reason": "inactive: the variable HAZE_TEST_UNSET is not set",
        },
    ]


def test_an_explanation_for_a_caller_knows_the_key(desk: Desk) -> None:
    """ "It works for me" is answered by asking as the caller."""
    secret = desk.says("key", "add", "a@b.c", "--models", "hekiu")
    assert desk.json("explain", "hekiu", "--key", secret)[0]["order"] == 1
    assert desk.json("explain", "claude-3", "--key", secret[:12])[0] == {
        "order": None,
        "channel": "demo",
        "upstream_model": "hekiu",
        "how": "glob",
        "speaks": ALL,
        "reason": "this key may only use hekiu",
    }
    desk.says("key", "revoke", "1")
    assert desk.json("explain", "hekiu", "--key", "1")[0]["reason"] == "this key is revoked"
    assert fails(desk("explain", "hekiu", "--key", "2")) == "No such key."


# The server


@pytest.mark.parametrize("status", [0, 1])
def test_serve_hands_over_what_was_said(haze_cli: Desk, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """The words of the command line win over the file's, and the exit status is the server's own."""
    calls = []
    fake = ModuleType("server")
    fake.serve = lambda *args: calls.append(args) or status
    monkeypatch.setitem(sys.modules, "haze_proxy.server", fake)
    monkeypatch.setattr(haze_proxy, "server", fake, raising=False)
    assert haze_cli("serve", "--host", "::1", "--port", "0").exit_code == status
    assert haze_cli("serve").exit_code == status
    path = haze_cli.folder / "config.toml"
    assert calls == [(path, "::1", 0), (path, None, None)]


def test_a_server_that_cannot_start_says_why_in_one_line(haze_cli: Desk) -> None:
    """Not a traceback: the owner has to find the file."""
    (haze_cli.folder / "data").mkdir()
    (haze_cli.folder / "data" / "haze.db").write_bytes(b"this is no database at all" * 100)
    result = haze_cli.apart("serve", "--port", "0")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].endswith("file is not a database")
    assert "Traceback" not in result.stderr


async def test_commands_work_while_the_server_runs(haze) -> None:
    """No restart to let somebody in, to give him money, or to throw him out."""

    async def run(*words: str) -> str:
        config = str(haze.path.parent.parent / "config.toml")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "haze_proxy", "--config", config, *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0, err
        return out.decode().strip()

    await run("account", "add", "new@example.com", "--credit", "1")
    key = await haze.known(await run("key", "add", "new@example.com"))
    assert (await haze.ask("chat", key=key)).status == 200
    await haze.ended()
    assert (await run("ledger", "check")).startswith("clean: 3 transfers, 1 requests")
    shown = json.loads(await run("account", "show", "new@example.com", "--json"))
    assert float(shown["balance_usd"]) + float(shown["spent_usd"]) == 1
    assert float(shown["spent_usd"]) > 0
    await run("key", "revoke", key[:12])
    async with asyncio.timeout(5):
        while (await haze.get("/v1/key", key=key)).status != 401:
            await asyncio.sleep(0.02)


# Failures, and how commands behave among others


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
