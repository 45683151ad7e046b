"""What the output items of a Responses answer say: how much was generated, and which of its own tools the provider ran.

Beside its output an answer repeats its instructions and its tools, so a search through all of it would find too much.
"""

import re
from collections import Counter

import orjson

# The value of a member. Ends with the string or, in broken JSON, with the line, so that the count does not depend on
# how the bytes are split.
STRING_VALUE = rb'"[ \t]*+:[ \t]*+"([^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+)'
TEXT = re.compile(rb'"(?:text|refusal|arguments|input|code)' + STRING_VALUE)
# Types of items -> the tool that ran, as prices spell it.
SERVER_CALLS = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
}
# To open what a search has found is part of the search that was paid for.
FREE_ACTIONS = ("open_page", "find_in_page")


def text_bytes(output: object) -> int:
    """The bytes of generated text in output items, as JSON spells them."""
    try:
        return sum(map(len, TEXT.findall(orjson.dumps(output))))
    except orjson.JSONEncodeError:  # nested more deeply than any answer is
        return 0


def server_calls(output: object) -> dict[str, int]:
    """How often each of the provider's own tools ran, in the field names of `usage.server_tool_use`."""
    items = output if isinstance(output, list) else []
    calls = Counter(filter(None, map(_server_tool, items)))
    return {f"{name}_requests": number for name, number in calls.items()}


def _server_tool(item: object) -> str | None:
    kind = item.get("type") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(kind, str):
        return None
    action = item.get("action")
    if isinstance(action, dict) and action.get("type") in FREE_ACTIONS:
        return None
    return SERVER_CALLS.get(kind)
