"""What an owner sees of channels that serve what their upstream lists: another process reads it from the store."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from gateway import channel, running
from provider import Provider, Reply
from provider_answers import openrouter_list, openrouter_row

from haze_proxy.cli import main

LIST = openrouter_list("v/one", openrouter_row("v/auto", "-1", "-1"))


async def command(folder: Path, *words: str) -> Any:
    """What a command tells a program, while the server runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "haze_proxy", "--config", str(folder / "config.toml"), *words, "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err
    return json.loads(out)


async def test_commands_know_what_the_server_was_told(tmp_path: Path, provider: Provider) -> None:
    """How many models, since when, who serves one of them, and why another one is not served."""
    provider.lists = lambda received: Reply(body=LIST)
    async with running(tmp_path, channel("openrouter", provider.url, '["*"]')) as haze:
        async with asyncio.timeout(5):
            while not (told := haze.rows("SELECT * FROM channel_models")):
                await asyncio.sleep(0.01)
        [shown] = await command(tmp_path, "channels")
        assert (shown["models"], shown["listed"], shown["priced"]) == (["*"], 2, 1)
        assert shown["fetched_at"].startswith("20")
        assert told[0]["fetched_at"] > 0
        [one] = await command(tmp_path, "explain", "v/one")
        assert (one["order"], one["how"], one["upstream_model"]) == (1, "upstream's list", "v/one")
        [auto] = await command(tmp_path, "explain", "v/auto")
        assert (auto["order"], "the list says that its price varies" in auto["reason"]) == (None, True)
        [other] = await command(tmp_path, "explain", "v/other")
        assert other["reason"] == "does not list this model"


def test_before_the_first_start_nothing_is_made_to_look_it_up(tmp_path: Path) -> None:
    """Looking at a configuration must not leave a database behind."""
    (tmp_path / "config.toml").write_text(channel("openrouter", "http://127.0.0.1:9/v1", '["*"]'))
    result = CliRunner().invoke(main, ["--config", str(tmp_path / "config.toml"), "explain", "m", "--json"])
    assert json.loads(result.stdout)[0]["reason"] == "its upstream has not told its list of models yet"
    assert not (tmp_path / "data").exists()
