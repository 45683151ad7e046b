"""What the owner's commands say of channels that a running server leaves alone."""

import json
import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from haze_proxy.cli import main
from haze_proxy.store import channel_health, database, requests
from haze_proxy.store.channel_health import Resting
from haze_proxy.store.database import transaction
from haze_proxy.store.migrations import migrate

CONFIG = """
[[channels]]
name = "one"
kind = "openai-compatible"
base_url = "http://127.0.0.1:9/v1"
models = ["m", "n"]
priority = 2
[[channels]]
name = "two"
kind = "openai-compatible"
base_url = "http://127.0.0.1:9/v1"
models = ["m", "n"]
[[models]]
id = "m"
free = true
[[models]]
id = "n"
free = true
"""


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A store on which a server runs (this process stands for it), whose channel `one` has failed for model `m`."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    (tmp_path / "data").mkdir()
    until = time.time_ns() // 1_000_000 + 60_000
    with closing(database.connect(str(tmp_path / "data" / "haze.db"))) as connection:
        migrate(connection)
        with transaction(connection):
            requests.begin_epoch(connection, os.getpid(), 1)
            channel_health.put(connection, Resting("one", "m", 3, False, "it broke", until))
            channel_health.put(connection, Resting("two", "m", 1, False, "long ago", 5))
    return path


def ask(path: Path, *words: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(main, ["--config", str(path), *words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_explain_asks_a_resting_channel_last_and_says_until_when(served: Path) -> None:
    """ "Why does it go to the expensive one?" is the first question after a failover."""
    two, one = ask(served, "explain", "m")
    assert (two["order"], two["channel"], two["reason"]) == (1, "two", None)
    assert (one["order"], one["channel"]) == (None, "one")
    assert "after 3 failures: it broke" in str(one["reason"])
    assert [each["order"] for each in ask(served, "explain", "n")] == [1, 2]


def test_channels_shows_what_rests(served: Path) -> None:
    """The owner sees at a glance which channel needs him."""
    one, two = ask(served, "channels")
    assert str(one["resting"]).startswith("m until ")
    assert (two["resting"], one["priority"]) == (None, 2)


def test_what_a_server_knew_before_it_ended_is_not_told(served: Path) -> None:
    """It starts with every channel as good as new."""
    with closing(database.connect(str(served.parent / "data" / "haze.db"))) as connection, transaction(connection):
        requests.end_epoch(connection, 1, 2)
    assert [each["order"] for each in ask(served, "explain", "m")] == [1, 2]


def test_explain_tells_the_order_for_callers_of_a_protocol(tmp_path: Path) -> None:
    """Who speaks the caller's own comes first; the rest of a priority is translated for, and says into what."""
    row = "[[channels]]\nname = '{}'\nkind = '{}'\napi_key = 'k'\nmodels = ['m']\n{}\n"
    rows = [("open", "openai", "weight = 9"), ("claude", "anthropic", ""), ("only", "openai", "translate = false")]
    (tmp_path / "config.toml").write_text(
        "".join(row.format(*each) for each in rows) + "[[models]]\nid = 'm'\nfree = true\n"
    )
    told = ask(tmp_path / "config.toml", "explain", "m", "--protocol", "messages")
    assert [(each["order"], each["channel"], each["speaks"]) for each in told] == [
        (1, "claude", "messages"),
        (2, "open", "chat"),
        (None, "only", "chat, embeddings, responses"),
    ]
    assert told[2]["reason"] == "a channel of kind openai does not speak messages"
    told = ask(tmp_path / "config.toml", "explain", "m", "--protocol", "chat")
    assert [(each["channel"], each["speaks"]) for each in told][2] == ("claude", "messages")
    assert all(each["order"] for each in ask(tmp_path / "config.toml", "explain", "m"))


SOME = CONFIG + '[[channels]]\nname = "far"\nkind = "openai"\napi_key = "env:HAZE_UNSET"\nmodels = ["m"]\n'


def test_a_switch_stands_beside_what_the_file_says(tmp_path: Path) -> None:
    """Whoever reads `active = true` in the file and sees no request there looks here."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    says = CliRunner().invoke(main, ["--config", str(path), "channels", "--off", "one"])
    assert (says.exit_code, says.output) == (0, "Channel one is switched off.\n")
    one, two = ask(path, "channels")
    assert (one["active"], two["active"], two["switch"]) == (True, True, None)
    assert str(one["switch"]).startswith("off here since ")
    assert str(one["switch"]).endswith(" by haze-proxy channels")
    two, one = ask(path, "explain", "m")
    assert (two["channel"], two["order"]) == ("two", 1)
    assert (one["channel"], one["order"], one["reason"]) == (
        "one",
        None,
        f"switched {ask(path, 'channels')[0]['switch']}",
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--off", "nobody"), "There is no channel nobody."),
        (("--on", "far"), "Channel far cannot be switched on here: the variable HAZE_UNSET is not set."),
    ],
)
def test_what_cannot_be_switched_is_one_line(tmp_path: Path, words: tuple[str, str], line: str) -> None:
    """The file decides what there is, and what is ready."""
    path = tmp_path / "config.toml"
    path.write_text(SOME)
    says = CliRunner().invoke(main, ["--config", str(path), "channels", *words])
    assert (says.exit_code, says.stderr.strip()) == (1, line)


def test_explain_answers_for_an_account_too(tmp_path: Path) -> None:
    """An owner who helps somebody knows his address, and not his key."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    for words in (("account", "add", "a@b.c"), ("account", "disable", "a@b.c")):
        assert CliRunner().invoke(main, ["--config", str(path), *words]).exit_code == 0
    assert {each["reason"] for each in ask(path, "explain", "m", "--key", "a@b.c")} == {"this account is disabled"}
