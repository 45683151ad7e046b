"""Any client on any channel, through the public door: answers, tools, pictures, formats, reasoning, and their price."""

import json
from pathlib import Path
from typing import Any

import pytest
from checks import quiet
from gateway import PATHS, Answer, running
from provider import Json, Provider, Reply, events, whole
from ways import FULL, PAIRS, RIGHT, STREAM, WAYS, Way, each
from wire.fold import fold, says

# Gemini leaves 300 tokens of thinking out of its output, and they cost all the same.
THINKING = 300
RED = "iVBORw0KGgoAAAANSUhEUg=="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def told(way: Way, answer: Answer, *, stream: bool) -> dict[str, Any]:
    """What an answer says, in words that all protocols share."""
    assert (answer.status, answer.cut) == (200, False), answer.body
    return says(way.client, fold(way.client, answer.body) if stream else answer.json())


def provider_of(way: Way) -> Provider:
    """A provider with the habits of the way's kind."""
    return Provider(kind="gemini" if way.kind == "gemini" else None)


@each()
@STREAM
async def test_any_client_is_answered_and_charged_exactly(tmp_path: Path, way: Way, stream: bool) -> None:
    """He asked for `paid` in his own words, and that is what he reads; what is charged is what the channel counted."""
    async with provider_of(way) as provider, running(tmp_path, way.config(provider.url)) as haze:
        answer = await haze.post(PATHS[way.client] + "?beta=true", way.ask(stream=stream))
        said = told(way, answer, stream=stream)
        output = 3 + (THINKING if way.kind == "gemini" else 0)
        assert (said["text"], said["reasoning"], said["calls"]) == ("Hello there!", "", [])
        assert (said["reason"], said["tokens"]) == ("end", (11, output))
        (received,) = provider.requests
        assert (received.path, received.query) == (f"/v1{PATHS[way.spoken].removeprefix('/v1')}", "")
        assert received.json()["model"] == "paid"
        (row,) = await haze.ended()
        cost = 11_000 + output * 10_000
        assert (row["state"], row["ended"], row["cost"], row["estimated"]) == ("settled", "completed", cost, 0)
        assert (row["protocol"], row["channel"], row["stream"]) == (way.client, way.kind, stream)
        await quiet(haze)
        assert haze.balance() == FULL - cost


@each(PAIRS)
@STREAM
async def test_the_answer_names_the_model_that_was_asked_for(tmp_path: Path, way: Way, stream: bool) -> None:
    """The channel's own id of it is the owner's business, and Claude Code distrusts thinking of another model."""
    text = way.config("{url}", models="[[models]]\nid = 'paid'\ninput = 1\noutput = 10\n")
    text = text.replace('models = ["paid"]', "models = []\naliases = { paid = 'theirs' }")
    async with Provider() as provider, running(tmp_path, text.replace("{url}", provider.url)) as haze:
        answer = await haze.post(PATHS[way.client], way.ask(stream=stream))
        assert provider.requests[0].json()["model"] == "theirs"
        assert (fold(way.client, answer.body) if stream else answer.json())["model"] == "paid"
        assert b"theirs" not in answer.body
        assert (await haze.ended())[0]["cost"] == RIGHT


# ---- tools ----


def tool_of(client: str) -> Json:
    """A tool in a client's words."""
    return {
        "chat": {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}},
        "messages": {"name": "weather", "input_schema": SCHEMA},
        "responses": {"type": "function", "name": "weather", "parameters": SCHEMA},
    }[client]


def with_result(way: Way, answer: Json, result: str) -> list[Any]:
    """The conversation after a call, as the client's own SDK writes it."""
    if way.client == "chat":
        message = answer["choices"][0]["message"]
        call = message["tool_calls"][0]["id"]
        return [
            {"role": "user", "content": "Weather?"}, message, {"role": "tool", "tool_call_id": call, "content": result},
        ]  # fmt: skip
    if way.client == "messages":
        call = next(block["id"] for block in answer["content"] if block["type"] == "tool_use")
        block = {"type": "tool_result", "tool_use_id": call, "content": result}
        return [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": [block]},
        ]
    call = next(item["call_id"] for item in answer["output"] if item["type"] == "function_call")
    return [
        {"role": "user", "content": "Weather?"},
        *answer["output"],
        {"type": "function_call_output", "call_id": call, "output": result},
    ]


@each()
@STREAM
async def test_a_tool_is_called_and_its_result_goes_back(tmp_path: Path, way: Way, stream: bool) -> None:
    """Agents live of it: the call arrives whole, and the provider finds its own call in the next request."""
    async with provider_of(way) as provider, running(tmp_path, way.config(provider.url)) as haze:
        body = way.ask(stream=stream, tools=[tool_of(way.client)])
        answer = await haze.post(PATHS[way.client], body)
        said = told(way, answer, stream=stream)
        assert (said["calls"], said["reason"]) == ([("weather", {"city": "echo ok"})], "calls")
        called = fold(way.client, answer.body) if stream else answer.json()
        field = "input" if way.client == "responses" else "messages"
        body[field] = with_result(way, called, "sunny")
        said = told(way, await haze.post(PATHS[way.client], body), stream=stream)
        assert ("Result: " in said["text"], "sunny" in said["text"], said["reason"]) == (True, True, "end")
        if way.kind == "gemini":
            assert b"c2lnbmVk" in provider.requests[1].body  # its signature is back with the call
        assert {row["state"] for row in await haze.ended(2)} == {"settled"}


# ---- what goes up ----

IMAGES: dict[str, Json] = {
    "chat": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{RED}"}},
    "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": RED}},
    "responses": {"type": "input_image", "image_url": f"data:image/png;base64,{RED}"},
}


@each()
async def test_a_picture_arrives(tmp_path: Path, way: Way) -> None:
    """A model that does not see it invents what is on it."""
    words = {"type": "input_text" if way.client == "responses" else "text", "text": "What is this?"}
    turn = {"role": "user", "content": [words, IMAGES[way.client]]}
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        answer = await haze.post(PATHS[way.client], way.ask(messages=[turn]))
        assert answer.status == 200, answer.body
        sent = provider.requests[0].json()
        (given,) = sent["input"] if way.spoken == "responses" else sent["messages"]
        assert [part["type"] for part in given["content"]][1] == IMAGES[way.spoken]["type"]
        assert json.dumps(given["content"][1]).count(RED) == 1


FORMATS: dict[str, Json] = {
    "chat": {"response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}},
    "messages": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "responses": {"text": {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA}}},
}


@each()
@STREAM
async def test_a_format_is_obeyed(tmp_path: Path, way: Way, stream: bool) -> None:
    """Programs parse it; an emulation by a forced tool would switch the caller's own tools off."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        answer = await haze.post(PATHS[way.client], way.ask(stream=stream, **FORMATS[way.client]))
        assert json.loads(told(way, answer, stream=stream)["text"]) == {"city": "echo ok"}
        assert "tools" not in provider.requests[0].json()


# ---- reasoning ----

ASKING: dict[str, Json] = {
    "chat": {"reasoning_effort": "high"},
    "messages": {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "max_tokens": 4_000},
    "responses": {"reasoning": {"effort": "high"}},
}


def thinking(protocol: str) -> Reply:
    """An answer that begins with reasoning, as a stream."""
    sent = events(protocol, model="paid")
    if protocol == "chat":
        chunk = json.loads(sent[1].removeprefix(b"data: "))
        chunk["choices"][0]["delta"] = {"reasoning_content": "Hm."}
        return Reply(chunks=[sent[0], b"data: %s\n\n" % json.dumps(chunk).encode(), *sent[1:]])
    if protocol == "messages":
        block = {"type": "thinking", "thinking": "", "signature": ""}
        thought = {"type": "thinking_delta", "thinking": "Hm."}
        signed = {"type": "signature_delta", "signature": "c2lnbmVk"}
        inside: list[Json] = [
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": thought},
            {"type": "content_block_delta", "index": 0, "delta": signed},
            {"type": "content_block_stop", "index": 0},
        ]
        later = [event.replace(b'"index": 0', b'"index": 1') for event in sent[1:]]
        return Reply(chunks=[sent[0], *map(named, inside), *later])
    item = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "c2VhbGVk"}
    part = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
    summary = {"type": "summary_text", "text": "Hm."}
    inside = [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.reasoning_summary_part.added", **part, "part": {**summary, "text": ""}},
        {"type": "response.reasoning_summary_text.delta", **part, "delta": "Hm."},
        {"type": "response.reasoning_summary_text.done", **part, "text": "Hm."},
        {"type": "response.reasoning_summary_part.done", **part, "part": summary},
        {"type": "response.output_item.done", "output_index": 0, "item": {**item, "summary": [summary]}},
    ]
    later = [event.replace(b'"output_index": 0', b'"output_index": 1') for event in sent[2:]]
    return Reply(chunks=[*sent[:2], *map(named, inside), *later])


def named(document: Json) -> bytes:
    """An event with its name."""
    return b"event: %s\ndata: %s\n\n" % (document["type"].encode(), json.dumps(document).encode())


@each(PAIRS)
async def test_reasoning_is_asked_for_shown_and_given_back(tmp_path: Path, way: Way) -> None:
    """Without it in the next turn providers refuse the calls it led to, or think all of it again."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(thinking(way.spoken))
        answer = await haze.post(PATHS[way.client], way.ask(stream=True, **ASKING[way.client]))
        sent = json.dumps(provider.requests[0].json())
        assert '"high"' in sent or '"adaptive"' in sent or '"low"' in sent
        said = told(way, answer, stream=True)
        assert (said["reasoning"], said["text"]) == ("Hm.", "Hello there!")
        body = fold(way.client, answer.body)
        given = {
            "chat": lambda: [body["choices"][0]["message"]],
            "messages": lambda: [{"role": "assistant", "content": body["content"]}],
            "responses": lambda: body["output"],
        }[way.client]()
        turns = [{"role": "user", "content": "Hello"}, *given, {"role": "user", "content": "Go on"}]
        again = await haze.post(PATHS[way.client], way.ask(messages=turns, **ASKING[way.client]))
        assert again.status == 200, again.body
        sealed = {"messages": b"c2lnbmVk", "responses": b"c2VhbGVk", "chat": b""}[way.spoken]
        assert sealed in provider.requests[1].body
        assert b"haze" not in provider.requests[1].body.lower()


# ---- usage ----

CLASSES = """
[[models]]
id = "paid"
input = 1
output = 10
cache_read = 0.1
cache_write_5m = 1.25
cache_write_1h = 2
"""
# 1,000 tokens in: 100 fresh, 700 read, 150 and 50 written; 40 out.
CACHED: dict[str, tuple[Json, int]] = {
    "messages": (
        {
            "input_tokens": 100,
            "cache_read_input_tokens": 700,
            "cache_creation_input_tokens": 200,
            "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
            "output_tokens": 40,
        },
        100 * 1_000 + 700 * 100 + 150 * 1_250 + 50 * 2_000 + 40 * 10_000,
    ),
    "chat": (
        {
            "prompt_tokens": 1_000,
            "prompt_tokens_details": {"cached_tokens": 700, "cache_write_tokens": 200},
            "completion_tokens": 40,
            "total_tokens": 1_040,
        },
        100 * 1_000 + 700 * 100 + 200 * 1_250 + 40 * 10_000,
    ),
    "responses": (
        {
            "input_tokens": 1_000,
            "input_tokens_details": {"cached_tokens": 700, "cache_write_tokens": 200},
            "output_tokens": 40,
            "total_tokens": 1_040,
        },
        100 * 1_000 + 700 * 100 + 200 * 1_250 + 40 * 10_000,
    ),
}
READ = {
    "chat": lambda usage: (usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]),
    "responses": lambda usage: (usage["input_tokens"], usage["input_tokens_details"]["cached_tokens"]),
    "messages": lambda usage: (
        usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"],
        usage["cache_read_input_tokens"],
    ),
}


@each(PAIRS)
@STREAM
async def test_each_class_of_tokens_has_its_own_price(tmp_path: Path, way: Way, stream: bool) -> None:
    """A cached token counted twice, or at full price, makes an answer up to ten times too dear."""
    usage, cost = CACHED[way.spoken]
    async with Provider() as provider, running(tmp_path, way.config(provider.url, CLASSES)) as haze:
        made = events(way.spoken, usage=usage, model="paid") if stream else whole(way.spoken, usage=usage, model="paid")
        provider.script(Reply(chunks=made) if stream else Reply(body=made))
        answer = await haze.post(PATHS[way.client], way.ask(stream=stream, messages="x" * 4_000)
                                 if way.client == "responses" else way.ask(stream=stream))  # fmt: skip
        assert told(way, answer, stream=stream)["tokens"] == (1_000, 40)
        body = fold(way.client, answer.body) if stream else answer.json()
        assert READ[way.client](body["usage"]) == (1_000, 700)
        (row,) = await haze.ended()
        assert (row["cost"], row["estimated"]) == (cost, 0)


@pytest.mark.parametrize("name", ["messages on openai", "messages on responses only"])
async def test_a_message_begins_with_an_estimate_and_ends_with_the_true_numbers(tmp_path: Path, name: str) -> None:
    """Claude Code shows the first number, and shortens the conversation by it: 0 would mean that it never does."""
    way = WAYS[name]
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        turns = [{"role": "user", "content": "x" * 9_000}]
        answer = await haze.post(PATHS["messages"], way.ask(stream=True, messages=turns))
        told_events = [json.loads(line[6:]) for line in answer.body.split(b"\n") if line.startswith(b"data: ")]
        assert 1_000 < told_events[0]["message"]["usage"]["input_tokens"] < 9_000
        last = [each for each in told_events if each["type"] == "message_delta"][-1]
        assert (last["usage"]["input_tokens"], last["usage"]["output_tokens"]) == (11, 3)
