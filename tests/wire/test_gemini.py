"""Google's OpenAI-compatible endpoint, as OpenAI's own clients expect it."""

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.fold import fold
from wire.lint import events, lint
from wire.translating import call, chunks, delta, law, recorded

from haze_proxy.wire import chat
from haze_proxy.wire.events import Context
from haze_proxy.wire.gemini import StreamFix, fix_answer, fix_request


def fixed(stream: list[bytes]) -> bytes:
    fix = StreamFix("s1")
    return b"".join(map(fix.feed, stream)) + fix.close()


def test_calls_are_numbered_and_named_and_the_reason_is_theirs() -> None:
    """Two calls became one, "get_statusget_log"; and "stop" ended the agent's work."""
    out = fixed([recorded("gemini_tool_calls")])
    choices = [body["choices"][0] for _, body in events(out) if body != "[DONE]"]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", ())]
    assert [(call["index"], call["id"], call["function"]["name"]) for call in calls] == [
        (0, "call_s1_0", "get_status"),
        (1, "call_s1_1", "get_log"),
    ]
    assert calls[0]["extra_content"] == {"google": {"thought_signature": "CtwBAdHtim9z"}}
    assert [choice.get("finish_reason") for choice in choices] == [None, None, "tool_calls"]


def test_a_late_signature_belongs_to_the_call_before_it() -> None:
    """A client merges it by the index, and sends it back with its call."""
    stream = chunks(
        delta(role="assistant", tool_calls=[call(None, "", "get_status", "{}")]),
        delta(tool_calls=[call(None, "", extra_content={"google": {"thought_signature": "S"}})]),
        delta("stop"),
        "[DONE]",
    )
    out = fixed(stream)
    lint("chat", out)
    made = fold("chat", out)["choices"][0]["message"]["tool_calls"]
    assert [(c["id"], c["extra_content"]) for c in made] == [("call_s1_0", {"google": {"thought_signature": "S"}})]


def test_ids_of_its_own_stay() -> None:
    """Newer versions send some."""
    stream = chunks(
        delta(tool_calls=[call(0, "function-call-1", "a", "{}"), call(None, "function-call-2", "b", "{}")]),
        delta(tool_calls=[call(None, "function-call-1", args="")]),
        delta("stop"),
    )
    out = fixed(stream)
    calls = [c for _, body in events(out) for c in body["choices"][0]["delta"].get("tool_calls", ())]
    assert [(c["index"], c["id"]) for c in calls] == [
        (0, "function-call-1"),
        (1, "function-call-2"),
        (0, "function-call-1"),
    ]


def test_a_stream_without_calls_passes_as_it_is() -> None:
    """Native stays native."""
    stream = recorded("chat_text")
    assert fixed([stream]) == stream


@law()
@given(places=st.lists(st.integers(0, 2000), max_size=6))
def test_no_split_of_the_bytes_changes_a_byte(places: list[int]) -> None:
    """The network cuts where it likes."""
    stream = recorded("gemini_tool_calls")
    edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    parts = [stream[a:b] for a, b in pairwise(edges)]
    assert fixed(parts) == fixed([stream])


def test_the_neutral_form_keeps_its_signatures() -> None:
    """Read and written as chat, early ones and late ones stand with their calls."""
    stream = chunks(
        delta(tool_calls=[call(None, "", "a", "{}", extra_content={"google": {"thought_signature": "S1"}})]),
        delta(tool_calls=[call(None, "", "b", "{}")]),
        delta(tool_calls=[call(None, "", extra_content={"google": {"thought_signature": "S2"}})]),
        delta("stop"),
        "[DONE]",
    )
    reader, writer = chat.Reader(), chat.Writer(Context(model="m", seed="s1"))
    out = writer.feed([event for piece in stream for event in reader.feed(piece)]) + writer.feed(reader.close())
    made = fold("chat", out + writer.close())["choices"][0]
    assert [c["extra_content"]["google"]["thought_signature"] for c in made["message"]["tool_calls"]] == ["S1", "S2"]
    assert made["finish_reason"] == "tool_calls"
    body = {"choices": [{"message": made["message"], "finish_reason": "stop"}]}
    whole = chat.write_answer(chat.read_answer(body), Context(model="m", seed="s1"))
    assert whole["choices"][0]["message"]["tool_calls"] == made["message"]["tool_calls"]


def test_a_whole_answer_gets_ids() -> None:
    """Its reason is right already, but an empty id cannot be answered."""
    calls = [{"id": "", "type": "function", "function": {"name": "a", "arguments": "{}"}}] * 2
    body = {"choices": [{"index": 0, "message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]}
    made = fix_answer(body, "s1")
    assert [call["id"] for call in made["choices"][0]["message"]["tool_calls"]] == ["call_s1_0", "call_s1_1"]  # type: ignore[index]
    assert calls[0]["id"] == ""


@pytest.mark.parametrize("body", [{}, [], None, {"choices": [None]}, {"choices": 5}, {"error": "x"}, [[]]])
def test_strange_answers_pass(body: object) -> None:
    """They are for others to judge."""
    fix_answer(body, "s1")
    assert fixed([b"data: " + orjson.dumps(body) + b"\n\n"])


def test_an_error_is_an_object_with_a_code_in_words() -> None:
    """OpenAI's clients read `error.message`, and find a list."""
    body = [{"error": {"code": 400, "message": "Bad.", "status": "INVALID_ARGUMENT"}}]
    error = fix_answer(body, "s1")["error"]  # type: ignore[index]
    assert (error["message"], error["code"], error["param"]) == ("Bad.", "INVALID_ARGUMENT", None)
    assert error["type"] == "invalid_request_error"


def test_fields_it_refuses_are_left_out_and_named() -> None:
    """Else: "Unknown name … Cannot find field"."""
    body = {"model": "m", "messages": [], "store": False, "metadata": {}, "reasoning_effort": "low"}
    assert fix_request(body) == (
        {"model": "m", "messages": [], "reasoning_effort": "low"},
        ["store", "metadata"],
    )
    assert "store" in body
