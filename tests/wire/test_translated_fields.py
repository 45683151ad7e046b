"""Every field of a request: said in the channel's own words, left out and named, or refused by name."""

from typing import Any

import pytest
from wire.translating import SCHEMA, TOOL, asked, sent

from haze_proxy.errors import BadRequest
from haze_proxy.wire import translate
from haze_proxy.wire.options import COMMON_FIELDS, Options

TOOLS = {
    "chat": [TOOL, {"type": "function", "function": {"name": "time"}}],
    "messages": [{"name": "weather", "input_schema": SCHEMA}, {"name": "time", "input_schema": SCHEMA}],
    "responses": [
        {"type": "function", "name": "weather", "parameters": SCHEMA},
        {"type": "function", "name": "time", "parameters": None},
    ],
}
# By what is meant: as chat, messages and responses spell it.
CHOICES: dict[str, dict[str, Any]] = {
    "auto": {"chat": "auto", "messages": {"type": "auto"}, "responses": "auto"},
    "any": {"chat": "required", "messages": {"type": "any"}, "responses": "required"},
    "none": {"chat": "none", "messages": {"type": "none"}, "responses": "none"},
    "one": {
        "chat": {"type": "function", "function": {"name": "weather"}},
        "messages": {"type": "tool", "name": "weather"},
        "responses": {"type": "function", "name": "weather"},
    },
}


@pytest.mark.parametrize("spellings", CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize(("source", "target"), sorted(translate.PAIRS))
def test_the_choice_of_a_tool_is_the_clients(source: str, target: str, spellings: dict[str, Any]) -> None:
    """A choice that gets lost makes an agent wait for a call that never comes."""
    body = sent(source, target, tools=TOOLS[source], tool_choice=spellings[source])
    assert body["tool_choice"] == spellings[target]


@pytest.mark.parametrize("target", ["messages", "responses"])
def test_allowed_tools_are_the_only_ones_sent(target: str) -> None:
    """What is not sent cannot be called."""
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "time"}}]}
    body = sent("chat", target, tools=TOOLS["chat"], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert [tool["name"] for tool in body["tools"]] == ["time"]
    assert body["tool_choice"] in ({"type": "any"}, "required")
    flat = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "time"}]}
    chat = sent("responses", "chat", tools=TOOLS["responses"], tool_choice=flat)
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["time"]
    assert chat["tool_choice"] == "auto"


def test_one_call_at_a_time() -> None:
    """Anthropic says it in its choice, and only where there are tools."""
    body = sent("chat", "messages", tools=TOOLS["chat"], parallel_tool_calls=False)
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert "tool_choice" not in sent("chat", "messages", parallel_tool_calls=False)
    choice = {"type": "any", "disable_parallel_tool_use": True}
    for target in ("chat", "responses"):
        assert sent("messages", target, tools=TOOLS["messages"], tool_choice=choice)["parallel_tool_calls"] is False
        assert "parallel_tool_calls" not in sent("messages", target, tool_choice={"type": "auto"})
        assert "parallel_tool_calls" not in sent("messages", target, tools=TOOLS["messages"])


def test_no_tools_is_no_list() -> None:
    """OpenAI refuses an empty one."""
    assert "tools" not in sent("messages", "chat", tools=[], tool_choice={"type": "auto"})


LIMITS = {
    ("chat", "messages"): ({"max_tokens": 9}, {"max_tokens": 9}),
    ("chat", "responses"): ({"max_tokens": 1, "max_completion_tokens": 99}, {"max_output_tokens": 99}),
    ("responses", "messages"): ({}, {"max_tokens": 32_000}),
    ("responses", "chat"): ({"max_output_tokens": 50}, {"max_completion_tokens": 50}),
    ("messages", "responses"): ({"max_tokens": 5}, {"max_output_tokens": 16}),  # OpenAI's least
}


@pytest.mark.parametrize(("pair", "limits"), LIMITS.items(), ids=map("-".join, LIMITS))
def test_the_output_limit_is_the_clients(pair: tuple[str, str], limits: tuple[dict[str, int], dict[str, int]]) -> None:
    """Anthropic cannot do without one; where the client named none, the channel's own is sent."""
    given, wanted = limits
    body = sent(*pair, **given)
    assert {name: value for name, value in body.items() if name.startswith("max_")} == wanted


def test_a_limit_above_the_models_own_is_lowered() -> None:
    """Claude Code asks for 128,000; most models refuse that."""
    options = Options(limit_max=8192, limit_field="max_tokens")
    assert sent("messages", "chat", options, max_tokens=128_000)["max_tokens"] == 8192
    assert sent("chat", "messages", options)["max_tokens"] == 8192


EFFORTS: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "named": ("chat", {"reasoning_effort": "high"}, "high"),
    "above what the model knows": ("chat", {"reasoning_effort": "xhigh"}, "high"),
    "below what the model knows": ("chat", {"reasoning_effort": "minimal"}, "low"),
    "an unknown word": ("chat", {"reasoning_effort": "heroic"}, None),
    "from messages": ("messages", {"output_config": {"effort": "max"}}, "high"),
    "as a budget": ("messages", {"thinking": {"type": "enabled", "budget_tokens": 9000}}, "medium"),
    "as a small budget": ("messages", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
    "as a large budget": ("messages", {"thinking": {"type": "enabled", "budget_tokens": 31_999}}, "high"),
    "adaptive": ("messages", {"thinking": {"type": "adaptive"}}, None),
    "switched off": ("messages", {"thinking": {"type": "disabled"}}, None),
}


@pytest.mark.parametrize(("source", "fields", "effort"), EFFORTS.values(), ids=EFFORTS)
def test_effort_is_the_nearest_the_model_knows(source: str, fields: dict[str, Any], effort: str | None) -> None:
    """A word it does not know would be refused."""
    body = sent(source, "responses", **fields)
    assert body.get("reasoning", {}).get("effort") == effort
    if source == "messages":
        assert sent(source, "chat", **fields).get("reasoning_effort") == effort


def test_a_model_that_can_be_told_not_to_think_is_told() -> None:
    """Only where it knows the word."""
    options = Options(efforts=("none", "low"))
    assert sent("messages", "chat", options, thinking={"type": "disabled"})["reasoning_effort"] == "none"
    assert "thinking" not in sent("chat", "messages", options, reasoning_effort="none")


THINKING: dict[str, tuple[Options, dict[str, Any], dict[str, Any]]] = {
    "adaptive": (
        Options(),
        {"reasoning_effort": "medium"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}},
    ),
    "a budget": (
        Options(thinking="budget"),
        {"reasoning_effort": "medium"},
        {"thinking": {"type": "enabled", "budget_tokens": 8192}},
    ),
    "a budget below the limit": (
        Options(thinking="budget"),
        {"reasoning_effort": "high", "max_tokens": 2000},
        {"thinking": {"type": "enabled", "budget_tokens": 1999}},
    ),
    "a limit too small to think": (Options(thinking="budget"), {"reasoning_effort": "high", "max_tokens": 1000}, {}),
    "a model that does not think": (Options(thinking="none"), {"reasoning_effort": "high"}, {}),
    "a forced tool": (
        Options(thinking="budget"),
        {"reasoning_effort": "high", "tools": TOOLS["chat"], "tool_choice": "required"},
        {},
    ),
    "nothing asked": (Options(), {}, {}),
}


@pytest.mark.parametrize(("options", "fields", "wanted"), THINKING.values(), ids=THINKING)
def test_claude_thinks_as_the_channel_says(options: Options, fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Older models take a budget, newer ones an effort, the oldest neither."""
    body = sent("chat", "messages", options, **fields)
    assert {name: body[name] for name in ("thinking", "output_config") if name in body} == wanted


def test_effort_that_cannot_be_told_is_named() -> None:
    """Else nobody knows why the answer is shallow."""
    assert asked("chat", "messages", Options(thinking="none"), reasoning_effort="high").dropped == ("reasoning_effort",)
    effort = {"output_config": {"effort": "high"}}
    assert asked("messages", "chat", Options(efforts=()), **effort).dropped == ("output_config.effort",)
    assert asked("messages", "responses", Options(efforts=()), **effort).dropped == ("output_config.effort",)


FORMATS: dict[str, dict[str, Any]] = {
    "chat": {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}},
    "messages": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "responses": {"text": {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA}}},
}


@pytest.mark.parametrize(("source", "target"), sorted(translate.PAIRS))
def test_the_form_of_the_answer_is_the_clients(source: str, target: str) -> None:
    """An open schema is not strict to OpenAI, and is closed for Anthropic."""
    assert asked(source, target, **FORMATS[source]).dropped == ()
    body = sent(source, target, **FORMATS[source])
    name = "output" if source == "messages" else "city"
    form = {"name": name, "schema": SCHEMA, "strict": False}
    closed = {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}
    assert {
        "chat": lambda: body["response_format"] == {"type": "json_schema", "json_schema": form},
        "messages": lambda: body["output_config"]["format"] == closed,
        "responses": lambda: body["text"]["format"] == {"type": "json_schema", **form},
    }[target]()


def test_any_json_object_is_asked_for_in_words_where_there_is_no_field() -> None:
    """Anthropic has structured answers by schema only."""
    body = sent("chat", "messages", response_format={"type": "json_object"})
    assert body["system"][-1]["text"] == "Answer with one JSON object and nothing else."
    assert sent("chat", "responses", response_format={"type": "json_object"})["text"] == {
        "format": {"type": "json_object"}
    }
    assert sent("responses", "chat", text={"format": {"type": "json_object"}})["response_format"] == {
        "type": "json_object"
    }
    assert "response_format" not in sent("responses", "chat", text={"format": {"type": "text"}})


def test_nested_schemas_are_closed_everywhere_but_where_they_say_otherwise() -> None:
    """One open object, and Anthropic refuses the whole."""
    inner = {"type": "object", "properties": {"a": {"type": "string"}}}
    free = {"type": "object", "additionalProperties": True}
    many = {"type": "array", "items": inner}
    schema = {
        "type": "object",
        "properties": {"one": inner, "many": many, "free": free},
        "$defs": {"x": {"anyOf": [inner, {"type": "null"}]}},
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    closed = sent("chat", "messages", response_format=form)["output_config"]["format"]["schema"]
    assert str(closed).count("'additionalProperties': False") == 4
    assert closed["properties"]["free"]["additionalProperties"] is True
    assert "additionalProperties" not in schema


def test_stop_sequences() -> None:
    """OpenAI takes four, Anthropic none of white space, Responses none at all."""
    assert sent("chat", "messages", stop=["a", "\n"])["stop_sequences"] == ["a"]
    assert sent("chat", "messages", stop="a")["stop_sequences"] == ["a"]
    assert sent("messages", "chat", stop_sequences=["a"])["stop"] == ["a"]
    for target, words in (("chat", list("abcde")), ("responses", ["a"])):
        with pytest.raises(BadRequest) as refused:
            sent("messages", target, stop_sequences=words)
        assert refused.value.param == "stop_sequences"


def test_who_asks_is_told_to_nobody_by_name() -> None:
    """People use addresses as ids, and Claude Code the id of the machine."""
    user = sent("chat", "messages", user="a@example.com")["metadata"]["user_id"]
    assert len(user) == 64
    assert sent("messages", "chat", metadata={"user_id": user})["safety_identifier"] == user
    assert sent("chat", "responses", user="a@example.com")["safety_identifier"] == user


@pytest.mark.parametrize(("given", "wanted"), [("auto", "auto"), ("default", "standard_only"), ("flex", None)])
def test_a_tier_is_told_where_there_is_an_equal_one(given: str, wanted: str | None) -> None:
    """It changes the price."""
    translated = asked("chat", "messages", service_tier=given)
    assert sent("chat", "messages", service_tier=given).get("service_tier") == wanted
    assert translated.dropped == (() if wanted else ("service_tier",))
    assert sent("chat", "responses", service_tier=given)["service_tier"] == given


def test_what_openais_protocols_share_stays() -> None:
    """Only its place differs."""
    fields = {"verbosity": "low", "metadata": {"a": "b"}, "prompt_cache_key": "k", "temperature": 0.5, "top_p": 0.9}
    body = sent("chat", "responses", **fields)
    assert body["text"] == {"verbosity": "low"}
    assert {name: body[name] for name in fields if name != "verbosity"} == {
        k: v for k, v in fields.items() if k != "verbosity"
    }
    back = asked("responses", "chat", text={"verbosity": "low"}, metadata={"a": "b"}, prompt_cache_key="k")
    assert back.dropped == ("metadata",)  # OpenAI takes it there only for answers it may store


def test_what_will_not_be_kept_is_named() -> None:
    """A client that asks for a stored answer looks for it later."""
    fields = {"store": True, "include": ["reasoning.encrypted_content", "message.output_text.logprobs"]}
    assert asked("responses", "chat", **fields).dropped == ("store", "include")
    assert asked("responses", "chat", store=False, include=["reasoning.encrypted_content"]).dropped == ()


def test_a_channel_without_sampling_gets_none() -> None:
    """OpenAI's reasoning models refuse it, too."""
    for target in ("chat", "responses"):
        translated = asked("messages", target, Options(sampling=False), temperature=0.5)
        assert b"temperature" not in translated.body
        assert translated.dropped == ("temperature",)


REFUSED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "n": ("chat", "messages", {"n": 2}),
    "modalities": ("chat", "messages", {"modalities": ["text", "audio"]}),
    "container": ("messages", "chat", {"container": "c"}),
    "mcp_servers": ("messages", "chat", {"mcp_servers": [{}]}),
    "previous_response_id": ("responses", "chat", {"previous_response_id": "r"}),
    "conversation": ("responses", "chat", {"conversation": "c"}),
    "background": ("responses", "messages", {"background": True}),
    "prompt": ("responses", "messages", {"prompt": {"id": "p"}}),
    "input.0": ("responses", "chat", {"input": [{"type": "item_reference", "id": "x"}]}),
    "messages.0.role": ("chat", "messages", {"messages": [{"role": "owner", "content": ""}]}),
    "input.0.role": ("responses", "messages", {"input": [{"role": "tool", "content": ""}]}),
    "tool_choice": ("responses", "chat", {"tool_choice": {"type": "web_search"}}),
    "function_call": ("chat", "messages", {"function_call": 5}),
    "tool_choice.type": ("messages", "chat", {"tool_choice": {"type": "maybe"}}),
    "response_format.type": ("chat", "messages", {"response_format": {"type": "xml"}}),
    "text.format.type": ("responses", "messages", {"text": {"format": {"type": "xml"}}}),
    "output_config.format.type": ("messages", "chat", {"output_config": {"format": {"type": "xml"}}}),
    "temperature": ("chat", "messages", {"temperature": "hot"}),
    "messages": ("chat", "messages", {"messages": {}}),
    "tools.0": ("chat", "messages", {"tools": ["weather"]}),
    "tools.0.name": ("messages", "chat", {"tools": [{"input_schema": {}}]}),
    "messages.0.content": ("chat", "messages", {"messages": [{"role": "system", "content": [{"type": "refusal"}]}]}),
    "input.0.content": (
        "responses",
        "messages",
        {"input": [{"role": "developer", "content": [{"type": "input_image", "image_url": "u"}]}]},
    ),
}


@pytest.mark.parametrize(("param", "case"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_said_is_refused_by_name(param: str, case: tuple[str, str, dict[str, Any]]) -> None:
    """The caller can change it only if he knows what it is."""
    source, target, fields = case
    with pytest.raises(BadRequest) as refused:
        sent(source, target, **fields)
    assert refused.value.param == param
    assert refused.value.message.startswith(param)


SEARCH = {"type": "web_search_20260318", "name": "web_search"}
DEMANDED: dict[str, tuple[str, dict[str, Any]]] = {
    "by name": ("messages", {"tools": [SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}}),
    "as the only one": ("messages", {"tools": [SEARCH], "tool_choice": {"type": "any"}}),
    "as the only one, responses": ("responses", {"tools": [{"type": "web_search"}], "tool_choice": "required"}),
}


@pytest.mark.parametrize(("source", "fields"), DEMANDED.values(), ids=DEMANDED)
@pytest.mark.parametrize("target", ["chat", "messages", "responses"])
def test_a_tool_only_another_provider_has_cannot_be_asked_for(source: str, target: str, fields: dict[str, Any]) -> None:
    """Offered, it is left out and named; demanded, there is nothing to answer."""
    if source == target:
        return
    with pytest.raises(BadRequest) as refused:
        sent(source, target, **fields)
    assert refused.value.param == "tool_choice"
    offered = asked(source, target, tools=fields["tools"])
    assert offered.dropped == (f"tools.{fields['tools'][0]['type']}",)


@pytest.mark.parametrize("fields", [{"tools": TOOLS["messages"]}, FORMATS["messages"], {"stop_sequences": ["a"]}])
def test_a_channel_without_a_field_that_matters_refuses(fields: dict[str, Any]) -> None:
    """Without tools, form or stop the answer would be to another question."""
    options = Options(allowed_fields=COMMON_FIELDS - {"tools", "tool_choice", "stop", "response_format"})
    with pytest.raises(BadRequest):
        sent("messages", "chat", options, **fields)


def test_names_that_no_header_can_hold_are_not_named() -> None:
    """A client may call a field anything."""
    names = {"fine": 1, "a\r\nb": 1, "ü": 1, "a,b": 1, "x" * 200: 1}
    assert asked("chat", "messages", **names).dropped == ("fine",)
    assert len(asked("chat", "messages", **{f"f{n}": 1 for n in range(100)}).dropped) == 32
