"""The Anthropic SDKs: messages, streams, tools, counting and models, with either credential header."""

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
from front import Front
from harness import UNKNOWN_KEY, Caller, Errand

HELLO: Any = [{"role": "user", "content": "Hello!"}]
ADD: Any = {
    "name": "add",
    "description": "Adds two numbers",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
MODELS = ("hekiu", "claude-opus-5-5")  # the embedded channel, a pretend provider
NO_BEARER = {"Authorization": anthropic.Omit()}


@pytest.fixture
def client(front: Front, paid: Caller) -> Iterator[anthropic.Anthropic]:
    """The SDK as people configure it."""
    with anthropic.Anthropic(api_key=paid.key, base_url=front.url) as opened:
        yield opened


@pytest.mark.parametrize("model", MODELS)
def test_python_gets_a_message(model: str, client: anthropic.Anthropic) -> None:
    """The plainest call of this protocol."""
    answer = client.messages.create(model=model, max_tokens=256, messages=HELLO)
    assert answer.content[0].type == "text"
    assert answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_python_streams_the_same_message(model: str, client: anthropic.Anthropic) -> None:
    """The SDK folds the events itself and fails on any that is missing."""
    whole = client.messages.create(model=model, max_tokens=256, messages=HELLO)
    with client.messages.stream(model=model, max_tokens=256, messages=HELLO) as stream:
        streamed = stream.get_final_message()
    assert [block.to_dict()["text"] for block in streamed.content] == [
        block.to_dict()["text"] for block in whole.content
    ]
    assert streamed.stop_reason == whole.stop_reason
    assert streamed.usage.input_tokens == whole.usage.input_tokens
    assert streamed.usage.output_tokens == whole.usage.output_tokens


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_python_carries_a_tool_call_and_its_result(model: str, stream: bool, client: anthropic.Anthropic) -> None:
    """The assistant turn goes back block by block, and the tool's answer with it."""
    ask: Any = {"model": model, "max_tokens": 256, "tools": [ADD]}
    if stream:
        with client.messages.stream(**ask, messages=HELLO) as events:
            first = events.get_final_message()
    else:
        first = client.messages.create(**ask, messages=HELLO)
    assert first.stop_reason == "tool_use"
    call = next(block for block in first.content if block.type == "tool_use")
    assert (call.name, set(call.input)) == ("add", {"a", "b"})
    result: Any = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "42"}]}
    last = client.messages.create(**ask, messages=[*HELLO, {"role": "assistant", "content": first.content}, result])
    assert "42" in "".join(block.text for block in last.content if block.type == "text")


@pytest.mark.parametrize("model", MODELS)
def test_python_counts_tokens_for_free(model: str, client: anthropic.Anthropic, front: Front) -> None:
    """Counting happens all the time and must cost nothing (the ledger is checked after the journeys)."""
    assert client.messages.count_tokens(model=model, messages=HELLO).input_tokens > 0
    assert [seen.status for seen in front.requests] == [200]


def test_python_lists_and_retrieves_models(client: anthropic.Anthropic) -> None:
    """This SDK wants another shape of the same list, and gets it by its anthropic-version header."""
    listed = {model.id: model for model in client.models.list()}
    assert {*MODELS, "openai/gpt-5.2"} <= {*listed}
    assert listed["hekiu"].type == "model"
    assert client.models.retrieve("openai/gpt-5.2").id == "openai/gpt-5.2"


CREDENTIALS: dict[str, tuple[Callable[[str], dict[str, Any]], str]] = {
    "api_key": (lambda key: {"api_key": key}, "authorization"),
    "auth_token": (lambda key: {"auth_token": key}, "authorization"),
    "x-api-key": (lambda key: {"auth_token": "", "default_headers": {"x-api-key": key, **NO_BEARER}}, "x-api-key"),
}


@pytest.mark.parametrize(("options", "header"), CREDENTIALS.values(), ids=CREDENTIALS)
def test_either_credential_header_is_understood(
    options: Callable[[str], dict[str, Any]], header: str, front: Front, paid: Caller
) -> None:
    """Since 2026-10-21 the SDK sends api_key as Bearer; older ones and Claude Code send x-api-key."""
    with anthropic.Anthropic(base_url=front.url, **options(paid.key)) as client:
        assert client.messages.create(model="hekiu", max_tokens=64, messages=HELLO).content
    sent = [name for name in ("authorization", "x-api-key") if front.requests[-1].header(name)]
    assert sent == [header]


REFUSED = {"a key nobody issued": ("unknown", 401), "an empty account": ("empty", 402)}
PYTHON_CLASSES = {401: anthropic.AuthenticationError, 402: anthropic.APIStatusError}
TYPES = {401: "authentication_error", 402: "billing_error"}


@pytest.fixture(scope="session")
def keys(empty: Caller) -> dict[str, str]:
    """A key of each sort that is refused."""
    return {"unknown": UNKNOWN_KEY, "empty": empty.key}


@pytest.mark.parametrize(("sort", "status"), REFUSED.values(), ids=REFUSED)
def test_python_raises_the_right_error_after_one_request(
    sort: str, status: int, front: Front, keys: dict[str, str]
) -> None:
    """Errors come in this protocol's own envelope, and final ones are final."""
    expected = PYTHON_CLASSES[status]
    with anthropic.Anthropic(api_key=keys[sort], base_url=front.url) as client, pytest.raises(expected) as caught:
        client.messages.create(model="hekiu", max_tokens=64, messages=HELLO)
    assert caught.value.status_code == status
    body: Any = caught.value.body
    assert body["error"]["type"] == TYPES[status]
    assert [seen.status for seen in front.requests] == [status]


# ---------------------------------------------------------------- TypeScript


@pytest.mark.parametrize("model", MODELS)
def test_typescript_gets_and_streams_the_same_message(model: str, anthropic_node: Errand) -> None:
    """The TypeScript SDK reads streams with code of its own."""
    whole, streamed = anthropic_node("message", model), anthropic_node("stream", model)
    assert whole["content"] == streamed["content"]
    assert whole["stop"] == streamed["stop"] == "end_turn"
    assert whole["usage"]["output_tokens"] == streamed["usage"]["output_tokens"] > 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("errand", ["tools", "tools_stream"])
def test_typescript_carries_a_tool_call_and_its_result(model: str, errand: str, anthropic_node: Errand) -> None:
    """The assistant turn goes back as the SDK's own object, whole or folded from a stream."""
    seen = anthropic_node(errand, model)
    assert (seen["first_stop"], seen["name"], set(seen["arguments"])) == ("tool_use", "add", {"a", "b"})
    assert "42" in "".join(block["text"] for block in seen["content"])
    assert seen["stop"] == "end_turn"


def test_typescript_lists_and_retrieves_models(anthropic_node: Errand) -> None:
    """An id with a slash is escaped by this SDK, too."""
    seen = anthropic_node("models", "openai/gpt-5.2")
    assert {*MODELS, "openai/gpt-5.2"} <= {*seen["ids"]}
    assert seen["retrieved"] == "openai/gpt-5.2"


@pytest.mark.parametrize(("sort", "status"), REFUSED.values(), ids=REFUSED)
def test_typescript_raises_the_right_error_after_one_request(
    sort: str, status: int, anthropic_node: Errand, front: Front, keys: dict[str, str]
) -> None:
    """The same promise for the other SDK."""
    seen = anthropic_node("message", "hekiu", keys[sort])
    assert (seen["status"], seen["type"]) == (status, TYPES[status])
    assert [request.status for request in front.requests] == [status]
