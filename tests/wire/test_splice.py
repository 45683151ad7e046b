"""Only the value that differs changes; a body that can be read in two ways is refused."""

import json
import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from haze_proxy.errors import BadRequest
from haze_proxy.wire.splice import ACTED_ON, refuse_ambiguous, splice

SPLICES = {
    "first": (b'{"model":"a","n":1}', "model", "b", b'{"model":"b","n":1}'),
    "last": (b'{"n":1,"model":"a"}', "model", "b", b'{"n":1,"model":"b"}'),
    "in the middle": (b'{"n":1,"model":"a","x":[]}', "model", "b", b'{"n":1,"model":"b","x":[]}'),
    "white space stays": (b' {\n "x" : 1 ,\t"model" :\r"a" } ', "model", "b", b' {\n "x" : 1 ,\t"model" :\r"b" } '),
    "space before a first member": (b'{ "model": "a" }', "model", "b", b'{ "model": "b" }'),
    "missing": (b'{"x":1}', "store", False, b'{"x":1,"store":false}'),
    "missing after white space": (b'{"x":{} }\n', "store", False, b'{"x":{} ,"store":false}\n'),
    "into an empty object": (b"{}", "n", 1, b'{"n":1}'),
    "into an empty object with space": (b" { } ", "n", 1, b' { "n":1} '),
    "an object": (
        b'{"stream_options":{"a":1},"x":2}',
        "stream_options",
        {"a": 1, "include_usage": True},
        b'{"stream_options":{"a":1,"include_usage":true},"x":2}',
    ),
    "a value with escapes": (rb'{"model":"a\"}\\","x":1}', "model", "b", b'{"model":"b","x":1}'),
    "a number": (b'{"max_tokens":4096,"x":1}', "max_tokens", 1, b'{"max_tokens":1,"x":1}'),
    "null": (b'{"x":1,"stream":null}', "stream", True, b'{"x":1,"stream":true}'),
    "a nested namesake first": (
        b'{"tools":[{"model":"t"}],"model":"a"}',
        "model",
        "b",
        b'{"tools":[{"model":"t"}],"model":"b"}',
    ),
    "a namesake in a text": (
        rb'{"x":"\"model\":\"t\"","model":"a"}',
        "model",
        "b",
        rb'{"x":"\"model\":\"t\"","model":"b"}',
    ),
    "a namesake as a value": (b'{"x":"model","model":"a"}', "model", "b", b'{"x":"model","model":"b"}'),
    "keys beyond ASCII": ('{"ü":"é","model":"a"}'.encode(), "model", "b", '{"ü":"é","model":"b"}'.encode()),
    "escapes in another key": (rb'{"\u00fc":1,"model":"a"}', "model", "b", rb'{"\u00fc":1,"model":"b"}'),
    "another key twice": (b'{"x":"1","x":"22","model":"a"}', "model", "b", b'{"x":"1","x":"22","model":"b"}'),
    "a value that begins like the last": (b'{"x":12,"x":1,"model":"a"}', "model", "b", b'{"x":12,"x":1,"model":"b"}'),
    "a value beyond ASCII": (b'{"model":"a"}', "model", "é", '{"model":"é"}'.encode()),
}

AMBIGUOUS = {
    "twice": (b'{"model":"a","model":"b"}', "model"),
    "twice with the same value": (b'{"model":"a","model":"a"}', "model"),
    "twice with space": (b'{ "stream" : true, "x": 1, "stream" : false }', "stream"),
    "twice, one in escapes": (rb'{"model":"a","mod\u0065l":"b"}', "model"),
    "in escapes": (rb'{"mod\u0065l":"b"}', "model"),
    "in escapes beside a nested plain one": (rb'{"x":{"model":1},"\u006dodel":"b"}', "model"),
    "capital": (b'{"Model":"a"}', "Model"),
    "capitals beside the field": (b'{"stream":true,"STREAM":false}', "STREAM"),
    "capitals in escapes": (rb'{"\u004dodel":"b"}', "Model"),
    "long s": ('{"\u017ftream":true}'.encode(), "\u017ftream"),
    "after another key twice": (b'{"x":[1],"x":[2,3],"n":1,"n":2}', "n"),
    "after a value that begins like the last": (b'{"x":12,"x":1,"n":1,"n":2}', "n"),
    "every field": (b'{"max_output_tokens":1,"max_output_tokens":1}', "max_output_tokens"),
}

PLAIN = {
    "nested": b'{"model":"a","tools":[{"model":{"model":1}},{"Model":1,"mod\\u0065l":2}]}',
    "nested twice": b'{"x":{"model":1,"model":2},"model":"a"}',
    "in a text": rb'{"model":"a","x":"\",\"model\":\"b\",\"mod\u0065l\":1"}',
    "a text that ends with a quote": rb'{"x":"\"","model":"a","y":"\\\"model\":"}',
    "as a value": b'{"model":"model","x":["model","Model"]}',
    "another key twice": b'{"x":1,"x":2,"model":"a"}',
    "another key in escapes": rb'{"te\u006dperature":1,"model":"a"}',
    "longer and shorter names": b'{"models_":1,"mode":2,"model":"a"}',
    "nothing acted on": b'{"x":1,"x":2}',
    "empty": b"{ }",
    "very long numbers": b'{"x":1,"x":0.' + b"9" * 5000 + b',"model":"a"}',
}


@pytest.mark.parametrize(("body", "key", "value", "spliced"), SPLICES.values(), ids=SPLICES)
def test_one_value_changes_and_every_other_byte_stays(body: bytes, key: str, value: object, spliced: bytes) -> None:
    """A changed byte in a prefix can invalidate a provider's cache and its thinking signatures."""
    refuse_ambiguous(body, orjson.loads(body))
    assert splice(body, key, value) == spliced


@pytest.mark.parametrize(("body", "param"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_body_that_can_be_read_in_two_ways_is_refused(body: bytes, param: str) -> None:
    """Otherwise the caller is priced for one model and served another."""
    with pytest.raises(BadRequest) as refusal:
        refuse_ambiguous(body, orjson.loads(body))
    assert refusal.value.param == param
    assert param in refusal.value.message


@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN)
def test_a_namesake_elsewhere_is_no_ambiguity(body: bytes) -> None:
    """Tool schemas have properties named model; people write about JSON."""
    refuse_ambiguous(body, orjson.loads(body))


@pytest.mark.parametrize("body", [b'{"x":%s,"x":%s}', b'{"x":%s,"x": %s}'], ids=["compact", "with space"])
def test_a_body_nested_too_deeply_is_the_callers_mistake(body: bytes) -> None:
    """orjson reads 1024 levels, more than Python's stack: a 400, never a crash."""
    deep, deeper = (b"[" * levels + b"]" * levels for levels in (1019, 1020))
    nested = body % (deeper, deep)
    with pytest.raises(BadRequest):
        refuse_ambiguous(nested, orjson.loads(nested))


def _like_claude_code(seed: int) -> dict[str, Any]:
    """A request in the shape Claude Code sends: large, and full of namesakes of the fields Haze acts on."""
    choose = random.Random(seed)
    words = ['"model":', "stream", "\n", "{", "}]", "é", "\\", "C:\\new", "\u2028", "max_tokens", "the", "file", '"n"']

    def prose(length: int) -> str:
        return " ".join(choose.choices(words, k=length))

    schema = {"type": "object", "properties": {name: {"type": "string", "description": prose(8)} for name in ACTED_ON}}
    return {
        "model": "claude-opus-5-5",
        "messages": [{"role": "user", "content": [{"type": "text", "text": prose(60)}]} for _ in range(20)],
        "system": [{"type": "text", "text": prose(400), "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": f"Tool{n}", "description": prose(80), "input_schema": schema} for n in range(12)],
        "metadata": {"user_id": json.dumps({"device_id": "0", "session_id": "1"})},
        "max_tokens": 32000,
        "thinking": {"type": "adaptive"},
        "stream": True,
    }


WRITERS: dict[str, Callable[[object], bytes]] = {
    "JavaScript": lambda body: json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(),
    "Python": lambda body: json.dumps(body).encode(),
    "pretty": lambda body: json.dumps(body, indent=2).encode(),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("key", ["model", "max_tokens", "stream", "stream_options"])
def test_an_agents_request_is_spliced_in_one_place(write: Callable[[object], bytes], key: str) -> None:
    """The requests that matter most are large, and talk about JSON."""
    request = _like_claude_code(seed=1)
    body = write(request)
    refuse_ambiguous(body, orjson.loads(body))
    spliced = splice(body, key, "new")
    assert orjson.loads(spliced) == {**request, key: "new"}
    assert abs(len(spliced) - len(body)) < 30
