"""The echo channel speaks OpenAI's Chat Completions."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import orjson

from haze_proxy.channels.echo_answer import CREATED_UNIX_S, EchoAnswer, identify, stream, whole
from haze_proxy.channels.echo_read import (
    mapping,
    objects,
    read_messages,
    read_model,
    read_object,
    read_stops,
    read_whole_number,
)
from haze_proxy.channels.echo_reply import Question, Reply, Tool, input_tokens, last_words, reply, spoken, texts
from haze_proxy.errors import HazeError

CHOICES_MAX = 128
FINISH_REASONS = {"end": "stop", "stop": "stop", "limit": "length", "call": "tool_calls"}


def completions(raw: bytes) -> EchoAnswer:
    """`POST /chat/completions`. Raises BadRequest."""
    body = read_object(raw)
    model, messages = read_model(body), read_messages(body)
    choices = read_whole_number(body, "n", least=1, most=CHOICES_MAX) or 1
    answer = reply(_question(body, messages))
    digest = identify(raw)
    usage = _usage(input_tokens(messages, body.get("tools")), choices * len(answer.pieces))
    head = {"id": f"chatcmpl-{digest}", "created": CREATED_UNIX_S, "model": model}
    if not body.get("stream"):
        listed = [_choice(answer, index, digest) for index in range(choices)]
        return whole(200, {**head, "object": "chat.completion", "choices": listed, "usage": usage}, _request_id(raw))
    wants_usage = bool(mapping(body.get("stream_options")).get("include_usage"))
    head |= {"object": "chat.completion.chunk"}
    return stream(_events(head, answer, choices, digest, usage if wants_usage else None), _request_id(raw))


def refusal(error: HazeError, raw: bytes) -> EchoAnswer:
    """An error in OpenAI's envelope."""
    detail = {"message": error.message, "type": error.openai_type, "param": error.param, "code": error.openai_code}
    return whole(error.status, {"error": detail}, _request_id(raw))


def _request_id(raw: bytes) -> dict[str, str]:
    return {"x-request-id": f"req_{identify(raw)}"}


def _question(body: dict[str, Any], messages: list[dict[str, Any]]) -> Question:
    turns = [message for message in messages if not _is_aside(message)]
    results = list(takewhile(lambda turn: turn.get("role") == "tool", reversed(turns)))
    asked = bool(turns) and turns[-1].get("role") == "user"
    limit = read_whole_number(body, "max_completion_tokens", least=1)
    may_call, forced, tools = _tools(body)
    return Question(
        words=last_words(turns),
        result="\n".join("".join(texts(turn.get("content"))) for turn in reversed(results)) if results else None,
        tools=tools if asked and may_call else (),
        forced=forced if asked else None,
        limit=read_whole_number(body, "max_tokens", least=1) if limit is None else limit,
        stops=read_stops(body, "stop"),
        form=_form(body),
    )


def _is_aside(message: dict[str, Any]) -> bool:
    """A message that neither asks nor answers: instructions, or a turn of nothing but reminders."""
    if message.get("role") in ("system", "developer"):
        return True
    return message.get("role") == "user" and bool(texts(message.get("content"))) and not spoken(message)


def _tools(body: dict[str, Any]) -> tuple[bool, str | None, tuple[Tool, ...]]:
    """Whether a tool may be called, the one that must be, and those that can be: functions, not custom tools."""
    functions = [mapping(tool.get("function")) for tool in objects(body.get("tools")) if tool.get("type") == "function"]
    tools = tuple(Tool(one["name"], mapping(one.get("parameters"))) for one in functions if _is_named(one))
    choice = body.get("tool_choice")
    if not isinstance(choice, dict):
        return choice != "none", None, tools
    if choice.get("type") == "allowed_tools":
        listed = objects(mapping(choice.get("allowed_tools")).get("tools"))
        names = {mapping(tool.get("function")).get("name") for tool in listed}
        return True, None, tuple(tool for tool in tools if tool.name in names)
    return True, mapping(choice.get("function")).get("name"), tools


def _is_named(function: dict[str, Any]) -> bool:
    return isinstance(function.get("name"), str)


def _form(body: dict[str, Any]) -> dict[str, Any] | None:
    wanted = mapping(body.get("response_format"))
    if wanted.get("type") == "json_schema":
        return mapping(mapping(wanted.get("json_schema")).get("schema"))
    return {} if wanted.get("type") == "json_object" else None


def _usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _call(answer: Reply, index: int, digest: str, arguments: str) -> dict[str, Any]:
    function = {"name": answer.tool, "arguments": arguments}
    return {"id": f"call_{digest}{index or ''}", "type": "function", "function": function}


def _choice(answer: Reply, index: int, digest: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.tool is not None:
        message |= {"content": None, "tool_calls": [_call(answer, index, digest, answer.text)]}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": FINISH_REASONS[answer.ended]}


def _events(
    head: dict[str, Any], answer: Reply, choices: int, digest: str, usage: dict[str, Any] | None
) -> Iterator[bytes]:
    """The whole stream. With `usage` every chunk has the field, and the last one, without choices, its value."""
    blank = {} if usage is None else {"usage": None}
    for index in range(choices):
        for delta in _deltas(answer, index, digest):
            yield _event({**head, "choices": [_delta_choice(index, delta, None)], **blank})
        yield _event({**head, "choices": [_delta_choice(index, {}, FINISH_REASONS[answer.ended])], **blank})
    if usage is not None:
        yield _event({**head, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _deltas(answer: Reply, index: int, digest: str) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": "" if answer.tool is None else None, "refusal": None}
    if answer.tool is None:
        for piece in answer.pieces:
            yield {"content": piece}
        return
    yield {"tool_calls": [{"index": 0, **_call(answer, index, digest, "")}]}
    for piece in answer.pieces:
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _delta_choice(index: int, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"
