"""Reasoning in chat: OpenAI has no field for it, so providers made their own.

DeepSeek and llama.cpp send `reasoning_content`, vLLM `reasoning`, OpenRouter `reasoning` beside `reasoning_details`,
which hold what the model's own provider must get back unchanged; their `format` says who that is.
"""

from collections.abc import Iterable
from typing import Any

from haze_proxy.wire.conversation import Json, Part, Reasoning, Seal
from haze_proxy.wire.values import arr, obj, text

ORIGIN = "chat"  # of seals that only this protocol understands
TEXTS = ("reasoning_content", "reasoning")
DETAILS = "reasoning_details"
# Details of these formats are another protocol's own signatures.
FORMATS = {"anthropic-claude-v1": "messages", "openai-responses-v1": "responses"}
FORMAT_OF = {origin: name for name, origin in FORMATS.items()}
Detail = dict[str, Any]


def read_reasoning(message: dict[str, Any]) -> list[Part]:
    """What an assistant message in a request says about its reasoning."""
    field = next((name for name in TEXTS if text(message.get(name))), "")
    thought = text(message.get(field))
    details = [detail for detail in arr(message.get(DETAILS)) if isinstance(detail, dict)]
    if not details:
        return [Reasoning(thought, Seal(ORIGIN, {"field": field}))] if thought else []
    origins = {FORMATS.get(text(detail.get("format")), ORIGIN) for detail in details}
    if origins == {"messages"}:
        return _signed(details, thought)
    if origins == {"responses"}:
        return _encrypted(details, thought)
    return [Reasoning(thought or joined(details), Seal(ORIGIN, {"details": details}))]


def _signed(details: list[Detail], thought: str) -> list[Part]:
    parts: list[Part] = []
    alone = sum(bool(text(detail.get("signature"))) for detail in details) == 1
    for detail in details:
        said = text(detail.get("text"))
        if detail.get("data") is not None:
            parts.append(Reasoning("", Seal("messages", {"data": detail["data"]})))
        elif signature := text(detail.get("signature")):
            # A client may have kept the signature of a stream and put the text elsewhere.
            parts.append(Reasoning(said or (thought if alone else ""), Seal("messages", {"signature": signature})))
        elif said:
            parts.append(Reasoning(said))
    return parts


def _encrypted(details: list[Detail], thought: str) -> list[Part]:
    summary = "\n\n".join(filter(None, (text(detail.get("summary")) for detail in details))) or thought
    parts: list[Part] = []
    for detail in details:
        if detail.get("data") is not None:
            data = {"id": text(detail.get("id")), "encrypted_content": detail["data"]}
            parts.append(Reasoning(summary, Seal("responses", data)))
            summary = ""
    return parts or [Reasoning(summary)]


def joined(details: Iterable[Detail]) -> str:
    """The readable text of details."""
    return "".join(text(detail.get("text")) or text(detail.get("summary")) for detail in details)


def merged(details: list[Detail], more: Iterable[Json]) -> list[Detail]:
    """Details of a stream put together: pieces with the index and type of one that has begun belong to it."""
    for piece in map(obj, more):
        begun = next((d for d in reversed(details) if _same(d, piece)), None)
        if begun is None:
            details.append(dict(piece))
            continue
        for name, value in piece.items():
            if name in ("text", "summary", "data") and isinstance(value, str):
                begun[name] = text(begun.get(name)) + value
            elif value is not None:
                begun[name] = value
    return details


def _same(begun: Detail, piece: Detail) -> bool:
    return (
        begun.get("type") == piece.get("type")
        and begun.get("index") == piece.get("index")
        and begun.get("index") is not None
    )


def details_of(seal: Seal, thought: str, index: int) -> list[Detail]:
    """A seal as details for a client, who is to send them back; `thought` is the text it seals."""
    data = obj(seal.data)
    if seal.origin == "messages":
        sealed = {"format": FORMAT_OF["messages"], "index": index}
        if "data" in data:
            return [{"type": "reasoning.encrypted", "data": data["data"], **sealed}]
        return [{"type": "reasoning.text", "text": thought, "signature": data.get("signature"), **sealed}]
    if seal.origin == "responses":
        sealed = {"format": FORMAT_OF["responses"], "index": index}
        written: list[Detail] = [{"type": "reasoning.summary", "summary": thought, **sealed}] if thought else []
        encrypted = {"type": "reasoning.encrypted", "id": data.get("id"), "data": data.get("encrypted_content")}
        return [*written, {**encrypted, **sealed}]
    return [detail for detail in arr(data.get("details")) if isinstance(detail, dict)]


def write_reasoning(parts: Iterable[Reasoning], field: str, calls: bool) -> dict[str, Json]:
    """The members of an assistant message that give the provider its reasoning back (see Options.reasoning_field)."""
    if field == "none":
        return {}
    own = [part for part in parts if part.seal is not None and part.seal.origin == ORIGIN]
    thought = "".join(part.text for part in own)
    if field != "received":
        return {field: thought} if thought or calls else {}
    members: dict[str, Json] = {}
    details = [detail for part in own for detail in arr(obj(part.seal and part.seal.data).get("details"))]
    if details:
        members[DETAILS] = details
    for part in own:
        name = text(obj(part.seal and part.seal.data).get("field"))
        if name in TEXTS:
            members[name] = text(members.get(name)) + part.text
    return members
