"""The OpenAI SDKs for Python and Node speaking Responses: whole, streamed, with tools, to a schema."""

import json
from typing import Any

import openai
import pytest
from front import Front
from harness import Errand
from pydantic import BaseModel

HELLO = "Hello!"
ADD: Any = {
    "type": "function",
    "name": "add",
    "description": "Adds two numbers",
    "strict": False,
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
MODELS = ("hekiu", "gpt-4o", "openai/gpt-5.2")  # the embedded channel, pretend providers of two kinds


class Greeting(BaseModel):
    """A structured answer."""

    text: str


@pytest.mark.parametrize("model", MODELS)
def test_python_streams_the_same_words_it_would_get_whole(model: str, openai_python: openai.OpenAI) -> None:
    """A stream is the same answer in pieces; its last event has the whole of it, usage included."""
    whole = openai_python.responses.create(model=model, input=HELLO)
    assert whole.status == "completed"
    assert whole.output_text
    assert whole.usage
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens > 0
    events: list[Any] = list(openai_python.responses.create(model=model, input=HELLO, stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    assert events[-1].response.output_text == whole.output_text
    assert events[-1].response.usage == whole.usage


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_python_carries_a_tool_call_and_its_result(model: str, stream: bool, openai_python: openai.OpenAI) -> None:
    """The helper folds the events itself and fails on any that is missing; the call goes back as the SDK's object."""
    if stream:
        with openai_python.responses.stream(model=model, input=HELLO, tools=[ADD]) as events:
            first: Any = events.get_final_response()
    else:
        first = openai_python.responses.create(model=model, input=HELLO, tools=[ADD])
    (call,) = first.output
    assert (call.type, call.name, set(json.loads(call.arguments))) == ("function_call", "add", {"a", "b"})
    # Only Python's helper knows this field; the API refuses it.
    told = call.model_dump(exclude_none=True, exclude={"parsed_arguments"})
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    history: Any = [{"role": "user", "content": HELLO}, told, result]
    last = openai_python.responses.create(model=model, input=history, tools=[ADD])
    assert "42" in last.output_text


@pytest.mark.parametrize("model", MODELS)
def test_python_parses_a_structured_answer(model: str, openai_python: openai.OpenAI) -> None:
    """parse() sends a JSON schema and fails on an answer that does not fit it."""
    answer = openai_python.responses.parse(model=model, input=HELLO, text_format=Greeting)
    assert isinstance(answer.output_parsed, Greeting)


def test_nothing_is_kept_on_the_owners_account(openai_python: openai.OpenAI, providers: dict[str, Front]) -> None:
    """A provider keeps responses unless it is told not to, and callers must not share what is kept."""
    openai_python.responses.create(model="gpt-4o", input=HELLO)
    assert providers["openai"].requests[-1].json() == {"model": "gpt-4o", "input": HELLO, "store": False}


@pytest.mark.parametrize("model", MODELS)
def test_node_streams_the_same_words_it_would_get_whole(model: str, openai_node: Errand) -> None:
    """The other SDK folds with code of its own and checks more of it."""
    whole, streamed, folded = (
        openai_node(errand, model) for errand in ("responses", "responses_stream", "responses_helper")
    )
    assert whole["status"] == streamed["status"] == folded["status"] == "completed"
    assert whole["text"] == streamed["text"] == folded["text"] != ""
    assert whole["usage"] == streamed["usage"] == folded["usage"]


@pytest.mark.parametrize("model", MODELS)
def test_node_carries_a_tool_call_and_its_result(model: str, openai_node: Errand) -> None:
    """Agents are loops of exactly this: call, result, answer."""
    seen = openai_node("responses_tools", model)
    assert (seen["name"], set(seen["arguments"])) == ("add", {"a", "b"})
    assert "42" in seen["text"]


@pytest.mark.parametrize("model", MODELS)
def test_node_parses_a_structured_answer(model: str, openai_node: Errand) -> None:
    """parse() fails on what does not fit its schema."""
    assert isinstance(openai_node("responses_parse", model)["parsed"]["answer"], int)
