"""Bugs that hit other gateways' requests, each a promise here, under its number in the list of such bugs."""

from typing import Any

import orjson
import pytest
from wire.fold import fold
from wire.translating import (
    PNG,
    SCHEMA,
    USER,
    asked,
    call,
    called,
    chunks,
    delta,
    kinds,
    recorded,
    result,
    sent,
    streamed,
    text,
)

from haze_proxy.wire.options import Options


def test_b16_the_results_of_parallel_calls_are_one_turn_in_order() -> None:
    """Apart, they are "tool_use ids … without tool_result blocks immediately after"."""
    picture = {"type": "image_url", "image_url": {"url": PNG}}
    after = {"role": "user", "content": [text("And this?"), picture]}
    body = sent("chat", "messages", messages=[USER, called("a", "b"), result("b", "2"), result("a", "1"), after])
    turn = body["messages"][2]
    assert kinds(turn) == ["tool_result", "tool_result", "text", "image"]
    assert [(block["tool_use_id"], block["content"][0]["text"]) for block in turn["content"][:2]] == [
        ("a", "1"),
        ("b", "2"),
    ]


@pytest.mark.parametrize("target", ["messages", "responses"])
def test_b16_a_call_without_a_result_gets_one_and_a_result_without_a_call_is_plain(target: str) -> None:
    """Tools are interrupted, and histories are cut; providers refuse both halves."""
    body = sent("chat", target, messages=[USER, called("a", "b"), result("a"), result("zzz", "old"), USER])
    written = orjson.dumps(body)
    assert written.count(b'"b"') == 2
    assert b"(no result)" in written
    assert b"zzz" not in written
    assert b"old" in written


def test_b16_a_models_turns_in_a_row_are_one() -> None:
    """The calls of both are answered after the second."""
    turns = [USER, called("a"), called("b"), result("a"), {"role": "system", "content": "Go on."}, result("b")]
    body = sent("chat", "messages", messages=turns)
    assert [kinds(turn) for turn in body["messages"]] == [
        ["text"],
        ["tool_use", "tool_use"],
        ["tool_result", "tool_result", "text"],
    ]


def test_b16_what_stands_beside_an_old_result_stays() -> None:
    """A compacted history begins with a result whose call is gone."""
    old = {"type": "tool_result", "tool_use_id": "gone", "content": "old"}
    body = sent("messages", "chat", messages=[{"role": "user", "content": [old, text("Hi")]}])
    told = [text("Result of an earlier tool call:"), text("old"), text("Hi")]
    assert body["messages"] == [{"role": "user", "content": told}]


def test_b17_empty_texts_are_left_out() -> None:
    """Anthropic refuses them, and clients send the ones they got back."""
    body = sent(
        "chat",
        "messages",
        messages=[
            {"role": "user", "content": [text(""), {"type": "image_url", "image_url": {"url": PNG}}]},
            called("a", content=""),
            result("a", ""),
            {"role": "assistant", "content": " \n"},
            USER,
        ],
    )
    assert [kinds(turn) for turn in body["messages"]] == [["image"], ["tool_use"], ["tool_result", "text"]]


def test_b17_the_cache_mark_of_an_empty_text_moves_to_the_block_before() -> None:
    """The breakpoint is what the client pays by, not the text."""
    marked = text(" ", cache_control={"type": "ephemeral", "ttl": "1h"})
    body = sent("chat", "messages", messages=[{"role": "user", "content": [text("Hi"), marked]}])
    assert body["messages"][0]["content"] == [text("Hi", cache_control={"type": "ephemeral", "ttl": "1h"})]


SYSTEM_LATER = {
    "chat": [
        USER,
        {"role": "assistant", "content": "Hello"},
        USER,
        {"role": "system", "content": "Be brief."},
    ],
    "responses": [
        USER,
        {"role": "assistant", "content": "Hello"},
        USER,
        {"role": "developer", "content": "Be brief."},
    ],
}


@pytest.mark.parametrize("source", SYSTEM_LATER)
def test_b18_a_later_system_message_stays_where_it_is(source: str) -> None:
    """At the top it changes the beginning that the provider has cached: the whole conversation is billed anew."""
    field = "messages" if source == "chat" else "input"
    body = sent(source, "messages", **{field: SYSTEM_LATER[source]})
    assert "system" not in body
    assert body["messages"][-1]["content"] == [text("Hi"), text("<system>\nBe brief.\n</system>")]


@pytest.mark.parametrize("target", ["chat", "responses"])
def test_b18_a_system_turn_of_messages_stays_where_it_is(target: str) -> None:
    """Claude Code has one in every session."""
    turns = [USER, {"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "Hello"}, USER]
    body = sent("messages", target, messages=turns)
    assert [turn["role"] for turn in body["messages" if target == "chat" else "input"]] == [
        "user",
        "system",
        "assistant",
        "user",
    ]


def test_b18_a_model_that_takes_system_turns_gets_them_where_they_may_stand() -> None:
    """After a user's turn, and last or before the model's; elsewhere Anthropic refuses them."""
    options = Options(system_turns=True)
    turns = [
        USER,
        {"role": "system", "content": "One."},
        {"role": "assistant", "content": "Hello"},
        {"role": "system", "content": "Two."},
        USER,
    ]
    roles = [turn["role"] for turn in sent("chat", "messages", options, messages=turns)["messages"]]
    assert roles == ["user", "system", "assistant", "user"]


def test_b18_effort_alone_is_no_turn() -> None:
    """Claude Code sends system turns that only set it; the last one counts."""
    turns = [USER, {"role": "system", "content": [], "output_config": {"effort": "high"}}]
    body = sent("messages", "chat", messages=turns, output_config={"effort": "low"})
    assert body["messages"] == [USER]
    assert body["reasoning_effort"] == "high"


def test_b19_all_leading_system_messages_count() -> None:
    """Some gateways keep the last."""
    roles = ("system", "system", "system", "developer")
    turns = [{"role": role, "content": f"Rule {n}."} for n, role in enumerate(roles)]
    body = sent("chat", "messages", messages=[*turns, USER])
    assert body["system"] == [text(f"Rule {n}.") for n in range(4)]


@pytest.mark.parametrize("target", ["chat", "responses"])
def test_b20_fields_for_anthropic_only_go_to_anthropic_only(target: str) -> None:
    """Another provider refuses a field it does not know; the client is told which ones were left out."""
    fields = {"context_management": {"edits": []}, "safeguards": [{}], "brand_new": 1, "speed": "fast"}
    translated = asked("messages", target, **fields)
    assert not fields.keys() & orjson.loads(translated.body).keys()
    assert translated.dropped == tuple(fields)


DETAILS = [
    {
        "type": "reasoning.text",
        "text": "Look.",
        "signature": "c2ln",
        "format": "anthropic-claude-v1",
        "index": 0,
    },
    {"type": "reasoning.encrypted", "data": "b3BhcXVl", "format": "anthropic-claude-v1", "index": 1},
]


@pytest.mark.parametrize("thinking", ["adaptive", "budget"])
def test_b21_signed_thoughts_that_come_back_stand_first(thinking: Any) -> None:
    """Byte for byte, or Anthropic refuses them; with them it goes on thinking."""
    turns = [USER, called("a", reasoning_details=DETAILS, reasoning_content="Look."), result("a")]
    body = sent("chat", "messages", Options(thinking=thinking), messages=turns, reasoning_effort="high")
    assert body["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": "Look.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
    ]
    assert body["thinking"]["type"] == ("adaptive" if thinking == "adaptive" else "enabled")


@pytest.mark.parametrize("thinking", ["adaptive", "budget"])
@pytest.mark.parametrize("kept", [{}, {"reasoning_content": "Look."}], ids=["nothing", "unsigned"])
def test_b21_lost_thoughts_turn_thinking_off(kept: dict[str, Any], thinking: Any) -> None:
    """Else: "Expected `thinking` or `redacted_thinking`, but found `tool_use`"."""
    turns = [USER, called("a", **kept), result("a")]
    body = sent("chat", "messages", Options(thinking=thinking), messages=turns, reasoning_effort="high")
    assert kinds(body["messages"][1]) == ["tool_use"]
    assert "thinking" not in body


def test_b21_thoughts_make_the_way_through_a_chat_client_and_back() -> None:
    """Streamed, folded and sent back, as clients of OpenRouter do it."""
    out, _ = streamed(asked("chat", "messages"), [recorded("messages_thinking_tool_use")])
    message = fold("chat", out)["choices"][0]["message"]
    body = sent("chat", "messages", messages=[USER, message, result("toolu_01T1x")])
    assert body["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "I should look at the file.",
        "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h",
    }


def test_b21_thoughts_make_the_way_through_a_responses_client_and_back() -> None:
    """Codex sends reasoning items back as they came."""
    out, _ = streamed(asked("responses", "messages"), [recorded("messages_thinking_tool_use")])
    items = fold("responses", out)["output"]
    output = {"type": "function_call_output", "call_id": "toolu_01T1x", "output": "42"}
    body = sent("responses", "messages", input=[{"role": "user", "content": "Hi"}, *items, output])
    assert body["messages"][1]["content"][0]["signature"] == "EqQBCgIYAhIM1gbcDa9GJwZA2b3h"
    assert kinds(body["messages"][1]) == ["thinking", "text", "tool_use"]


WEATHER = [
    delta(reasoning_content="Look."),
    delta(tool_calls=[call(0, "call_a", "weather", '{"city":"Oslo"}')]),
    delta("tool_calls"),
    "[DONE]",
]


def next_turn(source: str, stream: list[Any], **fields: Any) -> list[dict[str, Any]]:
    """The turns of a client of `source` after this stream of a chat channel, with the results of its calls."""
    out, _ = streamed(asked(source, "chat", **fields), chunks(*stream))
    answer = fold(source, out)
    if source == "responses":
        done = [item for item in answer["output"] if item["type"] == "function_call"]
        results = [{"type": "function_call_output", "call_id": i["call_id"], "output": "sunny"} for i in done]
        return [{"role": "user", "content": "Hi"}, *answer["output"], *results]
    uses = [block for block in answer["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": use["id"], "content": "sunny"} for use in uses]
    return [USER, {"role": "assistant", "content": answer["content"]}, {"role": "user", "content": results}]


def test_b22_reasoning_goes_back_in_the_field_it_came_in() -> None:
    """DeepSeek: "Missing `reasoning_content` field in the assistant message"."""
    body = sent("messages", "chat", messages=next_turn("messages", WEATHER))
    assert body["messages"][1]["reasoning_content"] == "Look."
    body = sent("responses", "chat", input=next_turn("responses", WEATHER))
    assert body["messages"][1]["reasoning_content"] == "Look."


def test_b22_a_channel_may_want_the_field_in_every_turn_with_calls() -> None:
    """Also where the turn came from another provider."""
    turns = next_turn("messages", WEATHER[1:])
    body = sent("messages", "chat", Options(reasoning_field="reasoning_content"), messages=turns)
    assert body["messages"][1]["reasoning_content"] == ""


def test_b22_a_channel_may_refuse_the_field() -> None:
    """OpenAI's own takes no member it does not know."""
    turns = next_turn("messages", WEATHER)
    body = sent("messages", "chat", Options(reasoning_field="none"), messages=turns)
    assert body["messages"][1].keys() == {"role", "content", "tool_calls"}


def test_b22_who_did_not_ask_for_thinking_sees_it_only_where_it_must_come_back() -> None:
    """People read `content[0].text`; without calls nothing stands before it."""
    plain = chunks(delta(reasoning_content="Look."), delta(content="7."), delta("stop"), "[DONE]")
    out, _ = streamed(asked("messages", "chat", thinking={"type": "disabled"}), plain)
    assert [block["type"] for block in fold("messages", out)["content"]] == ["text"]
    turns = next_turn("messages", WEATHER, thinking={"type": "disabled"})
    assert sent("messages", "chat", messages=turns)["messages"][1]["reasoning_content"] == "Look."


def google(signature: str) -> dict[str, Any]:
    return {"google": {"thought_signature": signature}}


GEMINI = [
    delta(tool_calls=[call(None, "", "get_status", '{"q":"status"}', extra_content=google("S1"))]),
    delta(tool_calls=[call(None, "", "get_log", "{}")]),
    delta(tool_calls=[call(None, "", extra_content=google("S2"))]),
    delta("stop"),
    "[DONE]",
]


@pytest.mark.parametrize("source", ["messages", "responses"])
def test_b23_geminis_signatures_come_back_with_their_calls(source: str) -> None:
    """Without them the next turn is refused: "Function call is missing a thought_signature"."""
    turns = next_turn(source, GEMINI)
    body = sent(source, "chat", **{"messages" if source == "messages" else "input": turns})
    calls = body["messages"][1]["tool_calls"]
    assert [(c["function"]["name"], c["extra_content"]) for c in calls] == [
        ("get_status", google("S1")),
        ("get_log", google("S2")),
    ]
    assert [m["tool_call_id"] for m in body["messages"][2:]] == [c["id"] for c in calls]
    assert len({c["id"] for c in calls}) == 2


def test_b23_a_signature_for_a_call_that_streams_already_is_kept() -> None:
    """Then it cannot stand before the call, and follows at the end."""
    stream = [GEMINI[1], GEMINI[2], *GEMINI[3:]]
    body = sent("messages", "chat", messages=next_turn("messages", stream))
    assert body["messages"][1]["tool_calls"][0]["extra_content"] == google("S2")


def test_b24_long_names_become_short_ones_that_differ() -> None:
    """OpenAI takes 64 characters; cut off, two of an MCP server's tools would be one."""
    names = ["mcp__server__" + "x" * 56 + end for end in "ab"]
    tools = [{"name": name, "input_schema": SCHEMA} for name in names]
    use = {"type": "tool_use", "id": "i" * 80, "name": names[1], "input": {}}
    turns = [
        USER,
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i" * 80, "content": "x"}]},
    ]
    translated = asked("messages", "chat", tools=tools, messages=turns, tool_choice={"type": "tool", "name": names[0]})
    body = orjson.loads(translated.body)
    short = [tool["function"]["name"] for tool in body["tools"]]
    assert len(set(short)) == 2
    assert max(map(len, short)) <= 64
    assert body["tool_choice"]["function"]["name"] == short[0]
    made = body["messages"][1]["tool_calls"][0]
    assert made["function"]["name"] == short[1]
    assert made["id"] == body["messages"][2]["tool_call_id"]
    assert len(made["id"]) <= 64
    stream = chunks(delta(tool_calls=[call(0, "functions.weather:0", short[1], "{}")]), delta("tool_calls"), "[DONE]")
    use = fold("messages", streamed(translated, stream)[0])["content"][0]
    assert use["name"] == names[1]
    assert use["id"].startswith("toolu_")
    assert use["id"].replace("_", "").isalnum()


@pytest.mark.parametrize(("name", "call_id"), [("n" * 70, "a"), ("weather", "a.b"), ("get weather", "a")])
def test_b24_a_name_or_an_id_alone_may_be_at_fault(name: str, call_id: str) -> None:
    """Kimi's ids have dots, people's names have spaces."""
    use = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    outcome = {"type": "tool_result", "tool_use_id": call_id, "content": "x"}
    turns = [USER, {"role": "assistant", "content": [use]}, {"role": "user", "content": [outcome]}]
    made = sent("messages", "chat", messages=turns)["messages"]
    call_made = made[1]["tool_calls"][0]
    assert call_made["id"] == made[2]["tool_call_id"]
    for written in (call_made["id"], call_made["function"]["name"]):
        assert len(written) <= 64
        assert written.replace("_", "").replace("-", "").isalnum()
    assert (call_made["id"] == call_id) == call_id.isalnum()
    assert (call_made["function"]["name"] == name) == (name == "weather")
