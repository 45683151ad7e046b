"""`models = ["*"]`, through HTTP: what upstreams list is served, whatever happens to the upstream."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from checks import refused
from gateway import ECHO, Haze, channel, running
from provider import HANG, Provider, Reply, events
from provider_answers import anthropic_page, openrouter_list, openrouter_row

from haze_proxy import config
from haze_proxy.channels import refresh
from haze_proxy.context import DIRECTORY
from haze_proxy.lists import LISTS

DOWN = Reply(status=503, body=b"down")


def star(provider: Provider, **more: str) -> str:
    """A channel that serves what the pretend OpenRouter lists."""
    return channel("openrouter", provider.url, '["*"]', **more)


def tells(provider: Provider, *rows: Any) -> None:
    """From now on the upstream lists these."""
    provider.lists = lambda received: Reply(body=openrouter_list(*rows))


async def lists(haze: Haze, *ids: str) -> list[dict[str, Any]]:
    """Wait until /v1/models shows these ids, and nothing else; returns what it shows."""
    async with asyncio.timeout(5):
        while True:
            shown = (await haze.get("/v1/models")).json()["data"]
            if [model["id"] for model in shown] == list(ids):
                return shown
            await asyncio.sleep(0.01)


async def asked_again(haze: Haze, provider: Provider) -> None:
    """Have all lists fetched now, and wait until the upstream was asked."""
    before = len(provider.requests)
    settings = haze.app[DIRECTORY].value.config
    haze.app[LISTS].reload(settings)
    await provider.received(before + 1)


async def test_a_start_waits_for_no_upstream(tmp_path: Path, provider: Provider) -> None:
    """A gateway that hangs because one provider does would take all others down with it."""
    comes = asyncio.Event()
    provider.lists = lambda received: Reply(body=openrouter_list("v/one"), late=comes)
    async with running(tmp_path, ECHO + star(provider)) as haze:
        await provider.received(1)
        assert (await haze.ask("chat", "hekiu")).status == 200
        early = await haze.ask("chat", "v/one")
        message = refused(early, "chat", 503)
        assert "Try again" in message
        # Unlike a model that no channel lists, this one may come: clients are told to try again.
        assert (early.headers["Retry-After"], "x-should-retry" in early.headers) == ("5", False)
        await lists(haze, "hekiu")
        comes.set()
        await lists(haze, "hekiu", "v/one")
        assert (await haze.ask("chat", "v/one")).status == 200
        late = await haze.ask("chat", "v/other")
        refused(late, "chat", 503)
        assert late.headers["x-should-retry"] == "false"


async def test_a_stop_waits_for_no_upstream_either(tmp_path: Path, provider: Provider) -> None:
    """The list is nobody's request."""
    provider.lists = lambda received: Reply(chunks=[b'{"data": [', HANG])
    async with asyncio.timeout(5):
        async with running(tmp_path, ECHO + star(provider)):
            [asked] = await provider.received(1)
        await asked.closed.wait()


async def test_the_list_is_what_people_see(tmp_path: Path, provider: Provider) -> None:
    """Names, sizes and prices as the upstream has them, unless the owner has said it better."""
    paid = openrouter_row("v/paid", "0.00000125", "0.00001", input_cache_read="0.000000125", request="0.01")
    tells(provider, paid, openrouter_row("v/auto", "-1", "-1"), "v/mine")
    own = '[[models]]\nid = "v/mine"\nname = "Mine"\nnotes = "House blend"\ninput = 9\noutput = 9\n'
    async with running(tmp_path, own + star(provider, aliases='{ short = "v/paid" }')) as haze:
        short, first, mine = await lists(haze, "short", "v/paid", "v/mine")
        assert first == short | {"id": "v/paid"}
        assert first == first | {
            "name": "Pretend: v/paid",
            "display_name": "Pretend: v/paid",
            "description": "What people read about v/paid.",
            "provider": "openrouter",
            "context_length": 131_072,
            "max_completion_tokens": 8_192,
            "pricing": {
                "prompt": "0.00000125",
                "completion": "0.00001",
                "input_cache_read": "0.000000125",
                "request": "0.01",
            },
        }
        assert (mine["name"], mine["description"], mine["context_length"]) == ("Mine", "House blend", 131_072)
        assert mine["pricing"] == {"prompt": "0.000009", "completion": "0.000009"}
        assert (await haze.get("/v1/models/v/paid")).json() == first
        refused(await haze.get("/v1/models/v/auto"), "chat", 404)
        assert "price is not known" in refused(await haze.ask("chat", "v/auto"), "chat", 503)
        assert (await haze.ask("chat", "short")).json()["model"] == "v/paid"
        [row] = await haze.ended()
        # 11 x 1,250 and 3 x 10,000 nano-dollars, and a cent for the request.
        assert (row["cost"], row["upstream_model"]) == (10_043_750, "v/paid")
        assert json.loads(row["price"])["source"] == "openrouter /models"


async def test_an_upstream_that_fell_over_is_still_served(
    tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its list is what fails first: models must not vanish with it, and a list of nothing is a failure."""
    monkeypatch.setattr(refresh, "delay_s", lambda failures, chance: 0.01 if failures else 3600)
    tells(provider, "v/one")
    async with running(tmp_path, star(provider)) as haze:
        await lists(haze, "v/one")
        for reply in (DOWN, Reply(body={"data": []}), Reply(body=b"<html>")):
            provider.lists = lambda received, reply=reply: reply
            await asked_again(haze, provider)
            # It is tried again by itself.
            await provider.received(len(provider.requests) + 2)
            assert (await haze.ask("chat", "v/one")).status == 200
        tells(provider, "v/one", "v/two")
        await lists(haze, "v/one", "v/two")


async def test_a_changed_list_is_served_and_a_running_request_keeps_its_price(
    tmp_path: Path, provider: Provider
) -> None:
    """What was agreed on when it began is what it costs."""
    tells(provider, "v/one", "v/two")
    async with running(tmp_path, star(provider)) as haze:
        await lists(haze, "v/one", "v/two")
        go = asyncio.Event()
        first, *rest = events("chat", model="v/one")
        provider.script(Reply(chunks=[first, go, *rest]))
        running_one = asyncio.create_task(haze.ask("chat", "v/one", stream=True))
        await provider.received(len(provider.requests) + 1)
        tells(provider, openrouter_row("v/one", "0.000002", "0.00002"))
        await asked_again(haze, provider)
        [shown] = await lists(haze, "v/one")
        assert shown["pricing"] == {"prompt": "0.000002", "completion": "0.00002"}
        refused(await haze.ask("chat", "v/two"), "chat", 503)
        assert (await haze.ask("chat", "v/one")).status == 200
        go.set()
        assert (await running_one).status == 200
        costs = {row["stream"]: row["cost"] for row in await haze.ended(2)}
        # 11 and 3 tokens: at 1,000 and 10,000 nano-dollars, and at twice that.
        assert costs == {1: 41_000, 0: 82_000}
        assert haze.check() == []


async def test_a_restart_with_the_upstream_down_serves_what_it_served(tmp_path: Path, provider: Provider) -> None:
    """Both happen in the same storm."""
    tells(provider, "v/one", openrouter_row("v/gift:free", "0", "0"))
    async with running(tmp_path, star(provider)) as haze:
        before = await lists(haze, "v/one", "v/gift:free")
    provider.lists = lambda received: DOWN
    async with running(tmp_path, star(provider), key=haze.key) as haze:
        # At once: the store was read before the first connection was taken.
        assert (await haze.get("/v1/models")).json()["data"] == before
        assert (await haze.ask("chat", "v/one")).status == 200
        assert (await haze.ask("chat", "v/gift:free")).status == 200
        costs = {row["model"]: row["cost"] for row in await haze.ended(2)}
        assert costs == {"v/one": 41_000, "v/gift:free": 0}


async def test_a_list_that_was_spoilt_in_the_store_is_left_out(tmp_path: Path, provider: Provider) -> None:
    """A start must not fail for what can be fetched again."""
    tells(provider, "v/one")
    async with running(tmp_path, star(provider)) as haze:
        await lists(haze, "v/one")
    haze.rows("UPDATE channel_models SET models = '{'")
    provider.lists = lambda received: Reply(late=HANG)
    async with running(tmp_path, ECHO + star(provider), key=haze.key) as haze:
        await lists(haze, "hekiu")


async def test_a_reload_keeps_the_lists_of_channels_that_stay(tmp_path: Path, provider: Provider) -> None:
    """Changing one channel must not make the others' models vanish until they are fetched again."""
    tells(provider, "v/one")
    gone = star(provider).replace('"openrouter"', '"gone"', 1)
    moved = star(provider).replace('"openrouter"', '"moved"', 1)
    async with running(tmp_path, star(provider) + gone + moved) as haze:
        await provider.received(3)
        await lists(haze, "v/one")
        provider.lists = lambda received: Reply(late=HANG)
        before = len(provider.requests)
        elsewhere = moved.replace(provider.url, f"{provider.url}/elsewhere").replace("owners-secret", "another-key")
        haze.app[LISTS].reload(config.parse(ECHO + star(provider, priority="5") + elsewhere))
        directory = haze.app[DIRECTORY].value
        assert (list(directory.lists), directory.waiting) == (["openrouter"], ("moved",))
        assert [c.channel.priority for c in directory.candidates("v/one", "chat")] == [5]
        # Those that are left are asked at once; nobody asks for the one that is gone.
        asked = (await provider.received(before + 2))[before:]
        assert sorted(each.path for each in asked) == ["/v1/elsewhere/models", "/v1/models"]
        haze.app[LISTS].reload(config.parse(ECHO))
        assert haze.app[DIRECTORY].value.lists == {}
        async with asyncio.timeout(5):
            for each in asked:
                await each.closed.wait()


async def test_other_kinds_lists_are_priced_by_the_house(tmp_path: Path, provider: Provider) -> None:
    """Anthropic lists ids; the shipped table and config.toml know what they cost."""
    provider.lists = lambda received: Reply(body=anthropic_page(["claude-sonnet-4-5", "claude-nobody-knows", "own"]))
    own = '[[models]]\nid = "own"\ninput = 1\noutput = 1\n'
    async with running(tmp_path, own + channel("anthropic", provider.url, '["*"]')) as haze:
        claude, _ = await lists(haze, "claude-sonnet-4-5", "own")
        assert (claude["name"], claude["max_input_tokens"], claude["max_tokens"]) == (
            "Pretend claude-sonnet-4-5",
            200_000,
            64_000,
        )
        assert (await haze.ask("messages", "claude-sonnet-4-5")).status == 200


SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}


async def test_input_that_is_dearer_than_text_is_refused_before_it_is_sent(tmp_path: Path, provider: Provider) -> None:
    """Usage does not say what of it was sound: the house would pay the difference."""
    tells(provider, openrouter_row("v/hears", audio="0.000003"), openrouter_row("v/plain", audio="0.000001"))
    async with running(tmp_path, star(provider)) as haze:
        await lists(haze, "v/hears", "v/plain")
        turns = [{"role": "user", "content": [{"type": "text", "text": "hi"}, SOUND]}]
        before = len(provider.requests)
        answer = await haze.ask("chat", "v/hears", messages=turns)
        assert "audio" in refused(answer, "chat", 400)
        assert answer.error()["param"] == "messages"
        assert len(provider.requests) == before
        assert (await haze.ask("chat", "v/plain", messages=turns)).status == 200
        assert (await haze.ask("chat", "v/hears")).status == 200


async def test_a_free_model_needs_no_balance(tmp_path: Path, provider: Provider) -> None:
    """Zero, said by the list, is a price."""
    tells(provider, openrouter_row("v/gift:free", "0", "0"))
    async with running(tmp_path, star(provider)) as haze:
        [shown] = await lists(haze, "v/gift:free")
        assert shown["pricing"] == {"prompt": "0", "completion": "0"}
        poor = await haze.known(haze.account("0", "poor@example.com"))
        assert (await haze.ask("chat", "v/gift:free", key=poor)).status == 200
        [row] = await haze.ended()
        assert (row["cost"], row["held"]) == (0, 0)
