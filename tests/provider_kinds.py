"""The habits of providers: how OpenRouter and Gemini say what others say, taken from right answers of plain protocols.

OpenRouter sends comments while it works, its own ids, what an answer cost, and numbers as error codes. Gemini, on its
OpenAI-compatible endpoint, tells a tool call at once without number or id, says "stop" where others say "tool_calls",
leaves its thinking out of the output tokens, and wraps errors in an array. DeepSeek tells its reasoning before the
answer, in a field of its own; Claude tells it in a block that it signs. Both had most of the prompt in their caches.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from provider_answers import Json, error_body

PROCESSING = b": OPENROUTER PROCESSING\n\n"
COST = 0.000044  # USD
THINKING = 300  # tokens
THOUGHTS = ("Let me", " think.")
SIGNED = "c2lnbmVkIGJ5IENsYXVkZQ=="
CACHED, WRITTEN, REASONED = 100, 20, 2  # tokens
SIGNATURE = {"google": {"thought_signature": "c2lnbmVk"}}


@dataclass(frozen=True)
class Habits:
    """`stream`: steps of a stream -> steps; `body`: a whole answer -> one; `error`: status and text -> a body."""

    stream: Callable[[list[Any]], list[Any]]
    body: Callable[[Json], Json]
    error: Callable[[int, str], Any]


def stream(kind: str, steps: Sequence[Any]) -> list[Any]:
    """The steps of a stream as a provider of this kind sends them; what is no event of one document stays."""
    return HABITS[kind].stream(list(steps))


def body(kind: str, answer: Json) -> Json:
    """A whole answer as a provider of this kind gives it."""
    return HABITS[kind].body(answer)


def error(kind: str, status: int, text: str) -> Any:
    """The body of an error."""
    return HABITS[kind].error(status, text)


def _changed(steps: list[Any], change: Callable[[Json], Json]) -> list[Any]:
    return [_with(step, change) for step in steps]


def _with(step: Any, change: Callable[[Json], Json]) -> Any:
    if not isinstance(step, bytes) or step.count(b"data: {") != 1:
        return step
    head, _, data = step.partition(b"data: ")
    return head + b"data: " + json.dumps(change(json.loads(data))).encode() + b"\n\n"


# ---- OpenRouter ----


def _openrouter_stream(steps: list[Any]) -> list[Any]:
    """Two comments before the first event, one before the second."""
    first, *others = _changed(steps, _openrouter_document)
    return [PROCESSING, PROCESSING, first, PROCESSING, *others]


def _openrouter_document(document: Json) -> Json:
    holder = next((key for key in ("message", "response") if isinstance(document.get(key), dict)), None)
    if holder:  # the first and the last event of messages and responses
        return {**document, holder: _openrouter_document(document[holder])}
    named = {"id": "gen-pretend", "provider": "Pretend"} if "id" in document else {}
    usage = document.get("usage")
    told = {"usage": {**usage, "cost": COST, "is_byok": False}} if usage else {}
    choices = [
        {**choice, "native_finish_reason": choice.get("finish_reason")} for choice in document.get("choices", [])
    ]
    return {**document, **named, **told, **({"choices": choices} if "choices" in document else {})}


def _openrouter_error(status: int, text: str) -> Json:
    metadata = {"provider_name": "Pretend", "raw": text}
    return {"error": {"code": status, "message": "Provider returned error", "metadata": metadata}}


# ---- Gemini ----


def _gemini_stream(steps: list[Any]) -> list[Any]:
    """The pieces of a tool call in one event, as Gemini knows no others."""
    events = [step for step in steps if isinstance(step, bytes) and b'"tool_calls": [' in step]
    pieces = _documents(*events)
    if pieces:
        calls = [piece["choices"][0]["delta"]["tool_calls"][0] for piece in pieces]
        calls[0]["function"]["arguments"] = "".join(call["function"]["arguments"] for call in calls)
        at = steps.index(events[0])
        steps[at] = b"data: %s\n\n" % json.dumps(pieces[0]).encode()
        steps = [step for step in steps if step not in events[1:]]
    return _changed(steps, lambda document: _gemini_document(document, "delta"))


def _gemini_body(answer: Json) -> Json:
    return _gemini_document(answer, "message")


def _gemini_document(document: Json, holder: str) -> Json:
    if "choices" not in document:
        return document
    choices = [_gemini_choice(choice, holder) for choice in document["choices"]]
    usage = document.get("usage")
    told = {"usage": {**usage, "total_tokens": usage["total_tokens"] + THINKING}} if usage else {}
    return {**document, "choices": choices, **told}


def _gemini_choice(choice: Json, holder: str) -> Json:
    turn = choice[holder]
    if "tool_calls" in turn:
        calls = [{"function": call["function"], "id": "", "type": "function"} for call in turn["tool_calls"]]
        turn = {**turn, "tool_calls": [{"extra_content": SIGNATURE, **calls[0]}, *calls[1:]]}
    reason = choice["finish_reason"]
    return {**choice, holder: turn, "finish_reason": "stop" if reason and holder == "delta" else reason}


def _gemini_error(status: int, text: str) -> list[Json]:
    return [{"error": {"code": status, "message": text, "status": HTTPStatus(status).name}}]


# ---- DeepSeek, with the usage of OpenAI ----


def _deepseek_stream(steps: list[Any]) -> list[Any]:
    """The first event brings the role, the next ones the reasoning."""
    first, *others = _changed(steps, _deepseek_document)
    head = _documents(first)[0]
    deltas = [{"content": None, "reasoning_content": thought} for thought in THOUGHTS]
    choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    return [first, *[b"data: %s\n\n" % json.dumps({**head, "choices": choice}).encode() for choice in choices], *others]


def _deepseek_body(answer: Json) -> Json:
    told = _deepseek_document(answer)
    for choice in told.get("choices", ()):
        choice["message"]["reasoning_content"] = "".join(THOUGHTS)
    return told


def _deepseek_document(document: Json) -> Json:
    if not (usage := document.get("usage")):
        return document
    counted = {
        **usage,
        "prompt_tokens": usage["prompt_tokens"] + CACHED,
        "total_tokens": usage["total_tokens"] + CACHED,
    }
    details = {"prompt_tokens_details": {"cached_tokens": CACHED}}
    reasoned = {"completion_tokens_details": {"reasoning_tokens": REASONED}}
    return {**document, "usage": {**counted, **details, **reasoned}}


# ---- Claude ----


def _claude_stream(steps: list[Any]) -> list[Any]:
    """A signed block after the first event; the others' blocks stand behind it."""
    first, *others = _changed(steps, _claude_document)
    deltas = [{"type": "thinking_delta", "thinking": thought} for thought in THOUGHTS]
    deltas += [{"type": "signature_delta", "signature": SIGNED}]
    opened = {"type": "content_block_start", "content_block": {"type": "thinking", "thinking": "", "signature": ""}}
    block = [opened, *[{"type": "content_block_delta", "delta": delta} for delta in deltas]]
    return [first, *[_event({**one, "index": 0}) for one in (*block, {"type": "content_block_stop"})], *others]


def _claude_body(answer: Json) -> Json:
    if "content" not in answer:
        return answer
    thinking = {"type": "thinking", "thinking": "".join(THOUGHTS), "signature": SIGNED}
    return {**_claude_document(answer), "content": [thinking, *answer["content"]]}


def _claude_document(document: Json) -> Json:
    if "message" in document:
        return {**document, "message": _claude_document(document["message"])}
    behind = {"index": document["index"] + 1} if "index" in document else {}
    usage = document.get("usage")
    cached = {"cache_read_input_tokens": CACHED, "cache_creation_input_tokens": WRITTEN}
    return {**document, **behind, **({"usage": {**usage, **cached}} if usage else {})}


def _envelope(protocol: str) -> Callable[[int, str], Json]:
    return lambda _status, text: error_body(protocol, "api_error", text)


def _event(document: Json) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (document["type"].encode(), json.dumps(document).encode())


def _documents(*steps: Any) -> list[Json]:
    return [json.loads(step.partition(b"data: ")[2]) for step in steps]


HABITS = {
    "claude": Habits(_claude_stream, _claude_body, _envelope("messages")),
    "deepseek": Habits(_deepseek_stream, _deepseek_body, _envelope("chat")),
    "openrouter": Habits(_openrouter_stream, _openrouter_document, _openrouter_error),
    "gemini": Habits(_gemini_stream, _gemini_body, _gemini_error),
}
