"""Put streams together as the SDKs do, and say what an answer says whatever protocol it is in."""

from typing import Any

import orjson
from wire.lint import events


def fold(protocol: str, stream: bytes) -> dict[str, Any]:
    """The body that a client makes of a whole stream."""
    return FOLDERS[protocol]([body for _, body in events(stream) if body != "[DONE]"])


def _chat(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    body: dict[str, Any] = {"choices": [{"index": 0, "message": message, "finish_reason": None}]}
    for chunk in chunks:
        body |= {name: chunk[name] for name in ("id", "model", "created")}
        if chunk.get("usage"):
            body["usage"] = chunk["usage"]
        for choice in chunk["choices"]:
            body["choices"][0]["finish_reason"] = choice["finish_reason"] or body["choices"][0]["finish_reason"]
            _chat_delta(message, choice["delta"])
    return body


def _chat_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name in ("content", "reasoning_content", "refusal"):
        if isinstance(delta.get(name), str):
            message[name] = (message.get(name) or "") + delta[name]
    for name in ("reasoning_details", "annotations"):
        if delta.get(name):
            message.setdefault(name, []).extend(delta[name])
    for piece in delta.get("tool_calls") or ():
        calls = message.setdefault("tool_calls", [])
        if piece["index"] == len(calls):
            kept = {name: value for name, value in piece.items() if name != "index"}
            calls.append({name: dict(value) if isinstance(value, dict) else value for name, value in kept.items()})
            continue
        for name, value in piece.items():
            if name in ("function", "custom"):
                member = "arguments" if name == "function" else "input"
                calls[piece["index"]][name][member] += value[member]
            elif name != "index":
                calls[piece["index"]][name] = value


TEXT_OF = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


def _messages(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {}
    partial: dict[int, str] = {}
    for body in bodies:
        match body["type"]:
            case "message_start":
                message = {**body["message"], "content": []}
            case "content_block_start":
                message["content"].append(dict(body["content_block"]))
            case "content_block_delta":
                _messages_delta(message["content"][body["index"]], body["delta"], partial, body["index"])
            case "content_block_stop" if body["index"] in partial:
                message["content"][body["index"]]["input"] = orjson.loads(partial[body["index"]] or "{}")
            case "message_delta":
                message |= {name: value for name, value in body["delta"].items() if value is not None}
                message["usage"] = {**message["usage"], **body["usage"]}
    return message


def _messages_delta(block: dict[str, Any], delta: dict[str, Any], partial: dict[int, str], index: int) -> None:
    if delta["type"] == "input_json_delta":
        partial[index] = partial.get(index, "") + delta["partial_json"]
    elif delta["type"] == "citations_delta":
        block.setdefault("citations", []).append(delta["citation"])
    else:
        block[TEXT_OF[delta["type"]]] += delta[TEXT_OF[delta["type"]]]


def _responses(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for body in bodies:
        match body["type"]:
            case "response.output_item.added":
                items.append({**body["item"], "said": ""})
            case "response.output_item.done":
                said = items[body["output_index"]].pop("said")
                assert said == _said(body["item"]) or said == "" == _said(body["item"]).strip("{}"), body
                items[body["output_index"]] = body["item"]
            case kind if kind.endswith(".delta"):
                items[body["output_index"]]["said"] += body["delta"]
    final: dict[str, Any] = bodies[-1]["response"]
    return {**final, "output": items}


def _said(item: dict[str, Any]) -> str:
    parts = [*item.get("content", ()), *item.get("summary", ())]
    return (
        item.get("arguments", "") + item.get("input", "") + "".join(p.get("text", p.get("refusal", "")) for p in parts)
    )


FOLDERS = {"chat": _chat, "messages": _messages, "responses": _responses}


def says(protocol: str, body: dict[str, Any]) -> dict[str, Any]:
    """What an answer says: text, reasoning, calls, reason to stop, tokens. Two answers that say the same are equal.

    White space around the text is not told, and the places of text between calls are not: chat has none.
    """
    told = TELLERS[protocol](body)
    told["text"] = told["text"].strip()
    return told


def _says_chat(body: dict[str, Any]) -> dict[str, Any]:
    choice = body["choices"][0]
    message, usage = choice["message"], body.get("usage") or {}
    calls = [(c.get("function") or c.get("custom")) for c in message.get("tool_calls") or ()]
    return {
        "text": message.get("content") or "",
        "refused": message.get("refusal") or "",
        "reasoning": message.get("reasoning_content") or "",
        "calls": [(call["name"], _value(call.get("arguments", call.get("input")))) for call in calls],
        "reason": {"stop": "end", "tool_calls": "calls", "content_filter": "refusal"}.get(
            choice["finish_reason"], choice["finish_reason"]
        ),
        "tokens": (usage.get("prompt_tokens"), usage.get("completion_tokens")),
    }


def _says_messages(body: dict[str, Any]) -> dict[str, Any]:
    blocks, usage = body["content"], body["usage"]
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return {
        "text": "".join(block["text"] for block in blocks if block["type"] == "text"),
        "refused": "",
        "reasoning": "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        "calls": [(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"],
        "reason": {
            "end_turn": "end",
            "stop_sequence": "end",
            "pause_turn": "end",
            "max_tokens": "length",
            "tool_use": "calls",
        }.get(body["stop_reason"], body["stop_reason"]),
        "tokens": (sum(usage.get(name) or 0 for name in names), usage["output_tokens"]),
    }


def _says_responses(body: dict[str, Any]) -> dict[str, Any]:
    parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
    calls = [item for item in body["output"] if item["type"] in ("function_call", "custom_tool_call")]
    thoughts = [part for item in body["output"] if item["type"] == "reasoning" for part in item["summary"]]
    reason = (body.get("incomplete_details") or {}).get("reason")
    ends = {"max_output_tokens": "length", "content_filter": "refusal"}
    return {
        "text": "".join(part["text"] for part in parts if part["type"] == "output_text"),
        "refused": "".join(part["refusal"] for part in parts if part["type"] == "refusal"),
        "reasoning": "".join(part["text"] for part in thoughts),
        "calls": [(call["name"], _value(call.get("arguments", call.get("input")))) for call in calls],
        "reason": ends[reason] if reason else "calls" if calls else "end",
        "tokens": (body["usage"]["input_tokens"], body["usage"]["output_tokens"]),
    }


def _value(arguments: str) -> Any:
    try:
        return orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return arguments


TELLERS = {"chat": _says_chat, "messages": _says_messages, "responses": _says_responses}
