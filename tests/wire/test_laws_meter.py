"""Laws of the meter: the same bill for the same answer on any network, and nothing that ends it goes out unpaid."""

import tracemalloc
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.recordings import RECORDINGS, Recording, known, passed, pieces, without_usage_chunk
from wire.streams import chat, streams

from haze_proxy.wire.meter import Meter

law = settings(deadline=None)  # the machine may be busy
recorded = st.sampled_from(list(RECORDINGS.values()))
cuts = st.lists(st.integers(0, 3000), max_size=10)
MEGABYTE = 2**20


def ways(stream: bytes, places: list[int]) -> list[list[bytes]]:
    """Whole, cut at these places, and byte by byte."""
    return [[stream], pieces(stream, places), [stream[at : at + 1] for at in range(len(stream))]]


@law
@given(recording=streams, places=cuts)
def test_any_split_of_any_stream_finds_what_was_said(recording: Recording, places: list[int]) -> None:
    """Usage, end, model, error and text are those the stream was made of; every byte goes out or waits."""
    for chunks in ways(recording.stream, places):
        meter = recording.meter()
        assert passed(meter, chunks) + meter.held == recording.stream
        told = known(meter)
        assert told == {fact: getattr(recording, fact, None) for fact in told}


@law
@given(recording=streams | recorded, end=st.integers(1, 5000), places=cuts)
def test_any_split_of_a_stream_that_breaks_off_anywhere_finds_the_same(
    recording: Recording, end: int, places: list[int]
) -> None:
    """A line is cut where it is cut; what was delivered until then is charged the same."""
    stream = recording.stream[: end % (len(recording.stream) + 1)]
    outcomes = []
    for chunks in ways(stream, places):
        meter = recording.meter()
        assert passed(meter, chunks) + meter.held == stream
        outcomes.append(known(meter))
    assert outcomes[0] == outcomes[1] == outcomes[2]


@law
@given(recording=streams | recorded, end=st.integers(1, 5000), places=cuts)
def test_what_goes_out_before_the_charge_never_ends_the_answer(
    recording: Recording, end: int, places: list[int]
) -> None:
    """Not even to a client that acts on lines, or that takes the end of the body for the end of an event."""
    stream = recording.stream[: end % (len(recording.stream) + 1)]
    for chunks in ways(stream, places):
        meter = recording.meter()
        sent = passed(meter, chunks)
        client = recording.meter()
        passed(client, [sent])
        assert client.state == "open"
        assert stream.startswith(sent)
        assert bool(meter.held) == (meter.state != "open")


@law
@given(recording=chat(), places=cuts)
def test_only_the_usage_chunk_is_kept_from_a_client_that_did_not_ask(recording: Recording, places: list[int]) -> None:
    """However it is spelled and wherever the network cuts it, and it is read all the same."""
    for chunks in ways(recording.stream, places):
        meter = recording.meter(hide_usage=True)
        assert passed(meter, chunks) + meter.held == without_usage_chunk(recording.stream)
        assert (meter.usage, meter.state) == (recording.usage, recording.state)


# ---- memory ----

_TEXT = "x" * 1000
_CHOICE = {"index": 0, "delta": {"content": _TEXT}, "finish_reason": None}
_DELTA = {"type": "text_delta", "text": _TEXT}
EVENTS: dict[str, tuple[str, object, bool]] = {
    "chat": ("chat", {"model": "m", "choices": [_CHOICE]}, False),
    "chat, usage hidden": ("chat", {"model": "m", "choices": [_CHOICE]}, True),
    "messages": ("messages", {"type": "content_block_delta", "index": 0, "delta": _DELTA}, False),
    "responses": ("responses", {"type": "response.output_text.delta", "delta": _TEXT, "item_id": "i"}, False),
}


def chunked(event: bytes, chunk_bytes: int, total_bytes: int) -> Iterator[bytes]:
    """The same event again and again, in chunks that end where they end."""
    block = event * (chunk_bytes // len(event) + 2)
    sent = 0
    while sent < total_bytes:
        start = sent % len(event)
        yield block[start : start + chunk_bytes]
        sent += chunk_bytes


def peak_bytes(meter: Meter, chunks: Iterator[bytes]) -> int:
    """The most memory in use at any time while `chunks` pass."""
    tracemalloc.start()
    try:
        for chunk in chunks:
            meter.feed(chunk)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("protocol", "document", "hide_usage"), EVENTS.values(), ids=EVENTS)
def test_memory_stays_constant_in_the_length_of_the_stream(protocol: str, document: object, hide_usage: bool) -> None:
    """Fifty megabytes pass through less than one: a long answer must not cost the others their room."""
    event = b"data: " + orjson.dumps(document) + b"\n\n"
    meter = Meter(protocol, hide_usage=hide_usage)
    assert peak_bytes(meter, chunked(event, 65537, 50 * MEGABYTE)) < MEGABYTE
    assert meter.delivered_bytes > 40 * MEGABYTE


def test_memory_stays_constant_while_ever_more_choices_end() -> None:
    """An upstream may number its choices as it likes."""
    events = (
        b'data: {"model":"m","choices":[{"index":%d,"finish_reason":"stop"}]}\n\n' % index for index in range(20_000)
    )
    assert peak_bytes(Meter("chat"), events) < MEGABYTE


def test_memory_stays_constant_after_the_end() -> None:
    """An upstream that goes on after its terminal event is heard out, not stored."""
    meter = Meter("chat")
    meter.feed(b"data: [DONE]\n\n")
    assert peak_bytes(meter, chunked(b": and on\n\n", 65536, 50 * MEGABYTE)) < MEGABYTE
