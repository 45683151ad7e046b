"""The echo channel speaks Anthropic's Messages."""

from collections.abc import Iterator
from typing import Any

import orjson

from haze_proxy.channels.echo_answer import EchoAnswer, identify, stream, whole
from haze_proxy.channels.echo_read import (
    mapping,
    objects,
    read_messages,
    read_model,
    read_object,
    read_stops,
    read_whole_number,
)
from haze_proxy.channels.echo_reply import SHELLS, Question, Reply, Tool, input_tokens, last_words, reply, spoken, texts
from haze_proxy.errors import BadRequest, HazeError

STOP_REASONS = {"end": "end_turn", "stop": "stop_sequence", "limit": "max_tokens", "call": "tool_use"}


def messages(raw: bytes) -> EchoAnswer:
    """`POST /messages`. Raises BadRequest."""
    body = read_object(raw)
    model, turns = read_model(body), read_messages(body)
    limit = read_whole_number(body, "max_tokens", least=0)
    if limit is None:
        raise BadRequest("max_tokens: Field required", param="max_tokens")
    answer = reply(_question(body, turns, limit))
    digest = identify(raw)
    head = {"id": f"msg_{digest}", "type": "message", "role": "assistant", "model": model}
    counted = _input_tokens(body)
    if body.get("stream"):
        return stream(_events(head, answer, digest, counted), _request_id(raw))
    ending = {"content": _content(answer, digest), **_stop(answer), "usage": _usage(counted, len(answer.pieces))}
    return whole(200, {**head, **ending}, _request_id(raw))


def count_tokens(raw: bytes) -> EchoAnswer:
    """`POST /messages/count_tokens`. Raises BadRequest."""
    body = read_object(raw)
    read_model(body)
    read_messages(body)
    return whole(200, {"input_tokens": _input_tokens(body)}, _request_id(raw))


def refusal(error: HazeError, raw: bytes) -> EchoAnswer:
    """An error in Anthropic's envelope."""
    detail = {"type": error.anthropic_type, "message": error.message}
    document = {"type": "error", "error": detail, "request_id": _request_id(raw)["request-id"]}
    return whole(error.status, document, _request_id(raw))


def _request_id(raw: bytes) -> dict[str, str]:
    return {"request-id": f"req_{identify(raw)}"}


def _input_tokens(body: dict[str, Any]) -> int:
    return input_tokens([body.get("system"), body["messages"]], body.get("tools"))


def _question(body: dict[str, Any], turns: list[dict[str, Any]], limit: int) -> Question:
    asked = [turn for turn in turns if not _is_aside(turn)]
    last = asked[-1] if asked else {}
    results = _results(last)
    choice = mapping(body.get("tool_choice"))
    may_call = last.get("role") == "user" and not results and choice.get("type") != "none"
    return Question(
        words=last_words(turns),
        # Words after a result are the latest thing (a client may put both into one turn).
        result="\n".join(results) if results and not spoken(last) else None,
        tools=_tools(body) if may_call else (),
        forced=choice.get("name") if may_call and choice.get("type") == "tool" else None,
        limit=limit,
        stops=read_stops(body, "stop_sequences"),
        form=_form(body),
    )


def _is_aside(turn: dict[str, Any]) -> bool:
    """A turn that neither asks nor answers: a system entry, or nothing but reminders."""
    if turn.get("role") == "system":
        return True
    only_reminders = bool(texts(turn.get("content"))) and not spoken(turn)
    return turn.get("role") == "user" and only_reminders and not _results(turn)


def _results(turn: dict[str, Any]) -> list[str]:
    blocks = [block for block in objects(turn.get("content")) if block.get("type") == "tool_result"]
    return ["".join(texts(block.get("content"))) for block in blocks]


def _tools(body: dict[str, Any]) -> tuple[Tool, ...]:
    """The tools the caller runs itself: those with a schema, and its own shell, which needs none."""
    return tuple(
        Tool(tool["name"], mapping(tool.get("input_schema")), deferred=bool(tool.get("defer_loading")))
        for tool in objects(body.get("tools"))
        if isinstance(tool.get("name"), str) and ("input_schema" in tool or tool["name"].lower() in SHELLS)
    )


def _form(body: dict[str, Any]) -> dict[str, Any] | None:
    wanted = mapping(mapping(body.get("output_config")).get("format"))
    return mapping(wanted.get("schema")) if wanted.get("type") == "json_schema" else None


def _usage(counted: int, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": counted,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
    }


def _stop(answer: Reply) -> dict[str, Any]:
    return {"stop_reason": STOP_REASONS[answer.ended], "stop_sequence": answer.stop}


def _content(answer: Reply, digest: str) -> list[dict[str, Any]]:
    if answer.tool is not None:
        return [{**_tool_use(answer, digest), "input": orjson.loads(answer.text)}]
    return [{"type": "text", "text": answer.text}] if answer.pieces else []


def _tool_use(answer: Reply, digest: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{digest}", "name": answer.tool, "input": {}}


def _events(head: dict[str, Any], answer: Reply, digest: str, counted: int) -> Iterator[bytes]:
    """The whole stream: one block, or none when nothing was said."""
    unended: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": _usage(counted, 0)}
    yield _event("message_start", message={**head, **unended})
    yield _event("ping")
    if answer.pieces:
        yield from _block(answer, digest)
    yield _event("message_delta", delta=_stop(answer), usage=_usage(counted, len(answer.pieces)))
    yield _event("message_stop")


def _block(answer: Reply, digest: str) -> Iterator[bytes]:
    if answer.tool is None:
        opening, delta, field = {"type": "text", "text": ""}, "text_delta", "text"
    else:
        opening, delta, field = _tool_use(answer, digest), "input_json_delta", "partial_json"
    yield _event("content_block_start", index=0, content_block=opening)
    for piece in answer.pieces:
        yield _event("content_block_delta", index=0, delta={"type": delta, field: piece})
    yield _event("content_block_stop", index=0)


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))
