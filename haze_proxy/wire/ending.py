"""How a stream ends properly before its upstream does, because nobody pays for the rest: as if its limit were reached.

What is open is closed first, so that a client keeps what it has and does not ask for all of it again.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from haze_proxy.wire.envelope import LAST_SEQUENCE_NUMBER
from haze_proxy.wire.meter import Meter


def at_the_limit(meter: Meter, protocol: str, tokens: tuple[int, int], *, with_usage: bool) -> bytes:
    """The last events of a stream whose bytes so far `meter` has seen and which stands between two events.

    `tokens` are those of input and output that are charged; `with_usage` (chat): the client asked to be told.
    """
    events = {"chat": _chat, "messages": _messages, "responses": _responses}[protocol]
    return b"".join(events(meter, tokens, with_usage=with_usage))


def _chat(meter: Meter, tokens: tuple[int, int], *, with_usage: bool) -> Iterator[bytes]:
    head = {"id": meter.upstream_id or "", "object": "chat.completion.chunk", "created": meter.created}
    head["model"] = meter.model or ""
    for index in meter.open_choices:
        choice = {"index": index, "delta": {}, "finish_reason": "length"}
        yield _event({**head, "choices": [choice]})
    if with_usage:
        prompt, completion = tokens
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        yield _event({**head, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _messages(meter: Meter, tokens: tuple[int, int], *, with_usage: bool) -> Iterator[bytes]:
    if meter.open_block is not None:
        yield _named({"type": "content_block_stop", "index": meter.open_block})
    delta = {"stop_reason": "max_tokens", "stop_sequence": None}
    # Clients of this protocol fail without it, whether they asked or not.
    yield _named({"type": "message_delta", "delta": delta, "usage": {"output_tokens": tokens[1]}})
    yield _named({"type": "message_stop"})


def _responses(meter: Meter, tokens: tuple[int, int], *, with_usage: bool) -> Iterator[bytes]:
    counted, made = tokens
    usage = {
        "input_tokens": counted,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counted + made,
    }
    response: dict[str, Any] = {"id": meter.upstream_id or "", "object": "response", "created_at": meter.created}
    response |= {"status": "incomplete", "error": None, "incomplete_details": {"reason": "max_output_tokens"}}
    response |= {"model": meter.model or "", "output": [], "usage": usage}
    yield _named({"type": "response.incomplete", "sequence_number": LAST_SEQUENCE_NUMBER, "response": response})


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"


def _named(document: dict[str, Any]) -> bytes:
    return b"event: " + str(document["type"]).encode() + b"\n" + _event(document)
