"""OpenAI's embeddings: what may be asked, what an answer says beside its vectors, and vectors in the format asked for.

A vector is a list of numbers, or the base64 of the same numbers as little-endian float32. Both of OpenAI's SDKs ask for
base64 unless told otherwise, and some servers know only one of the two formats; whoever asked for the other could not
read the answer. Only the vectors' own bytes are changed: an answer can have 2,048 of 3,072 numbers each, so it is never
parsed as a whole.
"""

import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

import msgspec
import orjson

from haze_proxy.errors import BadRequest

INPUTS_MAX: Final = 2048
FLOAT, BASE64 = "float", "base64"
NUMBER_BYTES: Final = 4
# With one of these the caller wants something else than 32-bit floats (Voyage, Mistral; Jina; vLLM), which only the
# provider can give.
OTHER_NUMBERS: Final = ("output_dtype", "embedding_type", "embedding_types", "embed_dtype", "endianness")

_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NUMBERS: Final = msgspec.json.Decoder(list[float])
_SPACE: Final = rb"[ \t\r\n]*+"
_HAS_ITEMS: Final = re.compile(_SPACE + rb"\[" + _SPACE + rb"[^\] \t\r\n]")
# Inside a string each quote has a backslash before it, so this is a member's name wherever it stands.
_VECTOR: Final = re.compile(rb'(?<!\\)"embedding"' + _SPACE + rb":" + _SPACE + rb'(?=["\[])')
_CLOSING: Final = {ord('"'): b'"', ord("["): b"]"}


def check(parsed: Mapping[str, Any]) -> None:
    """A request whose `input` is a string or a list. Raises BadRequest naming the field that is wrong."""
    value = parsed["input"]
    if not value:
        raise BadRequest("input: Expected something to embed", param="input")
    if isinstance(value, list):
        _check_list(value)
    dimensions = parsed.get("dimensions")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise BadRequest("dimensions: Expected a whole number above 0", param="dimensions")
    if not isinstance(parsed.get("encoding_format"), str | None):
        raise BadRequest("encoding_format: Expected a string", param="encoding_format")


def _check_list(items: list[Any]) -> None:
    kinds = set(map(type, items))
    if kinds == {int}:
        return
    # Objects are OpenRouter's way to embed images beside texts.
    if kinds not in ({str}, {list}, {dict}):
        wanted = "strings, whole numbers (tokens), or arrays of tokens, all of one kind"
        raise BadRequest(f"input: Expected {wanted}", param="input")
    if len(items) > INPUTS_MAX:
        raise BadRequest(f"input: Expected at most {INPUTS_MAX} items", param="input")
    for index, item in enumerate(items):
        if not item:
            raise BadRequest(f"input.{index}: Expected something to embed", param=f"input.{index}")
    if kinds == {list} and set(map(type, chain.from_iterable(items))) != {int}:
        raise BadRequest("input: Expected arrays of whole numbers (tokens)", param="input")


def inputs(value: str | list[Any]) -> list[Any]:
    """What a checked `input` asks vectors for, one by one. An array of tokens is one text, not many."""
    return [value] if isinstance(value, str) or type(value[0]) is int else value


def wanted(parsed: Mapping[str, Any]) -> str | None:
    """The format of vectors a request asks for: FLOAT or BASE64; None where it is not for us to know."""
    if any(parsed.get(name) is not None for name in OTHER_NUMBERS):
        return None
    named = parsed.get("encoding_format")
    return FLOAT if named is None else named if named in (FLOAT, BASE64) else None


def outline(body: bytes) -> dict[str, Any]:
    """An answer's members, and for `data` only whether there is any. Raises ValueError if it is not a JSON object."""
    try:
        members = _MEMBERS.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("not a JSON object") from error
    data = members.pop("data", None)
    small = {name: orjson.loads(memoryview(raw)) for name, raw in members.items()}
    return {**small, "data": data is not None and _HAS_ITEMS.match(memoryview(data)) is not None}


def as_asked(body: bytes, encoding: str) -> Iterator[bytes]:
    """An answer with its vectors in a format, FLOAT or BASE64, piece by piece; joined they are the whole.

    What is no vector of 32-bit floats stays as it came, and so does every byte between two vectors.
    """
    kept = position = 0
    while found := _VECTOR.search(body, position):
        start = found.end()
        end = body.find(_CLOSING[body[start]], start + 1) + 1
        if not end:
            break
        position = end
        if (vector := _converted(body[start:end], encoding)) is not None:
            yield body[kept:start]
            yield vector
            kept = end
    yield body[kept:] if kept else body


def _converted(value: bytes, encoding: str) -> bytes | None:
    """The JSON of a vector in the other format; None if it is in this one already, or no vector."""
    if value.startswith(b"[") == (encoding == FLOAT):
        return None
    try:
        return _as_floats(orjson.loads(value)) if encoding == FLOAT else _as_base64(_NUMBERS.decode(value))
    except (ValueError, OverflowError, msgspec.DecodeError):
        return None


def _as_floats(text: str) -> bytes | None:
    numbers = unpack(text)
    # JSON has no word for what is not finite.
    return None if not numbers or b"null" in (made := orjson.dumps(numbers)) else made


def _as_base64(numbers: list[float]) -> bytes | None:
    return b'"%s"' % pack(numbers).encode() if numbers else None


def pack(numbers: list[float] | tuple[float, ...]) -> str:
    """Numbers -> the base64 of float32. Raises OverflowError for one that float32 has no room for."""
    return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def unpack(text: str) -> tuple[float, ...]:
    """The base64 of float32 -> numbers, each of exactly that value. Raises ValueError if it is something else."""
    raw = b64decode(text, validate=True)
    if len(raw) % NUMBER_BYTES:
        raise ValueError("not a whole number of 32-bit floats")
    return struct.unpack(f"<{len(raw) // NUMBER_BYTES}f", raw)
