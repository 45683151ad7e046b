"""Bugs that hit other gateways' streams, each a promise here, under its number in the list of such bugs."""

from typing import Any

import pytest
from wire.fold import fold, says
from wire.lint import events
from wire.translating import ESTIMATE, asked, call, chunks, delta, folded, named, recorded, streamed

from haze_proxy.wire import translate
from haze_proxy.wire.events import Usage
from haze_proxy.wire.meter import Meter
from haze_proxy.wire.translate import Stream

DONE = "[DONE]"
USAGE = {"prompt_tokens": 100, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 30}}
CITY, ZONE = '{"city":"Oslo"}', '{"zone":"CET"}'
BOTH = [("weather", {"city": "Oslo"}), ("time", {"zone": "CET"})]


def in_turns() -> list[Any]:
    """Two calls begun in one chunk, their arguments alternating over six."""
    pieces = [(n, text) for k in range(0, 15, 5) for n, text in ((0, CITY[k : k + 5]), (1, ZONE[k : k + 5]))]
    return [
        delta(tool_calls=[call(0, "call_a", "weather", ""), call(1, "call_b", "time", "")]),
        *[delta(tool_calls=[call(n, args=text)]) for n, text in pieces],
        delta("tool_calls"),
        DONE,
    ]


@pytest.mark.parametrize("source", ["messages", "responses"])
def test_b1_arguments_of_calls_side_by_side_stay_apart(source: str) -> None:
    """OpenAI mixes the pieces of parallel calls; glued together they are no JSON, and the agent stops."""
    assert says(source, folded(source, "chat", chunks(*in_turns())))["calls"] == BOTH


def test_b1_a_call_that_waited_comes_as_start_one_delta_and_stop() -> None:
    """A block that is open while another is fed would be taken for it."""
    out, _ = streamed(asked("messages", "chat"), chunks(*in_turns()))
    second = [body["type"] for _, body in events(out) if body.get("index") == 1]
    assert second == ["content_block_start", "content_block_delta", "content_block_stop"]


@pytest.mark.parametrize("source", ["messages", "responses"])
def test_b2_a_second_call_may_come_in_one_piece(source: str) -> None:
    """Each delta names its own block, whatever was opened in between: the linter looks at every one."""
    stream = chunks(
        delta(tool_calls=[call(0, "call_a", "weather", "")]),
        delta(tool_calls=[call(0, args=CITY)]),
        delta(tool_calls=[call(1, "call_b", "time", ZONE)]),
        delta("tool_calls"),
        DONE,
    )
    assert says(source, folded(source, "chat", stream))["calls"] == BOTH


ASSISTANT_CALLED = {
    "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_call_0", "name": "weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_call_0", "content": "sunny"}]},
    ],
    "responses": [
        {"type": "function_call", "call_id": "call_0", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_0", "output": "sunny"},
    ],
}


def ids(source: str, answer: dict[str, Any]) -> list[str]:
    """The ids of the calls of an answer."""
    blocks = answer["content"] if source == "messages" else answer["output"]
    return [block.get("call_id", block["id"]) for block in blocks]


@pytest.mark.parametrize("source", ["messages", "responses"])
def test_no_two_calls_of_a_conversation_have_one_id(source: str) -> None:
    """Some servers begin anew with every answer; Claude Code takes such a call for an old one, and asks for ever."""
    stream = chunks(delta(tool_calls=[call(0, "call_0", "weather", CITY)]), delta("tool_calls"), DONE)
    field = {"messages": "messages", "responses": "input"}[source]
    first = [{"role": "user", "content": "Hi"}]
    assert ids(source, folded(source, "chat", stream)) == [{"messages": "toolu_call_0", "responses": "call_0"}[source]]
    later = {field: [*first, *ASSISTANT_CALLED[source]]}
    (new,) = ids(source, folded(source, "chat", stream, **later))
    assert "call_0" not in new
    twice = chunks(delta(tool_calls=[call(n, "call_0", "weather", CITY) for n in (0, 1)]), delta("tool_calls"), DONE)
    assert len({*ids(source, folded(source, "chat", twice))}) == 2


ARGUMENTS_AT_ONCE = {
    "all in the first piece": [call(0, "a", "weather", CITY)],
    "as an object": [call(0, "a", "weather", {"city": "Oslo"})],
    "before the name": [call(0, "a", None, CITY[:6]), call(0, None, "weather", CITY[6:])],
    "the id on every piece": [call(0, "a", "weather", CITY[:6]), call(0, "a", None, CITY[6:])],
    "the name on every piece": [call(0, "a", "weather", CITY[:6]), call(0, "a", "weather", CITY[6:])],
}


@pytest.mark.parametrize("pieces", ARGUMENTS_AT_ONCE.values(), ids=ARGUMENTS_AT_ONCE)
@pytest.mark.parametrize("source", ["messages", "responses"])
def test_b3_arguments_are_found_wherever_they_stand_in_chat(source: str, pieces: list[Any]) -> None:
    """A call without its arguments is answered with "invalid tool parameters", for ever."""
    stream = chunks(*[delta(tool_calls=[piece]) for piece in pieces], delta("tool_calls"), DONE)
    assert says(source, folded(source, "chat", stream))["calls"] == [("weather", {"city": "Oslo"})]


def item(arguments: str) -> dict[str, Any]:
    return {"id": "fc_1", "type": "function_call", "call_id": "call_9", "name": "weather", "arguments": arguments}


def place(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "output_index": 0, "item_id": "fc_1", **more}


ADDED = place("output_item.added", item=item(""))
WHOLE_ARGUMENTS = {
    "in arguments.done": [ADDED, place("function_call_arguments.done", arguments=CITY)],
    "empty pieces first": [
        ADDED,
        place("function_call_arguments.delta", delta=""),
        place("function_call_arguments.done", arguments=CITY),
    ],
    "half in pieces": [
        ADDED,
        place("function_call_arguments.delta", delta=CITY[:5]),
        place("function_call_arguments.done", arguments=CITY),
        place("output_item.done", item=item(CITY)),
    ],
    "in the item": [place("output_item.done", item=item(CITY))],
    "in the end": [],
}


@pytest.mark.parametrize("body", WHOLE_ARGUMENTS.values(), ids=WHOLE_ARGUMENTS)
@pytest.mark.parametrize("source", ["messages", "chat"])
def test_b3_arguments_are_found_wherever_they_stand_in_responses(source: str, body: list[dict[str, Any]]) -> None:
    """LM Studio sends them once, when they are complete."""
    response = {"status": "completed", "output": [item(CITY)], "usage": {"input_tokens": 5, "output_tokens": 2}}
    stream = named(*body, {"type": "response.completed", "response": response})
    assert says(source, folded(source, "responses", stream))["calls"] == [("weather", {"city": "Oslo"})]


@pytest.mark.parametrize("source", ["messages", "chat"])
def test_items_of_responses_may_run_side_by_side(source: str) -> None:
    """A call that ended while it waited is closed as soon as it has its turn; what comes after stays after."""

    def fc(n: int, kind: str, **more: Any) -> dict[str, Any]:
        return {"type": f"response.{kind}", "output_index": n, "item_id": f"fc_{n}", **more}

    items = [
        {"id": f"fc_{n}", "type": "function_call", "call_id": f"call_{n}", "name": name, "arguments": args}
        for n, (name, args) in enumerate((("weather", CITY), ("time", ZONE)))
    ]
    said = {"id": "msg_2", "type": "message", "content": [{"type": "output_text", "text": "Then."}]}
    stream = named(
        *[fc(n, "output_item.added", item={**item, "arguments": ""}) for n, item in enumerate(items)],
        fc(1, "function_call_arguments.delta", delta=ZONE),
        fc(0, "function_call_arguments.delta", delta=CITY),
        fc(1, "output_item.done", item=items[1]),
        {"type": "response.output_text.delta", "output_index": 2, "content_index": 0, "delta": "Then."},
        fc(0, "output_item.done", item=items[0]),
        {"type": "response.completed", "response": {"status": "completed", "output": [*items, said]}},
    )
    told = says(source, folded(source, "responses", stream))
    assert (told["calls"], told["text"]) == (BOTH, "Then.")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_b4_reasoning_gets_a_thinking_block_and_the_message_starts_once(field: str) -> None:
    """Thoughts in a text block are read as the answer."""
    thoughts = [delta(**{field: text}) for text in ("Let ", "me ", "see.")]
    stream = chunks(*thoughts, delta(content="It is "), delta(content="7."), delta("stop"), DONE)
    out, _ = streamed(asked("messages", "chat"), stream)
    blocks = fold("messages", out)["content"]
    assert [(block["type"], block.get("thinking") or block.get("text")) for block in blocks] == [
        ("thinking", "Let me see."),
        ("text", "It is 7."),
    ]
    assert out.count(b"event: message_start") == 1


@pytest.mark.parametrize("source", ["messages", "responses"])
@pytest.mark.parametrize(
    ("content", "reason"), [({"tool_calls": [call(0, "a", "weather", CITY)]}, "calls"), ({"content": "Hi"}, "end")]
)
def test_b5_a_reason_to_stop_is_found_where_none_was_given(source: str, content: dict[str, Any], reason: str) -> None:
    """Without one the client hangs."""
    assert says(source, folded(source, "chat", chunks(delta(**content), DONE)))["reason"] == reason


@pytest.mark.parametrize("source", ["messages", "responses"])
def test_b5_a_stream_cut_before_its_end_is_no_answer(source: str) -> None:
    """A polite end makes half an answer whole, or makes the client ask again without limit."""
    out, stream = streamed(asked(source, "chat"), chunks(delta(tool_calls=[call(0, "a", "weather", CITY)])))
    assert stream.problem is not None
    assert not stream.finished
    assert not stream.meter.finished
    assert b"message_stop" not in out
    assert b"response.completed" not in out


ENDS = {
    "usage on every chunk": [
        delta(usage={**USAGE, "completion_tokens": 1}, tool_calls=[call(0, "a", "weather", CITY[:5])]),
        delta(usage={**USAGE, "completion_tokens": 5}, tool_calls=[call(0, args=CITY[5:])]),
        delta("tool_calls", usage=USAGE),
        DONE,
    ],
    "usage after the reason": [
        delta(tool_calls=[call(0, "a", "weather", CITY)]),
        delta("tool_calls"),
        {**delta(), "choices": [], "usage": USAGE},
        DONE,
    ],
    "no [DONE]": [delta(tool_calls=[call(0, "a", "weather", CITY)]), delta("tool_calls", usage=USAGE)],
}


@pytest.mark.parametrize("stream", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("source", ["messages", "responses"])
def test_b6_usage_is_not_the_end(source: str, stream: list[Any]) -> None:
    """Who stops at the first usage loses the arguments that come after it."""
    told = says(source, folded(source, "chat", chunks(*stream)))
    assert told["calls"] == [("weather", {"city": "Oslo"})]
    assert told["tokens"] == (100, 9)


def test_b7_the_start_has_an_estimate_and_the_end_the_numbers() -> None:
    """With 0 at the start Claude Code shows an empty context, and never compacts it."""
    out, _ = streamed(asked("messages", "chat"), chunks(delta(content="Hi"), delta("stop", usage=USAGE), DONE))
    bodies = [body for _, body in events(out)]
    start, last = bodies[0]["message"]["usage"], bodies[-2]["usage"]
    assert start["input_tokens"] == ESTIMATE
    merged = start | {name: value for name, value in last.items() if value}  # as Claude Code does it
    assert (merged["input_tokens"], merged["cache_read_input_tokens"], merged["output_tokens"]) == (70, 30, 9)


def test_b7_the_estimate_is_never_zero() -> None:
    """An estimate of nothing is none."""
    translated = asked("messages", "chat").with_facts(seed="s", created=0, input_estimate=0)
    out, _ = streamed(translated, chunks(delta(content="Hi"), delta("stop"), DONE))
    assert next(body for _, body in events(out))["message"]["usage"]["input_tokens"] == 1


def test_b8_a_later_report_of_usage_does_not_erase_the_reason() -> None:
    """`stop_reason: null` is no reason."""
    assert says("chat", folded("chat", "messages", [recorded("messages_usage_after_reason")]))["reason"] == "calls"


@pytest.mark.parametrize("source", ["messages", "responses"])
def test_b9_white_space_between_the_pieces_of_calls_is_no_text(source: str) -> None:
    """It opened empty text blocks, and phantom calls after them."""
    stream = chunks(
        delta(tool_calls=[call(0, "a", "weather", "")]),
        delta(content="\n"),
        delta(tool_calls=[call(0, args=CITY)]),
        delta(content="\n"),
        delta(tool_calls=[call(1, "b", "time", ZONE)]),
        delta("tool_calls"),
        DONE,
    )
    told = says(source, folded(source, "chat", stream))
    assert told["calls"] == BOTH
    assert told["text"] == ""


def test_b9_text_after_a_call_gets_a_block_of_its_own() -> None:
    """The call's block is closed by then."""
    stream = chunks(
        delta(content="\n\nFirst."),
        delta(tool_calls=[call(0, "a", "weather", CITY)]),
        delta(content=" Then."),
        delta("tool_calls"),
        DONE,
    )
    blocks = folded("messages", "chat", stream)["content"]
    assert [block.get("text", block["type"]) for block in blocks] == ["\n\nFirst.", "tool_use", " Then."]


def test_b10_a_chat_client_gets_a_role_a_usage_and_the_thoughts() -> None:
    """Agents that count no tokens flag a whole answer as empty."""
    out, _ = streamed(asked("chat", "messages"), [recorded("messages_thinking_tool_use")])
    seen = [body for _, body in events(out)]
    assert seen[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "reasoning_content": "I should look"}
    deltas = [body["choices"][0]["delta"] for body in seen[1:-2]]
    assert deltas == [
        {"reasoning_content": " at the file."},
        {
            "reasoning_details": [
                {
                    "type": "reasoning.text",
                    "text": "I should look at the file.",
                    "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h",
                    "format": "anthropic-claude-v1",
                    "index": 0,
                }
            ]
        },
        {"content": "Let me see."},
        {
            "tool_calls": [
                {"index": 0, "id": "toolu_01T1x", "type": "function", "function": {"name": "Read", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"file_path": "/tm'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": 'p/a.py"}'}}]},
        {},
    ]
    assert seen[-3]["choices"][0]["finish_reason"] == "tool_calls"
    assert seen[-2]["choices"] == []
    assert seen[-2]["usage"]["completion_tokens"] == 89
    assert seen[-1] == DONE


def test_b10_who_did_not_ask_for_usage_gets_no_chunk_without_choices() -> None:
    """Code that reads `chunk.choices[0]` falls over it."""
    out, _ = streamed(asked("chat", "messages", stream_options={}), [recorded("messages_text")])
    assert b'"usage"' not in out


FAILURES: dict[str, dict[str, Any]] = {
    "an error object": {"error": {"message": "no", "code": 502}},
    "an error as text": {"error": "no"},
    "choices are null": {"choices": None},
    "no choices": {"choices": []},
    "the reason is error": {"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "error"}]},
    "only the native reason tells": {
        "choices": [
            {
                "index": 0,
                "message": {"content": ""},
                "finish_reason": "stop",
                "native_finish_reason": "network_error",
            }
        ]
    },
}


@pytest.mark.parametrize("body", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("source", ["messages", "responses"])
def test_b11_an_error_with_status_200_is_no_answer(source: str, body: dict[str, Any]) -> None:
    """Passed on as success, it is charged, and the client crashes on it."""
    with pytest.raises(translate.HazeError) as failed:
        translate.answer(body, asked(source, "chat"))
    assert failed.value.status == 502


@pytest.mark.parametrize("body", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("source", ["messages", "responses"])
def test_b11_an_error_in_a_stream_with_status_200_is_no_answer(source: str, body: dict[str, Any]) -> None:
    """Nothing has gone out yet, so another channel can still be asked: there must be no bytes before `held`."""
    choices = [{**c, "delta": c["message"]} for c in body.get("choices") or ()] or body.get("choices")
    first = chunks(
        delta(role="assistant", content=""), {**body, **({"choices": choices} if "choices" in body else {})}, DONE
    )
    stream = Stream(asked(source, "chat"), Meter("chat"))
    assert b"".join([stream.feed(piece) for piece in first]) + stream.close() == b""
    assert stream.problem is not None
    assert stream.meter.state == "error"
    assert stream.meter.error


@pytest.mark.parametrize("source", ["messages", "responses"])
def test_b11_an_error_after_the_answer_began_ends_it_once(source: str) -> None:
    """No terminal event beside it, so that no client takes the half for whole."""
    out, stream = streamed(asked(source, "chat"), [recorded("openrouter_error_midstream")])
    assert stream.meter.state == "error"
    assert not stream.finished
    assert b"message_stop" not in out
    assert b"Provider returned error: upstream connect error" in out


def test_b12_what_was_delivered_is_known_at_every_moment() -> None:
    """A client who leaves pays for what was made: the meter stands on the channel's side of the translation."""
    stream = Stream(asked("messages", "chat"), Meter("chat"))
    for piece in chunks(delta(content="Hello"), delta(content=" you")):
        stream.feed(piece)
    assert stream.meter.delivered_bytes == len("Hello you")
    assert stream.meter.usage == {}


def test_an_answer_without_usage_gets_an_estimated_one() -> None:
    """Anthropic's SDKs crash where it is missing."""
    told = folded("messages", "chat", chunks(delta(content="x" * 9), delta("stop"), DONE))
    assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (ESTIMATE, 3)


def test_pings_of_the_provider_keep_the_client_awake() -> None:
    """A tool's arguments may take minutes, and come as one."""
    out, _ = streamed(asked("chat", "messages"), [recorded("messages_thinking_tool_use")])
    assert out.count(b": keep-alive\n\n") == 1


def test_nothing_but_a_whole_answer_ends_a_stream() -> None:
    """What stands in `held` waits for the charge; before it, no client can take the answer for complete."""
    stream = Stream(asked("messages", "chat"), Meter("chat"))
    early = b"".join([stream.feed(p) for p in chunks(delta(content="Hi"), delta("stop", usage=USAGE), DONE)])
    assert b"message_delta" not in early
    assert b"event: message_stop" in stream.held
    assert stream.finished
    assert [body["usage"]["output_tokens"] for _, body in events(stream.held) if "usage" in body] == [9]
    assert (stream.feed(b"data: {}\n\n"), stream.close()) == (b"", b"")


def test_a_stream_can_be_ended_where_the_money_ends() -> None:
    """As if its limit had been met: the open block is closed, and the client knows why."""
    stream = Stream(asked("messages", "chat"), Meter("chat"))
    charged = Usage(input=7, cache_read=5, output=9)
    early = stream.feed(chunks(delta(content="Hi"))[0]) + stream.cut(charged)
    body = fold("messages", early + stream.held)
    assert body["stop_reason"] == "max_tokens"
    usage = [body["usage"][name] for name in ("input_tokens", "cache_read_input_tokens", "output_tokens")]
    assert usage == [7, 5, 9]
    assert stream.cut(charged) == b""
