"""An answer that says 200 and failed all the same: the error that it is in truth.

OpenRouter's status line has left once generation began, so its failures come as bodies and chunks: an `error` beside no
choices, a choice that ends by "error", and the worst, a choice that claims to have stopped and whose provider's own
reason (`native_finish_reason`) is "network_error" or the like.
"""

import re
from typing import Any, Final

# What the provider's own reason is when it failed, although the choice claims to have stopped.
FAILED: Final = re.compile(r"(?:[a-z]+_)*error", re.IGNORECASE)
# Where a protocol's answers have what was asked for, and whether it may be empty.
CONTENT: Final = {
    "chat": ("choices", False),
    "messages": ("content", True),
    "responses": ("output", True),
    "embeddings": ("data", False),
}


def of_answer(protocol: str, answer: dict[str, Any]) -> dict[str, Any] | None:
    """The error object of a whole answer that is none; its own words where it has some. None: it is an answer."""
    if not _has_content(protocol, answer) or answer.get("status") == "failed":
        return _object(answer.get("error") or {"message": "The provider sent an answer that answers nothing."})
    return of_choices(answer["choices"]) if protocol == "chat" else None


def of_choices(choices: object) -> dict[str, Any] | None:
    """The error object of the first choice, whole or of a chunk, that ended by a failure; else None."""
    if not isinstance(choices, list):
        return None
    return next((error for choice in choices if (error := _of_choice(choice)) is not None), None)


def _of_choice(choice: object) -> dict[str, Any] | None:
    if not isinstance(choice, dict):
        return None
    reason, own = choice.get("finish_reason"), choice.get("native_finish_reason")
    if choice.get("error"):
        return _object(choice["error"])
    if reason == "error" or (isinstance(own, str) and FAILED.fullmatch(own) and reason == "stop"):
        return {"message": "The provider broke off in the middle of its answer.", "type": "server_error", "code": "502"}
    return None


def _has_content(protocol: str, answer: dict[str, Any]) -> bool:
    name, may_be_empty = CONTENT[protocol]
    content = answer.get(name)
    # Of vectors only is known whether there are any: `wire.embeddings.outline`.
    return isinstance(content, list | bool) and bool(content or (may_be_empty and answer.get("usage")))


def _object(error: object) -> dict[str, Any]:
    return error if isinstance(error, dict) else {"message": str(error)}
