"""What the meter does at the edges: what it holds and how long, what it reads, and what it lets pass unread."""

import time
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.recordings import RECORDINGS, passed

from haze_proxy.wire import meter as meter_module
from haze_proxy.wire import sse
from haze_proxy.wire.meter import Meter


@pytest.mark.parametrize("protocol", ["messages", "responses"])
def test_hiding_usage_concerns_chat_only(protocol: str) -> None:
    """The other protocols have no extra chunk; their usage is part of events every client expects."""
    stream = RECORDINGS[f"{protocol}_text"].stream
    meter = Meter(protocol, hide_usage=True)
    assert passed(meter, [stream]) + meter.held == stream


def test_bytes_of_an_unfinished_event_go_out_at_once() -> None:
    """A stream is never buffered."""
    meter = Meter("chat")
    meter.feed(RECORDINGS["chat_cut"].stream)
    meter = Meter("messages")
    meter.feed(RECORDINGS["messages_text"].stream[:900])
    assert meter.feed(b'\n\nevent: content_block_delta\ndata: {"type":"conte') != b""
    assert meter.feed(b'nt_block_delta","delta":{"text":"a') == b'nt_block_delta","delta":{"text":"a'
    assert not meter.between_events
    assert meter.feed(b'"}}\n\n') == b'"}}\n\n'
    assert meter.between_events


def test_an_event_that_may_be_the_last_waits_until_it_is_complete() -> None:
    """`data: [DONE]` without its blank line is already an end to a client that reads lines."""
    meter = Meter("chat")
    assert meter.feed(b"data: [DO") == b"data: [DO"
    assert meter.feed(b"NE]") == b""
    assert meter.feed(b"\n") == b""
    assert meter.state == "open"
    assert meter.feed(b"\n") == b""
    assert (meter.state, meter.held) == ("complete", b"NE]\n\n")


def test_an_end_after_mixed_line_ends_waits_for_the_charge() -> None:
    """To a client a lone carriage return is a blank line, so what comes next is an event of its own."""
    meter = Meter("chat")
    assert passed(meter, [b'data: {"choices":[]}\n\rdata: [DONE]\n\n']) == b'data: {"choices":[]}\n\r'
    assert (meter.state, meter.held) == ("complete", b"data: [DONE]\n\n")


def test_a_terminal_event_without_its_blank_line_counts_when_the_body_ends() -> None:
    """Some servers close right after [DONE]."""
    meter = Meter("chat")
    assert passed(meter, [b"data: [DONE]"]) == b""
    assert (meter.state, meter.held) == ("complete", b"data: [DONE]")


def test_what_follows_the_end_is_held_within_a_bound() -> None:
    """An upstream that goes on talking after its end must not fill the memory."""
    meter = Meter("messages")
    assert meter.feed(b'event: message_stop\ndata: {"type":"message_stop"}\n\n: and on') == b""
    for _ in range(100):
        assert meter.feed(b"x" * 1000) == b""
    assert meter.close() == b""
    end = len(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
    assert len(meter.held) == end + meter_module.HELD_AFTER_TERMINAL_BYTES_MAX


def test_what_waits_may_come_in_many_small_pieces() -> None:
    """Copied with each of them, an answer repeated at its end would stop every other stream for seconds."""
    meter = Meter("responses")
    began = time.process_time()
    meter.feed(b'data: {"type":"response.completed","text":"')
    for _ in range(20_000):
        assert meter.feed(b"a" * 100) == b""
    assert time.process_time() - began < 1
    meter.feed(b'"}\n\n')
    assert len(meter.held) > 2_000_000


def test_a_terminal_event_may_be_larger_than_what_may_follow_it() -> None:
    """response.completed repeats the whole answer."""
    response = {"usage": {"output_tokens": 7}, "output": "x" * 300_000}
    event = orjson.dumps({"type": "response.completed", "response": response})
    stream = b"event: response.completed\ndata: " + event + b"\n\n"
    for size in (1000, 65536, len(stream)):
        meter = Meter("responses")
        sent = passed(meter, [stream[at : at + size] for at in range(0, len(stream), size)])
        assert (sent + meter.held, meter.usage) == (stream, {"output_tokens": 7})


@pytest.mark.parametrize("hide_usage", [False, True], ids=["shown", "hidden"])
def test_a_giant_event_flows_on_unread_and_what_follows_is_read(
    monkeypatch: pytest.MonkeyPatch, hide_usage: bool
) -> None:
    """Memory stays constant in the length of the stream."""
    monkeypatch.setattr(meter_module, "PLAIN_EVENT_BYTES_MAX", 1000)
    giant = b'data: {"choices":[{"delta":{"content":"' + b"x" * 50_000 + b'"}}]}\n\n'
    meter = Meter("chat", hide_usage=hide_usage)
    sent = b""
    cuts = [*range(0, len(giant) - 1, 100), len(giant) - 1, len(giant)]  # the last one inside the blank line
    for start, end in pairwise(cuts):
        sent += meter.feed(giant[start:end])
        assert len(meter._unfinished) <= 1100
    assert sent == giant
    assert meter.between_events
    assert meter.feed(b'data: {"choices":[{"index":0}],"usage":{"prompt_tokens":3}}\n\n') != b""
    assert meter.usage == {"prompt_tokens": 3}


@pytest.mark.parametrize("delta", [b'"usage":null', b'"usage": null', b'"finish_reason":null', b'"finish_reason":""'])
def test_an_ordinary_chunk_is_not_parsed(monkeypatch: pytest.MonkeyPatch, delta: bytes) -> None:
    """Every chunk carries these; parsing each would cost more than relaying it."""
    meter = Meter("chat")
    meter.feed(RECORDINGS["chat_cut"].stream)
    meter.feed(b"\n\n")
    monkeypatch.setattr(meter_module, "parse", pytest.fail)
    chunk = b'data: {"choices":[{"delta":{"content":"a"}}],' + delta + b"}\n\n"
    assert meter.feed(chunk) == chunk


def test_an_upstream_that_names_no_model_is_soon_no_longer_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for a name in every chunk would parse the whole answer."""
    chunk = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
    meter = Meter("chat")
    for _ in range(meter_module.NAMELESS_EVENTS_MAX):
        meter.feed(b": comments are not counted\n\n" + chunk)
    monkeypatch.setattr(meter_module, "parse", pytest.fail)
    assert meter.feed(chunk) == chunk


def test_the_model_is_the_one_named_first() -> None:
    """A price is looked up once; routers that rename their model in mid-answer do not change it."""
    meter = Meter("chat")
    names = [b'data: {"model":"%s","usage":{"prompt_tokens":1}}\n\n' % name for name in (b"", b"first", b"second")]
    passed(meter, names)
    assert meter.model == "first"


@pytest.mark.parametrize(
    "member", [b'"usage":{"prompt_tokens":3}', b'"usage" : {"prompt_tokens":3}', b'"usage":\t{"prompt_tokens":3}']
)
def test_usage_is_found_however_it_is_spaced(member: bytes) -> None:
    """A missed usage is an answer given away."""
    meter = Meter("chat")
    passed(meter, [b'data: {"model":"m","choices":[]}\n\n', b'data: {"choices":[],' + member + b"}\n\n"])
    assert meter.usage == {"prompt_tokens": 3}


ERRORS = {
    "chat, a text": ("chat", b'data: {"error":"overloaded"}\n\n', {"message": "overloaded"}),
    "chat, spaced": ("chat", b'data: { "error" : { "code" : 500 } }\n\n', {"code": 500}),
    "messages, not JSON": ("messages", b"event: error\ndata: upstream broke\n\n", {"message": "upstream broke"}),
    "messages, data only": (
        "messages",
        b'data: {"type":"error","error":{"type":"api_error"}}\n\n',
        {"type": "api_error"},
    ),
    "responses, nested": ("responses", b'data: {"type":"error","error":{"code":"x"}}\n\n', {"code": "x"}),
    "responses, failed without a reason": ("responses", b'data: {"type":"response.failed","response":{}}\n\n', {}),
}


@pytest.mark.parametrize(("protocol", "event", "error"), ERRORS.values(), ids=ERRORS)
def test_an_error_event_is_the_end_in_every_spelling(protocol: str, event: bytes, error: dict[str, Any]) -> None:
    """An error taken for an answer is charged for nothing."""
    meter = Meter(protocol)
    assert meter.feed(event) == b""
    assert (meter.state, meter.error, meter.finished, meter.held) == ("error", error, False, event)


TOLD_AT_THE_END = [
    {"type": "message", "content": [{"type": "output_text", "text": "Hello"}, {"type": "refusal", "refusal": "No"}]},
    {"type": "function_call", "name": "shell", "arguments": '{"a":1}'},
    {"type": "custom_tool_call", "name": "patch", "input": "x"},
]


@pytest.mark.parametrize("end", ["completed", "incomplete", "failed"])
def test_an_answer_told_only_at_its_end_counts_as_delivered(end: str) -> None:
    """Without usage it is all there is to charge by; what the answer repeats of its request is not generated."""
    response = {"instructions": [{"text": "long" * 99}], "tools": [{"input": "long" * 99}], "output": TOLD_AT_THE_END}
    meter = Meter("responses")
    meter.feed(b"data: " + orjson.dumps({"type": f"response.{end}", "response": response}) + b"\n\n")
    # "Hello", "No", "{\"a\":1}" and "x", as JSON spells them.
    assert (meter.delivered_bytes, meter.delivered_tokens) == (17, 5)
    assert meter_module.text_tokens("responses", orjson.dumps(response)) == 5


@pytest.mark.parametrize("output", [b"null", b"7", b"[]", b"[7]", b"[" * 500 + b"]" * 500])
def test_an_output_of_odd_shape_counts_as_nothing(output: bytes) -> None:
    """A metering fault never breaks the answer."""
    assert meter_module.text_tokens("responses", b'{"output":' + output + b"}") == 0


def test_what_follows_an_error_is_held_with_it_whatever_it_is() -> None:
    """It was the upstream's last word, or nobody knows what it was: never an answer that goes on."""
    begun = b'data: {"type":"response.created","response":{"id":"r"}}\n\n'
    error, after = (
        b'data: {"type":"error","code":"x"}\n\n',
        b'data: {"type":"response.output_text.delta","delta":"a"}\n\n',
    )
    meter = Meter("responses")
    assert (meter.feed(begun + error), meter.state) == (begun, "open")
    assert (meter.feed(after[:9]), meter.feed(after[9:]), meter.state) == (b"", b"", "error")
    assert (meter.held, meter.close(), meter.finished) == (error + after, b"", False)
    meter = Meter("responses")
    meter.feed(begun + error + b'data: {"type":"response.failed","response":{}}\n\n')
    assert (meter.state, meter.error) == ("error", {"type": "error", "code": "x"})


def test_the_open_block_is_known() -> None:
    """A stream that must end early closes the block it is in."""
    meter, seen = Meter("messages"), []
    for raw in sse.Reader().feed(RECORDINGS["messages_thinking_tool_use"].stream):
        meter.feed(raw)
        seen.append(meter.open_block)
    assert seen == [None, 0, 0, 0, 0, None, 1, 1, None, 2, 2, 2, 2, 2, None, None, None]


def test_the_service_tier_is_the_last_one_told() -> None:
    """`auto` was asked for; what the answer was served as sets its price."""
    meter = Meter("responses")
    passed(meter, [RECORDINGS["responses_text"].stream])
    assert meter.service_tier == "default"


_ODD_PIECES = [
    b"data: ",
    b"event: message_stop",
    b"event: error",
    b"event: message_delta",
    b"[DONE]",
    b'{"usage":{"prompt_tokens":[]}}',
    b'{"choices":[null,{"finish_reason":7}],"error":0}',
    b'{"type":"message_delta","delta":[],"usage":3}',
    b'{"type":"message_start","message":"x"}',
    b'{"type":"content_block_start","index":"x"}',
    b'{"type":["error"]}',
    b'{"type":"response.completed","response":[]}',
    b'{"type":"response.created","response":{"id":"r"}}',
    b'{"type":"response.failed","response":{}}',
    b'{"type":"error"}',
    b": a comment",
    b'"content":"\\',
    b'"usage":{',
    b"[1]",
    b"\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\xff\x00",
]


@given(
    protocol=st.sampled_from(["chat", "messages", "responses"]),
    hide_usage=st.booleans(),
    pieces=st.lists(st.sampled_from(_ODD_PIECES) | st.binary(max_size=8), max_size=30),
)
def test_odd_bytes_never_raise_and_mean_the_same_however_they_are_cut(
    protocol: str, hide_usage: bool, pieces: list[bytes]
) -> None:
    """A metering fault never breaks the answer."""
    stream = b"".join(pieces)
    outcomes = []
    for chunks in ([stream], pieces, [stream[at : at + 1] for at in range(len(stream))]):
        meter = Meter(protocol, hide_usage=hide_usage)
        everything = passed(meter, chunks) + meter.held
        outcomes.append((everything, meter.state, meter.error, meter.usage, meter.end_reason, meter.delivered_bytes))
        if not hide_usage:
            assert everything == stream
    assert outcomes[0] == outcomes[1] == outcomes[2]


_TOKENS = st.none() | st.integers(0, 10**6)


@given(
    st.lists(st.dictionaries(st.sampled_from(["input_tokens", "output_tokens", "cache_read_input_tokens"]), _TOKENS))
)
def test_usage_is_the_last_count_that_was_told_of_each_field(told: list[dict[str, int | None]]) -> None:
    """Counts are cumulative: added up, every cached prompt would be billed twice."""
    meter = Meter("messages")
    for usage in told:
        meter.feed(b"data: " + orjson.dumps({"type": "message_delta", "usage": usage}) + b"\n\n")
    expected: dict[str, int] = {}
    for usage in told:
        expected.update({name: count for name, count in usage.items() if count is not None})
    assert meter.usage == expected
