"""OpenRouter's failures come with status 200: the caller hears a real one, and nobody is charged."""

import json
from typing import Any

import pytest
from checks import refused
from gateway import Haze
from provider import Provider, Reply, events, whole

NETWORK = {"native_finish_reason": "network_error"}
EMPTY = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}


def chat(**fields: Any) -> dict[str, Any]:
    """A whole answer of chat with some fields changed."""
    return {**whole("chat"), **fields}


WHOLE: dict[str, tuple[dict[str, Any], int, str]] = {
    "an error": ({"error": {"code": 502, "message": "Provider disconnected"}}, 502, "Provider disconnected"),
    "an error beside null": (chat(choices=None, error={"code": 400, "message": "too long"}), 400, "too long"),
    "an empty wallet": ({"error": {"code": 402, "message": "This request requires more credits"}}, 503, ""),
    "what a caller wrote": (
        {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"], "flagged_input": "x"}}},
        400,
        "flagged",
    ),
    "a timeout": ({"error": {"code": 408, "message": "timed out"}}, 504, "timed out"),
    "a rate limit": ({"error": {"code": 429, "message": "slow down"}}, 429, ""),
    "by its name": ({"error": {"message": "busy", "metadata": {"error_type": "provider_overloaded"}}}, 503, "busy"),
    "by its text code": ({"error": {"message": "none such", "code": "model_not_found"}}, 404, "none such"),
    "the reason in raw": (
        {"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": "bad image"}}},
        400,
        "bad image",
    ),
    "choices that are null": (chat(choices=None), 502, "answers nothing"),
    "no choices": (chat(choices=[]), 502, "answers nothing"),
    "a choice that ends by error": (chat(choices=[{**EMPTY, "finish_reason": "error"}]), 502, "broke off"),
    "a pretended stop": (chat(choices=[{**EMPTY, **NETWORK}]), 502, "broke off"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("body", "status", "told"), WHOLE.values(), ids=WHOLE)
async def test_a_whole_failure_has_its_real_status(
    chained: Haze, provider: Provider, stream: bool, body: dict[str, Any], status: int, told: str
) -> None:
    """SDKs fail with a KeyError over a 200 without choices; over a status they repeat, or tell."""
    provider.script(Reply(body=body))
    answer = await chained.ask("chat", "paid", stream=stream)
    assert answer.status == status
    assert told in answer.error()["message"]
    assert "credits" not in answer.error()["message"]
    (row,) = await chained.ended()
    assert (row["state"], row["cost"]) == ("void", 0)


ERROR = {"error": {"code": 502, "message": "Provider disconnected"}}
FIRST: dict[str, bytes] = {
    "an error": b"data: %s\n\n" % json.dumps(ERROR).encode(),
    "a chunk with an error": b"data: %s\n\n"
    % json.dumps({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}], **ERROR}).encode(),
    "an error in a choice": b"data: %s\n\n"
    % json.dumps({"id": "x", "choices": [{"index": 0, "delta": {}, **ERROR}]}).encode(),
}


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
async def test_a_failure_in_place_of_a_first_chunk_has_its_real_status(
    chained: Haze, provider: Provider, first: bytes
) -> None:
    """Nothing has been told yet: there is still a status for it."""
    provider.script(Reply(chunks=[b": OPENROUTER PROCESSING\n\n", first, b"data: [DONE]\n\n"]))
    assert refused(await chained.ask("chat", "paid", stream=True), "chat", 502) == "Provider disconnected"
    (row,) = await chained.ended()
    assert (row["state"], row["cost"]) == ("void", 0)


@pytest.mark.parametrize("reason", ['"error"', '"stop", "native_finish_reason": "network_error"'])
@pytest.mark.parametrize("usage", [False, True])
async def test_a_pretended_end_in_mid_stream_is_told_in_the_stream(
    chained: Haze, provider: Provider, reason: str, usage: bool
) -> None:
    """Half an answer that says "stop" is taken for whole, and paid for; this one ends in an error and costs nothing."""
    sent = [
        event.replace(b'"finish_reason": "stop"', f'"finish_reason": {reason}'.encode()) for event in events("chat")
    ]
    provider.script(Reply(chunks=sent))
    fields = {"stream_options": {"include_usage": True}} if usage else {}
    answer = await chained.ask("chat", "paid", stream=True, **fields)
    assert (answer.status, answer.cut) == (200, False)
    assert b'finish_reason": "' not in answer.body
    assert b"broke off" in answer.body
    (row,) = await chained.ended()
    assert (row["state"], row["cost"], row["ended"]) == ("void", 0, "upstream error")
