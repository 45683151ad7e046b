"""The echo channel speaks OpenAI's Responses."""

from collections.abc import Iterator
from itertools import count, takewhile
from typing import Any

import orjson

from haze_proxy.channels.echo_answer import CREATED_UNIX_S, EchoAnswer, identify, stream, whole
from haze_proxy.channels.echo_read import mapping, objects, read_model, read_object, read_whole_number
from haze_proxy.channels.echo_reply import Question, Reply, Tool, input_tokens, last_words, reply, spoken, texts
from haze_proxy.errors import BadRequest

Json = dict[str, Any]

# What a response says again of its request, and what it says where the request does not.
SETTINGS: Json = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "store": False,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}


def responses(raw: bytes) -> EchoAnswer:
    """`POST /responses`. Raises BadRequest."""
    body = read_object(raw)
    model, items = read_model(body), _read_input(body)
    answer = reply(_question(body, items))
    digest = identify(raw)
    usage = _usage(input_tokens([body.get("instructions"), items], body.get("tools")), len(answer.pieces))
    said = {name: default if body.get(name) is None else body[name] for name, default in SETTINGS.items()}
    head = {"id": f"resp_{digest}", "object": "response", "created_at": CREATED_UNIX_S, "model": model, **said}
    request_id = {"x-request-id": f"req_{digest}"}
    orjson.dumps({"response": {"": head}})  # what is nested too deeply to be said again is refused before it begins
    if body.get("stream"):
        return stream(_numbered(_events(head, answer, digest, usage)), request_id)
    return whole(200, _ended(head, answer, digest, usage), request_id)


# ---- the question ----


def _read_input(body: Json) -> list[Json]:
    given = body.get("input")
    if given is None:
        raise BadRequest("input: Field required", param="input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list) or not items:
        raise BadRequest("input: Input should be a string or a list with at least one item", param="input")
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise BadRequest(f"input[{index}]: Input should be an object", param=f"input[{index}]")
    return items


def _question(body: Json, items: list[Json]) -> Question:
    turns = [item for item in items if not _is_aside(item)]
    results = list(takewhile(_is_result, reversed(turns)))
    asked = bool(turns) and turns[-1].get("role") == "user"
    may_call, forced, tools = _tools(body)
    return Question(
        words=last_words(turns),
        result="\n".join("".join(texts(item.get("output"))) for item in reversed(results)) if results else None,
        tools=tools if asked and may_call else (),
        forced=forced if asked else None,
        limit=read_whole_number(body, "max_output_tokens", least=1),
        form=_form(body),
    )


def _is_result(item: Json) -> bool:
    return str(item.get("type")).endswith("_call_output")


def _is_aside(item: Json) -> bool:
    """An item that neither asks nor answers: instructions, reasoning, or a turn of nothing but reminders."""
    role = item.get("role")
    if role == "user":
        return bool(texts(item.get("content"))) and not spoken(item)
    return role != "assistant" and "_call" not in str(item.get("type"))


def _tools(body: Json) -> tuple[bool, str | None, tuple[Tool, ...]]:
    """Whether a tool may be called, the one that must be, and those that can be: functions at the top level.

    Codex sends web_search and a namespace of its own beside them; nobody would answer a call of those.
    """
    functions = [tool for tool in objects(body.get("tools")) if tool.get("type") == "function"]
    tools = tuple(Tool(one["name"], mapping(one.get("parameters"))) for one in functions if _is_named(one))
    choice = body.get("tool_choice")
    if not isinstance(choice, dict):
        return choice != "none", None, tools
    if choice.get("type") == "allowed_tools":
        names = [tool.get("name") for tool in objects(choice.get("tools"))]
        return True, None, tuple(tool for tool in tools if tool.name in names)
    return True, choice.get("name") if choice.get("type") == "function" else None, tools


def _is_named(function: Json) -> bool:
    return isinstance(function.get("name"), str)


def _form(body: Json) -> Json | None:
    wanted = mapping(mapping(body.get("text")).get("format"))
    if wanted.get("type") == "json_schema":
        return mapping(wanted.get("schema"))
    return {} if wanted.get("type") == "json_object" else None


# ---- the answer ----


def _usage(given: int, made: int) -> Json:
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": given + made,
    }


def _item(answer: Reply, digest: str, text: str, status: str) -> Json:
    """The one output item, with as much of its text as is told already."""
    if answer.tool is not None:
        call = {"type": "function_call", "call_id": f"call_{digest}", "name": answer.tool, "arguments": text}
        return {"id": f"fc_{digest}", **call, "status": status}
    content = [_part(text)] if text else []
    return {"id": f"msg_{digest}", "type": "message", "role": "assistant", "status": status, "content": content}


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _status(answer: Reply) -> str:
    return "incomplete" if answer.ended == "limit" else "completed"


def _unended(head: Json) -> Json:
    unknown = {"error": None, "incomplete_details": None, "previous_response_id": None}
    return {**head, "status": "in_progress", **unknown, "output": [], "usage": None}


def _ended(head: Json, answer: Reply, digest: str, usage: Json) -> Json:
    status = _status(answer)
    reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
    output = [_item(answer, digest, answer.text, status)] if answer.pieces else []
    return {**_unended(head), "status": status, "incomplete_details": reason, "output": output, "usage": usage}


def _events(head: Json, answer: Reply, digest: str, usage: Json) -> Iterator[tuple[str, Json]]:
    """The whole stream, each event with its name: one output item, or none when nothing was said."""
    yield "response.created", {"response": _unended(head)}
    yield "response.in_progress", {"response": _unended(head)}
    if answer.pieces:
        yield "response.output_item.added", {"output_index": 0, "item": _item(answer, digest, "", "in_progress")}
        yield from _spoken(answer, f"msg_{digest}") if answer.tool is None else _called(answer, f"fc_{digest}")
        done = _item(answer, digest, answer.text, _status(answer))
        yield "response.output_item.done", {"output_index": 0, "item": done}
    yield f"response.{_status(answer)}", {"response": _ended(head, answer, digest, usage)}


def _spoken(answer: Reply, item_id: str) -> Iterator[tuple[str, Json]]:
    place = {"item_id": item_id, "output_index": 0, "content_index": 0}
    yield "response.content_part.added", {**place, "part": _part("")}
    for piece in answer.pieces:
        yield "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**place, "text": answer.text, "logprobs": []}
    yield "response.content_part.done", {**place, "part": _part(answer.text)}


def _called(answer: Reply, item_id: str) -> Iterator[tuple[str, Json]]:
    place = {"item_id": item_id, "output_index": 0}
    for piece in answer.pieces:
        yield "response.function_call_arguments.delta", {**place, "delta": piece}
    yield "response.function_call_arguments.done", {**place, "name": answer.tool, "arguments": answer.text}


def _numbered(events: Iterator[tuple[str, Json]]) -> Iterator[bytes]:
    numbers = count()
    for kind, fields in events:
        document = {"type": kind, "sequence_number": next(numbers), **fields}
        yield b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps(document))
