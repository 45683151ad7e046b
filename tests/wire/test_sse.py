"""Events are cut where the standard says, however the bytes arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.wire import sse

STREAMS = {
    "line feeds": (b"data: a\n\ndata: b\n\n", [b"data: a\n\n", b"data: b\n\n"], b""),
    "carriage return and line feed": (b"event: x\r\ndata: a\r\n\r\n", [b"event: x\r\ndata: a\r\n\r\n"], b""),
    "carriage returns": (b"data: a\r\rdata: b\r\r", [b"data: a\r\r", b"data: b\r\r"], b""),
    "line ends mixed by a proxy": (b"data: a\n\r\ndata: b\r\n\n", [b"data: a\n\r\n", b"data: b\r\n\n"], b""),
    "a line feed and a carriage return": (b"data: a\n\rdata: b\n\r", [b"data: a\n\r"], b"data: b\n\r"),
    "a comment is an event of its own": (b": OPENROUTER PROCESSING\n\n", [b": OPENROUTER PROCESSING\n\n"], b""),
    "not complete yet": (b"data: a\n\ndata: b\n", [b"data: a\n\n"], b"data: b\n"),
    "blank lines between": (b"data: a\n\n\n\ndata: b\n\n", [b"data: a\n\n", b"\n\n", b"data: b\n\n"], b""),
    "escaped line ends in text": (b'data: {"a":"\\n\\n"}\n\n', [b'data: {"a":"\\n\\n"}\n\n'], b""),
}

EVENTS = {
    "name and data": (b"event: ping\ndata: {}\n\n", sse.Event("ping", b"{}")),
    "no space after the colon": (b"event:ping\ndata:{}\n\n", sse.Event("ping", b"{}")),
    "only one space is dropped": (b"data:  x\n\n", sse.Event(None, b" x")),
    "data lines are joined": (b"data: a\ndata: b\n\n", sse.Event(None, b"a\nb")),
    "an empty data line counts": (b"data: a\ndata\n\n", sse.Event(None, b"a\n")),
    "comments say nothing": (b": keep-alive\n\n", sse.Event(None, b"")),
    "other fields say nothing": (b"id: 7\nretry: 10\ndata: a\n\n", sse.Event(None, b"a")),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", sse.Event(None, b"a")),
    "carriage returns": (b"event: x\rdata: a\r\r", sse.Event("x", b"a")),
    "Windows lines": (b"event: x\r\ndata: a\r\n\r\n", sse.Event("x", b"a")),
    "a name that is not UTF-8": (b"event: \xff\ndata: a\n\n", sse.Event("\ufffd", b"a")),
    "an empty name is none": (b"event:\ndata: a\n\n", sse.Event(None, b"a")),
    "a colon in the data": (b"data: a: b\n\n", sse.Event(None, b"a: b")),
}


@pytest.mark.parametrize(("stream", "events", "rest"), STREAMS.values(), ids=STREAMS)
def test_events_are_cut_the_same_whole_and_byte_by_byte(stream: bytes, events: list[bytes], rest: bytes) -> None:
    """The network cuts anywhere; a translation must not depend on where."""
    whole, dripped = sse.Reader(), sse.Reader()
    assert whole.feed(stream) == events
    assert [event for byte in stream for event in dripped.feed(bytes([byte]))] == events
    assert whole.rest == dripped.rest == rest


@pytest.mark.parametrize(("raw", "event"), EVENTS.values(), ids=EVENTS)
def test_an_event_says_its_name_and_its_data(raw: bytes, event: sse.Event) -> None:
    """Upstreams write the same event in many ways; readers above see one."""
    assert sse.parse(raw) == event


@given(st.binary())
def test_reading_an_event_never_fails(raw: bytes) -> None:
    """What an upstream sends is not ours to trust."""
    assert isinstance(sse.parse(raw), sse.Event)


def test_an_event_without_an_end_is_refused_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One endless event must not fill the memory of everyone's gateway."""
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 10)
    reader = sse.Reader()
    assert reader.feed(b"data: 1234\n\n") == [b"data: 1234\n\n"]
    assert reader.feed(b"data: 1234") == []
    with pytest.raises(sse.EventTooLong):
        reader.feed(b"5")
