"""A provider on its worst day, alone: the first part of a path names what goes wrong there, at every request.

    PYTHONPATH=tests python tests/journeys/bad_day.py PORT        # http://127.0.0.1:PORT/cut/v1/messages

It runs in Haze's environment, as tests/provider.py does; journeys themselves have no server's library.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from provider import HANG_UP, KINDS, Provider, Received, Reply, Step, right_answer
from provider_answers import error_body

WELL = 4  # events of a stream before anything goes wrong: in chat and messages its first words are among them

ERROR_EVENTS: dict[str, dict[str, Any]] = {
    "chat": error_body("chat", "server_error", "broken as told"),
    "messages": {"type": "error", "error": {"type": "api_error", "message": "broken as told"}},
    "responses": {"type": "error", "code": "server_error", "message": "broken as told", "param": None},
}
FAILED: dict[str, Any] = {"error": {"code": "server_error", "message": "failed as told"}}


def refusing(status: int, **headers: str) -> Callable[[Reply, str], Reply]:
    """Answer everything with this status."""

    def refuse(_well: Reply, protocol: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Reply(status=status, headers=named, body=error_body(protocol, "api_error", "refused as told"))

    return refuse


def ending(*last: Step) -> Callable[[Reply, str], Reply]:
    """Break streams off after their first events; what is not streamed is answered well."""
    return lambda well, _protocol: replace(well, chunks=[*well.chunks[:WELL], *last]) if well.chunks else well


def error_event(well: Reply, protocol: str) -> Reply:
    """End a stream with the protocol's error event."""
    return ending(event(ERROR_EVENTS[protocol]))(well, protocol)


def early_error_event(well: Reply, protocol: str) -> Reply:
    """The same before the answer has any content."""
    return replace(well, chunks=[*(well.chunks or ())[:1], event(ERROR_EVENTS[protocol])])


def failed_event(well: Reply, protocol: str) -> Reply:
    """End a stream with a response that failed."""
    response = {"id": "resp_pretend", "object": "response", "created_at": 1, "status": "failed", "output": [], **FAILED}
    return ending(event({"type": "response.failed", "response": response}))(well, protocol)


def silent(seconds: float) -> Callable[[Reply, str], Reply]:
    """Say nothing for a while in the middle of a stream, then go on."""

    def wait(well: Reply, _protocol: str) -> Reply:
        over, events = asyncio.Event(), well.chunks or ()
        asyncio.get_running_loop().call_later(seconds, over.set)
        return replace(well, chunks=[*events[:WELL], over, *events[WELL:]])

    return wait


FAULTS: dict[str, Callable[[Reply, str], Reply]] = {
    "400": refusing(400),
    "401": refusing(401),
    "402": refusing(402),
    "429": refusing(429, Retry_After="1"),
    "503": refusing(503),
    "529": refusing(529),
    "error-event": error_event,
    "early-error-event": early_error_event,
    "failed-event": failed_event,
    "cut": ending(HANG_UP),
    "silent-5": silent(5),
    "silent-24": silent(24),
}


def event(document: dict[str, Any]) -> bytes:
    """A server-sent event; those of a chat have no name."""
    name = b"event: %s\n" % document["type"].encode() if "type" in document else b""
    return name + b"data: %s\n\n" % json.dumps(document).encode()


def answer(received: Received) -> Reply:
    """What the fault of the path makes of a right answer; offered tools are not called, so one turn is one answer."""
    _, fault, path = received.path.split("/", 2)
    body = json.dumps({**received.json(), "tools": []}).encode()
    well = right_answer(replace(received, path=f"/{path}", body=body))
    return FAULTS[fault](well, KINDS[f"/{path}".removeprefix("/v1")])


async def serve(port: int) -> None:
    """Answer until interrupted."""
    async with Provider(port=port, otherwise=answer):
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1])))
