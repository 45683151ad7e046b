"""Tiers and speeds of the table that ships with Haze, and what an owner's row does to them."""

from pathlib import Path
from typing import Any

import pytest
from billed import IN, OUT, flags, held, reply
from checks import quiet
from gateway import channel, running
from provider import Provider

STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
# What a token in and one out cost: 1,750 and 14,000, in nano-dollars.
MODEL, DATED = "gpt-5.2", "gpt-5.2-2025-12-11"
OWN = '\n[[models]]\nid = "gpt-5.2"\n'

# tier: rates of the shipped table
TIERS = {"flex": (875, 7_000), "priority": (3_500, 28_000), "default": (1_750, 14_000)}


async def row_of(tmp_path: Path, provider: Provider, text: str, told: str, stream: bool = False, **fields: Any) -> Any:
    """The row of one request, whose answer names a dated model and a tier, and its flags."""
    async with running(tmp_path, text + channel("openai", provider.url, f'["{MODEL}"]')) as haze:
        provider.script(reply("chat", stream, model=DATED, told={"service_tier": told} if told else {}))
        answer = await haze.ask("chat", MODEL, max_tokens=100, stream=stream, **fields)
        assert (answer.status, answer.cut) == (200, False), answer.body
        (row,) = await haze.ended()
        await quiet(haze)
        return row, await flags(haze)


@STREAM
@pytest.mark.parametrize("tier", TIERS)
async def test_a_tier_that_the_table_knows_is_served(
    tmp_path: Path, provider: Provider, stream: bool, tier: str
) -> None:
    """Nobody has to write down what the provider publishes."""
    row, flagged = await row_of(tmp_path, provider, "", tier, stream, service_tier=tier)
    price_in, price_out = TIERS[tier]
    assert (row["cost"], row["estimated"], flagged) == (IN * price_in + OUT * price_out, 0, [])
    assert row["held"] == held(
        "chat", MODEL, price_in, price_out, 100, max_tokens=100, stream=stream, service_tier=tier
    )


async def test_a_speed_that_the_table_knows_is_served(tmp_path: Path, provider: Provider) -> None:
    """Claude's fast mode: twice its price."""
    async with running(tmp_path, channel("anthropic", provider.url, '["claude-fable-5-2"]')) as haze:
        costs = []
        for speed in ("standard", "fast"):
            provider.script(reply("messages", False, model="claude-fable-5-2", told={"speed": speed}))
            assert (await haze.ask("messages", "claude-fable-5-2", max_tokens=100, speed=speed)).status == 200
            costs.append((await haze.ended(len(costs) + 1))[-1]["cost"])
        assert costs[1] > costs[0]
        await quiet(haze)


async def test_an_owners_factor_wins_over_the_table_also_for_a_dated_name(tmp_path: Path, provider: Provider) -> None:
    """What he wrote down is what he charges; the other tiers stay as they are."""
    text = OWN + "service_tiers = { priority = { factor = 3 } }\n"
    row, _ = await row_of(tmp_path, provider, text, "priority", service_tier="priority")
    assert row["cost"] == 3 * (IN * 1_750 + OUT * 14_000)
    assert row["held"] == held("chat", MODEL, 5_250, 42_000, 100, max_tokens=100, stream=False, service_tier="priority")
    (tmp_path / "data" / "haze.db").unlink()
    row, _ = await row_of(tmp_path, provider, text, "flex", service_tier="flex")
    assert row["cost"] == IN * 875 + OUT * 7_000


async def test_a_tool_that_the_owner_adds_leaves_the_tables_tiers(tmp_path: Path, provider: Provider) -> None:
    """One line about searches must not make a tier unknown."""
    row, _ = await row_of(
        tmp_path, provider, OWN + "server_tools = { code_interpreter = 30 }\n", "priority", service_tier="priority"
    )
    assert row["cost"] == IN * 3_500 + OUT * 28_000


async def test_an_own_price_has_no_tiers_but_its_own(tmp_path: Path, provider: Provider) -> None:
    """Twice the provider's price has nothing to do with what the owner asks for."""
    row, flagged = await row_of(tmp_path, provider, OWN + "input = 1\noutput = 10\n", "priority")
    assert (row["cost"], flagged) == (IN * 1_000 + OUT * 10_000, ["service_tier priority has no price"])


@pytest.mark.parametrize(
    ("protocol", "model", "dated", "price_in", "price_out"),
    [
        ("chat", MODEL, DATED, 1_750, 14_000),
        ("responses", MODEL, DATED, 1_750, 14_000),
        ("messages", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 3_000, 15_000),
    ],
)
async def test_a_shipped_price_can_be_given_what_it_lacks(
    tmp_path: Path, provider: Provider, protocol: str, model: str, dated: str, price_in: int, price_out: int
) -> None:
    """A place that the table does not know; a dated name of the same model keeps the owner's factor."""
    text = f'\n[[models]]\nid = "{model}"\ninference_geos = {{ us = {{ factor = 2 }} }}\n'
    kind = "anthropic" if protocol == "messages" else "openai"
    async with running(tmp_path, text + channel(kind, provider.url, f'["{model}"]')) as haze:
        provider.script(reply(protocol, False, model=dated, told={"inference_geo": "us"}))
        assert (await haze.ask(protocol, model, max_tokens=100, inference_geo="us")).status == 200
        (row,) = await haze.ended()
        assert row["cost"] == 2 * (IN * price_in + OUT * price_out)
        assert haze.check() == []
