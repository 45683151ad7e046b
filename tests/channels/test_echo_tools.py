"""The embedded channel calls tools and keeps to forms, so that agents can be developed without a provider."""

import asyncio
import json
import shlex
from typing import Any

import pytest
from channels.echo_requests import (
    BASH,
    CITY,
    FORCED,
    WEATHER,
    ask,
    ask_chat,
    chat,
    function,
    message,
    tool,
    user,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from haze_proxy.channels import client
from haze_proxy.channels.echo import answer


@pytest.mark.parametrize("choice", ["auto", "required", None])
async def test_chat_calls_the_first_tool_with_arguments_that_fit(choice: str | None) -> None:
    """Agents can be developed offline: the loop turns."""
    tools = [function("weather", WEATHER), function("other", {})]
    got = await ask_chat(**chat(user("Weather?"), tools=tools, tool_choice=choice))
    assert (got["finish_reason"], got["message"]["content"]) == ("tool_calls", None)
    (call,) = got["message"]["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "echo"}


ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [FORCED]}}


@pytest.mark.parametrize(("choice", "name"), [("none", None), (FORCED, "other"), (ALLOWED, "other")])
async def test_chat_obeys_tool_choice(choice: Any, name: str | None) -> None:
    """A framework that forces its output tool gets that one."""
    tools = [function("weather", WEATHER), function("other", {})]
    got = (await ask_chat(**chat(tools=tools, tool_choice=choice)))["message"]
    assert [call["function"]["name"] for call in got.get("tool_calls", [])] == ([name] if name else [])


@pytest.mark.parametrize(
    ("choice", "name"),
    [({"type": "none"}, None), ({"type": "tool", "name": "later"}, "later"), ({"type": "any"}, "Bash"), (None, "Bash")],
)
async def test_messages_obeys_tool_choice_and_prefers_a_shell(choice: Any, name: str | None) -> None:
    """Of the dozen tools of Claude Code only its shell is of use without knowing what is asked."""
    tools = [tool("later", {}, defer_loading=True), tool("Edit", WEATHER), tool("Bash", BASH)]
    got = await ask("/messages", message(tools=tools, tool_choice=choice))
    assert [block.get("name") for block in got["content"]] == [name]
    assert got["stop_reason"] == ("tool_use" if name else "end_turn")


async def test_server_tools_are_left_alone() -> None:
    """They run at the provider; a call of one would be answered by nobody."""
    got = await ask("/messages", message(tools=[{"type": "web_search_20260318", "name": "web_search"}]))
    assert got["content"][0]["type"] == "text"


@pytest.mark.parametrize(
    ("name", "schema", "field"),
    [
        ("Bash", BASH, "command"),
        ("bash", None, "command"),
        ("exec_command", {"type": "object", "properties": {"cmd": {"type": "string"}}}, "cmd"),
    ],
)
@given(words=st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200))
def test_a_shell_is_only_made_to_print_the_words(name: str, schema: Any, field: str, words: str) -> None:
    """Whatever a user types, nothing of it runs."""
    assume(not words.lstrip().startswith("<system-reminder>"))  # a client's, not typed by anybody
    offered = {"type": "bash_20250124", "name": name} if schema is None else tool(name, schema)
    reply = answer("/messages", json.dumps(message(user(words), tools=[offered])).encode())
    (block,) = json.loads(asyncio.run(client.read(reply)))["content"]
    assert shlex.split(block["input"][field]) == ["echo", words]


async def test_a_shell_that_takes_a_list_gets_a_list() -> None:
    """Some agents' shells take the arguments apart."""
    schema = {"type": "object", "properties": {"command": {"type": "array", "items": {"type": "string"}}}}
    got = await ask("/messages", message(user("a; b"), tools=[tool("shell", schema)]))
    assert got["content"][0]["input"] == {"command": ["echo", "a; b"]}


async def test_chat_answers_from_the_results_of_its_tools() -> None:
    """The loop ends: a result is answered in text, not with the next call."""
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    got = await ask_chat(
        **chat(
            user("Weather?"),
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "warm"}]},
            tools=[function("weather", WEATHER)],
            tool_choice=FORCED,
        )
    )
    assert (got["message"]["content"], got["finish_reason"]) == ("The tool said: sunny\nwarm", "stop")


def capture(name: str) -> list[dict[str, Any]]:
    """The turns Claude Code sends: reminders and the words in one turn, then a system entry."""
    reminder = {"type": "text", "text": "<system-reminder>\nAs you answer, …\n</system-reminder>"}
    first = [
        user([reminder, reminder, {"type": "text", "text": "run the command"}]),
        {"role": "system", "content": [{"type": "text", "text": "…"}], "output_config": {"effort": "medium"}},
    ]
    called = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "echo 42"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42-haze", "is_error": False}
    second = [*first, {"role": "assistant", "content": [called]}]
    return {
        "first": first,
        "second": [*second, user([result])],
        "second with reminder": [*second, user([result, reminder])],
        "compact": [*second, user([result, {"type": "text", "text": "Summarise."}])],
    }[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first", {"command": "echo 'run the command'"}),
        ("second", "The tool said: 42-haze"),
        ("second with reminder", "The tool said: 42-haze"),
        ("compact", "You said: Summarise."),
    ],
)
async def test_claude_code_turns_end_in_one_call_and_one_answer(name: str, expected: Any) -> None:
    """Its reminders and system entries are not the user's words, and its loop must end."""
    got = await ask("/messages", message(*capture(name), tools=[tool("Agent", WEATHER), tool("Bash", BASH)]))
    (block,) = got["content"]
    assert (block["input"] if block["type"] == "tool_use" else block["text"]) == expected


async def test_a_tool_result_in_blocks_is_read() -> None:
    """The SDKs send results as lists of blocks."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "18C"}]}
    assert (await ask("/messages", message(user([result]))))["content"][0]["text"] == "The tool said: 18C"


# ---- structured output ----


async def test_structured_answers_fit_their_schema() -> None:
    """A `parse()` of an SDK succeeds offline; the words are what the strings say."""
    wanted = {"type": "json_schema", "json_schema": {"name": "City", "strict": True, "schema": CITY}}
    got = await ask_chat(**chat(user("Paris"), response_format=wanted))
    assert json.loads(got["message"]["content"]) == {"name": "Paris", "people": 1}
    form = {"format": {"type": "json_schema", "schema": CITY}}
    got = await ask("/messages", message(user("Paris"), output_config=form, tools=[]))
    assert json.loads(got["content"][0]["text"]) == {"name": "Paris", "people": 1}


async def test_json_object_answers_are_objects() -> None:
    """The older JSON mode promises an object and no more."""
    got = await ask_chat(**chat(response_format={"type": "json_object"}))
    assert json.loads(got["message"]["content"]) == {"text": "You said: hello"}
