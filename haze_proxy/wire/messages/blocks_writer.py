"""Parts of a turn as content blocks of a Messages request."""

from typing import Any

from haze_proxy.wire.conversation import (
    Document,
    Image,
    Json,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from haze_proxy.wire.messages.blocks_reader import ORIGIN
from haze_proxy.wire.values import obj, parse, refuse

IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
SPELLINGS = {"image/jpg": "image/jpeg"}
THINKING = frozenset({"thinking", "redacted_thinking"})  # blocks that cannot carry a cache mark
BROKEN = "INVALID_JSON"  # the member that holds arguments which are no JSON object

Block = dict[str, Any]


def blocks(turn: Turn) -> list[Block]:
    """The blocks of a turn. Empty texts are left out, their cache mark moves to the block before.

    Raises BadRequest for what Anthropic cannot be sent.
    """
    written: list[Block] = []
    for part in turn.parts:
        block = _block(part, turn.at)
        marked = getattr(part, "mark", "")
        if block is not None:
            if marked:
                block["cache_control"] = control(marked)
            written.append(block)
        elif marked and written and written[-1]["type"] not in THINKING:
            written[-1]["cache_control"] = control(marked)
    return written


def control(mark: str) -> dict[str, str]:
    """A cache breakpoint; five minutes are what is meant where nothing is said."""
    return {"type": "ephemeral", "ttl": "1h"} if mark == "1h" else {"type": "ephemeral"}


def arguments(text: str) -> Json:
    """What a model wrote as arguments, as the object that `input` must be."""
    if not text.strip():
        return {}
    read = parse(text)
    return read if isinstance(read, dict) else {BROKEN: text}


def _block(part: Part, at: str) -> Block | None:
    match part:
        case Text(text) | Refusal(text):
            return {"type": "text", "text": text} if text.strip() else None
        case ToolCall():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments(part.arguments)}
        case ToolResult():
            return _result(part, at)
        case Image():
            return _image(part, at)
        case Document():
            return _document(part, at)
        case Reasoning():
            return _reasoning(part)


def _result(result: ToolResult, at: str) -> Block:
    content = [written for part in result.parts if (written := _block(part, at)) is not None]
    block: Block = {"type": "tool_result", "tool_use_id": result.call_id, "content": content}
    return {**block, "is_error": True} if result.error else block


def _image(image: Image, at: str) -> Block:
    if image.url:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    media_type = SPELLINGS.get(image.media_type, image.media_type)
    if media_type not in IMAGES:
        raise refuse(f"{at}.content", f"this model takes images of {', '.join(sorted(IMAGES))}, not {media_type!r}")
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": image.data}}


def _document(document: Document, at: str) -> Block | None:
    if document.text is not None:
        if not document.text.strip():
            return None
        source = {"type": "text", "media_type": "text/plain", "data": document.text}
    elif document.url:
        source = {"type": "url", "url": document.url}
    elif document.media_type == "application/pdf":
        source = {"type": "base64", "media_type": document.media_type, "data": document.data}
    else:
        raise refuse(f"{at}.content", f"this model takes PDF and text files, not {document.media_type!r}")
    titled = {"title": document.title} if document.title else {}
    return {"type": "document", "source": source, **titled}


def _reasoning(reasoning: Reasoning) -> Block | None:
    """Only what Anthropic itself has signed: it refuses anything else."""
    seal = reasoning.seal
    if seal is None or seal.origin != ORIGIN:
        return None
    data = obj(seal.data)
    if "data" in data:
        return {"type": "redacted_thinking", "data": data["data"]}
    return {"type": "thinking", "thinking": reasoning.text, "signature": data.get("signature")}
