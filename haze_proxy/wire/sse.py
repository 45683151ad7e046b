"""Server-sent events: where one ends, and what one says.

Cutting and reading are apart: bytes that are only passed on are cut and never read. Source: the WHATWG HTML standard,
"Server-sent events": lines end with LF, CRLF or CR, a blank line ends an event, a line beginning with ":" is a comment.
"""

import re
from dataclasses import dataclass

EVENT_BYTES_MAX = 32 * 1024 * 1024

# An event ends where a line feed is followed by a blank line, or at CR CR. LF CR is an end only once the next byte is
# there and is no line feed, and no other alternative looks at the byte after its own last one: so no split of the bytes
# can change where an event ends.
BOUNDARY = re.compile(rb"\n(?:\r?\n|\r(?=[^\n]))|\r\r")
BOUNDARY_BYTES_MAX = 3

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventTooLong(ValueError):
    """The stream sent more than EVENT_BYTES_MAX bytes without ending an event."""


@dataclass(frozen=True, slots=True)
class Event:
    """What one event says: its name, if it has one, and its data lines joined by line feeds (empty for a comment)."""

    name: str | None
    data: bytes


class Reader:
    """Cuts a byte stream into raw events, each with its blank line; joined they are the bytes that came in."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """The bytes of the event that is not complete yet."""
        return bytes(self._rest)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events this chunk completes, in order. Raises EventTooLong; the reader is then of no further use."""
        rest = self._rest
        # A boundary may have begun in an earlier chunk; what lies before it was searched then.
        position = max(0, len(rest) - BOUNDARY_BYTES_MAX + 1)
        rest += chunk
        events, start = [], 0
        while boundary := BOUNDARY.search(rest, position):
            position = boundary.end()
            events.append(bytes(rest[start:position]))
            start = position
        del rest[:start]
        if len(rest) > EVENT_BYTES_MAX:
            raise EventTooLong(f"An event is longer than {EVENT_BYTES_MAX} bytes.")
        return events


def parse(raw: bytes) -> Event:
    """Read one raw event. Never fails: lines that are neither `event` nor `data` are left out, as the standard says."""
    name, data = None, []
    for line in raw.removeprefix(_BYTE_ORDER_MARK).splitlines():
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ").decode("utf-8", "replace") or None
    return Event(name, b"\n".join(data))
