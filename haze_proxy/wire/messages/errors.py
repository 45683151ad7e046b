"""A problem as Anthropic's error body, in the words that Claude Code acts on."""

from typing import Any

from haze_proxy.wire.events import Problem

KINDS: dict[str, tuple[int, str]] = {
    "invalid": (400, "invalid_request_error"),
    "context": (400, "invalid_request_error"),
    "context_output": (400, "invalid_request_error"),
    "not_found": (404, "not_found_error"),
    "too_large": (413, "request_too_large"),
    "rate_limit": (429, "rate_limit_error"),
    "overloaded": (529, "overloaded_error"),
    "timeout": (504, "timeout_error"),
    "server": (502, "api_error"),
    "broken": (502, "api_error"),
}
# Read like "prompt is too long" by a client that finds it anywhere in a message.
TOO_LONG = "capability_rejected: prompt_too_long"


def write_error(problem: Problem, request_id: str) -> tuple[int, dict[str, Any]]:
    """The status and the body that tell a client of a problem."""
    status, kind = KINDS[problem.kind]
    return status, {"type": "error", "error": {"type": kind, "message": message(problem)}, "request_id": request_id}


def message(problem: Problem) -> str:
    """The provider's words, but those of a full context: clients shorten their prompt at Anthropic's."""
    numbers = problem.numbers
    if problem.kind == "context_output" and len(numbers) == 3:
        return "input length and `max_tokens` exceed context limit: {} + {} > {}".format(*numbers)
    if problem.kind == "context" and len(numbers) == 2:
        return "prompt is too long: {} tokens > {} maximum".format(*numbers)
    if problem.kind in ("context", "context_output"):
        return f"{problem.message} ({TOO_LONG})"
    return problem.message
