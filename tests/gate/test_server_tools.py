"""Tools that the provider runs for a fee: ten calls are held, the reported ones charged, and none is given away."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from checks import refused
from gateway import ECHO, Haze, channel, running
from provider import Provider, Reply, events, whole

SEARCH = {"responses": {"type": "web_search"}, "messages": {"type": "web_search_20260318", "name": "web_search"}}
# From the shipped table: 10 USD for a thousand searches.
SEARCH_COSTS = 10_000_000
MODELS = {"responses": "gpt-5.2", "messages": "claude-sonnet-4-5"}
PRICES = {"responses": (1_750, 14_000), "messages": (3_000, 15_000)}
TOOLS = pytest.mark.parametrize("protocol", ["responses", "messages"])


@pytest.fixture
async def shop(tmp_path: Path, provider: Provider) -> AsyncIterator[Haze]:
    """Haze before providers whose prices are those of the shipped table."""
    text = channel("openai", provider.url, '["gpt-5.2"]') + channel("anthropic", provider.url, '["claude-sonnet-4-5"]')
    async with running(tmp_path, ECHO + text) as server:
        yield server


def searched(protocol: str, times: int) -> dict[str, Any]:
    """A whole answer that says how often it searched; opening a page is no search."""
    answer = whole(protocol)
    if protocol == "messages":
        answer["usage"] |= {"server_tool_use": {"web_search_requests": times}}
    else:
        search = {"type": "web_search_call", "status": "completed", "action": {"type": "search"}}
        opened = {**search, "action": {"type": "open_page"}}
        answer["output"] = [*[search] * times, opened, *answer["output"]]
    return answer


def told(protocol: str, answer: dict[str, Any]) -> list[bytes]:
    """The same as a stream."""
    if protocol == "messages":
        return events(protocol, usage=answer["usage"])
    end = json.dumps({"type": "response.completed", "response": answer}).encode()
    return [*events(protocol)[:-1], b"event: response.completed\ndata: " + end + b"\n\n"]


@TOOLS
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("times", [0, 3])
async def test_ten_calls_are_held_and_the_reported_ones_charged(
    shop: Haze, provider: Provider, protocol: str, stream: bool, times: int
) -> None:
    """Codex offers a search with every turn: served without its price it would be the owner's to pay."""
    shop.provider_lies = True
    gate, answer = asyncio.Event(), searched(protocol, times)
    provider.script(Reply(late=gate, chunks=told(protocol, answer) if stream else None, body=answer))
    fields = {"max_tokens": 100, "tools": [SEARCH[protocol]], "stream": stream}
    calling = asyncio.create_task(shop.ask(protocol, MODELS[protocol], **fields))
    await provider.received(1)
    price_in, price_out = PRICES[protocol]
    # Beside the calls, what they bring in.
    enough = 10 * SEARCH_COSTS + 20_000 * price_in + 100 * price_out
    gate.set()
    assert (await calling).status == 200
    (row,) = await shop.ended()
    assert row["held"] > enough
    assert (row["cost"], row["estimated"]) == (11 * price_in + 3 * price_out + times * SEARCH_COSTS, 0)
    assert shop.check() == []


UNPRICED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a tool without a price": ("responses", "gpt-5.2", {"tools": [{"type": "code_interpreter"}]}),
    "a search at another price": ("responses", "gpt-5.2", {"tools": [{"type": "web_search_preview_2025_03_11"}]}),
    "an image": ("responses", "gpt-5.2", {"tools": [{"type": "image_generation"}]}),
    "another's tools": ("responses", "gpt-5.2", {"tools": [{"type": "mcp", "server_url": "https://x.example"}]}),
    "in a namespace": ("responses", "gpt-5.2", {"tools": [{"type": "namespace", "tools": [{"type": "mcp"}]}]}),
    "where nobody counts": ("chat", "gpt-5.2", {"web_search_options": {}}),
}


@pytest.mark.parametrize(("protocol", "model", "fields"), UNPRICED.values(), ids=UNPRICED)
async def test_a_tool_that_cannot_be_charged_is_refused(
    shop: Haze, provider: Provider, protocol: str, model: str, fields: dict[str, Any]
) -> None:
    """The 400 names the entry, so that a client can leave it out."""
    answer = await shop.ask(protocol, model, **fields)
    refused(answer, protocol, 400)
    assert answer.error()["param"] == ("web_search_options" if protocol == "chat" else "tools[0].type")
    assert provider.requests == []


@TOOLS
async def test_the_embedded_channel_runs_none_and_takes_them_all(shop: Haze, protocol: str) -> None:
    """Codex cannot leave its search out; here nobody would run it."""
    answer = await shop.ask(protocol, "hekiu", tools=[SEARCH[protocol], {"type": "image_generation", "name": "x"}])
    assert answer.status == 200
    (row,) = await shop.ended()
    assert row["cost"] == row["input"] * 1_000 + row["output"] * 5_000
