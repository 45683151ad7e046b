"""Providers keep their habits: what a test learns from the pretend ones must hold for the real ones."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from provider import Call, Provider, events
from provider_answers import USAGE
from provider_kinds import CACHED, COST, PROCESSING, SIGNED, THINKING, THOUGHTS, stream

from haze_proxy.money import usage
from haze_proxy.wire import sse
from haze_proxy.wire.meter import Meter

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream_options": {"include_usage": True}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"properties": {}, "required": ["a"]}}}
BODIES = {
    "chat": ("/chat/completions", CHAT),
    "messages": ("/messages", {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
    "responses": ("/responses", {"model": "m", "input": "hi"}),
}
protocols = pytest.mark.parametrize("protocol", BODIES)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def told(client: aiohttp.ClientSession, kind: str, protocol: str, **more: Any) -> tuple[int, bytes]:
    """Status and body of a provider of this kind."""
    path, body = BODIES[protocol]
    async with Provider(kind=kind) as provider, client.post(provider.url + path, json={**body, **more}) as answer:
        return answer.status, await answer.read()


def documents(answer: bytes) -> list[dict[str, Any]]:
    """The JSON of a stream's events."""
    data = [sse.parse(raw).data for raw in sse.Reader().feed(answer)]
    return [json.loads(each) for each in data if each.startswith(b"{")]


@protocols
async def test_openrouter_comments_while_it_works_and_tells_what_it_cost(
    client: aiohttp.ClientSession, protocol: str
) -> None:
    """Comments before the first event are no answer yet; the cost is what an owner is billed."""
    _, answer = await told(client, "openrouter", protocol, stream=True)
    assert answer.startswith(PROCESSING * 2)
    assert answer.count(PROCESSING) == 3
    meter = Meter(protocol)
    assert (meter.feed(answer) + meter.held, meter.finished) == (answer, True)
    assert (meter.upstream_id, meter.usage["cost"]) == ("gen-pretend", COST)
    assert meter.usage.items() >= USAGE[protocol].items()


@protocols
async def test_openrouter_tells_the_cost_of_a_whole_answer(client: aiohttp.ClientSession, protocol: str) -> None:
    """Under the same names in every protocol."""
    answer = json.loads((await told(client, "openrouter", protocol))[1])
    assert (answer["id"], answer["usage"]["cost"], answer["provider"]) == ("gen-pretend", COST, "Pretend")
    assert [choice["native_finish_reason"] for choice in answer.get("choices", [])] == ["stop"] * (protocol == "chat")


async def test_gemini_tells_a_call_at_once_and_stops_without_saying_why(client: aiohttp.ClientSession) -> None:
    """Clients that wait for an index, an id or "tool_calls" wait in vain."""
    _, answer = await told(client, "gemini", "chat", tools=[TOOL], stream=True)
    choices = [choice for document in documents(answer) for choice in document["choices"]]
    (calls,) = [choice["delta"]["tool_calls"] for choice in choices if "tool_calls" in choice["delta"]]
    (call,) = calls
    assert "index" not in call
    assert (call["id"], json.loads(call["function"]["arguments"])) == ("", {"a": "echo ok"})
    assert call["extra_content"]["google"]["thought_signature"]
    assert [choice["finish_reason"] for choice in choices][-1] == "stop"
    whole = json.loads((await told(client, "gemini", "chat", tools=[TOOL]))[1])
    assert whole["choices"][0]["finish_reason"] == "tool_calls"


async def test_gemini_leaves_its_thinking_out_of_the_output(client: aiohttp.ClientSession) -> None:
    """It is billed all the same."""
    _, answer = await told(client, "gemini", "chat", stream=True)
    read = usage.read("chat", documents(answer)[-1]["usage"])
    assert read.output == USAGE["chat"]["completion_tokens"] + THINKING
    assert b"tool_calls" not in answer


async def test_deepseek_tells_its_reasoning_before_the_answer(client: aiohttp.ClientSession) -> None:
    """In a field of its own, which must go back with a tool's result."""
    _, answer = await told(client, "deepseek", "chat", stream=True)
    deltas = [choice["delta"] for document in documents(answer) for choice in document["choices"]]
    assert [delta["reasoning_content"] for delta in deltas[1:3]] == [*THOUGHTS]
    assert deltas[3]["content"]
    assert usage.read("chat", documents(answer)[-1]["usage"]).cache_read == CACHED
    whole = json.loads((await told(client, "deepseek", "chat"))[1])
    assert whole["choices"][0]["message"]["reasoning_content"] == "".join(THOUGHTS)


async def test_claude_signs_what_it_thought(client: aiohttp.ClientSession) -> None:
    """The signature must come back byte for byte, before the call it led to."""
    _, answer = await told(client, "claude", "messages", tools=[{"name": "f", "input_schema": {}}], stream=True)
    blocks = [document for document in documents(answer) if document["type"] == "content_block_start"]
    assert [(block["index"], block["content_block"]["type"]) for block in blocks] == [(0, "thinking"), (1, "tool_use")]
    deltas = [document["delta"] for document in documents(answer) if document["type"] == "content_block_delta"]
    assert [delta["signature"] for delta in deltas if delta["type"] == "signature_delta"] == [SIGNED]
    meter = Meter("messages")
    meter.feed(answer)
    assert usage.read("messages", meter.usage).cache_read == CACHED
    whole = json.loads((await told(client, "claude", "messages"))[1])
    assert [block["type"] for block in whole["content"]] == ["thinking", "text"]


@pytest.mark.parametrize(("kind", "code"), [("openrouter", lambda e: e["error"]), ("gemini", lambda e: e[0]["error"])])
async def test_errors_have_numbers_for_codes(client: aiohttp.ClientSession, kind: str, code: Any) -> None:
    """One in an array, both with the status where others have a name."""
    async with Provider(kind=kind) as provider, client.post(provider.url + "/nowhere", json={}) as answer:
        assert code(await answer.json())["code"] == answer.status == 404


def test_a_stream_that_was_cut_keeps_its_cut() -> None:
    """Habits change events; what a test put between them stays where it is."""
    steps: list[Any] = [*events("chat", call=Call("f", {"a": 1}))[:3], "the cut"]
    assert stream("gemini", steps)[-1] == "the cut"
    assert stream("openrouter", steps)[-1] == "the cut"
