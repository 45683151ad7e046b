"""What lives on the provider's account, and is therefore not the caller's to name.

A file, a container or a stored conversation belongs to the owner's account at the provider: any key could read
another's by its id. Only a channel that says `stateful = true` takes them.
"""

from collections.abc import Iterator
from typing import Any

FIELDS = ("previous_response_id", "conversation", "container", "mcp_servers")


def stateful_field(parsed: dict[str, Any]) -> str | None:
    """The first field that names something on the provider's account, or None."""
    for name in FIELDS:
        if parsed.get(name):
            return name
    if parsed.get("background") is True:
        return "background"
    if any(_names_a_file(part) for part in _parts(parsed.get("messages"))):
        return "file_id"
    return None


def _parts(turns: object) -> Iterator[dict[str, Any]]:
    """The content parts of turns, those inside tool results too; turns of plain text have none."""
    pending = [turns]
    # Grows by the lists inside: a body may be nested deeper than Python's stack.
    for items in pending:
        for item in items if isinstance(items, list) else ():
            if type(item) is dict:
                if type(content := item.get("content")) is list:
                    pending.append(content)
                if "type" in item:
                    yield item


def _names_a_file(part: dict[str, Any]) -> bool:
    places = (part, part.get("source"), part.get("file"))
    return any(type(place) is dict and bool(place.get("file_id")) for place in places)
