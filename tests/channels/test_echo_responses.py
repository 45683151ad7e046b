"""The embedded channel speaks Responses, so that Codex and `client.responses` can be tried without a provider."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from channels.echo_requests import BASH, CITY, WEATHER, ask, ask_streamed, flat, response, user

from haze_proxy.channels import client
from haze_proxy.channels.echo import answer

NAMELESS = {"id", "item_id", "call_id"}


async def asked(**fields: Any) -> dict[str, Any]:
    return await ask("/responses", fields)


async def told(**fields: Any) -> Any:
    """The text of the one message, or the name and arguments of the one call."""
    (item,) = (await asked(**fields))["output"]
    if item["type"] == "function_call":
        return item["name"], json.loads(item["arguments"])
    (part,) = item["content"]
    return part["text"]


# ---- text ----


@pytest.mark.parametrize(
    "given",
    [
        "hello there",
        [user("hello there")],
        [{"type": "message", **user([{"type": "input_text", "text": "hello there"}])}],
        [user("hi"), {"role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]}, user("hello there")],
        [user("hello there"), {"role": "developer", "content": "Be kind."}, {"type": "reasoning", "summary": []}],
    ],
)
async def test_it_repeats_the_last_words_of_the_user(given: Any) -> None:
    """A text, or items of every spelling that SDKs use."""
    got = await asked(model="hekiu", input=given, instructions="Be brief.")
    (item,) = got["output"]
    part = {"type": "output_text", "text": "You said: hello there", "annotations": [], "logprobs": []}
    assert (item["type"], item["role"], item["status"], item["content"]) == (
        "message",
        "assistant",
        "completed",
        [part],
    )
    assert (got["object"], got["model"], got["status"], got["error"]) == ("response", "hekiu", "completed", None)


async def test_it_says_again_what_it_was_told_to_do() -> None:
    """Clients read their own settings back; the SDKs' types want all of them."""
    got = await asked(**response(instructions="Be brief.", metadata={"a": "b"}, temperature=None))
    assert (got["instructions"], got["metadata"], got["temperature"], got["store"]) == (
        "Be brief.",
        {"a": "b"},
        1.0,
        False,
    )


async def test_usage_counts_a_quarter_of_the_bytes_in_and_the_pieces_out() -> None:
    """Receipts made offline must be predictable to the token; a picture in base64 is not text."""
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 1000}
    got = await asked(**response(user([picture, {"type": "input_text", "text": "hello"}]), instructions="1234567"))
    usage = got["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (3, 3, 6)
    assert usage["input_tokens_details"]["cached_tokens"] == usage["output_tokens_details"]["reasoning_tokens"] == 0


@pytest.mark.parametrize(
    ("limit", "text", "status"), [(2, "You said:", "incomplete"), (5, "You said: a b c", "completed")]
)
async def test_it_stops_at_the_output_limit(limit: int, text: str, status: str) -> None:
    """The limit is what a hold is computed from: no answer may pass it."""
    got = await asked(**response(user("a b c"), max_output_tokens=limit))
    reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
    assert (got["status"], got["incomplete_details"], got["max_output_tokens"]) == (status, reason, limit)
    assert (got["output"][0]["content"][0]["text"], got["output"][0]["status"]) == (text, status)


async def test_structured_answers_fit_their_schema() -> None:
    """`responses.parse()` succeeds offline."""
    form = {"format": {"type": "json_schema", "name": "City", "strict": True, "schema": CITY}}
    assert json.loads(await told(**response(user("Paris"), text=form))) == {"name": "Paris", "people": 1}
    assert json.loads(await told(**response(text={"format": {"type": "json_object"}}))) == {"text": "You said: hello"}


# ---- tools ----

TOOLS = [
    flat("weather", WEATHER),
    flat("other", {}),
    {"type": "custom", "name": "apply_patch"},
    {"type": "namespace", "name": "agents", "tools": [flat("spawn", {})]},
    {"type": "web_search", "external_web_access": True},
]
OTHER = {"type": "function", "name": "other"}
CHOICES: dict[str, tuple[Any, str | None]] = {
    "nothing said": (None, "weather"),
    "auto": ("auto", "weather"),
    "required": ("required", "weather"),
    "none": ("none", None),
    "forced": (OTHER, "other"),
    "allowed": ({"type": "allowed_tools", "mode": "auto", "tools": [OTHER]}, "other"),
    "one of the provider's": ({"type": "web_search"}, "weather"),
}


@pytest.mark.parametrize(("choice", "name"), CHOICES.values(), ids=CHOICES)
async def test_it_calls_a_function_as_tool_choice_says(choice: Any, name: str | None) -> None:
    """A framework that forces its output tool gets that one; what the provider would run is left alone."""
    got = await told(**response(tools=TOOLS, tool_choice=choice))
    arguments = {"city": "echo"} if name == "weather" else {}
    assert got == ((name, arguments) if name else "You said: hello")


@pytest.mark.parametrize("tools", [TOOLS[2:], [], None, [{"type": "function"}]])
async def test_without_a_function_it_answers_in_text(tools: Any) -> None:
    """Nobody would answer a call of a tool that the provider runs."""
    assert await told(**response(tools=tools)) == "You said: hello"


async def test_a_call_is_whole_or_not_at_all() -> None:
    """Half of a JSON text would break the client that parses it."""
    got = await asked(**response(user("a b c"), tools=[flat("bash", BASH)], max_output_tokens=1))
    assert (got["output"], got["status"], got["usage"]["output_tokens"]) == ([], "incomplete", 0)


@pytest.mark.parametrize("output", ["sunny", [{"type": "input_text", "text": "sunny"}]])
async def test_it_answers_from_the_results_of_its_calls(output: Any) -> None:
    """The loop ends: a result is answered in text, not with the next call."""
    call = {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"}
    results = [{"type": "function_call_output", "call_id": "c", "output": each} for each in (output, "warm")]
    turns = [user("Weather?"), {"type": "reasoning", "summary": []}, call, call, *results]
    got = await told(**response(*turns, tools=TOOLS, tool_choice=OTHER))
    assert got == "The tool said: sunny\nwarm"
    assert await told(**response(*turns, user("And now?"), tools=TOOLS)) == ("weather", {"city": "echo"})


RECORDED = Path(__file__).parents[1] / "wire" / "recorded_requests"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("codex-plain", ("exec_command", {"cmd": "echo 'say hello [no-tool]'"})),
        ("codex-tool-turn2", "42-haze"),
        ("openai_python-responses-tools", ("get_weather", {"city": "echo"})),
        ("openai_python-responses-tool-result", "The tool said: 18C-and-sunny"),
        ("openai_python-responses-json-schema", '{"city":"x","population":1}'),
    ],
)
async def test_recorded_requests_are_answered(name: str, expected: Any) -> None:
    """Codex's shell turns once and ends: its own entries and roles are neither words nor tools to call."""
    got = await told(**{**json.loads((RECORDED / f"{name}.json").read_bytes()), "stream": False})
    assert expected in got if isinstance(expected, str) else got == expected


async def test_a_shell_is_only_made_to_print_the_words() -> None:
    """Whatever a user types, nothing of it runs."""
    words = "x'; rm -rf / #"
    tools = [flat("other", {}), flat("exec_command", {"type": "object", "properties": {"cmd": {"type": "string"}}})]
    name, arguments = await told(**response(user(words), tools=tools))
    assert (name, shlex.split(arguments["cmd"])) == ("exec_command", ["echo", words])


# ---- streams ----

TEXT = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    *["response.output_text.delta"] * 3,
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]
CALL = [
    *TEXT[:3],
    *["response.function_call_arguments.delta"],
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.completed",
]
STREAMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "text": ({}, TEXT),
    "a call": ({"tools": [flat("other", {})]}, CALL),
    "cut": ({"max_output_tokens": 1}, [*TEXT[:5], *TEXT[7:-1], "response.incomplete"]),
    "nothing": ({"tools": [flat("bash", BASH)], "max_output_tokens": 1}, [*TEXT[:2], "response.incomplete"]),
}


def nameless(value: Any) -> Any:
    """Without ids, which come from the body, and the streamed one is another body."""
    if isinstance(value, dict):
        return {name: nameless(item) for name, item in value.items() if name not in NAMELESS}
    return [nameless(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("fields", "names"), STREAMS.values(), ids=STREAMS)
async def test_a_stream_has_every_event_in_order_and_folds_to_the_whole_answer(
    fields: dict[str, Any], names: list[str]
) -> None:
    """Codex uses the items as they are done, the SDKs fold the deltas: both must get what the whole answer says."""
    body = response(**fields)
    events = await ask_streamed("/responses", body)
    assert [name for name, _ in events] == names
    documents = [document for _, document in events]
    assert [document["type"] for document in documents] == names
    assert [document["sequence_number"] for document in documents] == list(range(len(names)))
    whole = await ask("/responses", body)
    assert nameless(documents[-1]["response"]) == nameless(whole)
    assert documents[0]["response"] == documents[1]["response"]
    begun = {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    assert nameless(documents[0]["response"]) == nameless({**whole, **begun})
    items = [document["item"] for document in documents if document["type"] == "response.output_item.done"]
    assert items == documents[-1]["response"]["output"]
    texts = [item.get("arguments") or item["content"][0]["text"] for item in items]
    assert "".join(document["delta"] for document in documents if "delta" in document) == "".join(texts)
    ids = {document["item_id"] for document in documents if "item_id" in document}
    assert ids == {item["id"] for item in items}


# ---- refusals ----

BAD: dict[str, tuple[bytes, str | None]] = {
    "not JSON": (b"{", None),
    "no input": (b'{"model": "m"}', "input"),
    "no item": (b'{"model": "m", "input": []}', "input"),
    "input a number": (b'{"model": "m", "input": 5}', "input"),
    "an item not an object": (b'{"model": "m", "input": ["hi"]}', "input[0]"),
    "no model": (b'{"input": "hi"}', "model"),
    "limit not a number": (json.dumps(response(max_output_tokens="9")).encode(), "max_output_tokens"),
    "forced tool not offered": (json.dumps(response(tool_choice=OTHER)).encode(), "tool_choice"),
}


@pytest.mark.parametrize(("body", "param"), BAD.values(), ids=BAD)
async def test_a_bad_request_is_told_so_in_its_own_envelope(body: bytes, param: str | None) -> None:
    """What is wrong with a request must be seen offline, too."""
    reply = answer("/responses", body)
    error = json.loads(await client.read(reply))["error"]
    assert (reply.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
