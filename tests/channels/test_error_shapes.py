"""Whatever shape a refusal has, the caller reads the provider's own words in the envelope of his protocol."""

import json
from typing import Any

import pytest
from gateway import PATHS, Answer, Haze
from hypothesis import given
from hypothesis import strategies as st
from provider import Provider, Reply, error_body

from haze_proxy.channels import error_shapes

BOTH = pytest.mark.parametrize("protocol", ["chat", "messages"])
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
JSON_TYPE = "application/json"
TOO_LONG = "prompt is too long: 209 tokens > 200 maximum"
DETAIL = [{"type": "missing", "loc": ["body", "messages", 0, "role"], "msg": "Field required", "input": {}}]
PLACE = "body.messages.0.role"
RAW = {"message": "Provider returned error", "code": 400, "metadata": {"provider_name": "Anthropic", "raw": TOO_LONG}}
PAGE = "<!DOCTYPE html>\n<html><body>owners-host.internal</body></html>"

# What the provider sends, and the words in it ("": it has none).
SHAPES: dict[str, tuple[Any, str]] = {
    "Gemini's list": (
        [{"error": {"code": 400, "message": "Unknown name", "status": "INVALID_ARGUMENT"}}],
        "Unknown name",
    ),
    "OpenRouter's integer code": ({"error": {"code": 400, "message": "bad effort", "metadata": None}}, "bad effort"),
    "OpenRouter's real reason": ({"error": RAW}, TOO_LONG),
    "OpenRouter's real reason as JSON": (
        {"error": {**RAW, "metadata": {"raw": json.dumps(error_body("messages", "invalid_request_error", TOO_LONG))}}},
        TOO_LONG,
    ),
    "OpenRouter's real reason as an object": ({"error": {**RAW, "metadata": {"raw": {"detail": "no"}}}}, "no"),
    "OpenRouter without a reason": ({"error": {**RAW, "metadata": {}}}, "Provider returned error"),
    "OpenRouter with a page as reason": ({"error": {**RAW, "metadata": {"raw": PAGE}}}, "Provider returned error"),
    "LM Studio's text": ({"error": "Model is not loaded"}, "Model is not loaded"),
    "FastAPI's detail": ({"detail": "Not so"}, "Not so"),
    "FastAPI's places": ({"detail": DETAIL}, f"{PLACE}: Field required"),
    "Mistral's places": (
        {"object": "error", "message": {"detail": DETAIL}, "type": "invalid_request_error", "code": None},
        f"{PLACE}: Field required",
    ),
    "two places": ({"detail": [*DETAIL, {"loc": ["body", "n"], "msg": "no"}]}, f"{PLACE}: Field required; body.n: no"),
    "vLLM's flat object": (
        {"object": "error", "message": "too many images", "type": "BadRequestError", "param": None, "code": 400},
        "too many images",
    ),
    "only a message": ({"message": "no such effort"}, "no such effort"),
    "a list of errors": (
        {"errors": [{"message": "one", "code": 7009}, {"message": "two"}], "success": False},
        "one; two",
    ),
    "errors by field": ({"title": "Wrong", "status": 400, "errors": {"Model": ["is required"]}}, "Model: is required"),
    "a problem": ({"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "why"}, "why"),
    "a label beside a message": ({"statusCode": 400, "error": "Bad Request", "message": ["a", "b"]}, "a; b"),
    "an error in an error": ({"error": {"error": {"message": "inner"}}}, "inner"),
    "JSON in a text": ({"error": {"message": '{"error": {"message": "inner"}}'}}, "inner"),
    "a text": ("model not loaded", "model not loaded"),
    "a JSON text": (b'"model not loaded"', "model not loaded"),
    "an event": (b'event: error\ndata: {"error": {"message": "in an event"}}\n\n', "in an event"),
    "a byte order mark": (b'\xef\xbb\xbf{"error": {"message": "marked"}}', "marked"),
    "no UTF-8": (b'{"error": {"message": "caf\xe9"}}', "caf\ufffd"),
    "cut off": (b'{"error": {"message": "it says \\"so\\"", "type": "inv', 'it says "so"'),
    "cut off in its words": (b'{"error": {"message": "it says s', "it says s"),
    "cut off in an escape": (b'{"error": {"message": "it says \\u00', "it says \\u00"),
    "a page in the words": ({"error": {"message": f"bad gateway: {PAGE}"}}, "bad gateway"),
    "nothing": (b"", ""),
    "white space": (b" \n", ""),
    "an empty object": ({}, ""),
    "an empty list": ([], ""),
    "an empty error": ({"error": {}}, ""),
    "a number": (b"7", ""),
    "null": (b"null", ""),
    "a page": (PAGE, ""),
    "a page without its head": ("Bad Request <b>nginx</b>", ""),
    "a page beside the words": ({"error": {"message": "no", "type": "t", "more": PAGE}}, "no"),
    "a page as the words": ({"error": {"message": PAGE}}, ""),
    "bytes": (b"\x1f\x8b\x08\x00\xff", ""),
    "no words anywhere": ({"data": [1, {"a": "b"}], "ok": False}, ""),
}


def raw(body: Any) -> bytes:
    """A scripted body as it goes out."""
    if isinstance(body, str):
        return body.encode()
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def enveloped(answer: Answer, protocol: str) -> Any:
    """The error object of an answer, in exactly the envelope that the SDKs of a protocol read."""
    assert answer.headers["Content-Type"].startswith(JSON_TYPE)
    body = answer.json()
    error = body["error"]
    if protocol == "messages":
        assert body == {"type": "error", "error": error, "request_id": answer.headers["request-id"]}
        assert set(error) == {"type", "message"}
    else:
        assert set(body) == {"error"}
        assert set(error) - {"metadata"} == {"message", "type", "param", "code"}
        assert error["code"] is None or isinstance(error["code"], str)
    assert isinstance(error["type"], str)
    return error


@pytest.mark.parametrize(("body", "told"), SHAPES.values(), ids=SHAPES)
def test_words_are_found_in_any_shape(body: Any, told: str) -> None:
    """Clients show the message, and act by its words: "Error code: 400" helps nobody to shorten a prompt."""
    error = error_shapes.read(raw(body))
    assert (error or {}).get("message", "") == told
    assert not any(error_shapes.in_envelope(raw(body), protocol) for protocol in ("chat", "messages"))


@BOTH
@STREAM
async def test_words_in_any_shape_arrive_in_the_callers_envelope(
    chained: Haze, provider: Provider, protocol: str, stream: bool
) -> None:
    """SDKs look for them in one place only."""
    for name, (body, told) in SHAPES.items():
        provider.script(Reply(status=400, body=raw(body)))
        answer = await chained.ask(protocol, "paid", stream=stream)
        assert answer.status == 400, name
        message = enveloped(answer, protocol)["message"]
        assert message == told or (not told and "refused the request (400)" in message), name
        assert b"owners-host" not in answer.body, name
    rows = await chained.ended(len(SHAPES))
    assert {(row["state"], row["ended"]) for row in rows} == {("void", "refused upstream")}


KIND = {"Content-Type": "text/html; charset=utf-8"}
NAMED: dict[str, tuple[int, Any, str, str, str | None]] = {
    # status and body; the type for messages, the type and the code for chat
    "a type of its own": (
        400,
        {"message": "x", "type": "BadRequestError", "code": 40003},
        "invalid_request_error",
        "BadRequestError",
        "40003",
    ),
    "a text as code": (
        400,
        [{"error": {"message": "x", "code": "context_length_exceeded"}}],
        "invalid_request_error",
        "invalid_request_error",
        "context_length_exceeded",
    ),
    "404": (404, {"detail": "The model `x` does not exist"}, "not_found_error", "not_found_error", None),
    "409": (409, {"detail": "again"}, "conflict_error", "invalid_request_error", None),
    "413": (413, PAGE, "request_too_large", "invalid_request_error", None),
    "422": (422, {"detail": DETAIL}, "invalid_request_error", "invalid_request_error", None),
    "names that are none": (
        400,
        {"message": "x", "type": ["a"], "code": "two words", "param": 7, "metadata": {"provider_name": [1]}},
        "invalid_request_error",
        "invalid_request_error",
        None,
    ),
}


@BOTH
@STREAM
@pytest.mark.parametrize(("status", "body", "anthropic", "openai", "code"), NAMED.values(), ids=NAMED)
async def test_the_type_is_one_the_protocol_has_and_the_status_is_the_providers(
    chained: Haze,
    provider: Provider,
    protocol: str,
    stream: bool,
    status: int,
    body: Any,
    anthropic: str,
    openai: str,
    code: str | None,
) -> None:
    """SDKs choose their exception by the status and clients by the type; typed ones fail over a number as `code`."""
    provider.script(Reply(status=status, body=raw(body), headers=KIND))
    answer = await chained.ask(protocol, "paid", stream=stream)
    error = enveloped(answer, protocol)
    assert answer.status == status
    assert error["type"] == (anthropic if protocol == "messages" else openai)
    assert protocol == "messages" or (error["code"], error["param"]) == (code, None)


async def test_openrouters_clients_learn_which_provider_refused(chained: Haze, provider: Provider) -> None:
    """What else stands in `metadata` is the provider's raw answer, which has become the message."""
    provider.script(Reply(status=400, body={"error": RAW}))
    error = enveloped(await chained.ask("chat", "paid"), "chat")
    assert error["metadata"] == {"provider_name": "Anthropic"}


@BOTH
@pytest.mark.parametrize("status", [404, 405])
async def test_a_place_where_nobody_speaks_is_the_providers_trouble(
    chained: Haze, provider: Provider, protocol: str, status: int
) -> None:
    """A page for 404 says that the owner's base_url is wrong; told as the caller's, his model would seem to be."""
    provider.script(Reply(status=status, body=PAGE, headers=KIND))
    assert (await chained.ask(protocol, "paid")).status == 502


@BOTH
async def test_the_owners_names_are_masked_in_words_and_in_bodies(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """Some providers repeat the key, the organisation or the machine."""
    host = provider.url.removeprefix("http://").removesuffix("/v1")
    text = f"no: owners-secret org-A1b2C3d4 {host}"
    for body in ({"detail": text}, error_body(protocol, "invalid_request_error", text)):
        provider.script(Reply(status=400, body=body))
        answer = await chained.ask(protocol, "paid")
        assert b"owners-secret" not in answer.body
        assert b"org-A1" not in answer.body
        assert answer.error()["message"] == "no: *** *** ***"


@BOTH
async def test_a_proxys_text_is_not_handed_on(chained: Haze, provider: Provider, protocol: str) -> None:
    """It speaks of machines that are the owner's business."""
    provider.script(Reply(status=502, body="dial tcp: lookup llm.internal: no such host"))
    answer = await chained.ask(protocol, "paid")
    assert answer.status == 502
    assert b"internal" not in answer.body


@BOTH
async def test_words_without_end_are_cut(chained: Haze, provider: Provider, protocol: str) -> None:
    """A body of megabytes is no message, even in the right envelope."""
    for body in ({"detail": "x" * 200_000}, error_body(protocol, "invalid_request_error", "x" * 200_000)):
        provider.script(Reply(status=400, body=body))
        answer = await chained.ask(protocol, "paid")
        assert answer.status == 400
        assert 500 < len(enveloped(answer, protocol)["message"]) <= 1000


@pytest.mark.parametrize(("body", "told"), [SHAPES[name] for name in ("FastAPI's places", "a page", "cut off")])
async def test_a_counter_refuses_in_the_envelope_too(chained: Haze, provider: Provider, body: Any, told: str) -> None:
    """Counting has a way of its own to the provider."""
    provider.script(Reply(status=400, body=raw(body)))
    answer = await chained.post(f"{PATHS['messages']}/count_tokens", {"model": "paid", "messages": []})
    assert answer.status == 400
    assert told in enveloped(answer, "messages")["message"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*error_shapes.PLACES, "metadata", "raw", "loc", "type"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_any_body_is_read_without_a_fault(body: bytes) -> None:
    """What a provider sends is not ours to choose; a failure here would hide its reason behind a 500."""
    error = error_shapes.read(body)
    assert error is None or isinstance(error["message"], str)
    for protocol in ("chat", "messages"):
        if error_shapes.in_envelope(body, protocol):
            assert error is not None
            assert error["message"] == json.loads(body)["error"]["message"] != ""
    assert error is None or error_shapes.status_of(error) in (None, *range(400, 600))
