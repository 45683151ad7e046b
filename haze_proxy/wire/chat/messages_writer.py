"""Turns as the messages of a Chat Completions request."""

from collections.abc import Iterable
from typing import Any

from haze_proxy.wire.chat.reasoning import write_reasoning
from haze_proxy.wire.conversation import (
    Document,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from haze_proxy.wire.options import Options
from haze_proxy.wire.values import refuse

# A tool message can hold text only; a model that is told of no image invents one.
BELOW = {Image: "[image below]", Document: "[file below]"}

Body = dict[str, Any]


def messages(turns: Iterable[Turn], options: Options) -> list[Body]:
    """The messages of a request. Raises BadRequest for what chat providers cannot be sent."""
    written: list[Body] = []
    for turn in turns:
        if turn.role == "assistant":
            written += _assistant(turn, options)
        elif turn.role == "user":
            written += _user(turn, options)
        else:
            # "system" is known everywhere; OpenAI makes "developer" of it by itself.
            written += _instructions(turn, options)
    return written


def _instructions(turn: Turn, options: Options) -> list[Body]:
    texts = [part for part in turn.parts if isinstance(part, Text) and part.text.strip()]
    if not texts:
        return []
    if options.cache_marks and any(part.mark for part in texts):
        return [{"role": "system", "content": [_part(part, turn.at, options) for part in texts]}]
    return [{"role": "system", "content": "\n\n".join(part.text for part in texts)}]


def _user(turn: Turn, options: Options) -> list[Body]:
    written: list[Body] = []
    below: list[Part] = []
    rest: list[Part] = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            written.append({"role": "tool", "tool_call_id": part.call_id, "content": _result(part)})
            below += [inner for inner in part.parts if _is_below(inner)]
        else:
            rest.append(part)
    if content := _content([*below, *rest], turn.at, options):
        written.append({"role": "user", "content": content})
    return written


def _result(result: ToolResult) -> str:
    lines = [BELOW[type(part)] if _is_below(part) else _plain(part) for part in result.parts]
    told = "\n".join(lines)
    return f"Error: {told}" if result.error else told


def _is_below(part: Part) -> bool:
    return isinstance(part, Image) or (isinstance(part, Document) and part.text is None)


def _plain(part: Part) -> str:
    if isinstance(part, Document):
        return "\n".join(filter(None, (part.title, part.text)))
    return part.text if isinstance(part, Text) else ""


def _content(parts: list[Part], at: str, options: Options) -> str | list[Body]:
    written = [_part(part, at, options) for part in parts if not _is_blank(part)]
    if len(written) == 1 and written[0].keys() == {"type", "text"}:
        return str(written[0]["text"])
    return written


def _is_blank(part: Part) -> bool:
    return isinstance(part, Text) and not part.text.strip()


def _part(part: Part, at: str, options: Options) -> Body:
    written = _unmarked(part, at)
    mark = getattr(part, "mark", "")
    if mark and options.cache_marks == "cache_control":
        written["cache_control"] = {"type": "ephemeral", "ttl": "1h"} if mark == "1h" else {"type": "ephemeral"}
    elif mark and options.cache_marks:
        written["prompt_cache_breakpoint"] = {"mode": "explicit"}
    return written


def _unmarked(part: Part, at: str) -> Body:
    match part:
        case Image():
            image = {"url": part.url or f"data:{part.media_type};base64,{part.data}"}
            return {"type": "image_url", "image_url": {**image, "detail": part.detail} if part.detail else image}
        case Document() if part.text is None:
            if part.url:
                raise refuse(f"{at}.content", "this model's provider takes files by their content, not by URL")
            data = f"data:{part.media_type};base64,{part.data}"
            return {"type": "file", "file": {"filename": part.title or "document.pdf", "file_data": data}}
        case _:
            return {"type": "text", "text": _plain(part)}


def _assistant(turn: Turn, options: Options) -> list[Body]:
    content = "".join(part.text for part in turn.parts if isinstance(part, Text | Refusal))
    calls = [_call(part, options) for part in turn.parts if isinstance(part, ToolCall)]
    reasoning = [part for part in turn.parts if isinstance(part, Reasoning)]
    message: Body = {"role": "assistant", "content": content if content.strip() else None}
    if calls:
        message["tool_calls"] = calls
    message |= write_reasoning(reasoning, options.reasoning_field, bool(calls))
    return [message] if content.strip() or len(message) > 2 else []


def _call(call: ToolCall, options: Options) -> Body:
    function = {"name": call.name, "arguments": (call.arguments.strip() and call.arguments) or "{}"}
    written: Body = {"id": call.id, "type": "function", "function": function}
    if call.extra is not None and options.reasoning_field != "none":
        written["extra_content"] = call.extra
    return written
