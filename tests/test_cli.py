"""The owner's commands, as people and scripts use them."""

import asyncio
import json
import sys
from types import ModuleType

import pytest
from argon2 import PasswordHasher
from desk import ISO, Desk, fails

import haze_proxy

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


# Channels


def test_each_channel_is_shown_with_why_it_is_not_active(haze_cli: Desk) -> None:
    """The first question of every owner is why a model is missing."""
    demo, router = haze_cli.json("channels")
    assert demo == {
        "name": "demo",
        "kind": "echo",
        "active": True,
        "reason": None,
        "switch": None,
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
