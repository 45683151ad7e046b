"""Every shape in which providers report usage, and the exact nano-dollars it costs.

The prices differ in every class, so that a token in the wrong one shows: in 1,000 nano-dollars, out 10,000, read from
the cache 100, written to it 1,250 (5 minutes) or 2,000 (an hour).
"""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from checks import quiet
from gateway import Haze, Json, channel, running
from provider import TEXTS, Provider, Reply, events, whole

STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
CLASSES = "cache_read = 0.1\ncache_write_5m = 1.25\ncache_write_1h = 2\n"
PRICES = f'\n[[models]]\nid = "paid"\ninput = 1\noutput = 10\n{CLASSES}server_tools = {{ web_search = 10 }}\n'
LONG = (
    '\n[[models]]\nid = "long"\ninput = 1\noutput = 10\ncache_read = 0.1\n'
    "tiers = [{ above = 1000, input = 2, output = 15, cache_read = 0.2 }, { above = 2000, input = 4 }]\n"
)
SEARCH = 10_000_000
OPENAI = {"chat": ("prompt_tokens", "completion_tokens"), "responses": ("input_tokens", "output_tokens")}


@pytest.fixture
async def shop(tmp_path: Path, provider: Provider) -> AsyncIterator[Haze]:
    """Haze before a provider that speaks every protocol."""
    text = PRICES + LONG + channel("openrouter", provider.url, '["paid", "long"]')
    async with running(tmp_path, text) as server:
        yield server


async def cost(haze: Haze, reply: Reply, provider: Provider, protocol: str, model: str = "paid", **fields: Any) -> int:
    """What one request costs; the books must prove it from its row alone."""
    provider.script(reply)
    answer = await haze.ask(protocol, model, max_tokens=100_000, **fields)
    assert (answer.status, answer.cut) == (200, False), answer.body
    *_, row = await haze.ended()
    await quiet(haze)
    assert (row["state"], row["estimated"], row["shortfall"]) == ("settled", 0, 0)
    return int(row["cost"])


def told(protocol: str, usage: Json, stream: bool) -> Reply:
    """A right answer with this usage."""
    if not stream:
        return Reply(body=whole(protocol, usage=usage))
    return Reply(chunks=events(protocol, usage=usage))


def inclusive(protocol: str, prompt: int, output: int, details: Json | None = None, made: Json | None = None) -> Json:
    """OpenAI's shape, in the names of chat or of responses."""
    names = OPENAI[protocol]
    usage: Json = {names[0]: prompt, names[1]: output, "total_tokens": prompt + output}
    return usage | {f"{names[0]}_details": details or {}, f"{names[1]}_details": made or {}}


# prompt, output, details of the prompt and of the output: nano-dollars
INCLUSIVE: dict[str, tuple[int, int, Json, Json, int]] = {
    "nothing cached": (100, 20, {}, {}, 300_000),
    "cached tokens are part of the prompt": (100, 20, {"cached_tokens": 60}, {}, 40_000 + 6_000 + 200_000),
    "so are those that were written": (
        100,
        20,
        {"cached_tokens": 60, "cache_write_tokens": 30},
        {},
        10_000 + 6_000 + 30 * 1_250 + 200_000,
    ),
    "all of it cached": (100, 20, {"cached_tokens": 100}, {}, 10_000 + 200_000),
    "more cached than there was: nothing below zero": (100, 20, {"cached_tokens": 160}, {}, 16_000 + 200_000),
    "reasoning is part of the output": (100, 20, {}, {"reasoning_tokens": 15}, 300_000),
    "rejected predictions are part of it, too": (100, 20, {}, {"rejected_prediction_tokens": 9}, 300_000),
    "audio and pictures are part of the prompt": (100, 20, {"audio_tokens": 50, "image_tokens": 10}, {}, 300_000),
    "details that are null": (100, 20, {"cached_tokens": None}, {"reasoning_tokens": None}, 300_000),
    "nothing but reasoning": (100, 20, {"cached_tokens": 0}, {"reasoning_tokens": 20}, 300_000),
}


@STREAM
@pytest.mark.parametrize("protocol", OPENAI)
@pytest.mark.parametrize(("prompt", "output", "details", "made", "nano"), INCLUSIVE.values(), ids=INCLUSIVE)
async def test_openais_prompt_contains_what_was_cached(
    shop: Haze,
    provider: Provider,
    protocol: str,
    stream: bool,
    prompt: int,
    output: int,
    details: Json,
    made: Json,
    nano: int,
) -> None:
    """Added instead of taken out, a cached prompt costs twice; taken out twice, it costs less than nothing."""
    reply = told(protocol, inclusive(protocol, prompt, output, details, made), stream)
    assert await cost(shop, reply, provider, protocol, stream=stream) == nano


def split(five_minutes: int, hour: int) -> Json:
    """How long Anthropic keeps what was written."""
    return {"ephemeral_5m_input_tokens": five_minutes, "ephemeral_1h_input_tokens": hour}


EXCLUSIVE: dict[str, tuple[Json, int]] = {
    "fresh tokens only": ({"input_tokens": 100, "output_tokens": 20}, 300_000),
    "cached ones stand beside them": (
        {"input_tokens": 100, "cache_read_input_tokens": 60, "output_tokens": 20},
        306_000,
    ),
    "a write that does not say how long": (
        {"input_tokens": 100, "cache_creation_input_tokens": 40, "output_tokens": 20},
        350_000,
    ),
    "five minutes and an hour": (
        {
            "input_tokens": 100, "cache_creation_input_tokens": 40, "cache_creation": split(10, 30),
            "cache_read_input_tokens": 60, "output_tokens": 20,
        },
        100_000 + 12_500 + 60_000 + 6_000 + 200_000,
    ),
    "the split wins, zeros too": (
        {"input_tokens": 100, "cache_creation_input_tokens": 40, "cache_creation": split(0, 0), "output_tokens": 20},
        300_000,
    ),
    "a stale flat number beside the split": (
        {"input_tokens": 100, "cache_creation_input_tokens": 0, "cache_creation": split(0, 30), "output_tokens": 20},
        360_000,
    ),
    "thinking is part of the output": (
        {"input_tokens": 100, "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 15}},
        300_000,
    ),
    "searches": (
        {"input_tokens": 100, "output_tokens": 20, "server_tool_use": {"web_search_requests": 3}},
        300_000 + 3 * SEARCH,
    ),
    "fetches have no fee": (
        {"input_tokens": 100, "output_tokens": 20, "server_tool_use": {"web_fetch_requests": 3}},
        300_000,
    ),
    "compaction is billed beside the rest": (
        {
            "input_tokens": 100, "output_tokens": 20,
            "iterations": [
                {"type": "compaction", "input_tokens": 50, "output_tokens": 5},
                {"type": "message", "input_tokens": 100, "output_tokens": 20},
            ],
        },
        400_000,
    ),
    "the usual tier, speed and place": (
        {
            "input_tokens": 100, "output_tokens": 20, "service_tier": "standard", "speed": "standard",
            "inference_geo": "not_available",
        },
        300_000,
    ),
    "nulls": (
        {"input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": None, "server_tool_use": None},
        300_000,
    ),
}  # fmt: skip


@STREAM
@pytest.mark.parametrize(("usage", "nano"), EXCLUSIVE.values(), ids=EXCLUSIVE)
async def test_anthropics_input_is_only_what_was_fresh(
    shop: Haze, provider: Provider, stream: bool, usage: Json, nano: int
) -> None:
    """One shape read as the other is a prompt for nothing, or paid twice."""
    reply = told("messages", usage, stream)
    assert await cost(shop, reply, provider, "messages", stream=stream) == nano


def stream_of(*usages: Json) -> Reply:
    """A messages stream: the first usage in its start, the others in deltas at its end."""
    start, *between, _, stop = events("messages", TEXTS, {})
    document = json.loads(start.partition(b"data: ")[2])
    document["message"]["usage"] = usages[0]
    deltas: Sequence[Json] = [
        {"type": "message_delta", "delta": {"stop_reason": "end_turn" if usage is usages[1] else None}, "usage": usage}
        for usage in usages[1:]
    ]
    named = [b"event: %s\ndata: %s\n\n" % (d["type"].encode(), json.dumps(d).encode()) for d in (document, *deltas)]
    return Reply(chunks=[named[0], *between, *named[1:], stop])


MERGED: dict[str, tuple[tuple[Json, ...], int]] = {
    "B13: cumulative numbers are not added": (
        (
            {"input_tokens": 27, "cache_read_input_tokens": 100, "output_tokens": 1},
            {"input_tokens": 27, "cache_read_input_tokens": 100, "output_tokens": 47},
        ),
        27_000 + 10_000 + 470_000,
    ),
    "B13: the whole prompt first, its split last": (
        (
            {"input_tokens": 8834, "output_tokens": 1},
            {"input_tokens": 18, "cache_read_input_tokens": 8831, "output_tokens": 20},
        ),
        18_000 + 883_100 + 200_000,
    ),
    "PEERS 8: cache reads that appear only at the end": (
        ({"input_tokens": 100, "output_tokens": 1}, {"cache_read_input_tokens": 60, "output_tokens": 20}),
        306_000,
    ),
    "B15: a flat zero after the split": (
        (
            {"input_tokens": 100, "cache_creation": split(0, 100), "output_tokens": 1},
            {"cache_creation_input_tokens": 0, "output_tokens": 20},
        ),
        100_000 + 200_000 + 200_000,
    ),
    "B15: a stale flat number after zeros": (
        (
            {"input_tokens": 100, "cache_creation": split(0, 0), "output_tokens": 1},
            {"cache_creation_input_tokens": 77, "output_tokens": 20},
        ),
        300_000,
    ),
    "nulls take nothing back": (
        (
            {"input_tokens": 100, "cache_read_input_tokens": 60, "output_tokens": 1},
            {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 20},
        ),
        306_000,
    ),
    "B8: a later delta with usage alone": (
        ({"input_tokens": 100, "output_tokens": 1}, {"output_tokens": 15}, {"output_tokens": 20}),
        300_000,
    ),
    "zero output": (({"input_tokens": 100, "output_tokens": 0}, {"output_tokens": 0}), 100_000),
}


@pytest.mark.parametrize(("usages", "nano"), MERGED.values(), ids=MERGED)
async def test_a_later_number_takes_the_place_of_an_earlier_one(
    shop: Haze, provider: Provider, usages: tuple[Json, ...], nano: int
) -> None:
    """Usage in a stream is cumulative; vendors correct themselves in its last event."""
    assert await cost(shop, stream_of(*usages), provider, "messages", stream=True) == nano


@pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
async def test_both_shapes_of_one_usage_cost_the_same(shop: Haze, provider: Provider, protocol: str) -> None:
    """B14: 10 fresh, 60 read, 30 written, 20 out, whoever tells it."""
    usage = {"input_tokens": 10, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30, "output_tokens": 20}
    if protocol != "messages":
        usage = inclusive(protocol, 100, 20, {"cached_tokens": 60, "cache_write_tokens": 30})
    assert await cost(shop, told(protocol, usage, False), provider, protocol) == 10_000 + 6_000 + 37_500 + 200_000


CHUNKED: dict[str, list[Json]] = {
    "on every chunk, counting up": [
        {"prompt_tokens": 100, "completion_tokens": 5},
        {"prompt_tokens": 100, "completion_tokens": 12},
        {"prompt_tokens": 100, "completion_tokens": 20},
    ],
    "beside the reason to stop": [{}, {}, {"prompt_tokens": 100, "completion_tokens": 20}],
    "Gemini's thinking is only in the total": [
        {},
        {},
        {"prompt_tokens": 100, "completion_tokens": 3, "total_tokens": 120},
    ],
}


HEAD = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "pretend"}


@pytest.mark.parametrize("usages", CHUNKED.values(), ids=CHUNKED)
async def test_usage_is_read_from_any_chunk_of_chat(shop: Haze, provider: Provider, usages: list[Json]) -> None:
    """Not every upstream sends a chunk of its own for it."""
    choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": None}
    first = {**choice, "delta": {"role": "assistant", "content": "x"}}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    documents = [
        {**HEAD, "choices": [each], **({"usage": usage} if usage else {"usage": None})}
        for each, usage in zip((first, choice, last), usages, strict=True)
    ]
    chunks = [b"data: %s\n\n" % json.dumps(document).encode() for document in documents]
    assert await cost(shop, Reply(chunks=[*chunks, b"data: [DONE]\n\n"]), provider, "chat", stream=True) == 300_000


@STREAM
async def test_openrouters_usage_costs_its_tokens(shop: Haze, provider: Provider, stream: bool) -> None:
    """Its own cost and the details of it are beside the price named here, not instead of it."""
    usage = inclusive("chat", 100, 20, {"cached_tokens": 60, "cache_write_tokens": 0, "video_tokens": 0})
    usage |= {"cost": 0.5, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.4, "server_tool_cost": 0.1}}
    assert await cost(shop, told("chat", usage, stream), provider, "chat", stream=stream) == 246_000
    (row,) = await shop.ended()
    assert row["upstream_cost"] == 500_000_000


# input, cached, output: nano-dollars
BOUNDARY: dict[str, tuple[int, int, int, int]] = {
    "at the boundary": (1000, 0, 10, 1000 * 1_000 + 100_000),
    "one token beyond": (1001, 0, 10, 1001 * 2_000 + 150_000),
    "cached tokens make it long": (1001, 1000, 10, 1 * 2_000 + 1000 * 200 + 150_000),
    "cached tokens at the boundary": (1000, 999, 10, 1 * 1_000 + 999 * 100 + 100_000),
    "at the second one": (2000, 0, 10, 2000 * 2_000 + 150_000),
    "beyond the second one": (2001, 0, 10, 2001 * 4_000 + 150_000),
    "output alone is not long": (10, 0, 5000, 10_000 + 50_000_000),
}


@STREAM
@pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
@pytest.mark.parametrize(("total", "cached", "output", "nano"), BOUNDARY.values(), ids=BOUNDARY)
async def test_a_long_request_costs_its_tier_to_the_token(
    shop: Haze, provider: Provider, protocol: str, stream: bool, total: int, cached: int, output: int, nano: int
) -> None:
    """The tier is for all tokens of a request whose whole input, cached or not, is above its boundary."""
    if protocol == "messages":
        usage = {"input_tokens": total - cached, "cache_read_input_tokens": cached, "output_tokens": output}
    else:
        usage = inclusive(protocol, total, output, {"cached_tokens": cached})
    assert await cost(shop, told(protocol, usage, stream), provider, protocol, "long", stream=stream) == nano


async def test_a_class_without_a_price_costs_the_dearest_of_its_side_and_is_flagged(
    shop: Haze, provider: Provider
) -> None:
    """PEERS 9: `long` has no price for what is written to the cache; free it is not."""
    usage = {"input_tokens": 100, "cache_creation": split(10, 20), "output_tokens": 20}
    assert await cost(shop, told("messages", usage, False), provider, "messages", "long") == 130_000 + 200_000
