"""What does a refusal say? Providers put their words into many shapes; here all of them become one error object.

Seen in the wild: OpenAI's and Anthropic's envelopes; OpenRouter's integer codes, with the reason in `metadata.raw`;
Gemini's list; LM Studio's `{"error": "text"}`; vLLM's bare `{"message": …}`; FastAPI's `{"detail": …}`, also as a list
of places, and Mistral's inside of `message`; Cloudflare's `{"errors": [...]}`, ASP.NET's by field; pages, plain text,
and whatever a proxy cut off.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

import orjson

from haze_proxy.wire import sse

READ_BYTES_MAX: Final = 64 * 2**10
DEPTH_MAX: Final = 6
LIST_MAX: Final = 5
# Where words stand, the more telling place first.
PLACES: Final = ("message", "msg", "detail", "error_description", "errors", "error", "title", "reason")
# What OpenRouter says when the reason is elsewhere.
NO_REASON: Final = re.compile(r"provider returned error", re.IGNORECASE)
PAGE: Final = re.compile(r"<(?:!doctype|\?xml|html|head|body)\b", re.IGNORECASE)
PAGES: Final = (b"<html", b"<!doctype")
TAG: Final = re.compile(r"<[a-z!/?]", re.IGNORECASE)
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# The words of an object whose end is missing.
CUT: Final = re.compile(r'"(?:message|detail|error)"\s*+:\s*+"((?:[^"\\]|\\.)*+)')

# What errors are called, and the statuses they come with: Anthropic's and OpenAI's types and codes, OpenRouter's
# `metadata.error_type`, Google's names.
STATUS: Final = {
    "invalid_request_error": 400,
    "invalid_request": 400,
    "context_length_exceeded": 400,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "UNAUTHENTICATED": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "payment_required": 402,
    "permission_error": 403,
    "PERMISSION_DENIED": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "NOT_FOUND": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "RESOURCE_EXHAUSTED": 429,
    "provider_unavailable": 503,
    "UNAVAILABLE": 503,
    "overloaded_error": 529,
    "provider_overloaded": 529,
    "server_is_overloaded": 529,
    "service_unavailable_error": 503,
    "slow_down": 503,
    "no_capacity": 429,
    "too_many_requests": 429,
}
# Codes of a failed response for which its request is to blame.
CALLERS_CODE: Final = re.compile(r"image|_policy|invalid_prompt|context_length_exceeded")


def read(body: bytes) -> dict[str, Any] | None:
    """The error object of a body in any shape; its `message` is the provider's own words, or "". None: no words at all.

    Of a body beyond READ_BYTES_MAX only the beginning is read.
    """
    text = body[:READ_BYTES_MAX].decode("utf-8-sig", "replace").strip()
    if text.startswith(("data:", "event:")):
        text = sse.parse(text.encode()).data.decode().strip()
    parsed = _json(text)
    if parsed is not None or text == "null":
        return normal(parsed)
    message = _cut(text) if text.startswith(("{", "[")) else _plain(text)
    return {"message": message} if message else None


def normal(value: object) -> dict[str, Any] | None:
    """The error object in parsed JSON, its `message` filled in from wherever the words stand."""
    if isinstance(value, list) and value:
        return normal(value[0])
    if not isinstance(value, dict):
        message = words(value)
        return {"message": message} if message else None
    error = value.get("error")
    holder = error if isinstance(error, dict) and error else value
    return {**holder, "message": words(holder) or words(value)}


def words(value: object, depth: int = DEPTH_MAX) -> str:
    """What JSON says to people; "" when it says nothing."""
    if isinstance(value, str):
        nested = _json(value) if depth and value.lstrip().startswith(("{", "[")) else None
        return _page_cut_off(value) if nested is None else words(nested, depth - 1)
    if not depth:
        return ""
    if isinstance(value, list):
        return _joined(words(one, depth - 1) for one in value[:LIST_MAX])
    return _words_of(value, depth - 1) if isinstance(value, dict) else ""


def in_envelope(body: bytes, protocol: str) -> bool:
    """Whether a protocol's SDKs read an error body as it stands: its envelope, with words for people in their place."""
    if len(body) > READ_BYTES_MAX or any(mark in body.lower() for mark in PAGES):
        return False
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(parsed, dict):
        return False
    error = parsed.get("error")
    if not isinstance(error, dict) or not error.get("message") or error["message"] != words(error):
        return False
    if protocol == "messages":
        return parsed.get("type", "error") == "error" and isinstance(error.get("type"), str)
    return all(isinstance(error.get(name), str | None) for name in ("type", "param", "code"))


def status_of(error: dict[str, Any]) -> int | None:
    """The status an error object claims, by number or by name; None when it claims none."""
    metadata = error.get("metadata")
    named = metadata.get("error_type") if isinstance(metadata, dict) else None
    claims = map(_status, (error.get("code"), error.get("type"), named, error.get("status")))
    return next((status for status in claims if status), None)


def _status(claim: object) -> int | None:
    if isinstance(claim, str):
        if re.fullmatch(r"[45]\d\d", claim):
            return int(claim)
        return STATUS.get(claim) or (HTTPStatus.BAD_REQUEST if CALLERS_CODE.search(claim) else None)
    return claim if isinstance(claim, int) and 400 <= claim <= 599 else None


def _words_of(value: dict[str, Any], depth: int) -> str:
    found = next((told for name in PLACES if (told := _at(value, name, depth))), "")
    metadata = value.get("metadata")
    if isinstance(metadata, dict) and (not found or NO_REASON.search(found)):
        found = words(metadata.get("raw"), depth) or found
    place = value.get("loc")
    if found and isinstance(place, list):
        return f"{'.'.join(map(str, place[:LIST_MAX]))}: {found}"
    return found


def _at(value: dict[str, Any], name: str, depth: int) -> str:
    there = value.get(name)
    if name == "errors" and isinstance(there, dict):
        return _joined(f"{field}: {words(one, depth)}" for field, one in list(there.items())[:LIST_MAX])
    return words(there, depth)


def _joined(told: Iterable[str]) -> str:
    return "; ".join(filter(None, told))


def _json(text: str) -> object | None:
    try:
        parsed: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return parsed


def _cut(text: str) -> str:
    found = CUT.search(text)
    if found is None:
        return ""
    whole = _json(f'"{found.group(1)}"')
    return words(whole if isinstance(whole, str) else found.group(1))


def _plain(text: str) -> str:
    return "" if TAG.search(text) or CONTROL.search(text) or "\ufffd" in text else text


def _page_cut_off(text: str) -> str:
    page = PAGE.search(text)
    return text if page is None else text[: page.start()].rstrip(" :\n")
