"""The habits of providers: how OpenRouter and Gemini say what others say, taken from right answers of plain protocols.

OpenRouter sends comments while it works, its own ids, what an answer cost, and numbers as error codes. Gemini, on its
OpenAI-compatible endpoint, tells a tool call at once without number or id, says "stop" where others say "tool_calls",
leaves its thinking out of the output tokens, and wraps errors in an array.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from provider_answers import Json

PROCESSING = b": OPENROUTER PROCESSING\n\n"
COST = 0.000044  # USD
THINKING = 300  # tokens
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
    pieces = [json.loads(event.partition(b"data: ")[2]) for event in events]
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


HABITS = {
    "openrouter": Habits(_openrouter_stream, _openrouter_document, _openrouter_error),
    "gemini": Habits(_gemini_stream, _gemini_body, _gemini_error),
}
