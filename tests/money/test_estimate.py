"""What is held before an answer: never too little, never for base64, and nothing that changes a price unseen."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haze_proxy.money.estimate import (
    FILE_TOKENS,
    IMAGE_TOKENS,
    LIMIT_FIELDS,
    PDF_PAGE_TOKENS,
    answers,
    input_tokens,
    output_limit,
)

PAYLOAD = base64.b64encode(bytes(300_000)).decode()
PDF_PAGES = 6  # 300,000 bytes at 50 KB a page


def estimate(parsed: dict[str, Any], protocol: str) -> int:
    return input_tokens(orjson.dumps(parsed), parsed, protocol)


def chat(*parts: object, **fields: object) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": list(parts)}], **fields}


def responses(*parts: object, **fields: object) -> dict[str, Any]:
    return {"model": "m", "input": [{"role": "user", "content": list(parts)}], **fields}


def source(media_type: str) -> dict[str, Any]:
    return {"type": "base64", "media_type": media_type, "data": PAYLOAD}


IMAGE = {"type": "image", "source": source("image/png")}
PDF = {"type": "document", "source": source("application/pdf")}
DATA_IMAGE = f"data:image/png;base64,{PAYLOAD}"
DATA_PDF = f"data:application/pdf;base64,{PAYLOAD}"

# name: protocol, body, tokens that are not text
MEDIA = {
    "messages image": ("messages", chat(IMAGE), IMAGE_TOKENS),
    "messages image by url": (
        "messages",
        chat({"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}),
        IMAGE_TOKENS,
    ),
    "messages pdf": ("messages", chat(PDF), PDF_PAGES * PDF_PAGE_TOKENS),
    "messages document by url": (
        "messages",
        chat({"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}}),
        FILE_TOKENS,
    ),
    "messages document by file id": (
        "messages",
        chat({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
        FILE_TOKENS,
    ),
    "messages text document": (
        "messages",
        chat({"type": "document", "source": {"type": "text", "data": "plain words"}}),
        0,
    ),
    "messages images in tool results": (
        "messages",
        chat({"type": "tool_result", "content": [{"type": "text", "text": "see"}, IMAGE, IMAGE]}),
        2 * IMAGE_TOKENS,
    ),
    "messages image in a document in a tool result": (
        "messages",
        chat(
            {
                "type": "tool_result",
                "content": [{"type": "document", "source": {"type": "content", "content": [IMAGE]}}],
            }
        ),
        IMAGE_TOKENS,
    ),
    "chat image": ("chat", chat({"type": "image_url", "image_url": {"url": DATA_IMAGE}}), IMAGE_TOKENS),
    "chat image by url": (
        "chat",
        chat({"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}),
        IMAGE_TOKENS,
    ),
    "chat pdf": ("chat", chat({"type": "file", "file": {"file_data": DATA_PDF}}), PDF_PAGES * PDF_PAGE_TOKENS),
    "chat pdf posing as an image": (
        "chat",
        chat({"type": "image_url", "image_url": {"url": DATA_PDF}}),
        PDF_PAGES * PDF_PAGE_TOKENS,
    ),
    "chat file by id": ("chat", chat({"type": "file", "file": {"file_id": "file-1"}}), FILE_TOKENS),
    "chat text file": (
        "chat",
        chat({"type": "file", "file": {"file_data": f"data:text/plain;base64,{PAYLOAD}"}}),
        300_000 * 5 // 11 + 1,
    ),
    "chat audio": ("chat", chat({"type": "input_audio", "input_audio": {"data": PAYLOAD, "format": "mp3"}}), 6_012),
    "responses image": ("responses", responses({"type": "input_image", "image_url": DATA_IMAGE}), IMAGE_TOKENS),
    "responses image by file id": ("responses", responses({"type": "input_image", "file_id": "file-1"}), IMAGE_TOKENS),
    "responses file by url": (
        "responses",
        responses({"type": "input_file", "file_url": "https://x.example/a.pdf"}),
        FILE_TOKENS,
    ),
    "responses image as a tool's output": (
        "responses",
        {"input": [{"type": "function_call_output", "output": [{"type": "input_image", "image_url": DATA_IMAGE}]}]},
        IMAGE_TOKENS,
    ),
    "responses screenshot": (
        "responses",
        {
            "input": [
                {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": DATA_IMAGE}}
            ]
        },
        IMAGE_TOKENS,
    ),
}


@pytest.mark.parametrize(("protocol", "parsed", "allowance"), MEDIA.values(), ids=MEDIA)
def test_what_is_not_text_has_an_allowance(protocol: str, parsed: dict[str, Any], allowance: int) -> None:
    """A photograph counted as text would hold two hundred thousand tokens and refuse a paying customer."""
    without = estimate(chat() if protocol != "responses" else responses(), protocol)
    assert allowance <= estimate(parsed, protocol) - without < allowance + 150


@pytest.mark.parametrize("text", ["word " * 500, "字" * 500, "\n\t{}[]();" * 100, "0123456789abcdef" * 50])
def test_text_is_held_at_a_token_per_two_bytes_or_so(text: str) -> None:
    """Bytes / 2.2: above what tokenizers make of prose, code, Chinese and hexadecimal digits."""
    tokens = estimate(chat({"type": "text", "text": text}), "chat")
    size = len(orjson.dumps(text))
    assert size / 2.2 < tokens < size / 2.2 + 80


def test_every_turn_and_tool_adds_its_frame() -> None:
    """Many tiny turns have more tokens around them than in them."""
    one = estimate({"messages": [{}], "tools": [{}]}, "messages")
    two = estimate({"messages": [{}, {}], "tools": [{}, {}]}, "messages")
    assert two - one >= 24


EMBEDDINGS = {
    "a text": ("word " * 100, (500 / 2.2, 500 / 2.2 + 40)),
    "texts": (["word " * 50] * 2, (500 / 2.2, 500 / 2.2 + 40)),
    "a token array": ([12345] * 700, (700, 700)),
    "token arrays": ([[12345] * 700, [1] * 50], (750, 750)),
    "tokens with a text among them": ([1, "word " * 100], (500 / 2.2, 500 / 2.2 + 40)),
    "an image": (
        [{"content": [{"type": "image_url", "image_url": {"url": DATA_IMAGE}}]}],
        (IMAGE_TOKENS, IMAGE_TOKENS + 100),
    ),
}


@pytest.mark.parametrize(("value", "bounds"), EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_embeddings_count_tokens_as_tokens(value: object, bounds: tuple[float, float]) -> None:
    """A token array is its own count; its digits are not text."""
    assert bounds[0] <= estimate({"model": "m", "input": value}, "embeddings") <= bounds[1]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "content", "source", "data", "image_url", "url", "file", "file_data", "output"])
            | st.text(max_size=2),
            inner
            | st.sampled_from(
                ["image", "document", "tool_result", "image_url", "file", "base64", "data:,", "namespace"]
            ),
            max_size=4,
        )
    ),
    max_leaves=25,
)


# Trees are slow to draw on a machine with other work, which says nothing about the estimate.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([*LIMIT_FIELDS, "embeddings"]), st.dictionaries(
    st.sampled_from(["messages", "input", "tools", "max_tokens", "max_output_tokens", "n", "models", "service_tier"]),
    json_values,
))  # fmt: skip
def test_no_shape_of_a_request_breaks_the_estimate(protocol: str, parsed: dict[str, Any]) -> None:
    """A malformed request is the upstream's to refuse, in its own words."""
    body = orjson.dumps(parsed)
    assert input_tokens(body, parsed, protocol) >= 0
    assert (output_limit(parsed, protocol) or 0) >= 0
    assert answers(parsed, protocol) >= 1


def test_a_body_nested_without_end_is_only_text() -> None:
    """Deeper than Python's stack would be a way to crash the process with one small request."""
    part: dict[str, Any] = IMAGE
    for _ in range(400):
        part = {"type": "tool_result", "content": [part]}
    for _ in range(400):
        part = {"type": "document", "source": {"type": "content", "content": [part]}}
    assert input_tokens(b"x" * 410_000, chat(part), "messages") >= IMAGE_TOKENS


LIMITS = {
    "chat": ("chat", {"max_completion_tokens": 100}, 100),
    "chat, the old name": ("chat", {"max_tokens": 100}, 100),
    "chat, both names": ("chat", {"max_tokens": 100, "max_completion_tokens": 300}, 300),
    "chat, several answers": ("chat", {"max_tokens": 100, "n": 3}, 300),
    "chat, the best of many": ("chat", {"max_tokens": 100, "n": 2, "best_of": 5}, 500),
    "chat without a limit": ("chat", {"n": 3}, None),
    "messages": ("messages", {"max_tokens": 32_000, "n": 7}, 32_000),
    "responses": ("responses", {"max_output_tokens": 50, "max_tokens": 7}, 50),
    "a float": ("messages", {"max_tokens": 100.0}, 100),
    "no number": ("messages", {"max_tokens": "100"}, None),
    "below one": ("messages", {"max_tokens": 0}, None),
    "a boolean": ("messages", {"max_tokens": True}, None),
    "embeddings": ("embeddings", {"max_tokens": 5}, 0),
}


@pytest.mark.parametrize(("protocol", "parsed", "expected"), LIMITS.values(), ids=LIMITS)
def test_the_output_limit_is_what_all_answers_may_have(
    protocol: str, parsed: dict[str, Any], expected: int | None
) -> None:
    """A hold that forgot `n` would let one request cost many times what was set aside."""
    assert output_limit(parsed, protocol) == expected


def test_several_answers_multiply_a_limit_of_our_own() -> None:
    """A request without a limit gets the model's, once per answer."""
    assert answers({"n": 4}, "chat") == 4
    assert answers({"n": 4}, "responses") == 1
