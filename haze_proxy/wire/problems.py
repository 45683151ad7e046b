"""What a provider's error says, whatever shape it has, in one neutral kind.

Shapes: OpenAI's object, Anthropic's with a type, OpenRouter's with an integer code and the real reason in `metadata`,
Gemini's array, and plain strings. A full context is told in many wordings, and clients act on their own protocol's
only: they shorten the conversation when they read it, and repeat the request when they do not. Hence `context`, and
`context_output` where the input would fit and only the output limit asked for is too large.
"""

import re
from typing import Any

from haze_proxy.wire.events import Problem
from haze_proxy.wire.values import arr, obj, text, whole

# What the caller can be blamed for, and what not.
KINDS = (
    "invalid",
    "context",
    "context_output",
    "not_found",
    "too_large",
    "rate_limit",
    "overloaded",
    "timeout",
    "server",
    "broken",
)
MESSAGE_CHARACTERS_MAX = 2000

BY_STATUS = {
    400: "invalid",
    404: "not_found",
    408: "timeout",
    409: "invalid",
    413: "too_large",
    415: "invalid",
    422: "invalid",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
BY_TYPE = {
    "invalid_request_error": "invalid",
    "invalid_request": "invalid",
    "not_found_error": "not_found",
    "request_too_large": "too_large",
    "rate_limit_error": "rate_limit",
    "rate_limit_exceeded": "rate_limit",
    "overloaded_error": "overloaded",
    "provider_overloaded": "overloaded",
    "service_unavailable_error": "overloaded",
    "server_is_overloaded": "overloaded",
    "timeout_error": "timeout",
    "INVALID_ARGUMENT": "invalid",
    "RESOURCE_EXHAUSTED": "rate_limit",
    "UNAVAILABLE": "overloaded",
    "DEADLINE_EXCEEDED": "timeout",
}
# The owner's account at the provider is nobody else's business.
OWNERS = frozenset(
    {
        401,
        402,
        403,
        "authentication_error",
        "billing_error",
        "permission_error",
        "insufficient_quota",
        "payment_required",
    }
)
OWNERS_TEXT = "The provider refused Haze."
OWNERS_NAMES = re.compile(r"\b(?:org|proj|project|sk)[-_][A-Za-z0-9][A-Za-z0-9_-]{5,}")
ADDRESSES = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
MASK = "***"
BROKEN_OFF = "The provider broke off in the middle of its answer."
NO_ANSWER = "The provider sent an answer that cannot be read."
FULL = re.compile(
    r"context_length_exceeded|maximum context length|exceeds the context window|exceed_context_size|"
    r"prompt is too long|context window (?:is|was) exceeded|input token count.{0,40}exceeds|exceed context limit|"
    r"larger than the (?:model's |maximum )?context",
    re.IGNORECASE,
)
_NUMBER = r"(\d[\d,]*)"
# (input, maximum) and (input, output, maximum), as providers write them.
INPUT_OVER = (
    re.compile(rf"{_NUMBER} tokens > {_NUMBER}", re.IGNORECASE),
    re.compile(rf"resulted in {_NUMBER} tokens", re.IGNORECASE),
    re.compile(
        rf"input token count \(?{_NUMBER}\)? exceeds the maximum number of tokens allowed \(?{_NUMBER}", re.IGNORECASE
    ),
    re.compile(rf"request \({_NUMBER} tokens\) exceeds the available context size \({_NUMBER}", re.IGNORECASE),
)
MAXIMUM = re.compile(rf"maximum context length (?:is|of) {_NUMBER}", re.IGNORECASE)
REQUESTED = re.compile(rf"requested (?:about )?{_NUMBER} tokens", re.IGNORECASE)
IN_THE_INPUT = re.compile(
    rf"{_NUMBER} (?:in|of|from) (?:the |your )?(?:messages|prompt|text input|input)", re.IGNORECASE
)
IN_THE_OUTPUT = re.compile(rf"{_NUMBER} (?:in|of|for|from) (?:the |your )?(?:completion|output)", re.IGNORECASE)
INPUT_AND_OUTPUT = re.compile(rf"exceed context limit: {_NUMBER} \+ {_NUMBER} > {_NUMBER}", re.IGNORECASE)


def problem(error: object, status: int | None = None) -> Problem:
    """What an error means. `error` is the body of a refusal, or the error object in a stream or in a body with status
    200; `status` the HTTP status, where there was one.
    """
    found = _object(error)
    metadata = obj(found.get("metadata"))
    status, code = status or whole(found.get("code")), found.get("code")
    types = [text(found.get("type")), text(code), text(metadata.get("error_type")), text(found.get("status"))]
    if {status, *types} & OWNERS:
        return Problem("server", OWNERS_TEXT)
    message = masked(_message(found, metadata))
    if FULL.search(" ".join((*types, message))):
        return _full(message, text(found.get("param")) or None)
    kind = next((BY_TYPE[name] for name in types if name in BY_TYPE), None) or _by_status(status)
    named = code if isinstance(code, str) else None
    return Problem(kind, message or "The provider failed.", text(found.get("param")) or None, named)


def masked(message: str) -> str:
    """A provider's words without the names of the owner's accounts and keys, and without addresses of machines."""
    return ADDRESSES.sub(MASK, OWNERS_NAMES.sub(MASK, message))


def _object(error: object) -> dict[str, Any]:
    if isinstance(error, list):
        error = next(iter(error), None)
    if isinstance(error, str):
        return {"message": error}
    outer = obj(error)
    inner = outer.get("error", outer)
    return {"message": inner} if isinstance(inner, str) else obj(inner)


def _message(error: dict[str, Any], metadata: dict[str, Any]) -> str:
    # OpenRouter says "Provider returned error" and keeps the reason beside it.
    message, raw = text(error.get("message")), metadata.get("raw")
    told = obj(arr(raw)[0] if arr(raw) else raw)
    reason = text(raw) or text(told.get("message")) or text(obj(told.get("error")).get("message"))
    whole_text = f"{message}: {reason}" if message and reason and reason not in message else message or reason
    return whole_text[:MESSAGE_CHARACTERS_MAX]


def _by_status(status: int | None) -> str:
    if status is None:
        return "server"
    return BY_STATUS.get(status, "invalid" if 400 <= status < 500 else "server")


def _full(message: str, param: str | None) -> Problem:
    """A full context, with the numbers if the provider told them: (input, maximum) or (input, output, maximum)."""
    if both := INPUT_AND_OUTPUT.search(message):
        return Problem("context_output", message, param, numbers=tuple(map(_number, both.groups())))
    for pattern in INPUT_OVER:
        if (found := pattern.search(message)) and len(found.groups()) > 1:
            return Problem("context", message, param, numbers=tuple(map(_number, found.groups())))
    maximum = _found(MAXIMUM, message)
    asked, output = _found(IN_THE_INPUT, message), _found(IN_THE_OUTPUT, message)
    if maximum and asked and output and asked <= maximum < asked + output:
        return Problem("context_output", message, param, numbers=(asked, output, maximum))
    asked = asked or _found(INPUT_OVER[1], message) or _found(REQUESTED, message)
    numbers = (asked, maximum) if asked and maximum and asked > maximum else ()
    return Problem("context", message, param, numbers=numbers)


def _found(pattern: re.Pattern[str], message: str) -> int | None:
    found = pattern.search(message)
    return _number(found[1]) if found else None


def _number(digits: str) -> int:
    return int(digits.replace(",", "")[:15])
