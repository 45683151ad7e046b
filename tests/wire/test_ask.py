"""Which bodies are read at all."""

import json
import time

import pytest

from haze_proxy.errors import BadRequest
from haze_proxy.money.estimate import LIMIT_FIELDS
from haze_proxy.money.fields import CHANGING, UNMETERED
from haze_proxy.wire import ask, splice, stateful


def body(**fields: object) -> bytes:
    return json.dumps({"model": "m", "messages": [], **fields}).encode()


def test_every_field_that_is_acted_on_can_be_read_in_one_way_only() -> None:
    """A field that is priced or refused by one reading must not reach the provider by another."""
    priced = {*CHANGING, *(field for fields in UNMETERED.values() for field in fields)}
    asked = {"model", "stream", "stream_options", "tools", "messages", "best_of", "background", "web_search_options"}
    asked |= {
        "input",
        "store",
        "prompt",
        *ask.INSTEAD,
        *(field for fields in ask.REQUIRED.values() for field in fields),
    }
    limits = {field for fields in LIMIT_FIELDS.values() for field in fields}
    assert priced | asked | limits | set(stateful.FIELDS) | set(ask.COUNTS) <= set(splice.ACTED_ON)


@pytest.mark.parametrize("field", ["plugins", "Plugins", "web_search_options", "best_of", "container"])
def test_a_field_in_two_spellings_is_refused(field: str) -> None:
    """`"plugins":[…],"plugins":null` is free to us and dear to a provider that takes the first."""
    raw = b'{"model":"m","messages":[],"%s":[1],"%s":null}' % (field.encode(), field.lower().encode())
    with pytest.raises(BadRequest) as refused:
        ask.read(raw, "chat")
    assert refused.value.param == field


@pytest.mark.parametrize("length", [1, 256])
def test_a_model_of_a_usual_length_is_read(length: int) -> None:
    """Ids of real models are far shorter."""
    assert ask.read(body(model="m" * length), "chat").model == "m" * length


@pytest.mark.parametrize("model", ["", "m" * 257, 5, ["m"], {"id": "m"}, True])
def test_a_model_that_is_none_names_the_field(model: object) -> None:
    """Ids are kept, compared and told back: a caller must not fill memory with one."""
    with pytest.raises(BadRequest) as refused:
        ask.read(body(model=model), "chat")
    assert refused.value.param == "model"
    assert len(refused.value.message) < 100


WRITTEN_IN: dict[str, tuple[str, dict[str, object], str]] = {
    "chat": ("chat", {"messages": []}, "chat"),
    "chat with an input": ("chat", {"messages": [], "input": "x"}, "chat"),
    "Cursor's": ("chat", {"input": []}, "responses"),
    "Cursor's with nothing for messages": ("chat", {"input": "x", "messages": None}, "responses"),
    "responses": ("responses", {"input": "x"}, "responses"),
    "a kept prompt": ("responses", {"prompt": {"id": "pmpt_1"}}, "responses"),
    "a kept answer": ("responses", {"previous_response_id": "resp_1"}, "responses"),
    "a kept conversation": ("responses", {"conversation": "conv_1"}, "responses"),
    "messages": ("messages", {"messages": [], "input": "x"}, "messages"),
}


@pytest.mark.parametrize(("path", "fields", "protocol"), WRITTEN_IN.values(), ids=WRITTEN_IN)
def test_a_body_says_in_which_protocol_it_is_written(path: str, fields: dict[str, object], protocol: str) -> None:
    """Who serves it, what it costs and how it ends go by that, not by the path."""
    assert ask.read(json.dumps({"model": "m", **fields}).encode(), path).protocol == protocol


HOSTILE = {
    "a million lists": b'{"model":"m","messages":[],"x":[' + b"[]," * 1_100_000 + b"0]}",
    "a million numbers": b'{"model":"m","messages":[],"x":[' + b"0," * 1_100_000 + b"0]}",
    "a million fields, all the same": b"{" + b'"k":0, ' * 1_100_000 + b'"model":"m","messages":[]}',
    "fields, all the same": b"{" + b'"k":0, ' * 100_000 + b'"model":"m","messages":[]}',
    "fields, all different": b'{"model":"m","messages":[],' + b",".join(b'"k%d":0' % n for n in range(5000)) + b"}",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_a_body_built_to_hold_the_loop_up_is_refused_at_once(raw: bytes) -> None:
    """One request must not stop everybody's streams for seconds."""
    began = time.perf_counter()
    with pytest.raises(BadRequest):
        ask.read(raw, "chat")
    assert time.perf_counter() - began < 1  # it took four to eight


def test_a_large_body_of_texts_is_read() -> None:
    """A long conversation with pictures has few values, whatever its size."""
    turns = [{"role": "user", "content": "word, " * 1000} for _ in range(100)]
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 2_000_000}}
    read = ask.read(body(messages=[*turns, {"role": "user", "content": [picture]}]), "chat")
    assert len(read.parsed["messages"]) == 101
