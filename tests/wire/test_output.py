"""What the output of a Responses answer says of itself, whoever wrote it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.wire.output import server_calls, text_bytes

ITEMS: dict[str, tuple[object, dict[str, int], int]] = {
    # output, calls of the provider's own tools, bytes of text
    "nothing": ([], {}, 0),
    "no list": ("text", {}, 0),
    "items that are none": ([None, 7, "x", [], {}, {"type": 7}, {"type": ["web_search_call"]}], {}, 0),
    "the caller's own tools": ([{"type": "function_call", "arguments": "{}"}, {"type": "local_shell_call"}], {}, 2),
    "searches": ([{"type": "web_search_call"}, {"type": "web_search_call"}], {"web_search_requests": 2}, 0),
    "a search and its pages": (
        [
            {"type": "web_search_call", "action": {"type": "search", "query": "q"}},
            {"type": "web_search_call", "action": {"type": "open_page"}},
            {"type": "web_search_call", "action": {"type": "find_in_page"}},
        ],
        {"web_search_requests": 1},
        0,
    ),
    "an action of an odd shape": ([{"type": "web_search_call", "action": "search"}], {"web_search_requests": 1}, 0),
    "several": (
        [{"type": "file_search_call"}, {"type": "code_interpreter_call", "code": "1+1"}],
        {"file_search_requests": 1, "code_interpreter_requests": 1},
        3,
    ),
}


@pytest.mark.parametrize(("output", "calls", "size"), ITEMS.values(), ids=ITEMS)
def test_what_ran_and_what_was_written_is_counted(output: object, calls: dict[str, int], size: int) -> None:
    """OpenAI bills a search and counts none in its usage."""
    assert (server_calls(output), text_bytes(output)) == (calls, size)


KEYS = st.sampled_from(["type", "action", "text", "arguments", "content"])
WORDS = st.sampled_from(["web_search_call", "open_page", "x"])


@given(st.recursive(st.none() | st.integers(0, 9) | WORDS, lambda i: st.lists(i) | st.dictionaries(KEYS, i)))
def test_no_output_however_odd_breaks_the_count(output: object) -> None:
    """A metering fault never breaks the answer."""
    calls = sum(server_calls(output).values())
    assert 0 <= calls <= orjson.dumps(output).count(b"web_search_call")
    assert text_bytes(output) >= 0
