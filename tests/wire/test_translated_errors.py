"""A provider's refusal in the words the client acts on."""

from typing import Any

import orjson
import pytest
from wire.translating import asked, chunks, delta, refused, streamed

from haze_proxy.wire import translate


def refusal(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


FULL = "context_length_exceeded"
OVERFLOWS: dict[str, tuple[Any, str]] = {
    "OpenAI": (
        refusal(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            code=FULL,
        ),
        "prompt is too long: 9000 tokens > 8192 maximum",
    ),
    "OpenAI, new": (
        refusal("Your input exceeds the context window of this model.", code=FULL),
        "Your input exceeds the context window of this model. (capability_rejected: prompt_too_long)",
    ),
    "OpenAI, too much output": (
        refusal(
            "This model's maximum context length is 128000 tokens. However, you requested 140000 tokens "
            "(12000 in the messages, 128000 in the completion)."
        ),
        "input length and `max_tokens` exceed context limit: 12000 + 128000 > 128000",
    ),
    "OpenRouter": (
        refusal("Provider returned error", code=400, metadata={"error_type": FULL, "raw": '{"message":"too long"}'}),
        'Provider returned error: {"message":"too long"} (capability_rejected: prompt_too_long)',
    ),
    "llama.cpp": (
        refusal(
            "the request (9,100 tokens) exceeds the available context size (8192 tokens)",
            code=400,
            type="exceed_context_size_error",
        ),
        "prompt is too long: 9100 tokens > 8192 maximum",
    ),
    "Gemini": (
        [
            refusal(
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                code=400,
                status="INVALID_ARGUMENT",
            )
        ],
        "prompt is too long: 1200000 tokens > 1048576 maximum",
    ),
}


@pytest.mark.parametrize(("body", "words"), OVERFLOWS.values(), ids=OVERFLOWS)
def test_b25_a_full_context_is_told_in_the_words_claude_code_acts_on(body: Any, words: str) -> None:
    """Told otherwise, it repeats the same request; told so, it compacts, or asks for less output."""
    status, told_error = refused(400, body, "messages", "chat")
    assert (status, told_error["error"]) == (400, {"type": "invalid_request_error", "message": words})


@pytest.mark.parametrize(("body", "_words"), OVERFLOWS.values(), ids=OVERFLOWS)
def test_b25_a_full_context_has_the_code_codex_acts_on(body: Any, _words: str) -> None:
    """ "Ran out of room in the model's context window", instead of six more tries."""
    status, told_error = refused(400, body, "responses", "chat")
    assert (status, told_error["error"]["code"]) == (400, "context_length_exceeded")


def test_b25_anthropics_overflow_is_openais_to_a_chat_client() -> None:
    """Agents look for the code."""
    message = "prompt is too long: 250000 tokens > 200000 maximum"
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    status, told_error = refused(400, body, "chat", "messages")
    assert (status, told_error["error"]["code"], told_error["error"]["message"]) == (
        400,
        "context_length_exceeded",
        message,
    )


def test_the_owners_names_are_masked() -> None:
    """Providers put accounts, keys and machines into their texts: whole, streamed, and with status 200."""
    message = "Rate limit of org-Abc12345 with sk-proj-12345678 at 10.1.2.3:80 reached"
    told_error = refused(400, {"error": {"message": message}}, "messages", "chat")[1]["error"]["message"]
    assert told_error == "Rate limit of *** with *** at ***:80 reached"
    out, _ = streamed(asked("messages", "chat"), chunks(delta(content="Hi"), {"error": {"message": message}}))
    assert b"Abc12345" not in out
    with pytest.raises(translate.HazeError) as failed:
        translate.answer({"error": {"message": message}}, asked("messages", "chat"))
    assert "Abc12345" not in failed.value.message


def test_the_providers_own_reason_is_told() -> None:
    """OpenRouter says "Provider returned error" and keeps the reason beside it."""
    body = {"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": "image too small"}}}
    _, told_error = refused(400, body, "messages", "chat")
    assert told_error["error"]["message"] == "Provider returned error: image too small"


@pytest.mark.parametrize("status", [401, 402, 403])
@pytest.mark.parametrize("pair", sorted(translate.PAIRS))
def test_the_owners_trouble_is_not_the_callers(status: int, pair: tuple[str, str]) -> None:
    """A client told "invalid key" or "top up" by the owner's provider believes it is his own."""
    body = {"error": {"message": "Your credit balance is too low, org-12345678", "type": "billing_error"}}
    code, told_error = refused(status, body, *pair)
    assert code == 502
    assert "credit" not in orjson.dumps(told_error).decode()
