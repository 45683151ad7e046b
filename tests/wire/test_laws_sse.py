"""Laws of the event reader: any split gives the same events, and they are the standard's, whatever ends the lines."""

from hypothesis import given, settings
from hypothesis import strategies as st
from wire.recordings import pieces

from haze_proxy.wire import sse

law = settings(deadline=None)  # the machine may be busy

_lines = st.sampled_from(
    [b"", b"", b"", b"data: a", b"data:b", b"data", b": c", b"event: e", b"event:", b"id: 1", b"x"]
)
_ends = st.sampled_from([b"\n", b"\n", b"\r", b"\r\n"])
_one_end = _ends.flatmap(lambda end: st.lists(_lines.map(lambda line: line + end), max_size=30))
_mixed_ends = st.lists(st.tuples(_lines, _ends).map(b"".join), max_size=30)
streams = (_one_end | _mixed_ends).map(b"".join)
cuts = st.lists(st.integers(0, 200), max_size=8)


def dispatched(stream: bytes) -> list[tuple[bytes, bytes]]:
    """Name and data of each event of a stream, read as the standard tells it: a byte and a line at a time."""
    lines, line, events, name, data = [], b"", [], b"", []
    for at, byte in enumerate(stream):
        if byte in b"\r\n":
            if not (byte in b"\n" and stream[at - 1 : at] == b"\r"):
                lines.append(line)
            line = b""
        else:
            line += bytes([byte])
    for each in lines:
        field, _, value = each.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if each == b"":
            events += [(name, b"\n".join(data))] if data else []
            name, data = b"", []
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return events


@law
@given(stream=streams | st.binary(max_size=60), cuts=cuts)
def test_any_split_gives_the_same_events_and_no_byte_is_lost(stream: bytes, cuts: list[int]) -> None:
    """Bytes that are relayed event by event must be the bytes that came in."""
    whole, split, dripped = sse.Reader(), sse.Reader(), sse.Reader()
    events = whole.feed(stream)
    assert [event for part in pieces(stream, cuts) for event in split.feed(part)] == events
    assert [event for byte in stream for event in dripped.feed(bytes([byte]))] == events
    assert split.rest == dripped.rest == whole.rest
    assert b"".join(events) + whole.rest == stream


@law
@given(stream=streams)
def test_the_events_are_those_of_the_standard(stream: bytes) -> None:
    """What a client takes for an event must be one here: an end that only the client sees is never charged."""
    reader = sse.Reader()
    read = [sse.parse(raw) for raw in reader.feed(stream)]
    # At the very end "\n\r" may still become "\n\r\n"; the standard's reader does not have to know.
    read += [sse.parse(reader.rest)] if reader.rest.endswith(b"\n\r") else []
    told = [((event.name or "").encode(), event.data) for event in read if event.data]
    assert told == [(name, data) for name, data in dispatched(stream) if data]
