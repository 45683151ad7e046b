"""`client.responses` on channels that do not have it: Anthropic's protocol and chat, streamed, parsed, with tools."""

import json
from typing import Any

import openai
import pytest
from front import Front
from harness import Errand
from pydantic import BaseModel

# model -> its channel, the tokens it counts: all input, the cached part of it, output
MODELS = {
    "claude-thinks": ("claude", (131, 100, 3)),
    "deepseek-v4": ("deepseek", (111, 100, 3)),
    "gemini-3-pro": ("gemini", (11, 0, 303)),
}
HELLO = "Hello!"
SAID, THOUGHT = "Hello there!", "Let me think."
ENCRYPTED: Any = ["reasoning.encrypted_content"]
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
# What must come back to the provider with the result of its call.
WANTED_BACK = {
    "claude-thinks": b'{"type":"thinking","thinking":"Let me think.","signature":"c2lnbmVkIGJ5IENsYXVkZQ=="}',
    "deepseek-v4": b'"reasoning_content":"Let me think."',
    "gemini-3-pro": b'"extra_content":{"google":{"thought_signature":"c2lnbmVk"}}',
}
# Where a provider looks for a schema.
FORMS = {"claude-thinks": "output_config", "deepseek-v4": "response_format", "gemini-3-pro": "response_format"}


class Greeting(BaseModel):
    """A structured answer."""

    text: str
    loud: bool


def counted(usage: Any) -> tuple[int, int, int]:
    """Return the numbers of a usage object."""
    return usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens


@pytest.mark.parametrize("model", MODELS)
def test_python_streams_the_same_answer_it_would_get_whole(model: str, openai_python: openai.OpenAI) -> None:
    """The helper folds the events itself and fails on any that is missing; reasoning stands in items of its own."""
    whole = openai_python.responses.create(model=model, input=HELLO)
    assert (whole.status, whole.output_text, counted(whole.usage)) == ("completed", SAID, MODELS[model][1])
    with openai_python.responses.stream(model=model, input=HELLO) as events:
        kinds = [event.type for event in events]
        folded = events.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert (folded.output_text, counted(folded.usage)) == (SAID, MODELS[model][1])
    assert [item.type for item in folded.output] == [item.type for item in whole.output]
    thoughts = [part.text for item in whole.output if item.type == "reasoning" for part in item.summary]
    assert thoughts == [THOUGHT] * (model != "gemini-3-pro")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_python_carries_a_tool_call_its_result_and_the_thoughts(
    model: str, stream: bool, openai_python: openai.OpenAI, providers: dict[str, Front]
) -> None:
    """Everything of the first answer goes back as the SDK's own objects, what only the provider can read, too."""
    ask: Any = {"model": model, "tools": [ADD], "include": ENCRYPTED}
    if stream:
        with openai_python.responses.stream(**ask, input=HELLO) as events:
            first: Any = events.get_final_response()
    else:
        first = openai_python.responses.create(**ask, input=HELLO)
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == ("add", {"a": 1, "b": 1})
    # Only Python's helper knows this field; the API refuses it.
    told = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    history: Any = [{"role": "user", "content": HELLO}, *told, result]
    assert "42" in openai_python.responses.create(**ask, input=history).output_text
    assert WANTED_BACK[model] in providers[MODELS[model][0]].requests[-1].body


@pytest.mark.parametrize("model", MODELS)
def test_python_parses_a_structured_answer(
    model: str, openai_python: openai.OpenAI, providers: dict[str, Front]
) -> None:
    """parse() sends a schema and fails on an answer that does not fit; so does the streaming helper."""
    answer = openai_python.responses.parse(model=model, input=HELLO, text_format=Greeting)
    assert answer.output_parsed == Greeting(text="echo ok", loud=True)
    assert FORMS[model] in providers[MODELS[model][0]].requests[-1].json()
    with openai_python.responses.stream(model=model, input=HELLO, text_format=Greeting) as events:
        assert events.get_final_response().output_parsed == answer.output_parsed


@pytest.mark.parametrize("model", MODELS)
def test_node_streams_calls_and_parses(model: str, openai_node: Errand) -> None:
    """The other SDK folds with code of its own and checks more of it."""
    whole, folded = openai_node("responses", model), openai_node("responses_helper", model)
    assert whole["text"] == folded["text"] == SAID
    assert whole["usage"] == folded["usage"]
    assert openai_node("responses_parse_zod", model)["parsed"] == {"text": "echo ok", "loud": True}
    called = openai_node("responses_tools", model)
    assert (called["name"], called["arguments"]) == ("add", {"a": 1, "b": 1})
    assert "42" in called["text"]
