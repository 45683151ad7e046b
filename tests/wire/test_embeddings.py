"""Vectors in the format that was asked for, each number exactly, and every other byte as it came."""

import base64
import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.errors import BadRequest
from haze_proxy.wire import ask, embeddings

NUMBERS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8)


def shown(body: bytes, encoding: str) -> bytes:
    """The whole answer in a format."""
    return b"".join(embeddings.as_asked(body, encoding))


def packed(*numbers: float) -> str:
    """Base64 of little-endian float32."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def answer(*vectors: Any) -> bytes:
    """A right answer with these vectors."""
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1}}).encode()


def vectors(body: bytes) -> list[Any]:
    """What a client finds in an answer."""
    return [item["embedding"] for item in json.loads(body)["data"]]


@given(st.lists(NUMBERS, min_size=1, max_size=4))
def test_there_and_back_again_every_number_is_the_same(lists: list[list[float]]) -> None:
    """Distances between vectors are compared to the last digit; -0.0 and the smallest numbers count, too."""
    coded = answer(*(packed(*numbers) for numbers in lists))
    plain = shown(coded, "float")
    assert [[struct.pack("<f", n) for n in found] for found in vectors(plain)] == [
        [struct.pack("<f", n) for n in numbers] for numbers in lists
    ]
    assert shown(plain, "base64") == coded


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, max_value=1e38, min_value=-1e38), min_size=1))
def test_a_number_that_is_no_float32_becomes_the_nearest_one(numbers: list[float]) -> None:
    """Servers print doubles; the SDKs' base64 has four bytes for each."""
    (found,) = vectors(shown(answer(numbers), "base64"))
    assert found == packed(*numbers)


@given(st.lists(NUMBERS, max_size=3), st.sampled_from(["float", "base64"]))
def test_what_is_in_the_right_format_is_not_touched(lists: list[list[float]], encoding: str) -> None:
    """Native bytes pass."""
    body = answer(*(numbers if encoding == "float" else packed(*numbers) for numbers in lists))
    assert list(embeddings.as_asked(body, encoding)) == [body]


def test_everything_around_a_vector_stays_byte_for_byte() -> None:
    """Order, white space, unknown fields and odd numbers are the provider's."""
    around = (
        b'\n{ "new_2027" : [1.0, 1e2], "data":[\t{"index" : 0,"embedding"\r\n: %s, "score":1.50},'
        b'{"embedding":%s}  ],"usage":{"total_tokens":3,"cost":0.10}} \n'
    )
    plain, coded = around % (b"[1.0,-2.5]", b"[0.5]"), around % (b'"AACAPwAAIMA="', b'"AAAAPw=="')
    assert shown(coded, "float") == plain
    assert shown(plain, "base64") == coded


SPELLED = {
    "escaped slashes": (rb'"\/\/8AAA=="', list(struct.unpack("<f", b"\xff\xff\x00\x00"))),
    "escaped plus signs": (rb'"\u002B\/8AAA=="', list(struct.unpack("<f", b"\xfb\xff\x00\x00"))),
    "whole numbers": (b"[1, 0, -2]", packed(1, 0, -2)),
    "no white space": (b"[1,0.5]", packed(1, 0.5)),
    "one number a line": (b"[\n  1.0,\n  0.5\n]", packed(1, 0.5)),
    "exponents": (b"[1e-3,1E2]", packed(1e-3, 1e2)),
}


@pytest.mark.parametrize(("raw", "wanted"), SPELLED.values(), ids=SPELLED)
def test_every_spelling_of_json_is_read(raw: bytes, wanted: Any) -> None:
    """.NET and PHP escape what base64 is made of; OpenAI writes a number a line."""
    body = answer("HERE").replace(b'"HERE"', raw)
    assert vectors(shown(body, "base64" if isinstance(wanted, str) else "float")) == [wanted]


LEFT: dict[str, tuple[str, bytes]] = {
    "not base64": ("float", b'"not base64!"'),
    "base64 without its end": ("float", b'"AACAPw="'),
    "not a whole number of floats": ("float", b'"AACA"'),
    "an infinite number": ("float", b'"AACAfw=="'),
    "not a number": ("float", b'"AADAfw=="'),
    "an empty string": ("float", b'""'),
    "a quote inside": ("float", rb'"AA\"CAPw=="'),
    "null": ("float", b"null"),
    "an object": ("float", b'{"float": [1.0]}'),
    "an empty list": ("base64", b"[]"),
    "a number too large": ("base64", b"[1e39]"),
    "a truth value": ("base64", b"[1.0, true]"),
    "a hole": ("base64", b"[1.0, null]"),
    "texts": ("base64", b'["a]", "b"]'),
    "a vector for each token": ("base64", b"[[1.0, 2.0], [3.0, 4.0]]"),
}


@pytest.mark.parametrize(("encoding", "raw"), LEFT.values(), ids=LEFT)
def test_what_is_no_vector_of_floats_stays_as_it_came(encoding: str, raw: bytes) -> None:
    """Better an answer the client can judge than one that was made up; those beside it are still converted."""
    good = [1.0, 2.0] if encoding == "base64" else packed(1.0, 2.0)
    body = answer("HERE", good).replace(b'"HERE"', raw)
    other = packed(1.0, 2.0).join('""') if encoding == "base64" else "[1.0,2.0]"
    expected = answer("HERE", "THERE").replace(b'"THERE"', other.encode()).replace(b'"HERE"', raw)
    assert shown(body, encoding) == expected


def test_words_in_a_text_are_no_vector() -> None:
    """A provider may tell the input back."""
    text = 'say "embedding": "AACAPw==" and \\"embedding": [1.0]'
    body = json.dumps({"object": "embedding", "text": text, 'x"embedding': "AACAPw==", "data": []}).encode()
    for encoding in ("float", "base64"):
        assert shown(body, encoding) == body


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda tail: b'{"data":[{"embedding":"' + tail))
def test_no_bytes_break_it(body: bytes) -> None:
    """Upstreams answer with anything."""
    for encoding in ("float", "base64"):
        assert shown(body, encoding)[:9] == body[:9]


@given(st.integers(min_value=0))
def test_a_cut_answer_stays_as_it_came(length: int) -> None:
    """Half an answer is judged elsewhere."""
    body = answer("AACAPwAAAEA=" * 4)
    cut = body[: length % body.index(b'", "', 60)]
    assert shown(cut, "float") == cut


WANTED: dict[str, tuple[dict[str, Any], str | None]] = {
    "nothing said": ({}, "float"),
    "null": ({"encoding_format": None}, "float"),
    "float": ({"encoding_format": "float"}, "float"),
    "base64": ({"encoding_format": "base64"}, "base64"),
    "something of a provider's own": ({"encoding_format": "ubinary"}, None),
    "Voyage's whole numbers": ({"encoding_format": "base64", "output_dtype": "int8"}, None),
    "Jina's own field": ({"embedding_type": "base64"}, None),
    "vLLM's half precision": ({"encoding_format": "base64", "embed_dtype": "float16"}, None),
}


@pytest.mark.parametrize(("fields", "wanted"), WANTED.values(), ids=WANTED)
def test_the_format_asked_for_is_known_or_left_to_the_provider(fields: dict[str, Any], wanted: str | None) -> None:
    """Four bytes of something else are not a float."""
    assert embeddings.wanted(fields) == wanted


OUTLINES: dict[str, tuple[bytes, bool]] = {
    "vectors": (answer([1.0]), True),
    "white space": (b'{"data" : [ \n {}]}', True),
    "none": (b'{"data":[]}', False),
    "white space only": (b'{"data":[ \n ]}', False),
    "null": (b'{"data":null}', False),
    "an object": (b'{"data":{"a":[1]}}', False),
    "missing": (b'{"error":{"message":"x"}}', False),
}


@pytest.mark.parametrize(("body", "has"), OUTLINES.values(), ids=OUTLINES)
def test_an_outline_says_all_but_the_vectors(body: bytes, has: bool) -> None:
    """What is charged stands beside them."""
    assert embeddings.outline(body) == {**json.loads(body), "data": has}


NO_OUTLINE = [
    b"",
    b"[]",
    b"null",
    b'{"data":[',
    b'{"data":[NaN]}',
    b'{"usage":}',
    b"<html>",
    b'{"a":%s' % (b"[" * 9999),
]


@pytest.mark.parametrize("body", [*NO_OUTLINE, b'{"a":' * 1000 + b"1" + b"}" * 1000])
def test_what_is_no_object_has_no_outline(body: bytes) -> None:
    """It is a failure of the provider, not of Haze."""
    with pytest.raises(ValueError, match="not a JSON object"):
        embeddings.outline(body)


INPUTS: dict[str, tuple[Any, int]] = {
    "a text": ("hi", 1),
    "texts": (["a", "b"], 2),
    "tokens": ([1, 2, 3], 1),
    "many tokens": ([1] * 8192, 1),
    "texts as tokens": ([[1, 2], [3]], 2),
    "as many as there may be": (["a"] * 2048, 2048),
    "images": ([{"content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}], 1),
}


@pytest.mark.parametrize(("value", "count"), INPUTS.values(), ids=INPUTS)
def test_every_kind_of_input_is_read_and_counted(value: Any, count: int) -> None:
    """An array of tokens is one text: LangChain sends it so."""
    read = ask.read(json.dumps({"model": "m", "input": value}).encode(), "embeddings")
    assert len(embeddings.inputs(read.parsed["input"])) == count


def test_nothing_is_ever_streamed() -> None:
    """A stream would be held slice by slice, and cut when its caller leaves."""
    read = ask.read(b'{"model":"m","input":"a","stream":true}', "embeddings")
    assert (read.stream, read.body) == (False, b'{"model":"m","input":"a","stream":true}')


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "input"),
    "null": ({"input": None}, "input"),
    "a number": ({"input": 7}, "input"),
    "an object": ({"input": {"text": "a"}}, "input"),
    "an empty text": ({"input": ""}, "input"),
    "an empty list": ({"input": []}, "input"),
    "an empty text among others": ({"input": ["a", ""]}, "input.1"),
    "no tokens among others": ({"input": [[1], [2], []]}, "input.2"),
    "texts and tokens": ({"input": ["a", 1]}, "input"),
    "texts and token arrays": ({"input": ["a", [1]]}, "input"),
    "token arrays and tokens": ({"input": [[1], 1]}, "input"),
    "fractions": ({"input": [1.5]}, "input"),
    "truth values": ({"input": [True, 1]}, "input"),
    "nulls": ({"input": [None]}, "input"),
    "texts within": ({"input": [["a"]]}, "input"),
    "truth values within": ({"input": [[1, True]]}, "input"),
    "too many texts": ({"input": ["a"] * 2049}, "input"),
    "too many token arrays": ({"input": [[1]] * 2049}, "input"),
    "dimensions as text": ({"input": "a", "dimensions": "256"}, "dimensions"),
    "dimensions as fraction": ({"input": "a", "dimensions": 256.0}, "dimensions"),
    "dimensions as truth value": ({"input": "a", "dimensions": True}, "dimensions"),
    "no dimensions": ({"input": "a", "dimensions": 0}, "dimensions"),
    "dimensions below zero": ({"input": "a", "dimensions": -1}, "dimensions"),
    "a format as number": ({"input": "a", "encoding_format": 0}, "encoding_format"),
    "a format as list": ({"input": "a", "encoding_format": ["float"]}, "encoding_format"),
}


@pytest.mark.parametrize(("fields", "named"), WRONG.values(), ids=WRONG)
def test_a_wrong_field_is_named(fields: dict[str, Any], named: str) -> None:
    """The message is all a developer gets."""
    with pytest.raises(BadRequest) as refused:
        ask.read(json.dumps({"model": "m", **fields}).encode(), "embeddings")
    assert refused.value.param == named
    assert refused.value.message.startswith(f"{named}: ")


def test_a_vector_of_numbers_keeps_its_length() -> None:
    """The plain case, by hand: what a client reads is a unit vector still."""
    (found,) = vectors(shown(answer(packed(0.6, 0.8)), "float"))
    assert math.isclose(math.hypot(*found), 1, rel_tol=1e-7)
    assert found == [0.6000000238418579, 0.800000011920929]
