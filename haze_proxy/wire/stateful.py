"""What lives on the provider's account, and is therefore not the caller's to name.

A file, a container or a stored conversation belongs to the owner's account at the provider: any key could read
another's by its id. Only a channel that says `stateful = true` takes them.
"""

from collections.abc import Iterator
from typing import Any

FIELDS = ("previous_response_id", "conversation", "container", "mcp_servers")


def stateful_field(body: bytes, parsed: dict[str, Any]) -> str | None:
    """The first field that names something on the provider's account, or None."""
    for name in FIELDS:
        if parsed.get(name):
            return name
    if parsed.get("background") is True:
        return "background"
    # The parts are walked only where the word stands in the body at all.
    if b'"file_id"' in body and any(_names_a_file(part) for part in _parts(parsed.get("messages"))):
        return "file_id"
    return None


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """The content parts of turns, those inside tool results too."""
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item
            yield from _parts(item.get("content"))


def _names_a_file(part: dict[str, Any]) -> bool:
    places = (part, part.get("source"), part.get("file"))
    return any(isinstance(place, dict) and bool(place.get("file_id")) for place in places)
