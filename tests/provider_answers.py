"""What a right answer of each protocol looks like: its events to stream or to cut, its body, its errors."""

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

TEXTS = ("Hello", " there", "!")
USAGE: dict[str, Json] = {
    "chat": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    "messages": {
        "input_tokens": 11,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 3,
    },
    "responses": {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 14,
    },
    "embeddings": {"prompt_tokens": 11, "total_tokens": 11},
}


@dataclass(frozen=True)
class Call:
    """A tool call: the tool's name and its arguments."""

    name: str
    arguments: Json


def events(
    protocol: str,
    texts: Sequence[str] = TEXTS,
    usage: Json | None = None,
    *,
    call: Call | None = None,
    finish: str | None = None,
    model: str = "pretend",
    with_usage: bool = True,
) -> list[bytes]:
    """The events of a right stream, to send whole or to cut: `texts`, then `call`.

    `usage` goes out as it is given (`{}`: the field is missing); `finish` is the protocol's own stop reason.
    """
    usage = USAGE[protocol] if usage is None else usage
    if protocol == "chat":
        return _chat_events(texts, usage if with_usage else {}, call, finish, model)
    if protocol == "responses":
        return _responses_events(texts, usage, call, finish, model)
    return _messages_events(texts, usage, call, finish, model)


def _chat_events(texts: Sequence[str], usage: Json, call: Call | None, finish: str | None, model: str) -> list[bytes]:
    head: Json = {"id": "chatcmpl-pretend", "object": "chat.completion.chunk", "created": 1, "model": model}
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    if call is None:
        deltas += [{"content": text} for text in texts]
    else:
        opening = {"index": 0, **_chat_call(call, "")}
        arguments = [{"index": 0, "function": {"arguments": part}} for part in _halves(json.dumps(call.arguments))]
        deltas += [{"tool_calls": [part]} for part in [opening, *arguments]]
    choices: list[Json] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices += [{"index": 0, "delta": {}, "finish_reason": finish or ("tool_calls" if call else "stop")}]
    documents = [{**head, "choices": [choice]} for choice in choices]
    documents += [{**head, "choices": [], "usage": usage}] if usage else []
    return [b"data: %s\n\n" % json.dumps(document).encode() for document in documents] + [b"data: [DONE]\n\n"]


def _messages_events(
    texts: Sequence[str], usage: Json, call: Call | None, finish: str | None, model: str
) -> list[bytes]:
    message: Json = {"id": "msg_pretend", "type": "message", "role": "assistant", "model": model, "content": []}
    first = {"usage": {**usage, "output_tokens": 1}} if usage else {}
    last = {"usage": {name: value for name, value in usage.items() if name != "cache_creation"}} if usage else {}
    block: Json
    if call is None:
        block, deltas = {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in texts]
    else:
        block = {"type": "tool_use", "id": "toolu_pretend", "name": call.name, "input": {}}
        parts = _halves(json.dumps(call.arguments))
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
    ending = {"stop_reason": finish or ("tool_use" if call else "end_turn"), "stop_sequence": None}
    documents: list[Json] = [
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None, **first}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
        *[{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas],
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, **last},
        {"type": "message_stop"},
    ]
    return _named(documents)


def _responses_events(
    texts: Sequence[str], usage: Json, call: Call | None, finish: str | None, model: str
) -> list[bytes]:
    ended = whole("responses", texts, usage, call=call, finish=finish, model=model)
    begun = {**ended, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    (item,) = ended["output"]
    place: Json = {"item_id": item["id"], "output_index": 0}
    if call is None:
        (part,) = item["content"]
        opening, place, kind = {**item, "content": []}, {**place, "content_index": 0}, "output_text"
        inside: list[Json] = [{"type": "response.content_part.added", **place, "part": {**part, "text": ""}}]
        closing = [{"type": "response.content_part.done", **place, "part": part}]
        said, deltas = {"text": part["text"]}, texts
    else:
        opening, kind, inside, closing = {**item, "arguments": ""}, "function_call_arguments", [], []
        said, deltas = {"arguments": item["arguments"]}, _halves(item["arguments"])
    documents: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**opening, "status": "in_progress"}},
        *inside,
        *[{"type": f"response.{kind}.delta", **place, "delta": delta} for delta in deltas],
        {"type": f"response.{kind}.done", **place, **said},
        *closing,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": f"response.{ended['status']}", "response": ended},
    ]
    return _named([{**document, "sequence_number": number} for number, document in enumerate(documents)])


def _named(documents: Sequence[Json]) -> list[bytes]:
    return [b"event: %s\ndata: %s\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in documents]


def whole(
    protocol: str,
    texts: Sequence[str] = TEXTS,
    usage: Json | None = None,
    *,
    call: Call | None = None,
    finish: str | None = None,
    model: str = "pretend",
) -> Json:
    """The body of a right answer that is not streamed; fields as in `events`."""
    usage = USAGE[protocol] if usage is None else usage
    # Tests change what they get: the next one has usage of its own.
    counted = {"usage": {**usage}} if usage else {}
    text = "".join(texts)
    if protocol == "chat":
        message: Json = {"role": "assistant", "content": text}
        if call:
            message |= {"content": None, "tool_calls": [_chat_call(call, json.dumps(call.arguments))]}
        choice = {"index": 0, "message": message, "finish_reason": finish or ("tool_calls" if call else "stop")}
        head: Json = {"id": "chatcmpl-pretend", "object": "chat.completion", "created": 1, "model": model}
        return {**head, "choices": [choice], **counted}
    if protocol == "responses":
        return _response(text, call, finish, {"model": model, **counted})
    block: Json = {"type": "text", "text": text}
    if call:
        block = {"type": "tool_use", "id": "toolu_pretend", "name": call.name, "input": call.arguments}
    ending = {"stop_reason": finish or ("tool_use" if call else "end_turn"), "stop_sequence": None}
    head = {"id": "msg_pretend", "type": "message", "role": "assistant", "model": model}
    return {**head, "content": [block], **ending, **counted}


def _response(text: str, call: Call | None, finish: str | None, facts: Json) -> Json:
    status = "incomplete" if finish else "completed"
    item: Json = {"id": "msg_pretend", "type": "message", "role": "assistant", "status": status}
    item |= {"content": [{"type": "output_text", "text": text, "annotations": []}]}
    if call:
        item = {"id": "fc_pretend", "type": "function_call", "call_id": "call_pretend", "name": call.name}
        item |= {"arguments": json.dumps(call.arguments), "status": status}
    head: Json = {"id": "resp_pretend", "object": "response", "created_at": 1, "status": status, "error": None}
    return {**head, "incomplete_details": {"reason": finish} if finish else None, "output": [item], **facts}


def embedded(asked: Json, usage: Json | None = None, encoding: str | None = None) -> Json:
    """The body of a right answer to an embeddings request, in the format asked for or, always, in `encoding`.

    The vector of input `i` is the length of its text or its tokens, `i`, and 0 for each further dimension.
    """
    usage, items = USAGE["embeddings"] if usage is None else usage, asked["input"]
    items = [items] if isinstance(items, str) or isinstance(items[0], int) else items
    wanted = encoding or asked.get("encoding_format") or "float"
    data = [
        {"object": "embedding", "index": index, "embedding": encoded(vector, wanted)}
        for index, item in enumerate(items)
        if (vector := [float(len(item)), float(index), *[0.0] * ((asked.get("dimensions") or 4) - 2)])
    ]
    return {"object": "list", "data": data, "model": asked["model"], **({"usage": usage} if usage else {})}


def encoded(vector: Sequence[float], encoding: str) -> Any:
    """A vector as it stands in an answer."""
    if encoding == "float":
        return list(vector)
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _chat_call(call: Call, arguments: str) -> Json:
    return {"id": "call_pretend", "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def error_body(protocol: str, kind: str, text: str) -> Json:
    """An error in the protocol's own envelope."""
    if protocol == "messages":
        return {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_pretend"}
    return {"error": {"message": text, "type": kind, "param": None, "code": None}}


# ---- lists of models ----


def openrouter_row(model: str, prompt: str = "0.000001", completion: str = "0.00001", **pricing: Any) -> Json:
    """A model as OpenRouter lists it."""
    return {
        "id": model,
        "canonical_slug": model,
        "name": f"Pretend: {model}",
        "created": 1_767_225_600,
        "description": f"What people read\nabout {model}.",
        "context_length": 131_072,
        "architecture": {"modality": "text->text", "input_modalities": ["text"], "output_modalities": ["text"]},
        "pricing": {"prompt": prompt, "completion": completion, **pricing},
        "top_provider": {"context_length": 131_072, "max_completion_tokens": 8_192, "is_moderated": False},
        "per_request_limits": None,
        "supported_parameters": ["max_tokens", "temperature", "tools"],
    }


def openrouter_list(*rows: Json | str) -> Json:
    """OpenRouter's GET /models; an id alone costs a dollar and ten per million tokens."""
    data = [openrouter_row(row) if isinstance(row, str) else row for row in rows]
    return {"data": data, "total_count": len(data), "links": {"next": None}}


def openai_list(*ids: str) -> Json:
    """OpenAI's GET /models, and that of most others."""
    row = {"object": "model", "created": 1_767_225_600, "owned_by": "pretend"}
    return {"object": "list", "data": [{"id": model, **row} for model in ids]}


def anthropic_page(ids: Sequence[str], after: str | None = None, limit: int = 20) -> Json:
    """One page of Anthropic's GET /models."""
    start = ids.index(after) + 1 if after in ids else 0
    shown = ids[start : start + limit]
    row = {"type": "model", "created_at": "2026-01-01T00:00:00Z", "lifecycle": "active"}
    sizes = {"max_input_tokens": 200_000, "max_tokens": 64_000}
    data = [{"id": model, "display_name": f"Pretend {model}", **row, **sizes} for model in shown]
    ends = {"first_id": shown[0] if shown else None, "last_id": shown[-1] if shown else None}
    return {"data": data, "has_more": start + limit < len(ids), **ends}
