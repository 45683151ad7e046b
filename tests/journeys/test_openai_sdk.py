"""The OpenAI SDKs for Python and Node: what people write against api.openai.com works against Haze, errors included."""

import json
from typing import Any

import openai
import pytest
from front import Front
from harness import UNKNOWN_KEY, Caller, Errand, Haze
from pydantic import BaseModel

HELLO: Any = [{"role": "user", "content": "Hello!"}]
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
MODELS = ("hekiu", "openai/gpt-5.2")  # the embedded channel, a pretend provider
OF_THE_PROVIDER = "openai/gpt-5.2"


class Greeting(BaseModel):
    """A structured answer; the echo channel fills strings with the user's words."""

    text: str


@pytest.mark.parametrize("model", MODELS)
def test_python_chats(model: str, openai_python: openai.OpenAI) -> None:
    """The plainest call there is; its usage is what people are charged for."""
    answer = openai_python.chat.completions.create(model=model, messages=HELLO)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_python_streams_the_same_words_it_would_get_whole(model: str, openai_python: openai.OpenAI) -> None:
    """A stream is the same answer in pieces, and ends with the usage for those who asked for it."""
    whole = openai_python.chat.completions.create(model=model, messages=HELLO)
    stream = openai_python.chat.completions.create(
        model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert (
        "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        == whole.choices[0].message.content
    )
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize("model", MODELS)
def test_python_is_not_shown_a_usage_it_did_not_ask_for(
    model: str, openai_python: openai.OpenAI, providers: dict[str, Front]
) -> None:
    """Haze asks for usage to charge by; a client that takes choices[0] of every chunk must not meet that chunk."""
    chunks = list(openai_python.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    for seen in providers["openrouter"].requests:
        assert seen.json()["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_python_carries_a_tool_call_and_its_result(model: str, stream: bool, openai_python: openai.OpenAI) -> None:
    """Agents are loops of exactly this: call, result, answer."""
    if stream:
        with openai_python.chat.completions.stream(model=model, messages=HELLO, tools=[ADD]) as events:
            first: Any = events.get_final_completion().choices[0]
    else:
        first = openai_python.chat.completions.create(model=model, messages=HELLO, tools=[ADD]).choices[0]
    assert first.finish_reason == "tool_calls"
    assert first.message.tool_calls
    call: Any = first.message.tool_calls[0]
    assert call.function.name == "add"
    assert set(json.loads(call.function.arguments)) == {"a", "b"}
    result = {"role": "tool", "tool_call_id": call.id, "content": "42"}
    history = [*HELLO, first.message.model_dump(exclude_none=True, exclude={"parsed"}), result]
    last = openai_python.chat.completions.create(model=model, messages=history, tools=[ADD])
    assert "42" in (last.choices[0].message.content or "")


@pytest.mark.parametrize("model", MODELS)
def test_python_parses_a_structured_answer(model: str, openai_python: openai.OpenAI) -> None:
    """parse() sends a JSON schema and fails on an answer that does not fit it."""
    answer = openai_python.chat.completions.parse(model=model, messages=HELLO, response_format=Greeting)
    assert isinstance(answer.choices[0].message.parsed, Greeting)


def test_a_json_schema_arrives_at_the_provider_as_it_was_sent(
    openai_python: openai.OpenAI, front: Front, providers: dict[str, Front]
) -> None:
    """Providers compare and cache strict schemas: another order or a dropped keyword is another schema."""
    greeting = {"name": "greeting", "strict": True, "schema": Greeting.model_json_schema()}
    schema: Any = {"type": "json_schema", "json_schema": greeting}
    openai_python.chat.completions.create(model=OF_THE_PROVIDER, messages=HELLO, response_format=schema)
    assert json.dumps(providers["openrouter"].requests[-1].json()["response_format"]) == json.dumps(schema)
    assert front.requests[-1].body == providers["openrouter"].requests[-1].body


def test_python_lists_and_retrieves_models(openai_python: openai.OpenAI) -> None:
    """An id with a slash is retrieved with the slash escaped."""
    ids = [model.id for model in openai_python.models.list()]
    assert {*MODELS} <= {*ids}
    assert openai_python.models.retrieve(OF_THE_PROVIDER).id == OF_THE_PROVIDER


ERRORS: dict[str, tuple[str, str, type[openai.APIStatusError], int]] = {
    "a key nobody issued": ("unknown", "hekiu", openai.AuthenticationError, 401),
    "an empty account": ("empty", "hekiu", openai.APIStatusError, 402),
    "a model this key may not use": ("limited", "gpt-4o", openai.NotFoundError, 404),
    "a model nobody serves": ("paid", "no/such-model", openai.InternalServerError, 503),
}
NODE_CLASSES = {401: "AuthenticationError", 402: "APIError", 404: "NotFoundError", 503: "InternalServerError"}


@pytest.fixture(scope="session")
def keys(haze: Haze, paid: Caller, empty: Caller) -> dict[str, str]:
    """A key of each sort."""
    limited = haze.caller("5", "--models", "hekiu")
    return {"unknown": UNKNOWN_KEY, "empty": empty.key, "paid": paid.key, "limited": limited.key}


@pytest.mark.parametrize(("key", "model", "expected", "status"), ERRORS.values(), ids=ERRORS)
def test_python_raises_the_right_error_after_one_request(
    key: str, model: str, expected: type[openai.APIStatusError], status: int, front: Front, keys: dict[str, str]
) -> None:
    """A refusal that cannot change must not be asked for again: the SDK retries twice unless it is told not to."""
    with openai.OpenAI(api_key=keys[key], base_url=f"{front.url}/v1") as client, pytest.raises(expected) as caught:
        client.chat.completions.create(model=model, messages=HELLO)
    assert caught.value.status_code == status
    assert caught.value.request_id
    assert [seen.status for seen in front.requests] == [status]


def test_python_does_not_find_a_model_that_is_not_there(openai_python: openai.OpenAI, front: Front) -> None:
    """Asking for one unknown model by id is a 404, not a 503."""
    with pytest.raises(openai.NotFoundError):
        openai_python.models.retrieve("no/such-model")
    assert len(front.requests) == 1


# ---------------------------------------------------------------- Node


@pytest.mark.parametrize("model", MODELS)
def test_node_chats_and_streams_the_same_words(model: str, openai_node: Errand) -> None:
    """The other SDK parses and joins by itself."""
    whole, streamed = openai_node("chat", model), openai_node("stream", model)
    assert whole["finish"] == streamed["finish"] == "stop"
    assert whole["content"] == streamed["content"] != ""
    assert whole["usage"] == streamed["usage"]


@pytest.mark.parametrize("model", MODELS)
def test_node_carries_a_tool_call_and_its_result(model: str, openai_node: Errand) -> None:
    """The assistant turn goes back as the SDK's own object, with whatever it holds."""
    seen = openai_node("tools", model)
    assert (seen["first_finish"], seen["name"], set(seen["arguments"])) == ("tool_calls", "add", {"a", "b"})
    assert "42" in seen["content"]


@pytest.mark.parametrize("model", MODELS)
def test_node_parses_a_structured_answer(model: str, openai_node: Errand) -> None:
    """parse() fails on what does not fit its schema."""
    assert isinstance(openai_node("parse", model)["parsed"]["answer"], int)


def test_node_lists_and_retrieves_models(openai_node: Errand) -> None:
    """An id with a slash is escaped by this SDK, too."""
    seen = openai_node("models", OF_THE_PROVIDER)
    assert {*MODELS} <= {*seen["ids"]}
    assert seen["retrieved"] == OF_THE_PROVIDER


@pytest.mark.parametrize(("key", "model", "_python", "status"), ERRORS.values(), ids=ERRORS)
def test_node_raises_the_right_error_after_one_request(
    key: str, model: str, _python: type[Exception], status: int, openai_node: Errand, front: Front, keys: dict[str, str]
) -> None:
    """The same promise for the SDK with another class for a 402."""
    seen = openai_node("chat", model, keys[key])
    assert (seen["error"], seen["status"]) == (NODE_CLASSES[status], status)
    assert [request.status for request in front.requests] == [status]
