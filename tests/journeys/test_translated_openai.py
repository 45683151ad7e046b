"""The OpenAI SDKs on a channel that speaks Anthropic's protocol only: tools, schemas, pictures, reasoning, errors."""

import json
from typing import Any

import openai
import pytest
from front import Front
from harness import UNKNOWN_KEY, Errand, eventually
from pydantic import BaseModel
from unlucky import Unlucky

MODEL = "claude-thinks"
HELLO: Any = [{"role": "user", "content": "Hello!"}]
SAID, THOUGHT = "Hello there!", "Let me think."
SIGNED = {"type": "thinking", "thinking": THOUGHT, "signature": "c2lnbmVkIGJ5IENsYXVkZQ=="}
USAGE = (131, 100, 3, 134)  # tokens: all input, the cached part of it, output, total
PNG = "iVBORw0KGgo="
ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two numbers",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


class Greeting(BaseModel):
    """A structured answer."""

    text: str
    loud: bool


def counted(usage: Any) -> tuple[int, int, int, int]:
    """Return the numbers of a usage object, of the SDK's or as JSON."""
    if not isinstance(usage, dict):
        usage = usage.model_dump()
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return usage["prompt_tokens"], cached, usage["completion_tokens"], usage["total_tokens"]


def test_python_gets_the_same_words_whole_and_streamed(openai_python: openai.OpenAI) -> None:
    """Reasoning and cached tokens stand where OpenAI's own clients look for them."""
    whole = openai_python.chat.completions.create(model=MODEL, messages=HELLO)
    message: Any = whole.choices[0].message
    assert (message.content, message.reasoning_content) == (SAID, THOUGHT)
    assert (whole.model, whole.choices[0].finish_reason, counted(whole.usage)) == (MODEL, "stop", USAGE)
    stream = openai_python.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    deltas: list[Any] = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == SAID
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == THOUGHT
    assert counted(chunks[-1].usage) == USAGE


def test_python_is_not_shown_a_usage_it_did_not_ask_for(openai_python: openai.OpenAI) -> None:
    """A client that takes choices[0] of every chunk must not meet one without."""
    chunks = list(openai_python.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_python_carries_a_tool_call_its_result_and_the_signed_thoughts(
    stream: bool, openai_python: openai.OpenAI, providers: dict[str, Front]
) -> None:
    """Anthropic refuses a call without the thinking it signed: it goes through the SDK's own object, and back."""
    if stream:
        with openai_python.chat.completions.stream(model=MODEL, messages=HELLO, tools=[ADD]) as events:
            first: Any = events.get_final_completion().choices[0]
    else:
        first = openai_python.chat.completions.create(model=MODEL, messages=HELLO, tools=[ADD]).choices[0]
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("add", {"a": 1, "b": 1})
    result = {"role": "tool", "tool_call_id": call.id, "content": "42"}
    history = [*HELLO, first.message.model_dump(exclude_none=True, exclude={"parsed"}), result]
    last = openai_python.chat.completions.create(model=MODEL, messages=history, tools=[ADD])
    assert "42" in (last.choices[0].message.content or "")
    _, called, told = providers["claude"].requests[-1].json()["messages"]
    use = {"type": "tool_use", "id": call.id, "name": "add", "input": {"a": 1, "b": 1}}
    assert called == {"role": "assistant", "content": [SIGNED, use]}
    answer = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "42"}]}
    assert told == {"role": "user", "content": [answer]}


def test_python_parses_a_structured_answer(openai_python: openai.OpenAI, providers: dict[str, Front]) -> None:
    """parse() fails on an answer that does not fit; Anthropic has a field for schemas, so none is pleaded for."""
    answer = openai_python.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Greeting)
    assert answer.choices[0].message.parsed == Greeting(text="echo ok", loud=True)
    form = providers["claude"].requests[-1].json()["output_config"]["format"]
    assert (form["type"], form["schema"]["required"]) == ("json_schema", ["text", "loud"])
    with openai_python.chat.completions.stream(model=MODEL, messages=HELLO, response_format=Greeting) as events:
        streamed: Any = events.get_final_completion().choices[0].message
    assert streamed.parsed == Greeting(text="echo ok", loud=True)


def test_python_shows_pictures(openai_python: openai.OpenAI, providers: dict[str, Front]) -> None:
    """By content or by address; Haze itself fetches nothing."""
    urls = (f"data:image/png;base64,{PNG}", "https://example.com/haze.png")
    parts: Any = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    ask: Any = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, *parts]}]
    assert openai_python.chat.completions.create(model=MODEL, messages=ask).choices[0].message.content == SAID
    (turn,) = providers["claude"].requests[-1].json()["messages"]
    assert turn["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": urls[1]}},
    ]


def test_python_is_told_what_could_not_be_said(openai_python: openai.OpenAI) -> None:
    """Left out and named, or refused by its name where leaving it out would change the answer."""
    told = openai_python.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, seed=7)
    assert told.headers["x-haze-dropped"] == "seed"
    with pytest.raises(openai.BadRequestError) as caught:
        openai_python.chat.completions.create(model=MODEL, messages=HELLO, n=2)
    assert caught.value.param == "n"


# what the channel does -> the SDK's error, its status, what it says
FAULTS: dict[str, tuple[type[openai.APIStatusError], int, str]] = {
    "400": (openai.BadRequestError, 400, "refused as told"),
    "401": (openai.InternalServerError, 503, "No available upstream channel"),
    "402": (openai.InternalServerError, 503, "No available upstream channel"),
    "429": (openai.RateLimitError, 429, "rate limit"),
    "503": (openai.InternalServerError, 503, "refused as told"),
    "529": (openai.InternalServerError, 503, "refused as told"),
    "early-error-event": (openai.InternalServerError, 502, "broken as told"),
}
ASKED = [(fault, stream) for fault in FAULTS for stream in (False, True) if stream or "event" not in fault]
NODE_CLASSES = {400: "BadRequestError", 429: "RateLimitError", 502: "InternalServerError", 503: "InternalServerError"}


@pytest.mark.parametrize(("fault", "stream"), ASKED)
def test_python_raises_the_right_error(fault: str, stream: bool, unlucky: Unlucky) -> None:
    """The provider's own words where they are the caller's business, and none about the owner's account."""
    expected, status, says = FAULTS[fault]
    key, base = unlucky.key, f"{unlucky.front.url}/v1"
    with openai.OpenAI(api_key=key, base_url=base, max_retries=0) as client:

        def refused() -> openai.APIStatusError | None:
            with pytest.raises(openai.APIStatusError) as caught:
                client.chat.completions.create(model=f"anthropic/{fault}", messages=HELLO, stream=stream)
            return caught.value if caught.value.status_code == status else None

        error = eventually(refused, "a channel that asked to be left alone is asked again")
    assert type(error) is expected
    assert says in error.message
    assert (error.response.headers.get("retry-after") == "1") == (fault == "429")


@pytest.mark.parametrize("fault", ["error-event", "cut"])
def test_python_does_not_take_half_an_answer_for_whole(fault: str, unlucky: Unlucky) -> None:
    """A stream that breaks raises, after words that came."""
    key = unlucky.key
    with openai.OpenAI(api_key=key, base_url=f"{unlucky.front.url}/v1", max_retries=0) as client:
        stream = client.chat.completions.create(model=f"anthropic/{fault}", messages=HELLO, stream=True)
        with pytest.raises(openai.APIError):
            list(stream)
        assert stream.response.is_success  # words had gone out


# ---------------------------------------------------------------- Node


def test_node_chats_and_streams_the_same_words(openai_node: Errand) -> None:
    """The other SDK joins by itself."""
    whole, streamed = openai_node("chat", MODEL), openai_node("stream", MODEL)
    assert whole["finish"] == streamed["finish"] == "stop"
    assert whole["content"] == streamed["content"] == SAID
    assert counted(whole["usage"]) == counted(streamed["usage"]) == USAGE


@pytest.mark.parametrize("errand", ["tools", "tools_stream"])
def test_node_carries_a_tool_call_its_result_and_the_signed_thoughts(
    errand: str, openai_node: Errand, providers: dict[str, Front]
) -> None:
    """The assistant turn goes back as the SDK's own object, whole or folded from a stream."""
    seen = openai_node(errand, MODEL)
    assert (seen["first_finish"], seen["name"], seen["arguments"]) == ("tool_calls", "add", {"a": 1, "b": 1})
    assert "42" in seen["content"]
    called = providers["claude"].requests[-1].json()["messages"][1]
    assert [block["type"] for block in called["content"]] == ["thinking", "tool_use"]
    assert called["content"][0] == SIGNED


def test_node_parses_by_a_schema_of_zod(openai_node: Errand) -> None:
    """What most TypeScript programs do."""
    assert openai_node("parse_zod", MODEL)["parsed"] == {"text": "echo ok", "loud": True}


def test_a_key_nobody_issued_is_refused_as_everywhere(openai_node: Errand, front: Front) -> None:
    """Translation begins behind the gate."""
    with (
        openai.OpenAI(api_key=UNKNOWN_KEY, base_url=f"{front.url}/v1") as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.chat.completions.create(model=MODEL, messages=HELLO)
    assert openai_node("chat", MODEL, UNKNOWN_KEY)["error"] == "AuthenticationError"
    assert [seen.status for seen in front.requests] == [401, 401]


@pytest.mark.parametrize(("fault", "status"), [(name, status) for name, (_, status, _) in FAULTS.items()])
def test_node_raises_the_right_error(fault: str, status: int, unlucky: Unlucky, unlucky_node: Errand) -> None:
    """The same for the other SDK."""
    errand = "stream" if "event" in fault else "chat"
    key = unlucky.key

    def refused() -> dict[str, Any] | None:
        seen = unlucky_node(errand, f"anthropic/{fault}", key)
        return seen if seen["status"] == status else None

    error = eventually(refused, "a channel that asked to be left alone is asked again")
    assert error["error"] == NODE_CLASSES[status]
