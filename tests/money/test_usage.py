"""What upstreams report is read into disjoint classes, whatever they report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.money.usage import READERS, TOKENS_MAX, Usage, estimated, read

tokens = st.integers(0, 10**7)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)

FIELDS = [
    "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens",
    "prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details",
    "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "iterations", "server_tool_use",
    "cached_tokens", "cache_write_tokens", "reasoning_tokens", "ephemeral_5m_input_tokens", "web_search_requests",
]  # fmt: skip

REPORTS = {
    "chat counts cached tokens inside the prompt": (
        "chat",
        {
            "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
            "completion_tokens_details": {"reasoning_tokens": 8},
        },
        Usage(input=10, cache_read=60, cache_write_5m=30, output=20, reasoning=8),
    ),
    "chat with more cached than prompted never goes below zero": (
        "chat",
        {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 60}},
        Usage(cache_read=60),
    ),
    "gemini hides its thinking in the total": (
        "chat",
        {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 420},
        Usage(input=100, output=320),
    ),
    "a total below its parts is ignored": (
        "chat",
        {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 20},
        Usage(input=100, output=20),
    ),
    "responses counts cached tokens inside the input": (
        "responses",
        {
            "input_tokens": 100, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
            "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 12}, "total_tokens": 120,
        },
        Usage(input=35, cache_read=60, cache_write_5m=5, output=20, reasoning=12),
    ),
    "messages counts cached tokens beside the input": (
        "messages",
        {
            "input_tokens": 27, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 9, "output_tokens": 47,
            "output_tokens_details": {"thinking_tokens": 40},
        },
        Usage(input=27, cache_read=100, cache_write_5m=9, output=47, reasoning=40),
    ),
    "a split of the cache writes wins over the flat number": (
        "messages",
        {
            "cache_creation_input_tokens": 500,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 100},
        },
        Usage(cache_write_5m=20, cache_write_1h=100),
    ),
    "a split of zeros wins, too": (
        "messages",
        {
            "cache_creation_input_tokens": 500,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        },
        Usage(),
    ),
    "a stale flat zero does not hide one-hour writes": (
        "messages",
        {"cache_creation_input_tokens": 0, "cache_creation": {"ephemeral_1h_input_tokens": 100}},
        Usage(cache_write_1h=100),
    ),
    "a null split leaves the flat number": (
        "messages",
        {"cache_creation_input_tokens": 500, "cache_creation": None},
        Usage(cache_write_5m=500),
    ),
    "an empty split leaves the flat number": (
        "messages",
        {"cache_creation_input_tokens": 500, "cache_creation": {}},
        Usage(cache_write_5m=500),
    ),
    "compaction is billed beside the top-level numbers": (
        "messages",
        {
            "input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 1,
            "iterations": [
                {"type": "compaction", "input_tokens": 1000, "output_tokens": 200, "cache_creation_input_tokens": 3},
                {"type": "message", "input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 1},
            ],
        },
        Usage(input=1010, output=205, cache_read=1, cache_write_5m=3),
    ),
    "server tool calls are named as prices name them": (
        "messages",
        {"input_tokens": 1, "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}},
        Usage(input=1, server_tools=(("web_search", 2),)),
    ),
    "embeddings have input only": ("embeddings", {"prompt_tokens": 8, "total_tokens": 8}, Usage(input=8)),
    "embeddings that report only a total": ("embeddings", {"total_tokens": 8}, Usage(input=8)),
    "no usage at all": ("chat", None, Usage()),
    "numbers that are none": (
        "chat",
        {"prompt_tokens": "100", "completion_tokens": -4, "total_tokens": True, "prompt_tokens_details": [1]},
        Usage(),
    ),
    "floats, also endless ones": (
        "messages",
        {"input_tokens": 12.0, "output_tokens": float("nan"), "cache_read_input_tokens": float("inf")},
        Usage(input=12, cache_read=TOKENS_MAX),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("protocol", "raw", "expected"), REPORTS.values(), ids=REPORTS)
def test_a_report_becomes_disjoint_classes(protocol: str, raw: object, expected: Usage) -> None:
    """Each of these shapes has made some gateway charge twice, or nothing."""
    assert read(protocol, raw) == expected


@given(tokens, tokens, tokens, tokens, tokens)
def test_both_styles_of_the_same_usage_are_the_same_usage(
    fresh: int, cached: int, written: int, output: int, thinking: int
) -> None:
    """OpenAI includes cached tokens, Anthropic does not: a caller's price must not depend on the path taken."""
    inclusive = fresh + cached + written
    details = {"cached_tokens": cached, "cache_write_tokens": written}
    made = {"reasoning_tokens": thinking}
    chat = {
        "prompt_tokens": inclusive, "completion_tokens": output, "total_tokens": inclusive + output,
        "prompt_tokens_details": details, "completion_tokens_details": made,
    }  # fmt: skip
    responses = {
        "input_tokens": inclusive, "output_tokens": output,
        "input_tokens_details": details, "output_tokens_details": made,
    }  # fmt: skip
    messages = {
        "input_tokens": fresh, "cache_read_input_tokens": cached, "cache_creation_input_tokens": written,
        "output_tokens": output, "output_tokens_details": {"thinking_tokens": thinking},
    }  # fmt: skip
    expected = Usage(fresh, cached, written, 0, output, min(thinking, output))
    assert read("chat", chat) == read("responses", responses) == read("messages", messages) == expected


@given(tokens, st.integers(0, 100), st.integers(0, 100), tokens)
def test_a_consistent_report_loses_no_token(prompt: int, cached_share: int, written_share: int, output: int) -> None:
    """The classes add up to what the upstream says it will bill."""
    cached = prompt * cached_share // 200
    written = prompt * written_share // 200
    details = {"cached_tokens": cached, "cache_write_tokens": written}
    usage = read("chat", {"prompt_tokens": prompt, "completion_tokens": output, "prompt_tokens_details": details})
    assert (usage.total_input, usage.output) == (prompt, output)


@given(st.sampled_from(sorted(READERS)), st.dictionaries(st.sampled_from(FIELDS), json_values) | json_values)
def test_nothing_an_upstream_sends_breaks_the_meter(protocol: str, raw: object) -> None:
    """A metering fault must never break an answer, and never become a negative or a boundless charge."""
    usage = read(protocol, raw)
    classes = [usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h, usage.output]
    assert all(type(count) is int and 0 <= count <= 10 * TOKENS_MAX for count in classes)
    assert 0 <= usage.reasoning <= usage.output
    assert all(calls > 0 for _, calls in usage.server_tools)


def test_an_estimate_is_plain_input_and_output() -> None:
    """Without a report nobody knows what was cached."""
    assert estimated(12, 34) == Usage(input=12, output=34)
