"""What OpenAI's two protocols have in common: how they count, and how they tell of errors.

Their prompt includes what was read from and written to the cache. The names of the counts differ, and are given as
(input, output) stems: chat ("prompt", "completion"), responses ("input", "output").
"""

from typing import Any

from haze_proxy.wire.events import Problem, Usage
from haze_proxy.wire.values import obj, whole


def read_usage(raw: object, stems: tuple[str, str]) -> Usage | None:
    """The usage object of an answer; None if nothing was reported."""
    given = obj(raw)
    prompt, output = whole(given.get(f"{stems[0]}_tokens")), whole(given.get(f"{stems[1]}_tokens"))
    total = whole(given.get("total_tokens"))
    if prompt is None and output is None:
        return None
    details, made = obj(given.get(f"{stems[0]}_tokens_details")), obj(given.get(f"{stems[1]}_tokens_details"))
    read, write = whole(details.get("cached_tokens")), whole(details.get("cache_write_tokens"))
    # Gemini leaves thinking out of the completion and has it in the total.
    output = max(output or 0, (total or 0) - (prompt or 0))
    return Usage(
        input=max(0, (prompt or 0) - (read or 0) - (write or 0)),
        cache_read=read,
        cache_write=write,
        output=output,
        reasoning=whole(made.get("reasoning_tokens")),
    )


def write_usage(usage: Usage, stems: tuple[str, str]) -> dict[str, Any]:
    """The usage object of an answer."""
    prompt = (usage.input or 0) + (usage.cache_read or 0) + (usage.cache_write or 0)
    output = usage.output or 0
    return {
        f"{stems[0]}_tokens": prompt,
        f"{stems[0]}_tokens_details": {
            "cached_tokens": usage.cache_read or 0,
            "cache_write_tokens": usage.cache_write or 0,
        },
        f"{stems[1]}_tokens": output,
        f"{stems[1]}_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": prompt + output,
    }


# By kind of problem: status, type, code. There is no 529 here: clients know 503 as "try again later".
KINDS: dict[str, tuple[int, str, str | None]] = {
    "invalid": (400, "invalid_request_error", None),
    "context": (400, "invalid_request_error", "context_length_exceeded"),
    "context_output": (400, "invalid_request_error", "context_length_exceeded"),
    "not_found": (404, "invalid_request_error", "model_not_found"),
    "too_large": (413, "invalid_request_error", None),
    "rate_limit": (429, "rate_limit_error", "rate_limit_exceeded"),
    "overloaded": (503, "server_error", "server_is_overloaded"),
    "timeout": (504, "server_error", None),
    "server": (502, "server_error", None),
    "broken": (502, "server_error", None),
}


def write_error(problem: Problem, _request_id: str) -> tuple[int, dict[str, Any]]:
    """The status and the body that tell a client of a problem."""
    return KINDS[problem.kind][0], {"error": error_object(problem)}


def error_object(problem: Problem) -> dict[str, Any]:
    """The error object of a body, and of a chat chunk in mid-stream."""
    _, kind, code = KINDS[problem.kind]
    return {"message": problem.message, "type": kind, "param": problem.param, "code": code or problem.code}
