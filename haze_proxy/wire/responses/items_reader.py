"""Input items of a Responses request as turns."""

from typing import Any

from haze_proxy.wire import seal
from haze_proxy.wire.conversation import (
    Document,
    Image,
    Json,
    Part,
    Reasoning,
    Refusal,
    Role,
    Seal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from haze_proxy.wire.files import data_url, document
from haze_proxy.wire.values import arr, obj, refuse, text, want_array, want_object, want_text

ORIGIN = "responses"  # of the seals that OpenAI made
ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "developer"}
# What the provider ran by itself, or found: its outcome stands in the answer already.
HOSTED = frozenset(
    {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "tool_search_call"}
    | {"tool_search_output", "mcp_list_tools"}
)
CALLS = frozenset({"function_call", "custom_tool_call"})
RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})


def turns(given: object, unread: list[str]) -> list[Turn]:
    """The turns of an input; a string is one user turn. Raises BadRequest for items without an equal elsewhere."""
    if isinstance(given, str):
        return [Turn("user", (Text(given),), "input")]
    read: list[Turn] = []
    extras: dict[str, Json] = {}
    for n, entry in enumerate(want_array(given, "input")):
        at = f"input.{n}"
        item = want_object(entry, at)
        kind = text(item.get("type")) or "message"
        if kind in HOSTED:
            unread.append(f"input.{kind}")
        else:
            read.append(_turn(kind, item, at, extras))
    return [turn for turn in _joined(read) if turn.parts]


def _turn(kind: str, item: dict[str, Any], at: str, extras: dict[str, Json]) -> Turn:
    if kind == "message":
        role = ROLES.get(text(item.get("role")))
        if role is None:
            raise refuse(f"{at}.role", f"Expected one of {', '.join(ROLES)}")
        return Turn(
            role, _content(item.get("content"), f"{at}.content", instructions=role in ("system", "developer")), at
        )
    if kind in CALLS:
        return Turn("assistant", (_call(kind, item, at, extras),), at)
    if kind in RESULTS:
        return Turn("user", (_result(kind, item, at),), at)
    if kind == "reasoning":
        return Turn("assistant", _reasoning(item, extras), at)
    raise refuse(at, f"an item of type {kind!r} cannot be sent to this model's provider")


def _joined(read: list[Turn]) -> list[Turn]:
    """What the model said in one go is one turn; so are the results that follow."""
    joined: list[Turn] = []
    for turn in read:
        last = joined[-1] if joined else None
        together = (
            last is not None and last.role == turn.role and (turn.role == "assistant" or _are_results(last, turn))
        )
        if last is not None and together:
            joined[-1] = Turn(last.role, last.parts + turn.parts, last.at)
        else:
            joined.append(turn)
    return joined


def _are_results(*both: Turn) -> bool:
    return all(isinstance(part, ToolResult) for turn in both for part in turn.parts)


def _content(content: object, at: str, *, instructions: bool = False) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    parts = [
        part(want_object(entry, f"{at}.{n}"), f"{at}.{n}")
        for n, entry in enumerate(want_array([] if content is None else content, at))
    ]
    if instructions and not all(isinstance(read, Text) for read in parts):
        raise refuse(at, "instructions can be text only")
    return tuple(parts)


def part(given: dict[str, Any], at: str) -> Part:
    """One part of a content. Raises BadRequest for what has no equal elsewhere."""
    match given.get("type"):
        case "input_text" | "output_text" | "text" | "summary_text":
            return Text(want_text(given.get("text"), f"{at}.text"))
        case "refusal":
            return Refusal(text(given.get("refusal")))
        case "input_image":
            return _image(given, at)
        case "input_file":
            if url := text(given.get("file_url")):
                return Document(url=url, title=text(given.get("filename")))
            return document(given, "", at)
        case kind:
            raise refuse(at, f"a part of type {kind!r} cannot be sent to this model's provider")


def _image(given: dict[str, Any], at: str) -> Image:
    url, detail = given.get("image_url"), text(given.get("detail")).replace("auto", "")  # auto is the default
    if not isinstance(url, str):
        raise refuse(at, "only images with an image_url can be sent to this model's provider")
    media_type, data = data_url(url)
    return Image(url=url, detail=detail) if media_type is None else Image(media_type, data, detail=detail)


def _call(kind: str, item: dict[str, Any], at: str, extras: dict[str, Json]) -> ToolCall:
    call_id, name = want_text(item.get("call_id"), f"{at}.call_id"), want_text(item.get("name"), f"{at}.name")
    custom = kind == "custom_tool_call"
    said = text(item.get("input" if custom else "arguments"))
    return ToolCall(call_id, name, said, custom, text(item.get("namespace")), extras.get(call_id))


def _result(kind: str, item: dict[str, Any], at: str) -> ToolResult:
    call_id, output = want_text(item.get("call_id"), f"{at}.call_id"), item.get("output")
    content = _content(output, f"{at}.output")
    parts = tuple(read for read in content if isinstance(read, Text | Image | Document))
    return ToolResult(call_id, parts, custom=kind == "custom_tool_call_output")


def _reasoning(item: dict[str, Any], extras: dict[str, Json]) -> tuple[Part, ...]:
    thought = "".join(text(obj(entry).get("text")) for entry in arr(item.get("content")))
    thought = thought or "\n\n".join(text(obj(entry).get("text")) for entry in arr(item.get("summary")))
    encrypted = item.get("encrypted_content")
    if not seal.is_packed(encrypted):
        sealed = {"id": text(item.get("id")), "encrypted_content": encrypted} if text(encrypted) else None
        return (Reasoning(thought, Seal(ORIGIN, sealed) if sealed else None),)
    carried = seal.unpack(encrypted)
    if carried is not None and carried.origin == seal.CALLS:
        extras.update(obj(carried.data))
        carried = None
    return (Reasoning(thought, carried),) if thought or carried else ()
