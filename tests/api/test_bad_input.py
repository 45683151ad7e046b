"""Whatever is sent, the answer is an error that says what is wrong: never a traceback, a hang or a charge."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from checks import line, parts, refused, untouched
from gateway import ECHO, HELLO, PATHS, Haze, running, spelled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haze_proxy import config
from haze_proxy.app import create_app
from haze_proxy.errors import BadRequest
from haze_proxy.gate import body as body_gate
from haze_proxy.wire import ask

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
GOOD: dict[str, Any] = {"model": "hekiu", "max_tokens": 8, "messages": HELLO}


def with_(**fields: Any) -> bytes:
    """A good request with some fields changed."""
    return json.dumps({**GOOD, **fields}).encode()


def good(protocol: str, **fields: Any) -> bytes:
    """The same in a protocol's own names."""
    return spelled(protocol, with_(**fields))


def without(name: str) -> bytes:
    """A good request that lacks a field."""
    return json.dumps({field: value for field, value in GOOD.items() if field != name}).encode()


BODIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no body"),
    "white space": (b" \n ", "not valid JSON"),
    "cut": (b'{"model": "hekiu", "mess', "not valid JSON"),
    "more than one": (b"{}{}", "not valid JSON"),
    "form": (b"model=hekiu&messages=hi", "not valid JSON"),
    "HTML": (b"<html>", "not valid JSON"),
    "no UTF-8": (b'{"model": "\xff\xfe"}', "not valid JSON"),
    "UTF-16": ('{"model": "hekiu"}'.encode("utf-16"), "not valid JSON"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "not valid JSON"),
    "NaN": (with_(temperature=float("nan")), "not valid JSON"),
    "infinity": (with_(temperature=float("inf")), "not valid JSON"),
    "a lone surrogate": (with_(user="\ud800"), "not valid JSON"),
    "a control character": (b'{"model": "he\nkiu"}', "not valid JSON"),
    "nested too deeply": (b'{"model":"hekiu","messages":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", ""),
    "an unclosed abyss": (b'{"model":"hekiu","x":' + b"[" * 500_000, ""),
    "an array": (b"[1, 2]", "must be a JSON object"),
    "a string": (b'"hekiu"', "must be a JSON object"),
    "null": (b"null", "must be a JSON object"),
    "no model": (without("model"), "model: Field required"),
    "null model": (with_(model=None), "model: Field required"),
    "empty model": (with_(model=""), "model: "),
    "a number as model": (with_(model=7), "model: "),
    "a list as model": (with_(model=["hekiu"]), "model: "),
    "no messages": (without("messages"), "messages: Field required"),
    "null messages": (with_(messages=None), "messages: Field required"),
    "messages as text": (with_(messages="hi"), "messages: Expected an array"),
    "messages as object": (with_(messages={"role": "user"}), "messages: Expected an array"),
    "stream as text": (with_(stream="true"), "stream: Expected a boolean"),
    "stream as number": (with_(stream=1), "stream: Expected a boolean"),
    "max_tokens as text": (with_(max_tokens="8"), "max_tokens: Expected a whole number"),
    "max_tokens as fraction": (with_(max_tokens=8.5), "max_tokens: Expected a whole number"),
    "max_tokens as boolean": (with_(max_tokens=True), "max_tokens: Expected a whole number"),
    "max_tokens below zero": (with_(max_tokens=-1), "max_tokens: Expected 0 to 10000000"),
    "max_tokens beyond 64 bits": (with_(max_tokens=10**30), "max_tokens: Expected a whole number"),
    "n as text": (with_(n="2"), "n: Expected a whole number"),
    "stream_options as list": (with_(stream=True, stream_options=[]), "stream_options: Expected an object"),
    "metadata as text": (with_(metadata="x"), "metadata: Expected an object"),
    "tools as object": (with_(tools={}), "tools: Expected an array"),
}


@pytest.mark.parametrize("protocol", ["chat", "messages"])
@pytest.mark.parametrize(("body", "told"), BODIES.values(), ids=BODIES)
async def test_a_body_that_is_wrong_is_400_and_says_where(haze: Haze, protocol: str, body: bytes, told: str) -> None:
    """The message is all a developer gets; a 500 would be repeated by every SDK."""
    answer = await haze.post(PATHS[protocol], body)
    assert told in refused(answer, protocol, 400)
    field, colon, _ = told.partition(":")
    if protocol == "chat":
        assert answer.error()["param"] == (field if colon else None)
    untouched(haze)


RESPONSES: dict[str, tuple[bytes, str]] = {
    "cut": (b'{"model": "hekiu", "inp', "not valid JSON"),
    "no model": (b'{"input": "hi"}', "model: Field required"),
    "no input": (b'{"model": "hekiu"}', "input: Field required"),
    "null input": (b'{"model": "hekiu", "input": null}', "input: Field required"),
    "messages instead": (with_(), "input: Field required"),
    "input as number": (with_(input=1), "input: Expected a string or an array"),
    "input as object": (with_(input={"role": "user"}), "input: Expected a string or an array"),
    "limit as text": (with_(input="x", max_output_tokens="8"), "max_output_tokens: Expected a whole number"),
    "limit as fraction": (with_(input="x", max_output_tokens=8.5), "max_output_tokens: Expected a whole number"),
    "limit below zero": (with_(input="x", max_output_tokens=-1), "max_output_tokens: Expected 0 to 10000000"),
    "stream as text": (with_(input="x", stream="true"), "stream: Expected a boolean"),
    "store as text": (with_(input="x", store="true"), "store: Expected a boolean"),
    "background as number": (with_(input="x", background=1), "background: Expected a boolean"),
    "input twice": (b'{"model": "hekiu", "input": "x", "input": "y"}', "'input' is given twice"),
    "store twice": (b'{"model": "hekiu", "input": "x", "store": false, "store": true}', "'store' is given twice"),
    "store in capitals": (with_(input="x", Store=True), "Unknown field 'Store'"),
}


@pytest.mark.parametrize(("body", "told"), RESPONSES.values(), ids=RESPONSES)
async def test_a_responses_body_that_is_wrong_is_400_and_says_where(haze: Haze, body: bytes, told: str) -> None:
    """Its fields have their own names, and their own rules."""
    answer = await haze.post(PATHS["responses"], body)
    assert told in refused(answer, "responses", 400)
    assert answer.error()["param"] is None or answer.error()["param"] in told
    untouched(haze)


ODD: dict[str, dict[str, Any]] = {
    "turns that are none": {"messages": [1, None, "x", [], {}]},
    "parts that are none": {"messages": [{"role": "user", "content": [1, None, [[]], {"type": 7}]}]},
    "contents of odd types": {"messages": [{"role": 7, "content": 7}, {"content": {"a": {}}}]},
    "odd images": {"messages": [{"role": "user", "content": [{"type": "image", "source": 7}, {"image_url": 7}]}]},
    "odd tools": {"tools": [1, None, {"type": 7}, {"type": []}, {"function": 7}, {"input_schema": "x"}]},
    "odd tool choice": {"tools": [{"name": "t"}], "tool_choice": [1]},
    "odd metadata": {"metadata": {"user_id": [1]}},
    "odd session": {"session_id": {"a": 1}, "prompt_cache_key": 7},
    "odd format": {"response_format": 7, "output_config": 7},
    "a number beyond 64 bits": {"seed": 10**25},
    "zero answers": {"n": 0},
    "no turns": {"messages": []},
    "a long model": {"model": "m" * 100_000},
    "a model of control characters": {"model": "\x00\x1f\u2028\U0001f600"},
}


@EACH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fields", ODD.values(), ids=ODD)
async def test_odd_shapes_are_answered_or_refused_but_never_break(
    haze: Haze, protocol: str, stream: bool, fields: dict[str, Any]
) -> None:
    """Haze looks at a body before the provider does: what it does not understand must not stop it."""
    answer = await haze.post(PATHS[protocol], good(protocol, **fields, stream=stream))
    assert answer.status in (200, 400, 503), answer.body
    assert answer.cut is False
    assert haze.check() == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["model", "messages", "stream", "max_tokens", "n", "tools", "metadata", "system", "Stream", "input", "prompt"]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELDS, JSON, max_size=6), st.sampled_from(["chat", "messages", "responses"]))
def test_reading_a_body_ends_in_an_ask_or_in_a_complaint(body: dict[str, Any], protocol: str) -> None:
    """Of all JSON objects: nothing but BadRequest comes out of the reader."""
    try:
        read = ask.read(json.dumps(body).encode(), protocol)
    except BadRequest as error:
        assert error.message  # noqa: PT017 - either way out is right
    else:
        assert read.model == body["model"]


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Haze]:
    """Haze that takes bodies up to one MiB."""
    async with running(tmp_path, "[server]\nmax_body_mib = 1\n" + ECHO) as server:
        yield server


@EACH
async def test_33_mib_are_too_much_and_30_are_not(haze: Haze, protocol: str) -> None:
    """The limit of the default configuration is Anthropic's own: 32 MiB."""
    assert "32 MiB" in refused(await haze.post(PATHS[protocol], good(protocol, x="y" * (33 * 2**20))), protocol, 413)
    assert (await haze.post(PATHS[protocol], good(protocol, x="y" * (30 * 2**20), max_tokens=1))).status in (200, 402)
    assert (await haze.ask(protocol)).status == 200


@EACH
async def test_a_body_without_a_length_is_limited_too(small: Haze, protocol: str) -> None:
    """Chunked bodies announce nothing; they are cut off where the limit is."""
    reader, writer = await line(small)
    head = f"POST {PATHS[protocol]} HTTP/1.1\r\nHost: h\r\nx-api-key: {small.key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    for _ in range(20):
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    raw = await reader.readuntil(b"\r\n\r\n")
    assert parts(raw)[0] == 413
    writer.close()


async def test_a_client_that_leaves_while_it_sends_leaves_nothing(small: Haze) -> None:
    """No row, no hold, no place among the running requests, and no traceback in the log."""
    for _ in range(3):
        _, writer = await line(small)
        head = f"POST /v1/messages HTTP/1.1\r\nHost: h\r\nx-api-key: {small.key}\r\nContent-Length: 1000\r\n\r\n"
        writer.write(head.encode() + b'{"model":')
        await writer.drain()
        writer.transport.abort()
    assert (await small.get("/v1/key")).status == 200
    while (await small.get("/v1/key")).json()["data"]["limits"]["running_requests"]:
        pass
    untouched(small)


@EACH
async def test_a_body_that_does_not_arrive_is_not_waited_for(tmp_path: Path, protocol: str) -> None:
    """A slow sender would keep a place among the running requests for ever."""
    async with running(tmp_path, ECHO, body_timeout_s=0.1) as haze:
        reader, writer = await line(haze)
        head = f"POST {PATHS[protocol]} HTTP/1.1\r\nHost: h\r\nx-api-key: {haze.key}\r\nContent-Length: 1000\r\n\r\n"
        writer.write(head.encode() + b'{"model":')
        status, headers, _ = parts(await reader.readuntil(b"\r\n\r\n"))
        assert (status, headers["request-id"]) == (400, headers["x-request-id"])
        told = json.loads(await reader.readexactly(int(headers["content-length"])))
        assert told["error"]["message"] == "The body did not arrive within 0.1 s."
        writer.close()
        untouched(haze)
        assert (await haze.get("/v1/key")).json()["data"]["limits"]["running_requests"] == 0


def test_a_body_has_half_a_minute_to_arrive(tmp_path: Path) -> None:
    """Long enough for a slow line, short enough for nobody to sit on."""
    (tmp_path / "config.toml").write_text(ECHO)
    assert create_app(config.load(tmp_path / "config.toml"), {})[body_gate.BODY_TIMEOUT_S] == 30
