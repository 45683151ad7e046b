"""What the embedded channel streams is what it says whole, in the order clients rely on."""

import asyncio
import json
from typing import Any

import pytest
from channels.echo_requests import (
    BASH,
    WEATHER,
    ask,
    ask_streamed,
    chat,
    function,
    message,
    tool,
    user,
    without_ids,
)

from haze_proxy.channels import client
from haze_proxy.channels.echo import answer


async def test_a_chat_stream_has_role_pieces_finish_and_done() -> None:
    """The order SDKs rely on; no usage chunk for those who did not ask, they index choices[0]."""
    *chunks, done = await ask_streamed("/chat/completions", chat(user("hello there")))
    assert done == "[DONE]"
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == [
        "",
        "You",
        " said:",
        " hello",
        " there",
        None,
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 5 + ["stop"]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all("usage" not in chunk and chunk["object"] == "chat.completion.chunk" for chunk in chunks)


async def test_a_chat_stream_ends_with_usage_only_when_asked() -> None:
    """The chunk without choices breaks clients that did not ask for it and pays for those who did."""
    *chunks, last, _ = await ask_streamed("/chat/completions", chat(stream_options={"include_usage": True}))
    assert last["choices"] == []
    assert last["usage"] == (await ask("/chat/completions", chat(stream_options={"include_usage": True})))["usage"]
    assert [chunk["usage"] for chunk in chunks] == [None] * len(chunks)


async def test_a_messages_stream_opens_and_closes_its_block_and_tells_usage_twice() -> None:
    """Anthropic's clients crash without usage in message_start and message_delta."""
    events = await ask_streamed("/messages", message(user("hello")))
    names = [name for name, _ in events]
    assert names == [
        "message_start",
        "ping",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert all(document["type"] == name for name, document in events)
    documents = dict(events)
    assert documents["message_start"]["message"]["usage"] == {
        "input_tokens": 2,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
    }
    assert documents["message_delta"]["usage"]["output_tokens"] == 3
    assert documents["message_delta"]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


@pytest.mark.parametrize(
    "fields", [{}, {"max_tokens": 2}, {"max_tokens": 0}, {"stop_sequences": ["said"]}, {"tools": [tool("Bash", BASH)]}]
)
async def test_a_messages_stream_folds_to_the_whole_answer(fields: dict[str, Any]) -> None:
    """Streaming changes when something is said, never what."""
    body = message(user("fold me please"), **fields)
    whole = await ask("/messages", body)
    events = await ask_streamed("/messages", body)
    content: list[dict[str, Any]] = []
    for name, document in events:
        if name == "content_block_start":
            content.append({**document["content_block"], "partial": ""})
        elif name == "content_block_delta":
            delta = document["delta"]
            content[document["index"]]["partial"] += delta.get("text", delta.get("partial_json"))
    for block in content:
        partial = block.pop("partial")
        block.update({"text": partial} if block["type"] == "text" else {"input": json.loads(partial)})
    assert without_ids(content) == without_ids(whole["content"])
    ending = dict(events)["message_delta"]
    assert (ending["delta"]["stop_reason"], ending["usage"]) == (whole["stop_reason"], whole["usage"])


@pytest.mark.parametrize(
    "fields", [{}, {"max_tokens": 2}, {"stop": "said"}, {"n": 3}, {"tools": [function("weather", WEATHER)], "n": 2}]
)
async def test_a_chat_stream_folds_to_the_whole_answer(fields: dict[str, Any]) -> None:
    """Streaming changes when something is said, never what, for every choice."""
    body = chat(user("fold me please"), **fields)
    whole = await ask("/chat/completions", body)
    said, calls, ended = {}, {}, {}
    for chunk in (await ask_streamed("/chat/completions", body))[:-1]:
        (choice,) = chunk["choices"]
        index, delta = choice["index"], choice["delta"]
        said[index] = said.get(index, "") + (delta.get("content") or "")
        for call in delta.get("tool_calls", []):
            known = calls.setdefault(index, {**call, "function": {**call["function"], "arguments": ""}})
            known["function"]["arguments"] += call["function"]["arguments"]
        ended[index] = choice["finish_reason"]
    for choice in whole["choices"]:
        index = choice["index"]
        assert said[index] == (choice["message"]["content"] or "")
        assert ended[index] == choice["finish_reason"]
        for call in choice["message"].get("tool_calls", []):
            assert calls[index].pop("index") == 0
            assert without_ids([calls[index]]) == without_ids([call])
    assert len(whole["choices"]) == fields.get("n", 1) == len(ended)


async def test_n_choices_are_charged_n_times() -> None:
    """A caller who asks for three answers pays for three."""
    one, three = await ask("/chat/completions", chat()), await ask("/chat/completions", chat(n=3))
    assert three["usage"]["completion_tokens"] == 3 * one["usage"]["completion_tokens"]


async def test_a_long_stream_lets_others_work_and_stops_when_closed() -> None:
    """One talkative caller must not hold up the process, and one who left must not cost anything more."""
    reply = answer("/chat/completions", json.dumps(chat(user("word " * 50_000), stream=True)).encode())
    seen = 0

    async def leave() -> None:
        reply.close()
        reply.close()

    while await reply.chunk():
        seen += 1
        if seen == 10:
            leaving = asyncio.ensure_future(leave())
    await leaving
    assert seen < 15
    assert await client.read(reply) == b""
