"""The Anthropic SDKs on channels that speak chat only: thoughts and their signatures, tools, documents, errors."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from front import Front
from harness import Caller, Errand, eventually
from pydantic import BaseModel
from unlucky import Unlucky

# model -> its channel, the tokens it counts: fresh input, cached input, output
MODELS = {
    "gpt-4o": ("openai", (11, 0, 3)),
    "gemini-3-pro": ("gemini", (11, 0, 303)),
    "deepseek-v4": ("deepseek", (11, 100, 3)),
}
THINKS = "deepseek-v4"
HELLO: Any = [{"role": "user", "content": "Hello!"}]
THINKING: Any = {"type": "adaptive", "display": "summarized"}
SAID, THOUGHT = "Hello there!", "Let me think."
PDF = "JVBERi0xLjQK"
PNG = "iVBORw0KGgo="
ADD: Any = {
    "name": "add",
    "description": "Adds two numbers",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
# What must come back to the provider with the result of its call.
WANTED_BACK = {
    "gpt-4o": b'"tool_calls"',
    "gemini-3-pro": b'"extra_content":{"google":{"thought_signature":"c2lnbmVk"}}',
    "deepseek-v4": b'"reasoning_content":"Let me think."',
}


class Greeting(BaseModel):
    """A structured answer."""

    text: str
    loud: bool


@pytest.fixture
def client(front: Front, paid: Caller) -> Iterator[anthropic.Anthropic]:
    """The SDK as people configure it."""
    with anthropic.Anthropic(api_key=paid.key, base_url=front.url) as opened:
        yield opened


def counted(usage: Any) -> tuple[int, int, int]:
    """Return the numbers of a usage object, of the SDK's or as JSON."""
    if not isinstance(usage, dict):
        usage = usage.model_dump()
    return usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]


@pytest.mark.parametrize("model", MODELS)
def test_python_streams_the_same_message_it_would_get_whole(model: str, client: anthropic.Anthropic) -> None:
    """The SDK folds the events itself and fails on any that is missing; the true usage comes last."""
    ask: Any = {"model": model, "max_tokens": 2048, "messages": HELLO, "thinking": THINKING}
    whole = client.messages.create(**ask)
    with client.messages.stream(**ask) as stream:
        assert "".join(stream.text_stream) == SAID
        streamed = stream.get_final_message()
    said = [{"type": "text", "text": SAID}]
    for message in (whole, streamed):
        assert (message.model, message.stop_reason, counted(message.usage)) == (model, "end_turn", MODELS[model][1])
        assert [block.model_dump(include={"type", "text"}) for block in message.content if block.type == "text"] == said
        thoughts = [block.thinking for block in message.content if block.type == "thinking"]
        assert thoughts == [THOUGHT] * (model == THINKS)
    assert [block.type for block in streamed.content] == [block.type for block in whole.content]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_python_carries_a_tool_call_its_result_and_the_thoughts(
    model: str, stream: bool, client: anthropic.Anthropic, providers: dict[str, Front]
) -> None:
    """Thinking goes back under its signature, in which Haze keeps what the provider wants back."""
    ask: Any = {"model": model, "max_tokens": 2048, "tools": [ADD], "thinking": THINKING}
    if stream:
        with client.messages.stream(**ask, messages=HELLO) as events:
            first = events.get_final_message()
    else:
        first = client.messages.create(**ask, messages=HELLO)
    assert first.stop_reason == "tool_use"
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("add", {"a": 1, "b": 1})
    assert all(block.signature for block in first.content if block.type == "thinking")
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "42"}, picture]}
    history: Any = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    last = client.messages.create(**ask, messages=history)
    # A picture cannot stand in a chat's tool message: it comes right behind.
    assert last.content
    sent = providers[MODELS[model][0]].requests[-1]
    assert WANTED_BACK[model] in sent.body
    _, called, told, below = sent.json()["messages"]
    (made,) = called["tool_calls"]
    assert json.loads(made["function"]["arguments"]) == {"a": 1, "b": 1}
    assert (told["tool_call_id"], told["content"]) == (made["id"], "42\n[image below]")
    assert below["content"] == [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]


def test_python_sends_documents(client: anthropic.Anthropic, providers: dict[str, Front]) -> None:
    """A PDF as the file it is, a text as text; by address only where the channel could fetch it."""
    pdf = {
        "type": "document",
        "title": "a.pdf",
        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
    }
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "It is blue."}}
    ask: Any = [{"role": "user", "content": [pdf, plain, {"type": "text", "text": "What colour?"}]}]
    assert client.messages.create(model="gpt-4o", max_tokens=64, messages=ask).stop_reason == "end_turn"
    (turn,) = providers["openai"].requests[-1].json()["messages"]
    assert turn["content"] == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
        {"type": "text", "text": "It is blue."},
        {"type": "text", "text": "What colour?"},
    ]
    far: Any = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
    with pytest.raises(anthropic.BadRequestError, match=r"messages\.0\.content"):
        client.messages.create(model="gpt-4o", max_tokens=64, messages=[{"role": "user", "content": [far]}])


def test_python_parses_a_structured_answer(client: anthropic.Anthropic, providers: dict[str, Front]) -> None:
    """parse() has a field of its own for schemas, in either protocol."""
    answer = client.messages.parse(model="gpt-4o", max_tokens=64, messages=HELLO, output_format=Greeting)
    assert answer.parsed_output == Greeting(text="echo ok", loud=True)
    assert providers["openai"].requests[-1].json()["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("model", MODELS)
def test_python_counts_tokens_for_free(
    model: str, client: anthropic.Anthropic, front: Front, providers: dict[str, Front]
) -> None:
    """These channels have no counter: Haze's own estimate, rather too high, asks nobody and costs nothing."""
    few = client.messages.count_tokens(model=model, messages=HELLO).input_tokens
    many = client.messages.count_tokens(model=model, messages=HELLO * 20, tools=[ADD]).input_tokens
    assert 0 < few < many
    assert [seen.status for seen in front.requests] == [200, 200]
    assert providers[MODELS[model][0]].requests == []


# what the channel does -> the SDK's error, its status, the error's type
FAULTS: dict[str, tuple[type[anthropic.APIStatusError], int, str]] = {
    "400": (anthropic.BadRequestError, 400, "invalid_request_error"),
    "401": (anthropic.ServiceUnavailableError, 503, "api_error"),
    "402": (anthropic.ServiceUnavailableError, 503, "api_error"),
    "429": (anthropic.RateLimitError, 429, "rate_limit_error"),
    "529": (anthropic.OverloadedError, 529, "overloaded_error"),
    "early-error-event": (anthropic.InternalServerError, 502, "api_error"),
}
ASKED = [(fault, stream) for fault in FAULTS for stream in (False, True) if stream or "event" not in fault]


@pytest.mark.parametrize(("fault", "stream"), ASKED)
def test_python_raises_the_right_error(fault: str, stream: bool, unlucky: Unlucky) -> None:
    """Errors come in this protocol's own envelope, whatever the channel's was."""
    expected, status, kind = FAULTS[fault]
    ask: Any = {"model": f"openai/{fault}", "max_tokens": 64, "messages": HELLO, "stream": stream}
    with anthropic.Anthropic(api_key=unlucky.key, base_url=unlucky.front.url, max_retries=0) as client:

        def refused() -> anthropic.APIStatusError | None:
            with pytest.raises(anthropic.APIStatusError) as caught:
                client.messages.create(**ask)
            return caught.value if caught.value.status_code == status else None

        error = eventually(refused, "a channel that asked to be left alone is asked again")
    body: Any = error.body
    assert (type(error), body["error"]["type"]) == (expected, kind)


@pytest.mark.parametrize("fault", ["error-event", "cut"])
def test_python_does_not_take_half_an_answer_for_whole(fault: str, unlucky: Unlucky) -> None:
    """A stream that breaks raises, after words that came."""
    key = unlucky.key
    words: list[str] = []
    with (
        anthropic.Anthropic(api_key=key, base_url=unlucky.front.url, max_retries=0) as client,
        client.messages.stream(model=f"openai/{fault}", max_tokens=64, messages=HELLO) as stream,
        pytest.raises(anthropic.APIStatusError),
    ):
        words.extend(stream.text_stream)
    assert "".join(words) in SAID


# ---------------------------------------------------------------- TypeScript


@pytest.mark.parametrize("model", MODELS)
def test_typescript_gets_and_streams_the_same_message(model: str, anthropic_node: Errand) -> None:
    """The TypeScript SDK reads streams with code of its own."""
    whole, streamed = anthropic_node("thinking", model), anthropic_node("thinking_stream", model)
    assert whole["content"] == streamed["content"]
    assert whole["stop"] == streamed["stop"] == "end_turn"
    assert counted(whole["usage"]) == counted(streamed["usage"]) == MODELS[model][1]
    assert [block["type"] for block in whole["content"]] == ["thinking"] * (model == THINKS) + ["text"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("errand", ["thinking_tools", "thinking_tools_stream"])
def test_typescript_carries_a_tool_call_its_result_and_the_thoughts(
    model: str, errand: str, anthropic_node: Errand, providers: dict[str, Front]
) -> None:
    """The assistant turn goes back as the SDK's own object, whole or folded from a stream."""
    seen = anthropic_node(errand, model)
    assert (seen["first_stop"], seen["name"], seen["arguments"]) == ("tool_use", "add", {"a": 1, "b": 1})
    assert [block["text"] for block in seen["content"] if block["type"] == "text"] == ["Result: 42"]
    assert WANTED_BACK[model] in providers[MODELS[model][0]].requests[-1].body


def test_typescript_parses_by_a_schema_of_zod(anthropic_node: Errand) -> None:
    """What most TypeScript programs do."""
    assert anthropic_node("parse_zod", "gpt-4o")["parsed"] == {"text": "echo ok", "loud": True}
