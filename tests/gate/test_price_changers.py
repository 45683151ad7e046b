"""Fields that make a request cost something else than its model's price: the table, row by row, in each protocol."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from checks import held, refused, untouched
from gateway import PATHS, Haze, asking, channel, running
from provider import Provider, Reply

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
FORM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
ROUTERS = ["openrouter/auto", "paid:online", "@preset/mine"]

# What any protocol's clients may send, and what is refused of it by name.
ANYWHERE: dict[str, tuple[dict[str, Any], str]] = {
    "other models": ({"models": ["paid", "other"]}, "models[1]"),
    "fallbacks": ({"fallbacks": [{"model": "other"}]}, "fallbacks[0]"),
    "a faster tier": ({"service_tier": "priority"}, "service_tier"),
    "a slower tier": ({"service_tier": "flex"}, "service_tier"),
    "speed": ({"speed": "fast"}, "speed"),
    "plugins": ({"plugins": [{"id": "web"}]}, "plugins[0]"),
    "another place": ({"inference_geo": "us"}, "inference_geo"),
}
ALONE: dict[str, dict[str, tuple[dict[str, Any], str]]] = {
    "chat": {
        "a search": ({"web_search_options": {}}, "web_search_options"),
        "speech": ({"modalities": ["text", "audio"]}, "modalities"),
        "a tool": ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    },
    "messages": {"a tool": ({"tools": [{"type": "web_search_20260318", "name": "web_search"}]}, "tools[0].type")},
    "responses": {
        "a tool": ({"tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]}, "tools[1].type"),
    },
}


@EACH
@FORM
async def test_a_field_that_changes_the_price_is_refused_by_name(
    chained: Haze, provider: Provider, protocol: str, stream: bool
) -> None:
    """Served without its price, it would be paid by the owner."""
    for name, (fields, named) in {**ANYWHERE, **ALONE[protocol]}.items():
        answer = await chained.ask(protocol, "paid", stream=stream, **fields)
        assert refused(answer, protocol, 400).startswith(f"{named}: "), name
        if protocol != "messages":
            assert answer.error()["param"] == named
        assert provider.requests == [], name
        untouched(chained)


@EACH
@FORM
async def test_the_usual_values_are_served_at_the_usual_price(chained: Haze, protocol: str, stream: bool) -> None:
    """SDKs send the fields they know with their usual values: refusing those would refuse everybody."""
    for count, tier in enumerate(["auto", "default", None], 1):
        fields = {"service_tier": tier, "models": [], "speed": "standard", "stream": stream}
        assert (await chained.ask(protocol, "paid", **fields)).status == 200
        rows = await chained.ended(count)
        assert [(row["state"], row["cost"]) for row in rows] == [("settled", 41_000)] * count


@EACH
@FORM
async def test_a_model_that_the_upstream_would_choose_is_refused_although_it_has_a_row(
    tmp_path: Path, provider: Provider, protocol: str, stream: bool
) -> None:
    """Behind a router any model may answer, at any price."""
    row = '\n[[models]]\nid = "{}"\ninput = 1\noutput = 10\nmax_output_tokens = 1000\n'
    kind = "anthropic" if protocol == "messages" else "openai"
    text = "".join(map(row.format, ROUTERS)) + channel(kind, provider.url, json.dumps(ROUTERS))
    async with running(tmp_path, text) as haze:
        for router in ROUTERS:
            answer = await haze.ask(protocol, router, stream=stream)
            assert refused(answer, protocol, 400).startswith("model: "), router
        assert provider.requests == []
        untouched(haze)


# Fields -> how many answers of 70 tokens are set aside.
ANSWERS: dict[str, tuple[dict[str, Any], int]] = {
    "one": ({}, 1),
    "n": ({"n": 3}, 3),
    "best_of": ({"best_of": 5}, 5),
    "n below best_of": ({"n": 2, "best_of": 5}, 5),
}


@FORM
@pytest.mark.parametrize(("fields", "answers"), ANSWERS.values(), ids=ANSWERS)
async def test_each_answer_that_is_made_is_held(
    chained: Haze, provider: Provider, stream: bool, fields: dict[str, Any], answers: int
) -> None:
    """`best_of` shows one answer and bills all."""
    gate = asyncio.Event()
    provider.otherwise = lambda received: Reply(status=400, late=gate, body={"error": {"message": "no"}})
    holds = []
    for more in ({}, fields):
        body = asking("chat", "paid", stream=stream, max_tokens=70, **more)
        calling = asyncio.create_task(chained.post(PATHS["chat"], body))
        await provider.received(len(holds) + 1)
        holds.append(held(chained))
        gate.set()
        assert (await calling).status == 400
        gate.clear()
    output = 70 * 10_000
    # The fields themselves are input, and are held as such: a few dozen bytes.
    assert 0 <= holds[1] - holds[0] - (answers - 1) * output < 30 * 1_000
