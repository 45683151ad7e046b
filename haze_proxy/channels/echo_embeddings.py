"""The echo channel speaks OpenAI's embeddings.

A vector is made of the input's digest: the same text gives the same one, of length 1, and another text one that has
nothing to do with it. Fewer `dimensions` are the beginning of more, brought to length 1 again. Input tokens are counted
as in a conversation; an array of tokens is its own count.
"""

import hashlib
import math
import struct
from collections.abc import Iterator
from typing import Any, Final

import orjson

from haze_proxy.channels.echo_answer import EchoAnswer, identify
from haze_proxy.channels.echo_read import read_model, read_object, read_whole_number
from haze_proxy.channels.echo_reply import input_tokens
from haze_proxy.errors import BadRequest
from haze_proxy.wire.embeddings import BASE64, FLOAT, check, inputs, pack, unpack

# As text-embedding-3-small has them.
DIMENSIONS: Final = 1536
DIMENSIONS_MAX: Final = 4096


def embeddings(raw: bytes) -> EchoAnswer:
    """`POST /embeddings`. Raises BadRequest."""
    body = read_object(raw)
    model, items, encoding = read_model(body), _items(body), _encoding(body)
    dimensions = read_whole_number(body, "dimensions", least=1, most=DIMENSIONS_MAX) or DIMENSIONS
    headers = {"content-type": "application/json", "x-request-id": f"req_{identify(raw)}"}
    return EchoAnswer(200, headers, _pieces(model, items, dimensions, encoding))


def vector(item: Any, dimensions: int) -> str:
    """The base64 of an input's vector."""
    text = item.encode() if isinstance(item, str) else orjson.dumps(item)
    steps = struct.unpack(f"<{dimensions}h", hashlib.shake_256(text).digest(2 * dimensions))
    # Odd numbers, so that not all of them can be 0.
    numbers = [2 * step + 1 for step in steps]
    length = math.hypot(*numbers)
    return pack([number / length for number in numbers])


def _items(body: dict[str, Any]) -> list[Any]:
    if not isinstance(body.get("input"), str | list):
        raise BadRequest("input: Field required", param="input")
    check(body)
    return inputs(body["input"])


def _encoding(body: dict[str, Any]) -> str:
    named = body.get("encoding_format") or FLOAT
    if named not in (FLOAT, BASE64):
        raise BadRequest("encoding_format: Input should be 'float' or 'base64'", param="encoding_format")
    return str(named)


def _pieces(model: str, items: list[Any], dimensions: int, encoding: str) -> Iterator[bytes]:
    # One vector at a time, as they are read: others get their turn in between.
    yield b'{"object":"list","data":['
    for index, item in enumerate(items):
        made = vector(item, dimensions)
        entry = {"object": "embedding", "index": index, "embedding": made if encoding == BASE64 else unpack(made)}
        yield (b"," if index else b"") + orjson.dumps(entry)
    tokens = _tokens(items)
    ending = {"model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    yield b"]," + orjson.dumps(ending)[1:]


def _tokens(items: list[Any]) -> int:
    counted = sum(len(item) for item in items if isinstance(item, list))
    return counted + input_tokens([item for item in items if not isinstance(item, list)], None)
