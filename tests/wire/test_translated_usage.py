"""What was used is told in the client's own way of counting, and told once."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from wire.fold import fold
from wire.translating import asked, law, streamed

from haze_proxy.wire import openai
from haze_proxy.wire.conversation import Json
from haze_proxy.wire.events import Usage
from haze_proxy.wire.messages import usage as anthropic


def told(*usages: dict[str, Any]) -> dict[str, Any]:
    """The usage a chat client gets for these reports of a Messages stream: the first at its start."""
    start = {"type": "message_start", "message": {"usage": usages[0]}}
    deltas = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage} for usage in usages[1:]]
    stream = [b"data: " + orjson.dumps(body) + b"\n\n" for body in (start, *deltas, {"type": "message_stop"})]
    out, _ = streamed(asked("chat", "messages"), stream)
    usage: dict[str, Any] = fold("chat", out)["usage"]
    return usage


def test_b13_usage_is_replaced_and_never_added() -> None:
    """Its numbers are sums already; added up, an answer costs two to ten times its price."""
    usage = told(
        {"input_tokens": 27, "cache_read_input_tokens": 100, "output_tokens": 1},
        {"input_tokens": 27, "cache_read_input_tokens": 100, "output_tokens": 47},
    )
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (127, 47)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 100


def test_b13_a_vendor_may_send_the_split_last() -> None:
    """Then the start holds the whole prompt as fresh."""
    usage = told({"input_tokens": 8834}, {"input_tokens": 18, "cache_read_input_tokens": 8831, "output_tokens": 12})
    assert (usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]) == (8849, 8831)


def test_b15_the_split_of_cache_writes_wins_over_a_stale_sum() -> None:
    """Zeros, too: a cascade of gateways leaves old sums behind."""
    usage = told(
        {"input_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 100}},
        {"cache_creation_input_tokens": 0, "output_tokens": 1},
    )
    assert usage["prompt_tokens_details"]["cache_write_tokens"] == 100


COUNT = st.integers(0, 10**9)


@law()
@given(fresh=COUNT, read=COUNT, write=COUNT, output=COUNT, reasoning=COUNT)
def test_b14_counting_with_and_without_the_cache_is_the_same_count(
    fresh: int, read: int, write: int, output: int, reasoning: int
) -> None:
    """OpenAI's prompt includes what came from the cache, Anthropic's input does not: there and back nothing changes."""
    usage = Usage(fresh, read, write, None, output, reasoning)
    for stems in (("prompt", "completion"), ("input", "output")):
        written: Json = openai.write_usage(usage, stems)
        assert written["total_tokens"] == fresh + read + write + output
        assert openai.read_usage(written, stems) == usage
    assert anthropic.read_usage(anthropic.write_usage(usage)) == usage


def test_nothing_used_is_nothing() -> None:
    """Zeros are a report, and no report is none."""
    assert openai.read_usage({"prompt_tokens": 0, "completion_tokens": 0}, ("prompt", "completion")) == Usage(
        0, output=0
    )
    assert openai.read_usage({}, ("prompt", "completion")) is None
    assert anthropic.read_usage({}) is None
