"""Every recorded stream passes untouched, and afterwards the meter knows what it cost and whether it ended."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from wire.recordings import LINE_ENDS, RECORDINGS, Recording, passed, splits, without_usage_chunk

from haze_proxy.money import usage
from haze_proxy.wire import sse
from haze_proxy.wire.meter import Meter

recordings = pytest.mark.parametrize("recording", RECORDINGS.values(), ids=RECORDINGS)
chat_recordings = pytest.mark.parametrize(
    "recording",
    [each for each in RECORDINGS.values() if each.protocol == "chat"],
    ids=[name for name, each in RECORDINGS.items() if each.protocol == "chat"],
)


def test_there_are_recordings_of_every_protocol() -> None:
    """An empty folder would prove everything."""
    counts = Counter(recording.protocol for recording in RECORDINGS.values())
    assert min(counts[protocol] for protocol in ("chat", "messages", "responses")) >= 15


@pytest.mark.parametrize("line_end", LINE_ENDS.values(), ids=LINE_ENDS)
@recordings
def test_a_stream_passes_whole_and_is_understood_however_it_is_cut(recording: Recording, line_end: bytes) -> None:
    """Invisible and exact: not a byte lost, and the same bill for the same answer on any network."""
    stream = recording.stream.replace(b"\r\n", b"\n").replace(b"\n", line_end)
    for way, chunks in splits(stream).items():
        meter = recording.meter()
        sent = passed(meter, chunks)
        assert sent + meter.held == stream, way
        assert (meter.state, meter.error) == (recording.state, recording.error), way
        assert (meter.usage, meter.reported_final) == (recording.usage, recording.reported_final), way
        assert (meter.model, meter.end_reason) == (recording.model, recording.end_reason), way
        assert meter.delivered_bytes == recording.spelled_bytes, way
        assert meter.delivered_tokens == (recording.spelled_bytes + 3) // 4, way


@recordings
def test_names_are_those_the_upstream_gave(recording: Recording) -> None:
    """The id is shown to the provider when a bill is in dispute; the tier that was served sets the price."""
    meter = recording.meter()
    passed(meter, [recording.stream])
    assert (meter.upstream_id, meter.service_tier) == (recording.upstream_id, recording.service_tier)


@recordings
def test_usage_is_billed_in_the_right_classes(recording: Recording) -> None:
    """A cached token billed as a fresh one costs ten times as much."""
    meter = recording.meter()
    passed(meter, [recording.stream])
    tokens: dict[str, Any] = asdict(usage.read(recording.protocol, meter.usage))
    tokens["server_tools"] = dict(tokens["server_tools"])
    assert {name: count for name, count in tokens.items() if count} == recording.tokens


@recordings
def test_an_end_is_the_terminal_event_or_a_reason_to_stop(recording: Recording) -> None:
    """A clean end of the body after neither is a broken answer, and must not look like a whole one."""
    meter = recording.meter()
    passed(meter, [recording.stream])
    assert meter.finished == recording.finished


@recordings
def test_the_terminal_event_waits_for_the_charge(recording: Recording) -> None:
    """Whoever saw an answer end has paid for it; so it is held from its first byte where that is still possible."""
    meter = recording.meter()
    sent = passed(meter, [recording.stream])
    assert bool(meter.held) == bool(recording.terminal)
    assert meter.held.startswith(recording.terminal.encode())
    assert sent + meter.held == recording.stream


@recordings
def test_what_goes_out_before_the_charge_is_no_end_to_anyone(recording: Recording) -> None:
    """Many clients act on a line without waiting for the blank line after it, and the network may cut in between."""
    for way, chunks in splits(recording.stream).items():
        sent = passed(recording.meter(), chunks)
        client = Meter(recording.protocol)  # reads what was sent, and does not wait for blank lines when it closes
        passed(client, [sent])
        assert client.state == "open", way


@chat_recordings
def test_a_usage_chunk_nobody_asked_for_is_removed_and_still_read(recording: Recording) -> None:
    """Client code reads choices[0] of every chunk; Haze reads the usage of every answer."""
    for way, chunks in splits(recording.stream).items():
        meter = recording.meter(hide_usage=True)
        assert passed(meter, chunks) + meter.held == without_usage_chunk(recording.stream), way
        assert (meter.usage, meter.reported_final) == (recording.usage, recording.reported_final), way
        assert meter.state == recording.state, way


TEXT_FIELDS = {
    "chat": {"content", "reasoning", "reasoning_content", "refusal", "arguments"},
    "messages": {"text", "thinking", "partial_json"},
    "responses": {"delta"},
}


def _texts(value: object, names: set[str]) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from _texts(entry, names)
    elif isinstance(value, dict):
        for name, entry in value.items():
            if name in names and isinstance(entry, str):
                yield entry
            elif name not in ("item", "response", "part", "error"):  # these repeat what the deltas said
                yield from _texts(entry, names)


@recordings
def test_the_text_is_what_a_client_puts_together(recording: Recording) -> None:
    """The recordings themselves are right: folded by a plain JSON reader they say what the files claim."""
    generated: list[str] = []
    for raw in sse.Reader().feed(recording.stream):
        data = sse.parse(raw).data
        if data.startswith(b"{") and b".annotation." not in data:
            generated += _texts(json.loads(data), TEXT_FIELDS[recording.protocol])
    cut = recording.state == "open" and not recording.finished  # what an event says in which a stream broke off
    assert recording.text.startswith("".join(generated)) if cut else "".join(generated) == recording.text
