"""What real clients sent, for channels of every other protocol."""

import json
from typing import Any

import orjson
import pytest
from wire.recordings import REQUESTS
from wire.translating import chunks, delta, folded, named, text

from haze_proxy.errors import BadRequest
from haze_proxy.wire import responses, translate
from haze_proxy.wire.options import COMMON_FIELDS, Options

# How the names of recorded requests begin, and what they speak; the other recordings are of other endpoints.
PROTOCOLS = {
    "anthropic_python-messages": "messages",
    "claude_code-": "messages",
    "codex-": "responses",
    "openai_python-chat": "chat",
    "openai_python-responses": "responses",
}
CAPTURES = {
    name: json.loads(body)
    for name, body in REQUESTS.items()
    if name.startswith(tuple(PROTOCOLS)) and "count_tokens" not in name
}


def protocol(name: str) -> str:
    """What the client of a recorded request speaks."""
    return next(spoken for beginning, spoken in PROTOCOLS.items() if name.startswith(beginning))


# Refused on purpose: (capture, channel's protocol) and the field that is named.
REFUSED = {
    ("anthropic_python-messages-cache-control-temperature", "responses"): "stop_sequences",
    ("openai_python-chat-many-params", "responses"): "stop",
}
CASES = [
    (name, target)
    for name in CAPTURES
    for target in ("chat", "messages", "responses")
    if (protocol(name), target) in translate.PAIRS
]


def sent(name: str, target: str, options: Options | None = None) -> dict[str, Any]:
    """The body for a channel of what a client sent."""
    read = translate.request(CAPTURES[name], protocol(name), target, "up", options or Options())
    body: dict[str, Any] = orjson.loads(read.body)
    return body


@pytest.mark.parametrize(("name", "target"), CASES)
def test_a_real_request_is_translated_or_refused_by_name(name: str, target: str) -> None:
    """Claude Code, Codex and the SDKs: whatever they send gets an answer, or says why not."""
    before = json.dumps(CAPTURES[name])
    if field := REFUSED.get((name, target)):
        with pytest.raises(BadRequest) as refused:
            sent(name, target)
        assert refused.value.param == field
    else:
        assert sent(name, target)["model"] == "up"
    assert json.dumps(CAPTURES[name]) == before


def test_every_client_is_among_them() -> None:
    """An empty folder would prove nothing."""
    assert {name.partition("-")[0] for name in CAPTURES} == {
        "anthropic_python",
        "claude_code",
        "codex",
        "openai_python",
    }
    assert len(CASES) >= 90


def test_claude_code_on_a_chat_channel() -> None:
    """A whole tool round trip: its prompt without the billing line, its system turn in its place, its tools."""
    captured = CAPTURES["claude_code-tool-turn2"]
    body = sent("claude_code-tool-turn2", "chat")
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user", "system", "assistant", "tool"]
    assert body["messages"][0]["content"] == "\n\n".join(block["text"] for block in captured["system"][1:])
    assert "x-anthropic-billing-header" not in json.dumps(body)
    call = body["messages"][3]["tool_calls"][0]
    assert call["function"] == {"name": "Bash", "arguments": '{"command":"echo $((6*7))-haze"}'}
    assert body["messages"][4] == {"role": "tool", "tool_call_id": call["id"], "content": "42-haze"}
    assert [tool["function"]["name"] for tool in body["tools"]] == [tool["name"] for tool in captured["tools"]]
    assert body["max_completion_tokens"] == 128_000
    assert body["reasoning_effort"] == "medium"
    assert body["stream_options"] == {"include_usage": True}
    assert len(body["safety_identifier"]) == 64
    assert body["prompt_cache_key"] == "00000000-0000-0000-0000-000000000000"
    assert "device_id" not in json.dumps(body)


def test_claude_code_on_a_channel_of_few_fields() -> None:
    """Gemini, Groq and Mistral refuse a request for one field they do not know."""
    options = Options(limit_field="max_tokens", limit_max=65_536, efforts=(), allowed_fields=COMMON_FIELDS)
    body = sent("claude_code-tool-turn2", "chat", options)
    assert body.keys() == {"model", "messages", "stream", "stream_options", "max_tokens", "tools"}
    assert body["max_tokens"] == 65_536


def test_claude_codes_title_is_asked_for_as_json() -> None:
    """Its side call has a schema, and an empty list of tools, which OpenAI refuses."""
    body = sent("claude_code-interactive-title", "chat")
    schema = CAPTURES["claude_code-interactive-title"]["output_config"]["format"]["schema"]
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": schema, "strict": True},
    }
    assert "tools" not in body


def test_codex_on_an_anthropic_channel() -> None:
    """Its developer messages lead, its namespaces are flattened, its call and result are paired."""
    captured = CAPTURES["codex-tool-turn2"]
    body = sent("codex-tool-turn2", "messages")
    assert [block["type"] for block in body["system"]] == ["text"] * 3
    assert [[block["type"] for block in turn["content"]] for turn in body["messages"]] == [
        ["text", "text"],
        ["tool_use"],
        ["tool_result"],
    ]
    names = [tool["name"] for tool in body["tools"]]
    space = next(tool for tool in captured["tools"] if tool["type"] == "namespace")
    assert [f"multi_agent_v1__{tool['name']}" for tool in space["tools"]] == [n for n in names if "__" in n]
    assert body["thinking"] == {"type": "adaptive"} if "thinking" in body else True
    assert body["max_tokens"] == 32_000


@pytest.mark.parametrize("target", ["chat", "messages"])
def test_codex_gets_its_namespaces_back(target: str) -> None:
    """A call that names a tool it never offered ends its turn."""
    capture = CAPTURES["codex-plain"]
    fields = {name: capture[name] for name in ("input", "tools", "tool_choice", "parallel_tool_calls")}
    name = "multi_agent_v1__close_agent"
    if target == "chat":
        piece = {"index": 0, "id": "call_1", "function": {"name": name, "arguments": '{"target":"a"}'}}
        stream = chunks(delta(tool_calls=[piece]), delta("tool_calls"), "[DONE]")
    else:
        block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {"target": "a"}}
        stream = named(
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
            {"type": "message_stop"},
        )
    item = folded("responses", target, stream, **fields)["output"][0]
    assert (item["type"], item["namespace"], item["name"]) == ("function_call", "multi_agent_v1", "close_agent")
    assert item["arguments"] == '{"target":"a"}'


@pytest.mark.parametrize("name", ["codex-plain", "codex-tool-turn2"])
def test_codexs_tools_are_read_and_written_as_they_were(name: str) -> None:
    """Namespaces and all; only what OpenAI runs by itself is not in the neutral form."""
    body = CAPTURES[name]
    written, dropped = responses.write_request(responses.read_request(body), Options())
    assert written["tools"] == [tool for tool in body["tools"] if tool["type"] != "web_search"]
    assert written["input"] == [_without_ids(item) for item in body["input"]]
    assert dropped == ["tools.web_search"]


def _without_ids(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in ("id", "status")}


def test_openais_sdk_on_an_anthropic_channel() -> None:
    """Its tool round trip, and its structured output."""
    body = sent("openai_python-chat-tool-result", "messages")
    assert [[block["type"] for block in turn["content"]] for turn in body["messages"]] == [
        ["text"],
        ["tool_use"],
        ["tool_result"],
    ]
    assert body["messages"][2]["content"][0]["content"] == [text("18C-and-sunny")]
    assert sent("openai_python-chat-json-schema", "messages")["output_config"]["format"]["type"] == "json_schema"
