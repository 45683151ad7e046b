"""Bugs that hit other gateways, each a promise here: the ones the list of them tells in a line."""

import orjson
import pytest
from wire.translating import PNG, SCHEMA, TOOL, USER, asked, recorded, sent, streamed, text

from haze_proxy.wire import translate
from haze_proxy.wire.options import Options


def test_sampling_reaches_claude_only_where_the_channel_says_so() -> None:
    """New models refuse even the default values; what was left out is named."""
    fields = {"temperature": 1.7, "top_p": 0.9}
    translated = asked("chat", "messages", **fields)
    assert not fields.keys() & orjson.loads(translated.body).keys()
    assert translated.dropped == ("temperature", "top_p")
    allowed = asked("chat", "messages", Options(sampling=True), **fields)
    assert orjson.loads(allowed.body)["temperature"] == 1.0
    assert "top_p" not in orjson.loads(allowed.body)
    assert allowed.dropped == ("top_p",)
    thinking = asked("chat", "messages", Options(sampling=True), temperature=0.5, reasoning_effort="low")
    assert "temperature" not in orjson.loads(thinking.body)


def test_a_structured_answer_is_asked_for_by_its_own_field() -> None:
    """A forced tool leaks its envelope and disables the client's tools."""
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA, "strict": True}}
    body = sent("chat", "messages", response_format=form, tools=[TOOL])
    assert body["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {**SCHEMA, "additionalProperties": False},
    }
    assert [tool["name"] for tool in body["tools"]] == ["weather"]
    assert "tool_choice" not in body


def test_an_image_in_a_result_is_seen_by_the_model() -> None:
    """Chat has text only in results; a model that is told of no image invents one."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGF6ZQ=="}}
    use = {"type": "tool_use", "id": "a", "name": "Read", "input": {}}
    turns = [
        USER,
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [image]}, text("Well?")]},
    ]
    body = sent("messages", "chat", messages=turns)
    assert body["messages"][2] == {"role": "tool", "tool_call_id": "a", "content": "[image below]"}
    assert body["messages"][3]["content"] == [{"type": "image_url", "image_url": {"url": PNG}}, text("Well?")]
    output = sent("messages", "responses", messages=turns)["input"][2]["output"]
    assert output == [{"type": "input_image", "image_url": PNG, "detail": "auto"}]


def test_more_than_four_cache_marks_are_thinned_out() -> None:
    """Anthropic refuses a fifth: the first of the prompt and the last of the turns are worth most."""
    marked = [text(f"{n}", cache_control={"type": "ephemeral"}) for n in range(6)]
    turns = [{"role": "system", "content": marked[:2]}, {"role": "user", "content": marked[2:]}]
    body = sent("chat", "messages", messages=turns)
    kept = [b["text"] for b in (*body["system"], *body["messages"][0]["content"]) if "cache_control" in b]
    assert kept == ["0", "3", "4", "5"]


def test_cache_marks_go_where_the_channel_takes_them() -> None:
    """OpenRouter passes them on to Claude; OpenAI refuses the member."""
    turns = [{"role": "user", "content": [text("Hi", cache_control={"type": "ephemeral", "ttl": "1h"})]}]
    assert sent("messages", "chat", messages=turns)["messages"] == [USER]
    marked = sent("messages", "chat", Options(cache_marks="cache_control"), messages=turns)
    assert marked["messages"][0]["content"] == turns[0]["content"]
    pointed = sent("messages", "chat", Options(cache_marks="prompt_cache_breakpoint"), messages=turns)
    assert pointed["messages"][0]["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}


@pytest.mark.parametrize("pair", sorted(translate.PAIRS))
def test_every_attempt_begins_anew(pair: tuple[str, str]) -> None:
    """State that is kept on a request survives a retry, and shows in the next channel's answer."""
    translated = asked(*pair)
    name = {"chat": "chat_text", "messages": "messages_text", "responses": "responses_text"}[pair[1]]
    assert streamed(translated, [recorded(name)])[0] == streamed(translated, [recorded(name)])[0]
