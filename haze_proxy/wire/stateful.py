"""What lives on the provider's account, and is therefore not the caller's to name.

A file, a container or a stored conversation belongs to the owner's account at the provider: any key could read
another's by its id. Only a channel that says `stateful = true` takes them.
"""

from collections.abc import Iterator
from typing import Any, Final

FIELDS: Final = ("previous_response_id", "conversation", "container", "mcp_servers")
# What a client must do that names its own earlier answers by their ids.
WHOLE_ITEMS: Final = "Set `store` to false in your client: it then sends what was said before itself."
ADVICE: Final = {
    "store": "Leave `store` out, or set it to false.",
    "background": "Stream the answer instead.",
    "item_reference": WHOLE_ITEMS,
    "previous_response_id": WHOLE_ITEMS,
    "conversation": WHOLE_ITEMS,
}


def stateful_field(parsed: dict[str, Any], protocol: str) -> str | None:
    """The first field that names something on the provider's account, or would leave something there; or None."""
    for name in FIELDS:
        if parsed.get(name):
            return name
    if parsed.get("background") is True:
        return "background"
    # A prompt kept at the provider; elsewhere it may be a text, which is nothing of anybody's.
    if isinstance(parsed.get("prompt"), dict):
        return "prompt"
    if protocol == "responses":
        return _in_responses(parsed)
    return "file_id" if _names_a_file(parsed.get("messages")) else None


def _in_responses(parsed: dict[str, Any]) -> str | None:
    if parsed.get("store") is True:
        return "store"
    if any(map(_is_reference, _objects(parsed.get("input")))):
        return "item_reference"
    if _names_a_file(parsed.get("input")):
        return "file_id"
    return next(filter(None, map(_of_tool, _tools(parsed.get("tools")))), None)


def _is_reference(item: dict[str, Any]) -> bool:
    """An earlier item by its id alone; the type may be left out, and a picture is named by its call."""
    kind = item.get("type")
    if kind == "image_generation_call":
        return not item.get("result")
    return kind == "item_reference" or (kind is None and "role" not in item and "id" in item)


def _tools(tools: object) -> Iterator[dict[str, Any]]:
    """The tools, those in a namespace too."""
    for tool in _objects(tools):
        yield tool
        yield from _objects(tool.get("tools"))


def _of_tool(tool: dict[str, Any]) -> str | None:
    if tool.get("vector_store_ids"):
        return "vector_store_ids"
    container = tool.get("container")
    if isinstance(container, str):
        return "container"
    return "file_ids" if isinstance(container, dict) and container.get("file_ids") else None


def _names_a_file(turns: object) -> bool:
    return any(_is_file(part) for part in _parts(turns))


def _parts(turns: object) -> Iterator[dict[str, Any]]:
    """The content parts of turns, those inside tool results too; turns of plain text have none."""
    pending = [turns]
    # Grows by the lists inside: a body may be nested deeper than Python's stack.
    for items in pending:
        for item in items if isinstance(items, list) else ():
            if type(item) is dict:
                if type(content := item.get("content")) is list:
                    pending.append(content)
                # A document of messages keeps its parts there.
                if type(source := item.get("source")) is dict:
                    pending.append(source.get("content"))
                # A call's result on responses: a text, parts, or one part.
                if (output := item.get("output")) is not None:
                    pending.append([output] if type(output) is dict else output)
                if "type" in item:
                    yield item


def _is_file(part: dict[str, Any]) -> bool:
    places = (part, part.get("source"), part.get("file"))
    return any(type(place) is dict and bool(place.get("file_id")) for place in places)


def _objects(value: object) -> Iterator[dict[str, Any]]:
    return (item for item in value if type(item) is dict) if isinstance(value, list) else iter(())
