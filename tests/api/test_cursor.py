"""Cursor posts Responses bodies to the path of chat, and reads chat's answers: both are what they say they are."""

import json
from pathlib import Path
from typing import Any

import pytest
from checks import refused
from gateway import HELLO, PAID, PATHS, Haze, channel, running
from provider import HANG_UP, Provider, Reply, error_body, events
from wire.fold import fold
from wire.lint import lint

# As people have recorded it: flat tools, and chat's own way to ask for usage.
CURSOR: dict[str, Any] = {
    "model": "paid",
    "input": [{"role": "system", "content": "You are an agent."}, *HELLO],
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "medium", "summary": "auto"},
    "text": {"verbosity": "low"},
    "tools": [{"type": "function", "name": "read", "parameters": {}}, {"type": "custom", "name": "ApplyPatch"}],
    "tool_choice": "none",
    "stream_options": {"include_usage": True},
}
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@STREAM
async def test_a_responses_body_on_the_path_of_chat_is_served_as_one(
    chained: Haze, provider: Provider, stream: bool
) -> None:
    """Refused for its missing `messages`, Cursor's newer models would not work at all."""
    answer = await chained.post(PATHS["chat"], {**CURSOR, "stream": stream})
    assert (answer.status, answer.cut) == (200, False)
    (received,) = provider.requests
    assert received.path == "/v1/responses"
    if stream:
        lint("chat", answer.body)
    told = fold("chat", answer.body) if stream else answer.json()
    assert told["model"] == "paid"
    assert told["choices"][0]["message"]["content"] == "Hello there!"
    assert told["usage"]["completion_tokens"] == 3
    (row,) = await chained.ended()
    assert (row["protocol"], row["state"], row["cost"], row["stream"]) == ("responses", "settled", 41_000, stream)


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"include_usage": True}, None),
        ({"include_usage": False, "include_obfuscation": False}, {"include_obfuscation": False}),
        ({"include_obfuscation": False}, {"include_obfuscation": False}),
    ],
)
async def test_chats_word_for_usage_does_not_go_up(
    chained: Haze, provider: Provider, options: dict[str, bool], sent: dict[str, bool] | None
) -> None:
    """OpenAI refuses it on responses, where every stream ends with its usage anyway; nothing else is touched."""
    body = json.dumps({**CURSOR, "store": False, "stream_options": options}).encode()
    assert (await chained.post(PATHS["chat"], body)).status == 200
    changed = body.replace(json.dumps(options).encode(), json.dumps(sent, separators=(",", ":")).encode())
    assert provider.requests[0].body == (body if options == sent else changed)


@STREAM
async def test_limits_and_holds_go_by_the_protocol_of_the_body(chained: Haze, provider: Provider, stream: bool) -> None:
    """`max_tokens` says nothing on responses: held by it, an answer of any length would be paid for with ten tokens."""
    provider.script(Reply(status=400, body=error_body("responses", "invalid_request_error", "no")))
    await chained.post(PATHS["chat"], {**CURSOR, "stream": stream, "max_tokens": 10, "max_output_tokens": 700})
    (row,) = await chained.ended()
    assert row["held"] > 700 * 10_000


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "both": ({"messages": "x"}, "messages: Expected an array"),
    "input of a wrong type": ({"input": 7}, "input: Expected a string or an array"),
    "neither": ({"input": None}, "messages: Field required"),
    "a kept answer": ({"store": True}, "store: "),
    "a kept item": ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "item_reference: "),
    "a search without a price": ({"tools": [{"type": "web_search"}]}, "tools[0].type: "),
}


@pytest.mark.parametrize(("fields", "told"), REFUSED.values(), ids=REFUSED)
async def test_what_is_wrong_with_it_is_told_in_openais_envelope(
    chained: Haze, provider: Provider, fields: dict[str, Any], told: str
) -> None:
    """A request that is neither one nor the other is chat's, as its path says."""
    answer = await chained.post(PATHS["chat"], {**CURSOR, **fields})
    assert refused(answer, "chat", 400).startswith(told)
    assert answer.error()["param"] == told.split(":")[0]
    assert provider.requests == []


async def test_where_nobody_speaks_responses_it_is_503_and_says_why(tmp_path: Path, provider: Provider) -> None:
    """The path was right for the model; it is the body that is not."""
    async with running(tmp_path, PAID + channel("gemini", provider.url, translate="false")) as haze:
        message = refused(await haze.post(PATHS["chat"], CURSOR), "chat", 503)
        assert "in the responses protocol. It is served on: chat, embeddings." in message


async def test_a_stream_that_dies_is_told_as_a_chat_stream_is(chained: Haze, provider: Provider) -> None:
    """In the protocol of the answer: readers of chat look for an `error` and a cut line."""
    provider.script(Reply(chunks=[*events("responses")[:5], HANG_UP]))
    answer = await chained.post(PATHS["chat"], CURSOR)
    assert answer.cut
    assert b'data: {"error":{"message":' in answer.body


async def test_a_chat_body_that_has_an_input_too_is_chat(chained: Haze, provider: Provider) -> None:
    """Its messages are what counts."""
    answer = await chained.post(PATHS["chat"], {"model": "paid", "messages": HELLO, "input": "x"})
    assert answer.json()["object"] == "chat.completion"
    assert provider.requests[0].path == "/v1/chat/completions"
