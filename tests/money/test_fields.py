"""The fields that change a price: each is found, named by its place, and told apart from what costs nothing."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.money import fields
from haze_proxy.money.estimate import SERVER_TOOL_TOKENS, input_tokens

FOUND: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "a list of models": (
        {"models": ["a", {"id": "b"}]},
        {"other_models": [("models[0]", "a"), ("models[1]", "")]},
    ),
    "fallbacks": (
        {"fallbacks": [{"model": "b"}, {"model": 1}]},
        {"other_models": [("fallbacks[0]", "b"), ("fallbacks[1]", "")]},
    ),
    "fallbacks of the provider's choice": ({"fallbacks": "default"}, {"other_models": [("fallbacks", "")]}),
    "more models than anybody needs": ({"models": ["a"] * 17}, {"other_models": [("models", "")]}),
    "plugins": (
        {"plugins": [{"id": "web"}, {"id": "file-parser"}, {"id": 5}]},
        {"tools": [("plugins[0]", "web_search"), ("plugins[1]", "file-parser"), ("plugins[2]", "")]},
    ),
    "a plugin that is switched off": ({"plugins": [{"id": "web", "enabled": False}]}, {}),
    "an empty search option still searches": (
        {"web_search_options": {}},
        {"tools": [("web_search_options", "web_search")]},
    ),
    "a priority tier": ({"service_tier": "priority"}, {"modes": [("service_tier", "priority")]}),
    "a tier that is no text": ({"service_tier": {"a": 1}}, {"modes": [("service_tier", "")]}),
    "fast mode": ({"speed": "fast"}, {"modes": [("speed", "fast")]}),
    "a place to compute": ({"inference_geo": "us"}, {"modes": [("inference_geo", "us")]}),
    "a server tool": (
        {"tools": [{"name": "f"}, {"type": "web_search_20260318"}]},
        {"tools": [("tools[1].type", "web_search")]},
    ),
    "the dearer preview of the search": (
        {"tools": [{"type": "web_search_preview_2025_03_11"}]},
        {"tools": [("tools[0].type", "web_search_preview")]},
    ),
    "a tool nobody knows": (
        {"tools": [{"type": "advisor_20260301"}]},
        {"tools": [("tools[0].type", "advisor_20260301")]},
    ),
    "a server tool among grouped ones": (
        {"tools": [{"type": "namespace", "tools": [{"type": "function"}, {"type": "image_generation"}]}]},
        {"tools": [("tools[0].type", "image_generation")]},
    ),
    "values that change nothing": (
        {
            "models": [], "plugins": [], "fallbacks": None, "service_tier": "default", "speed": "standard",
            "web_search_options": None, "tools": None, "n": 2, "inference_geo": "global",
        },
        {},
    ),
    "tiers of Anthropic's that change nothing": ({"service_tier": "standard_only"}, {}),
    "tools of the caller's own side": (
        {
            "tools": [
                {"name": "mine"}, {"type": "custom"}, {"type": "bash_20250124"}, {"type": "text_editor_20250728"},
                {"type": "memory_20250818"}, {"type": "computer_toolset_20260801"}, {"type": "local_shell"},
                {"type": "apply_patch"}, {"type": "namespace", "tools": [{"type": "function"}]},
            ]
        },
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("parsed", "expected"), FOUND.values(), ids=FOUND)
def test_each_field_that_changes_the_price_is_found_by_its_place(
    parsed: dict[str, Any], expected: dict[str, Any]
) -> None:
    """What is not found would be served at the plain price, and the owner would pay the rest."""
    found = {
        "modes": list(fields.modes(parsed)),
        "other_models": list(fields.other_models(parsed)),
        "tools": list(fields.fee_tools(parsed)),
    }
    assert {name: value for name, value in found.items() if value} == expected
    if expected:
        assert not fields.CHANGING.isdisjoint(parsed)


UNMETERED = {
    "spoken answers": ("chat", {"modalities": ["text", "audio"]}, "modalities"),
    "a voice": ("chat", {"audio": {"voice": "alloy"}}, "audio"),
    "pictures": ("responses", {"modalities": ["image"]}, "modalities"),
    "text": ("chat", {"modalities": ["text"], "audio": None}, None),
}


@pytest.mark.parametrize(("protocol", "parsed", "field"), UNMETERED.values(), ids=UNMETERED)
def test_output_that_is_not_counted_in_tokens_is_named(
    protocol: str, parsed: dict[str, Any], field: str | None
) -> None:
    """There is no class of usage for it, so there can be no price."""
    assert fields.unmetered(parsed, protocol) == field


@pytest.mark.parametrize(
    ("models", "parsed", "field"),
    [
        (("openrouter/auto",), {}, "model"),
        (("mine", "openrouter/auto"), {}, "model"),
        (("openai/gpt-5.2:online",), {}, "model"),
        (("@preset/mine",), {}, "model"),
        (("m",), {"preset": "mine"}, "preset"),
        (("openai/gpt-5.2", "gpt-5.2"), {}, None),
    ],
)
def test_an_id_behind_which_the_upstream_chooses_is_named(
    models: tuple[str, ...], parsed: dict[str, Any], field: str | None
) -> None:
    """A router answers with whatever model it likes, at whatever price; an alias does not hide it."""
    assert fields.router(parsed, *models) == field


DEARER = {
    "no more than was asked": ([{"model": "b", "max_tokens": 100, "speed": "standard"}], None),
    "the request's own speed": ([{"model": "b", "speed": "fast"}], None),
    "more tokens": ([{"model": "b"}, {"model": "c", "max_tokens": 101}], "fallbacks[1].max_tokens"),
    "tokens that are no number": ([{"model": "b", "max_tokens": "9"}], "fallbacks[0].max_tokens"),
    "another speed": ([{"model": "b", "speed": "faster"}], "fallbacks[0].speed"),
}


@pytest.mark.parametrize(("fallbacks", "field"), DEARER.values(), ids=DEARER)
def test_a_fallback_that_may_cost_more_than_the_request_is_named(fallbacks: list[Any], field: str | None) -> None:
    """What is held follows from the request's own limit and speed."""
    assert fields.dearer_fallback({"fallbacks": fallbacks, "max_tokens": 100, "speed": "fast"}) == field


def test_tools_without_a_fee_bring_in_tokens_all_the_same() -> None:
    """What a fetched page costs is its tokens."""
    parsed = {"messages": [], "tools": [{"type": "web_fetch_20260318"}, {"type": "tool_search_tool_regex_20251119"}]}
    assert fields.fee_tools(parsed) == ()
    assert input_tokens(orjson.dumps(parsed), parsed, "messages") >= 2 * SERVER_TOOL_TOKENS


def test_claude_code_asks_for_nothing_that_changes_the_price() -> None:
    """Its tools have no type, and it sends thinking, context_management and output_config with every request."""
    parsed = {
        "messages": [], "tools": [{"name": name, "input_schema": {}} for name in ("Bash", "Edit", "Read")],
        "thinking": {"type": "adaptive"}, "context_management": {"edits": []}, "output_config": {"effort": "high"},
        "metadata": {"user_id": "u"}, "max_tokens": 32_000, "stream": True,
    }  # fmt: skip
    assert (fields.modes(parsed), fields.fee_tools(parsed), [*fields.other_models(parsed)]) == ((), (), [])
    assert fields.unmetered(parsed, "messages") is fields.router(parsed, "claude-opus-5-5") is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "model", "type", "tools"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(fields.CHANGING)), VALUES))
def test_no_shape_of_these_fields_is_too_odd_to_be_looked_at(parsed: dict[str, Any]) -> None:
    """A malformed request is refused by name, or left to the provider: it never breaks the gate."""
    list(fields.other_models(parsed))
    fields.modes(parsed)
    fields.fee_tools(parsed)
    fields.dearer_fallback(parsed)
    fields.router(parsed, "m")
    for protocol in ("chat", "messages", "responses", "embeddings"):
        fields.unmetered(parsed, protocol)
