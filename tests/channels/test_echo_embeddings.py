"""The embedded channel's vectors: good enough to build and test a search with, before there is a provider key."""

import json
import math
from typing import Any

import pytest
from channels.echo_requests import ask
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.channels import client
from haze_proxy.channels.echo import answer
from haze_proxy.channels.echo_embeddings import DIMENSIONS_MAX, vector
from haze_proxy.wire.embeddings import unpack


async def embed(value: Any, **fields: Any) -> list[Any]:
    """The vectors of an input."""
    return [item["embedding"] for item in (await embedded(value, **fields))["data"]]


async def embedded(value: Any, **fields: Any) -> dict[str, Any]:
    """The whole answer."""
    return await ask("/embeddings", {"model": "hekiu", "input": value, **fields})


async def test_an_answer_has_the_protocols_shape() -> None:
    """SDKs read these fields."""
    got = await embedded(["a", "b"], dimensions=2)
    assert list(got) == ["object", "data", "model", "usage"]
    assert (got["object"], got["model"]) == ("list", "hekiu")
    assert [(item["object"], item["index"]) for item in got["data"]] == [("embedding", 0), ("embedding", 1)]


async def test_the_same_text_has_the_same_vector_and_no_other_has() -> None:
    """Whether alone, in a list, or beside others: a test can look for a text it has stored."""
    (alone,) = await embed("apple")
    same, other, tokens = (*(await embed(["apple", "pear"])), *(await embed([1, 2])))
    assert alone == same
    assert math.isclose(math.hypot(*alone), 1, rel_tol=1e-6)
    for different in (other, tokens):
        assert abs(dot(alone, different)) < 0.2


def dot(one: list[float], other: list[float]) -> float:
    """The cosine of two vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))


@given(st.text(), st.integers(1, DIMENSIONS_MAX))
def test_every_vector_has_the_length_1_and_the_size_asked_for(text: str, dimensions: int) -> None:
    """Searches by dot product rely on it."""
    made = unpack(vector(text, dimensions))
    assert len(made) == dimensions
    assert math.isclose(math.hypot(*made), 1, rel_tol=1e-5)


async def test_fewer_dimensions_are_the_beginning_of_more() -> None:
    """As with OpenAI's models: cut, and brought to length 1 again."""
    (whole,), (part,) = await embed("apple"), await embed("apple", dimensions=256)
    length = math.hypot(*whole[:256])
    assert part == pytest.approx([number / length for number in whole[:256]], rel=1e-5)


async def test_both_formats_have_the_same_numbers() -> None:
    """To the last digit."""
    (plain,), (coded,) = await embed("apple"), await embed("apple", encoding_format="base64")
    assert list(unpack(coded)) == plain
    assert await embed("apple", encoding_format=None) == [plain]


TOKENS: dict[str, tuple[Any, int]] = {
    "a text": ("12345", 2),
    "texts": (["12345", "é"], 2),
    "tokens": ([7, 8, 9], 3),
    "texts as tokens": ([[7, 8], [9]], 3),
    "a part of text": ([{"content": [{"type": "text", "text": "12345"}]}], 2),
}


@pytest.mark.parametrize(("value", "tokens"), TOKENS.values(), ids=TOKENS)
async def test_its_input_is_counted(value: Any, tokens: int) -> None:
    """Receipts can be tried offline."""
    assert (await embedded(value))["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


BAD: dict[str, tuple[bytes, str | None]] = {
    "not JSON": (b"{", None),
    "no model": (b'{"input": "a"}', "model"),
    "no input": (b'{"model": "m"}', "input"),
    "a number": (b'{"model": "m", "input": 5}', "input"),
    "nothing": (b'{"model": "m", "input": []}', "input"),
    "too many": (json.dumps({"model": "m", "input": ["a"] * 2049}).encode(), "input"),
    "too many dimensions": (b'{"model": "m", "input": "a", "dimensions": 4097}', "dimensions"),
    "no dimensions": (b'{"model": "m", "input": "a", "dimensions": 0}', "dimensions"),
    "another format": (b'{"model": "m", "input": "a", "encoding_format": "int8"}', "encoding_format"),
}


@pytest.mark.parametrize(("body", "param"), BAD.values(), ids=BAD)
async def test_a_bad_request_is_told_so_in_openais_envelope(body: bytes, param: str | None) -> None:
    """What is wrong with a request must be seen offline, too."""
    reply = answer("/embeddings", body)
    error = json.loads(await client.read(reply))["error"]
    assert (reply.status, error["type"], error["param"]) == (400, "invalid_request_error", param)


async def test_many_vectors_come_one_by_one() -> None:
    """They are made in the loop that relays everybody else's streams."""
    reply, pieces = answer("/embeddings", json.dumps({"model": "m", "input": ["a"] * 100}).encode()), 0
    while await reply.chunk():
        pieces += 1
    assert pieces == 102
