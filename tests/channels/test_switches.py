"""A channel that is switched off while Haze runs: beside its row in config.toml, from the next request on."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from checks import refused
from click.testing import CliRunner
from gateway import ECHO, PAID, Haze, channel, running
from provider import Provider, Reply, whole
from provider_answers import openrouter_list

from haze_proxy import config
from haze_proxy.channels.directory import Directory
from haze_proxy.cli import main
from haze_proxy.context import DIRECTORY

BY = "off here since 2026-11-25 13:00 UTC by owner@example.com"


async def command(haze: Haze, *words: str) -> str:
    """Run one of the owner's commands beside the server, as another process would; what it prints."""
    path = haze.path.parent.parent / "config.toml"
    result = await asyncio.to_thread(CliRunner().invoke, main, ["--config", str(path), *words])
    assert result.exit_code == 0, result.output
    return str(result.output)


async def models(haze: Haze) -> list[str]:
    """What the key sees at /v1/models."""
    return [model["id"] for model in (await haze.get("/v1/models")).json()["data"]]


async def test_the_server_notices_a_switch_of_another_process(tmp_path: Path, provider: Provider) -> None:
    """When the command returns it holds: a channel whose key has leaked must get nothing more."""
    async with running(tmp_path, ECHO + channel("openai", provider.url) + PAID) as haze:
        assert (await haze.ask("chat", "paid")).status == 200
        assert await command(haze, "channels", "--off", "openai") == "Channel openai is switched off.\n"
        answer = await haze.ask("chat", "paid")
        message = refused(answer, "chat", 503)
        assert "No available upstream channel for the requested model `paid`" in message
        assert "openai" not in message
        assert await models(haze) == ["hekiu"]
        assert (await haze.ask("chat", "hekiu")).status == 200
        await command(haze, "channels", "--on", "openai")
        assert (await haze.ask("chat", "paid")).status == 200
        assert await models(haze) == ["hekiu", "paid"]
        assert len(provider.requests) == 2
        acts = haze.rows("SELECT act, target, detail, actor_id FROM audit ORDER BY id")
        assert [tuple(act) for act in acts] == [
            ("channel.switch", "openai", "off", None),
            ("channel.switch", "openai", "on", None),
        ]


async def test_what_runs_when_it_is_switched_comes_to_its_end(tmp_path: Path, provider: Provider) -> None:
    """Nobody loses an answer that he will be charged for."""
    comes = asyncio.Event()
    provider.script(Reply(body=whole("chat"), late=comes))
    async with running(tmp_path, ECHO + channel("openai", provider.url) + PAID) as haze:
        asking = asyncio.create_task(haze.ask("chat", "paid"))
        await provider.received(1)
        await command(haze, "channels", "--off", "openai")
        assert (await haze.ask("chat", "paid")).status == 503
        comes.set()
        assert (await asking).status == 200


async def test_a_switch_outlives_the_server(tmp_path: Path, provider: Provider) -> None:
    """And its row waits for a channel that is not in the file any more."""
    text = ECHO + channel("openai", provider.url) + PAID
    async with running(tmp_path, text) as haze:
        await command(haze, "channels", "--off", "openai")
    async with running(tmp_path, ECHO, key=haze.key) as gone:
        assert (await gone.ask("chat", "hekiu")).status == 200
    async with running(tmp_path, text, key=haze.key) as again:
        assert (await again.ask("chat", "paid")).status == 503
        assert again.app[DIRECTORY].value.channels[1].off.endswith(" by haze-proxy channels")


async def test_a_list_is_not_fetched_while_its_channel_is_off(tmp_path: Path, provider: Provider) -> None:
    """Off means that nothing is asked there; the list it told before serves as soon as it is on again."""
    asked: list[Any] = []

    def told(received: Any) -> Reply:
        asked.append(received)
        return Reply(body=openrouter_list("v/one"))

    provider.lists = told
    text = ECHO + channel("openrouter", provider.url, '["*"]')
    async with running(tmp_path, text) as haze:
        async with asyncio.timeout(5):
            while await models(haze) != ["hekiu", "v/one"]:
                await asyncio.sleep(0.01)
        await command(haze, "channels", "--off", "openrouter")
        assert await models(haze) == ["hekiu"]
    before = len(asked)
    async with running(tmp_path, text, key=haze.key) as again:
        assert await models(again) == ["hekiu"]
        assert (await again.ask("chat", "v/one")).headers["x-should-retry"] == "false"
        assert len(asked) == before
        await command(again, "channels", "--on", "openrouter")
        assert (await again.ask("chat", "v/one")).status == 200
        assert len(asked) == before + 1


ROW = '[[channels]]\nname = "{0}"\nkind = "{1}"\napi_key = "k"\n{2}\n'
PRICES = '[[models]]\nid = "m"\ninput = 1\noutput = 1\n'
NO_PARROT = {
    "beside its exact id": ('models = ["m"]', 'models = ["m"]'),
    "by an alias": ('models = ["m"]', 'aliases = { "m" = "m" }'),
    "by a glob": ('models = ["m"]', 'aliases = { "m*" = "m" }'),
    "glob beside glob": ('models = ["m*"]', 'aliases = { "m*" = "m" }'),
}


@pytest.mark.parametrize(("real", "parrot"), NO_PARROT.values(), ids=NO_PARROT)
def test_a_parrot_never_takes_the_place_of_what_is_off(real: str, parrot: str) -> None:
    """A client that asks a real model while it is switched off gets an error, never what looks like an answer."""
    text = ROW.format("real", "openai", real) + ROW.format("parrot", "echo", parrot) + PRICES
    directory = Directory(config.parse(text), {}, off={"real": BY})
    assert directory.candidates("m", "chat") == ()
    first, second = directory.explain("m")
    assert (first.channel, first.order, first.reason) == ("real", None, f"switched {BY}")
    assert (second.channel, second.order) == ("parrot", None)


def test_another_real_channel_takes_over() -> None:
    """That is what one switches off for: less exact ones, too."""
    text = ROW.format("a", "openai", 'models = ["m"]') + ROW.format("b", "openai", 'models = ["*m"]') + PRICES
    found = Directory(config.parse(text), {}, off={"a": BY, "gone": BY})
    assert [each.channel.name for each in found.candidates("m", "chat")] == ["b"]


def test_a_switch_changes_nothing_of_what_the_channel_is() -> None:
    """What is known of its health, and of its list, is about the same upstream."""
    settings = config.parse(ROW.format("a", "openai", 'models = ["m"]') + PRICES)
    on, off = Directory(settings, {}).channels[0], Directory(settings, {}, off={"a": BY}).channels[0]
    assert on == off
    assert (on.serves, off.serves, off.inactive) == (True, False, "")
