"""Fields that change the price, where the request has to be translated or a channel is not sent all of it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from billed import IN, OUT, held, reply
from checks import quiet, refused, untouched
from gateway import Haze, channel, running
from provider import Provider

STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
PLAIN = IN * 1_000 + OUT * 10_000
PRICED = """
[[models]]
id = "paid"
input = 1
output = 10
server_tools = { web_search = 10 }
service_tiers = { priority = { factor = 2 } }
speeds = { fast = { factor = 6 } }
inference_geos = { us = { factor = 1.1 } }
[[models]]
id = "dear"
input = 2
output = 20
"""
# The caller's protocol, the channel's kind, and what it is asked in.
WAYS = {
    "chat at Anthropic": ("chat", "anthropic", "messages"),
    "messages at OpenAI": ("messages", "openai", "chat"),
    "responses at Anthropic": ("responses", "anthropic", "messages"),
    "responses at a compatible server": ("responses", "openai-compatible", "chat"),
}
EACH_WAY = pytest.mark.parametrize(("protocol", "kind", "spoken"), WAYS.values(), ids=WAYS)
LOST: dict[str, tuple[dict[str, Any], str]] = {
    "tier": ({"service_tier": "priority"}, "service_tier"),
    "speed": ({"speed": "fast"}, "speed"),
    "place": ({"inference_geo": "us"}, "inference_geo"),
    "models": ({"models": ["dear"]}, "models"),
    "fallbacks": ({"fallbacks": [{"model": "dear"}]}, "fallbacks"),
    "plugins": ({"plugins": [{"id": "web"}]}, "plugins"),
    "preset": ({"preset": "mine"}, "preset"),
}


def shop(kind: str, provider: Provider, **more: str) -> str:
    """A channel that serves both models."""
    return PRICED + channel(kind, provider.url, '["paid", "dear"]', **more)


async def one(haze: Haze) -> Any:
    """The only row, once the books are quiet and right."""
    (row,) = await haze.ended()
    await quiet(haze)
    return row


@EACH_WAY
@pytest.mark.parametrize(("fields", "named"), LOST.values(), ids=LOST)
async def test_a_field_that_the_channel_would_not_be_sent_is_refused_by_its_name(
    tmp_path: Path, provider: Provider, protocol: str, kind: str, spoken: str, fields: dict[str, Any], named: str
) -> None:
    """Its price would be paid for nothing, and data would be computed where they must not be."""
    async with running(tmp_path, shop(kind, provider)) as haze:
        answer = await haze.ask(protocol, "paid", max_tokens=100, **fields)
        assert refused(answer, protocol, 400).startswith(f"{named}: ")
        assert provider.requests == []
        untouched(haze)


async def test_gemini_is_not_sent_a_tier_so_nobody_pays_for_one(tmp_path: Path, provider: Provider) -> None:
    """It refuses fields that it does not know, so they are left out even where no translation is needed."""
    async with running(tmp_path, shop("gemini", provider)) as haze:
        answer = await haze.ask("chat", "paid", max_tokens=100, service_tier="priority")
        assert refused(answer, "chat", 400).startswith("service_tier: ")


@STREAM
async def test_a_channel_of_the_callers_own_protocol_serves_what_the_first_cannot(
    tmp_path: Path, provider: Provider, stream: bool
) -> None:
    """Anthropic has the higher priority, and no such tier."""
    text = shop("anthropic", provider, priority="1") + channel("openai", provider.url)
    async with running(tmp_path, text) as haze:
        provider.script(reply("chat", stream, told={"service_tier": "priority"}))
        answer = await haze.ask("chat", "paid", max_tokens=100, stream=stream, service_tier="priority")
        assert answer.status == 200
        row = await one(haze)
        assert (row["channel"], row["cost"]) == ("openai", 2 * PLAIN)


@STREAM
async def test_a_tier_that_both_protocols_spell_alike_is_sent_and_charged(
    tmp_path: Path, provider: Provider, stream: bool
) -> None:
    """Where the owner says that his server takes it."""
    options = '{ allowed_fields = ["model", "messages", "max_tokens", "stream", "stream_options", "service_tier"] }'
    async with running(tmp_path, shop("openai-compatible", provider, options=options)) as haze:
        provider.script(reply("chat", stream, told={"service_tier": "priority"}))
        fields = {"max_tokens": 100, "stream": stream, "service_tier": "priority"}
        assert (await haze.ask("responses", "paid", **fields)).status == 200
        row = await one(haze)
        (received,) = provider.requests
        assert received.json()["service_tier"] == "priority"
        assert row["held"] == held("responses", "paid", 2_000, 20_000, 100, **fields)
        assert (row["cost"], row["service_tier"]) == (2 * PLAIN, "priority")


@EACH_WAY
@STREAM
async def test_a_translated_answer_costs_what_its_channel_reported(
    tmp_path: Path, provider: Provider, protocol: str, kind: str, spoken: str, stream: bool
) -> None:
    """Usage is read in the channel's own shape; the caller's would count a cached prompt twice."""
    cached = {"prompt_tokens_details": {"cached_tokens": 4}} if spoken == "chat" else {"cache_read_input_tokens": 4}
    text = PRICED.replace("output = 10\n", "output = 10\ncache_read = 0.1\n") + channel(kind, provider.url)
    async with running(tmp_path, text) as haze:
        provider.script(reply(spoken, stream, told=cached))
        answer = await haze.ask(protocol, "paid", max_tokens=100, stream=stream)
        assert (answer.status, answer.cut) == (200, False)
        row = await one(haze)
        fresh = IN - 4 if spoken == "chat" else IN
        assert (row["cost"], row["estimated"]) == (fresh * 1_000 + 4 * 100 + OUT * 10_000, 0)
        if not stream:
            assert Decimal(answer.headers["x-haze-cost-usd"]) == Decimal(row["cost"]).scaleb(-9)


async def test_a_tool_that_translation_leaves_out_holds_and_costs_nothing(tmp_path: Path, provider: Provider) -> None:
    """It is named in x-haze-dropped, and nobody has run it."""
    async with running(tmp_path, shop("anthropic", provider)) as haze:
        fields = {"max_tokens": 100, "web_search_options": {}}
        answer = await haze.ask("chat", "paid", **fields)
        assert (answer.status, answer.headers["x-haze-dropped"]) == (200, "web_search_options")
        row = await one(haze)
        assert (row["held"], row["cost"]) == (held("chat", "paid", 1_000, 10_000, 100, **fields), PLAIN)


async def test_a_limit_that_translation_adds_is_the_one_held(tmp_path: Path, provider: Provider) -> None:
    """Anthropic wants one; a caller who named none must not write more than was held."""
    async with running(tmp_path, shop("anthropic", provider)) as haze:
        assert (await haze.ask("chat", "paid")).status == 200
        row, (received,) = await one(haze), provider.requests
        limit = received.json()["max_tokens"]
        assert (limit, row["held"]) == (32_000, held("chat", "paid", 1_000, 10_000, limit))


async def test_a_limit_that_translation_raises_is_the_one_held(tmp_path: Path, provider: Provider) -> None:
    """OpenAI takes none below 16 on responses: what may be written is what must be paid for."""
    async with running(tmp_path, shop("openai-compatible", provider, protocols='["responses"]')) as haze:
        assert (await haze.ask("chat", "paid", max_tokens=3)).status == 200
        row, (received,) = await one(haze), provider.requests
        assert received.json()["max_output_tokens"] == 16
        assert row["held"] == held("chat", "paid", 1_000, 10_000, 16, max_tokens=3)
