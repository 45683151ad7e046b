"""Content blocks of a Messages request as parts."""

from collections.abc import Callable
from typing import Any

from haze_proxy.wire import seal
from haze_proxy.wire.conversation import Document, Image, Json, Part, Reasoning, Seal, Text, ToolCall, ToolResult
from haze_proxy.wire.values import arr, dumps, obj, refuse, text, want_array, want_object, want_text

ORIGIN = "messages"  # of the seals that Anthropic made
BILLING = "x-anthropic-billing-header:"  # Claude Code's first system block, for Anthropic only

Blocks = list[tuple[dict[str, Any], str]]


def blocks(content: object, at: str) -> Blocks:
    """The blocks of a content and where each stands; a string is one text block. Raises BadRequest."""
    if isinstance(content, str):
        return [({"type": "text", "text": content}, at)]
    listed = want_array(content, at)
    return [(want_object(block, f"{at}.{n}"), f"{at}.{n}") for n, block in enumerate(listed)]


def mark(block: dict[str, Any]) -> str:
    """The cache breakpoint of a block: "5m", "1h", or none."""
    control = block.get("cache_control")
    if not isinstance(control, dict):
        return ""
    return "1h" if control.get("ttl") == "1h" else "5m"


def user_parts(content: object, at: str) -> tuple[Part, ...]:
    """What the user said. Raises BadRequest for a block without an equal elsewhere: without it the rest says less."""
    parts: list[Part] = []
    for block, where in blocks(content, at):
        kind = text(block.get("type"))
        if kind not in _USER:
            raise refuse(where, f"a block of type {kind!r} cannot be sent to this model's provider")
        parts += _USER[kind](block, where)
    return tuple(parts)


def assistant_parts(content: object, at: str, unread: list[str]) -> tuple[Part, ...]:
    """What the model said. Blocks of tools that the provider ran are left out in pairs, and named."""
    parts: list[Part] = []
    extras: dict[str, Json] = {}
    for block, where in blocks(content, at):
        kind = text(block.get("type"))
        if kind == "thinking":
            parts += _thinking(block, extras)
        elif kind in _ASSISTANT:
            parts += _ASSISTANT[kind](block, where)
        else:
            unread.append(f"messages.content.{kind}")
    if not extras:
        return tuple(parts)
    return tuple(_with_extra(part, extras) for part in parts)


def system_parts(content: object, at: str, unread: list[str]) -> tuple[Part, ...]:
    """Instructions: text only. What else stands among them is left out and named."""
    parts: list[Part] = []
    for block, where in blocks(content, at):
        if block.get("type") == "text":
            parts += _text(block, where)
        else:
            unread.append(f"messages.content.{text(block.get('type'))}")
    return tuple(parts)


def _with_extra(part: Part, extras: dict[str, Json]) -> Part:
    if isinstance(part, ToolCall) and part.id in extras:
        return ToolCall(part.id, part.name, part.arguments, extra=extras[part.id], mark=part.mark)
    return part


def _text(block: dict[str, Any], at: str) -> list[Part]:
    return [Text(want_text(block.get("text"), f"{at}.text"), mark(block))]


def _image(block: dict[str, Any], at: str) -> list[Part]:
    source = want_object(block.get("source"), f"{at}.source")
    match source.get("type"):
        case "base64":
            return [Image(text(source.get("media_type")), text(source.get("data")), mark=mark(block))]
        case "url":
            return [Image(url=text(source.get("url")), mark=mark(block))]
    raise refuse(f"{at}.source", "only base64 and url images can be sent to this model's provider")


def _document(block: dict[str, Any], at: str) -> list[Part]:
    source = want_object(block.get("source"), f"{at}.source")
    title, marked = text(block.get("title")), mark(block)
    match source.get("type"):
        case "base64":
            return [Document(text(source.get("media_type")), text(source.get("data")), title=title, mark=marked)]
        case "text":
            return [Document("text/plain", text=text(source.get("data")), title=title, mark=marked)]
        case "url":
            return [Document(url=text(source.get("url")), title=title, mark=marked)]
        case "content":
            return list(user_parts(source.get("content"), f"{at}.source.content"))
    raise refuse(f"{at}.source", "only base64, text and url documents can be sent to this model's provider")


def _search_result(block: dict[str, Any], _at: str) -> list[Part]:
    lines = [text(block.get("title")), text(block.get("source"))]
    lines += [text(obj(part).get("text")) for part in arr(block.get("content"))]
    return [Text("\n".join(filter(None, lines)), mark(block))]


def _thinking(block: dict[str, Any], extras: dict[str, Json]) -> list[Part]:
    thought, signature = text(block.get("thinking")), block.get("signature")
    if not seal.is_packed(signature):
        return [Reasoning(thought, Seal(ORIGIN, {"signature": signature}) if text(signature) else None)]
    carried = seal.unpack(signature)
    if carried is not None and carried.origin == seal.CALLS:
        extras.update(obj(carried.data))
        carried = None
    return [Reasoning(thought, carried)] if thought or carried else []


def _redacted(block: dict[str, Any], _at: str) -> list[Part]:
    return [Reasoning("", Seal(ORIGIN, {"data": block.get("data")}))]


def _tool_use(block: dict[str, Any], at: str) -> list[Part]:
    call_id, name = want_text(block.get("id"), f"{at}.id"), want_text(block.get("name"), f"{at}.name")
    given = block.get("input")
    return [ToolCall(call_id, name, "{}" if given is None else dumps(given), mark=mark(block))]


def _tool_result(block: dict[str, Any], at: str) -> list[Part]:
    call_id = want_text(block.get("tool_use_id"), f"{at}.tool_use_id")
    parts: list[Text | Image | Document] = []
    content = block.get("content")
    for inner, where in blocks([] if content is None else content, f"{at}.content"):
        parts += _result_part(inner, where)
    return [ToolResult(call_id, tuple(parts), block.get("is_error") is True, mark=mark(block))]


def _result_part(block: dict[str, Any], at: str) -> list[Text | Image | Document]:
    kind = text(block.get("type"))
    if kind == "tool_reference":
        return [Text(f"Tool found: {text(block.get('tool_name'))}")]
    if kind in _RESULT:
        return [part for part in _USER[kind](block, at) if isinstance(part, Text | Image | Document)]
    return [Text(dumps(block))]  # the model must see what the tool said, in whatever form


_Read = Callable[[dict[str, Any], str], list[Part]]
_RESULT = frozenset({"text", "image", "document", "search_result"})
_USER: dict[str, _Read] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_result": _tool_result,
}
_ASSISTANT: dict[str, _Read] = {
    "text": _text,
    "document": _document,
    "tool_use": _tool_use,
    "redacted_thinking": _redacted,
}
