"""Reading JSON that may be of any shape.

From a provider, what is of a wrong type counts as absent. From a client it is refused, naming the field.
"""

import re
from typing import Any

import orjson

from haze_proxy.errors import BadRequest

# A whole pair, which stays, or one half of it.
_HALVES = re.compile(rb"(\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..")
REPLACEMENT = b"\\ufffd"


def obj(value: object) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def arr(value: object) -> list[Any]:
    """The array, or an empty one."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """The string, or an empty one."""
    return value if isinstance(value, str) else ""


def whole(value: object) -> int | None:
    """The number if it is a count; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        return None
    return int(min(value, 10**12))


def names(listed: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(listed.split())


def parse(data: bytes | str) -> object:
    """The JSON value; None if there is none."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _without_halves(data.encode("utf-8", "replace") if isinstance(data, str) else data)


def _without_halves(data: bytes) -> object:
    """Some servers cut between the halves of a character, which orjson does not read: each half is replaced."""
    if not _HALVES.search(data):
        return None
    try:
        return orjson.loads(_HALVES.sub(lambda found: found[1] or REPLACEMENT, data))
    except orjson.JSONDecodeError:
        return None


def dumps(value: object) -> str:
    """JSON text. Raises BadRequest for what cannot be written: orjson reads deeper nesting than it writes."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise BadRequest(f"The request cannot be written as JSON: {error}") from error


def written(value: object) -> str:
    """JSON text of what a provider sent; "" where it cannot be written again."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return ""


def want_object(value: object, at: str) -> dict[str, Any]:
    """The object at `at`. Raises BadRequest."""
    if not isinstance(value, dict):
        raise BadRequest(f"{at}: Expected an object", param=at)
    return value


def want_array(value: object, at: str) -> list[Any]:
    """The array at `at`. Raises BadRequest."""
    if not isinstance(value, list):
        raise BadRequest(f"{at}: Expected an array", param=at)
    return value


def want_text(value: object, at: str) -> str:
    """The string at `at`. Raises BadRequest."""
    if not isinstance(value, str):
        raise BadRequest(f"{at}: Expected a string", param=at)
    return value


def want_number(value: object, at: str) -> float | None:
    """The number at `at`, None if absent or null. Raises BadRequest."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"{at}: Expected a number", param=at)
    return value


def refuse(at: str, why: str) -> BadRequest:
    """The refusal of what cannot be said in the provider's protocol without changing its meaning."""
    return BadRequest(f"{at}: {why}", param=at)
