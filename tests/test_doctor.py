"""`haze-proxy doctor`: what an owner would look at, each a line with what to do, and never a key."""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import Result
from desk import Desk
from gateway import Haze, running
from provider import Provider, Reply

from haze_proxy import config
from haze_proxy.doctor import client, house, line
from haze_proxy.doctor.findings import LEVELS, Finding
from haze_proxy.doctor.visit import CHECKS, KEY_CHECKS
from haze_proxy.resources import BOOKS
from haze_proxy.store import writer

CONFIG = """
[server]
public_url = "http://127.0.0.1:{port}"
port = {port}
[[channels]]
name = "free"
kind = "echo"
models = ["gratis"]
[[channels]]
name = "router"
kind = "openrouter"
api_key = "env:HAZE_TEST_UNSET"
models = ["paid"]
[[models]]
id = "gratis"
free = true
"""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have some of his own."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "OPENAI_")):
            monkeypatch.delenv(name)


@pytest.fixture
async def haze(tmp_path: Path) -> AsyncIterator[Haze]:
    """A Haze that runs where its configuration says."""
    async with running(tmp_path, CONFIG.replace("{port}", "1")) as haze:
        port = haze.url.rpartition(":")[2]
        (tmp_path / "config.toml").write_text(CONFIG.replace("{port}", port))
        yield haze


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Where the owner types."""
    return Desk(tmp_path)


async def visit(desk: Desk, *words: str, status: int = 0) -> list[dict[str, str]]:
    """What the doctor finds, as a program reads it."""
    result: Result = await asyncio.to_thread(desk, "doctor", "--json", *words)
    assert result.exit_code == status, result.output
    found: list[dict[str, str]] = json.loads(result.stdout)
    assert all(each["level"] in LEVELS for each in found)
    return found


def of(found: list[dict[str, str]], check: str) -> list[tuple[str, str]]:
    """(level, what was found) of a check."""
    return [(each["level"], each["found"]) for each in found if each["check"] == check]


def level(found: list[dict[str, str]], check: str) -> list[str]:
    """The levels of a check."""
    return [each for each, _ in of(found, check)]


async def test_a_house_in_order_passes(haze: Haze, desk: Desk) -> None:
    """Every check has its line; a channel that waits for its variable is worth a look and no failure."""
    haze.rows("UPDATE accounts SET is_admin = 1")
    found = await visit(desk)
    names = {each["check"] for each in found}
    assert names == {"python", "config", "prices", "variables", *(name for name, _ in CHECKS)}
    assert {each["check"] for each in found if each["level"] != "ok"} == {"channels"}
    assert of(found, "channels")[1] == (
        "warn",
        "router (openrouter): inactive: the variable HAZE_TEST_UNSET is not set",
    )
    assert of(found, "answers") == [("ok", f"{haze.url} answers, and can write")]
    assert of(found, "server") == [("ok", f"Runs: process {os.getpid()}")]
    assert of(found, "models") == [("ok", "1 served: gratis")]


async def test_a_channel_that_is_switched_off_is_not_well(haze: Haze, desk: Desk) -> None:
    """The switch stands in the store and not in config.toml: whoever forgot it looks for a long time."""
    await asyncio.to_thread(desk.says, "channels", "--off", "free")
    found = await visit(desk, status=1)
    assert of(found, "channels")[0][1].startswith("free (echo): switched off ")
    assert ("fail", "No channel is active") in of(found, "channels")


async def test_what_people_read_says_what_to_do(haze: Haze, desk: Desk) -> None:
    """A line for each check, and the remedy below it."""
    told = (await asyncio.to_thread(desk, "doctor")).stdout
    assert "ok    server          Runs: process" in told
    assert "warn  administrator   There is none\n" + " " * 22 + "The start prints a link that makes one" in told


async def test_a_key_is_examined_and_makes_one_free_call(haze: Haze, desk: Desk) -> None:
    """The same way that a client goes; it is written down like any other request, and costs nothing."""
    key = await haze.known(haze.account("2.5", email="b@example.com", budget=10**9, models=("gratis", "other")))
    found = await visit(desk, "--key", key)
    assert {name for name, _ in KEY_CHECKS} <= {each["check"] for each in found}
    assert of(found, "key") == [("ok", "Key 2 (test): live, and its account is enabled")]
    assert of(found, "balance") == [("ok", "$2.5")]
    assert of(found, "budget") == [("ok", "$1 of $1 left")]
    assert of(found, "key's models") == [("ok", "1 of 2 allowed ones are served")]
    assert of(found, "call") == [("ok", "gratis (free) was asked for one token: 200")]
    [row] = await haze.ended()
    assert (row["model"], row["key_id"], row["cost"]) == ("gratis", 2, 0)


async def test_a_key_named_by_its_id_makes_no_call(haze: Haze, desk: Desk) -> None:
    """Only who has the secret can call."""
    found = await visit(desk, "--key", "1")
    assert of(found, "call") == [("ok", "None was made: only a key in full can call")]
    assert haze.rows("SELECT * FROM requests") == []


BAD_KEYS: dict[str, tuple[str, str, str]] = {
    "revoked": ("UPDATE keys SET revoked_at = 1", "key", "this key is revoked"),
    "expired": ("UPDATE keys SET expires_at = 1", "key", "this key has expired"),
    "disabled": ("UPDATE accounts SET disabled_at = 1", "key", "this key's account is disabled"),
    "no model": ("UPDATE keys SET models = '[\"paid\"]'", "key's models", "0 of 1 allowed ones are served"),
    "address": ("UPDATE keys SET addresses = '[\"192.0.2.1\"]'", "call", "403 This API key may not be used from"),
}


@pytest.mark.parametrize(("sql", "check", "told"), BAD_KEYS.values(), ids=BAD_KEYS)
async def test_what_is_wrong_with_a_key_fails(haze: Haze, desk: Desk, sql: str, check: str, told: str) -> None:
    """With the reason, which the client never hears in full."""
    haze.rows(sql)
    async with asyncio.timeout(10):
        while (await haze.get("/v1/key")).status == 200 and check != "key's models":
            await asyncio.sleep(0.02)
    found = await visit(desk, "--key", haze.key, status=1)
    assert any(bad == "fail" and told in text for bad, text in of(found, check)), found


@pytest.mark.parametrize("named", ["sk-rr-" + "x" * 43, "nobody", "999"])
async def test_an_unknown_key_fails(haze: Haze, desk: Desk, named: str) -> None:
    """In words that do not repeat it."""
    result = await asyncio.to_thread(desk, "doctor", "--key", named)
    assert result.exit_code == 1
    assert "fail  key             No key, or more than one, is called that" in result.stdout
    assert named == "999" or named not in result.output
    assert result.stderr.splitlines()[-1].endswith("are worth a look.")


async def test_a_key_appears_nowhere(haze: Haze, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the one that was named, nor one in a variable: what the doctor says is pasted into issues."""
    other = "sk-rr-" + "y" * 43
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://user:{other}@127.0.0.1:9/{other}/v1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", haze.key)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", other)
    haze.rows("UPDATE keys SET name = ?", haze.key)
    for words in (("doctor",), ("doctor", "--json")):
        told = (await asyncio.to_thread(desk, *words, "--key", haze.key)).output
        assert haze.key[6:] not in told
        assert other[6:] not in told


async def test_nothing_is_changed(tmp_path: Path, desk: Desk) -> None:
    """Whoever asks a doctor has not agreed to an operation: no store is made, none is brought up to date."""
    (tmp_path / "config.toml").write_text(CONFIG.replace("{port}", "1"))
    found = await visit(desk, "--key", "1")
    assert not (tmp_path / "data").exists()
    assert level(found, "store") == level(found, "key") == ["warn"]
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data" / "haze.db")) as connection:
        connection.execute("PRAGMA user_version = 3")
    found = await visit(desk)
    assert "The next start brings it up to date" in str(found)
    with closing(sqlite3.connect(tmp_path / "data" / "haze.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)


STORES = {
    "newer": ("PRAGMA user_version = 999", "made by a newer Haze (version 999"),
    "broken": ("", "file is not a database"),
}


@pytest.mark.parametrize(("sql", "told"), STORES.values(), ids=STORES)
async def test_a_store_that_cannot_be_used_fails(tmp_path: Path, desk: Desk, sql: str, told: str) -> None:
    """And the rest is looked at all the same."""
    (tmp_path / "config.toml").write_text(CONFIG.replace("{port}", "1"))
    (tmp_path / "data").mkdir()
    if sql:
        with closing(sqlite3.connect(tmp_path / "data" / "haze.db")) as connection:
            connection.execute(sql)
    else:
        (tmp_path / "data" / "haze.db").write_bytes(b"not a database, and long enough to be looked at " * 40)
    found = await visit(desk, status=1)
    assert any(bad == "fail" and told in text for bad, text in of(found, "store"))
    assert "variables" in {each["check"] for each in found}


async def test_a_wrong_configuration_is_told_first(tmp_path: Path, desk: Desk) -> None:
    """Nothing else can be known then, but for this machine."""
    (tmp_path / "config.toml").write_text("[server]\nprot = 1\n")
    found = await visit(desk, status=1)
    assert [each["check"] for each in found] == ["python", "config", "variables"]
    assert "`prot`" in of(found, "config")[0][1]
    (tmp_path / "config.toml").unlink()
    assert level(await visit(desk, status=1), "config") == ["fail"]


async def test_a_server_elsewhere_is_noticed(haze: Haze, desk: Desk, provider: Provider) -> None:
    """Nobody there, another program, or a Haze with another store."""
    file, text = desk.folder / "config.toml", (desk.folder / "config.toml").read_text()
    file.write_text(text.replace(f'public_url = "{haze.url}"', 'public_url = "http://127.0.0.1:1"'))
    found = await visit(desk, status=1)
    assert (level(found, "answers"), level(found, "address")) == (["fail"], ["warn"])
    provider.script(Reply(status=200, body="hello"))
    url = provider.url.removesuffix("/v1")
    file.write_text(text.replace(f'public_url = "{haze.url}"', f'public_url = "{url}"'))
    assert of(await visit(desk, status=1), "answers") == [("fail", f"{url}/healthz answers 200, and not as Haze does")]
    file.write_text(text + '[store]\npath = "other/haze.db"\n')
    assert of(await visit(desk), "answers") == [("warn", f"{haze.url} is a Haze, but none runs on this store")]


async def test_a_store_that_the_server_cannot_write_fails(
    haze: Haze, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server says so itself, though the file may look well from outside."""
    monkeypatch.setattr(writer, "_can_write", lambda _: False)
    haze.app[BOOKS].writer.ready = False
    assert of(await visit(desk, status=1), "answers") == [("fail", f"{haze.url} answers, but cannot write its store")]


NOTHING_SERVED = {
    "no channel": ('active = false', "channels", "No channel is active"),
    "no price": ("", "models", "None is served"),
}  # fmt: skip


@pytest.mark.parametrize(("more", "check", "told"), NOTHING_SERVED.values(), ids=NOTHING_SERVED)
async def test_a_house_that_serves_nothing_fails(tmp_path: Path, desk: Desk, more: str, check: str, told: str) -> None:
    """A gateway without a model is not well, whatever else is."""
    row = f'[[channels]]\nname = "one"\nkind = "echo"\nmodels = ["dear"]\n{more}\n'
    (tmp_path / "config.toml").write_text(row)
    found = await visit(desk, status=1)
    assert ("fail", told) in of(found, check)
    assert more or level(found, "prices") == ["warn"]


PUBLIC: dict[str, tuple[str, list[str]]] = {
    "here alone": ('public_url = "http://localhost:8080"', ["ok"]),
    "another port": ('public_url = "http://127.0.0.1:9"', ["warn"]),
    "listens everywhere, shows itself here": ('host = "0.0.0.0"', ["warn"]),
    "no TLS": ('host = "0.0.0.0"\npublic_url = "http://haze.example"', ["warn", "ok"]),
    "a proxy nobody trusts": ('public_url = "https://haze.example"', ["warn"]),
    "a proxy": ('public_url = "https://haze.example"\ntrusted_proxies = ["127.0.0.1"]', ["ok"]),
}


@pytest.mark.parametrize(("text", "levels"), PUBLIC.values(), ids=PUBLIC)
def test_the_address_must_fit_what_is_listened_on(text: str, levels: list[str]) -> None:
    """What /docs shows is what people paste."""
    visited = line.House(config.parse(f"[server]\n{text}\n"), {})
    assert [each.level for each in line.address(visited)] == levels


def test_a_clock_that_is_wrong_is_noticed(tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By it keys expire and budgets begin anew; requests in the future say that it was set back."""
    (tmp_path / "config.toml").write_text("")
    desk.says("account", "add", "a@example.com")
    visited = line.House(config.load(tmp_path / "config.toml"), {})
    assert [each.level for each in house.clock(visited)] == ["ok"]
    ahead = f"req_{time.time_ns() // 1_000_000 + 3_600_000:012x}{'0' * 16}"
    with closing(sqlite3.connect(tmp_path / "data" / "haze.db")) as connection, connection:
        connection.execute(
            "INSERT INTO requests (id, epoch, account_id, key_id, state, protocol, stream, model, opened_at, held)"
            " VALUES (?, 1, 1, 1, 'void', 'chat', 0, 'm', 1, 0)",
            (ahead,),
        )
    assert [each.level for each in house.clock(visited)] == ["warn"]
    monkeypatch.setattr(house.time, "time_ns", lambda: 10**15)
    assert [each.level for each in house.clock(visited)] == ["fail"]


def test_a_full_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it does so in the night."""
    visited = line.House(config.parse(f'[store]\npath = "{tmp_path}/haze.db"\n'), {})
    levels = []
    for free in (50, 500, 5000):
        usage = type("Usage", (), {"free": free * 2**20})
        monkeypatch.setattr(house.shutil, "disk_usage", lambda _, usage=usage: usage)
        levels += [each.level for each in house.disk(visited)]
    assert levels == ["fail", "warn", "ok"]


KEY = "sk-rr-" + "k" * 43
HERE = "http://127.0.0.1:8080"
VARIABLES: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({}, "No variables"),
    "all is well": ({"ANTHROPIC_BASE_URL": HERE, "ANTHROPIC_API_KEY": KEY}, "fit"),
    "another name of this machine": (
        {"ANTHROPIC_BASE_URL": "http://localhost:8080/", "ANTHROPIC_AUTH_TOKEN": KEY}, "fit",
    ),
    "a provider's key for a channel": ({"ANTHROPIC_API_KEY": "sk-ant-1"}, "fit"),
    "a /v1 too much": ({"ANTHROPIC_BASE_URL": f"{HERE}/v1/", "ANTHROPIC_API_KEY": KEY}, "BASE_URL ends with /v1"),
    "two credentials": (
        {"ANTHROPIC_BASE_URL": HERE, "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_AUTH_TOKEN": "x"}, "both set",
    ),
    "elsewhere": ({"ANTHROPIC_BASE_URL": "https://u:p@x.example", "ANTHROPIC_API_KEY": KEY}, "elsewhere: https://x.example"),
    "no address": ({"ANTHROPIC_BASE_URL": "http://[", "ANTHROPIC_API_KEY": KEY}, "cannot be read"),
    "another's key": ({"ANTHROPIC_BASE_URL": HERE, "ANTHROPIC_API_KEY": "sk-ant-1"}, "no key of Haze"),
    "no key": ({"ANTHROPIC_BASE_URL": HERE}, "neither"),
    "a key without an address": ({"ANTHROPIC_AUTH_TOKEN": KEY}, "calls Anthropic"),
    "OpenAI's without /v1": ({"OPENAI_BASE_URL": HERE}, "does not end with /v1"),
}  # fmt: skip


@pytest.mark.parametrize(("environ", "told"), VARIABLES.values(), ids=VARIABLES)
def test_the_variables_of_clients_are_judged(environ: dict[str, str], told: str) -> None:
    """Each mistake by itself; credentials are never repeated."""
    [finding] = client.variables(environ, config.Config())
    assert isinstance(finding, Finding)
    assert told in finding.found
    assert (finding.level == "ok") == (told in ("No variables", "fit"))
    assert not any(value in str(asdict(finding)) for value in environ.values() if value.startswith(("sk-", "x")))
