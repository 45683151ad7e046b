"""How an error looks in each protocol: as a body before the answer, as an event inside a stream.

Sources: Anthropic's errors reference and the SDKs' type files; OpenAI's error object. `code` is a string or null there.

In the middle of a Responses stream an error is a `response.failed`: Codex shows its message, and does not know OpenAI's
own `error` event. OpenAI's SDKs raise at any event that has a field `error`, so it has that, too.
"""

from typing import Any

import orjson

from haze_proxy.errors import HazeError

# OpenAI has no 529: its clients know 503 as "try again later".
OPENAI_STATUS = {529: 503}
# Whose error in a stream is an end of the answer by itself. Codex tells its message only if nothing is cut after it.
ENDED_BY_ERROR = frozenset({"responses"})
# After every number the stream can have reached: clients may drop what is older than the last they saw.
LAST_SEQUENCE_NUMBER = 2**31 - 1


def status(error: HazeError, protocol: str) -> int:
    """The HTTP status of an error for clients of a protocol."""
    return error.status if protocol == "messages" else OPENAI_STATUS.get(error.status, error.status)


def of(error: HazeError, protocol: str, request_id: str) -> dict[str, Any]:
    """An error in the envelope of a protocol."""
    return _messages(error, request_id) if protocol == "messages" else _openai(error)


def body(error: HazeError, protocol: str, request_id: str) -> bytes:
    """The JSON body of an error."""
    return orjson.dumps(of(error, protocol, request_id))


def event(error: HazeError, protocol: str, request_id: str) -> bytes:
    """The server-sent event that tells an error in the middle of a stream."""
    if protocol == "responses":
        return b"event: response.failed\ndata: " + orjson.dumps(_failed(error, request_id)) + b"\n\n"
    name = b"event: error\n" if protocol == "messages" else b""
    return name + b"data: " + body(error, protocol, request_id) + b"\n\n"


def either(error: HazeError, request_id: str) -> bytes:
    """A body that clients of every protocol can read: for a request whose path could not be read."""
    openai, anthropic = _openai(error), _messages(error, request_id)
    return orjson.dumps({**anthropic, "error": {**openai["error"], **anthropic["error"]}})


def _messages(error: HazeError, request_id: str) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"type": error.anthropic_type, "message": error.message},
        "request_id": request_id,
    }


def _openai(error: HazeError) -> dict[str, Any]:
    return {
        "error": {
            "message": error.message,
            "type": error.openai_type,
            "param": error.param,
            "code": error.openai_code,
        }
    }


def _failed(error: HazeError, request_id: str) -> dict[str, Any]:
    told = {"code": error.openai_code or error.openai_type, "message": error.message}
    ended: dict[str, Any] = {"status": "failed", "error": told, "incomplete_details": None, "output": [], "usage": None}
    # Strict readers want these; the client has had the true ones with `response.created`.
    ended |= {"created_at": 0, "model": ""}
    return {
        "type": "response.failed",
        "sequence_number": LAST_SEQUENCE_NUMBER,
        "response": {"id": request_id, "object": "response", **ended},
        **_openai(error),
    }
