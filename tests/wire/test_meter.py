"""A native stream passes untouched, and afterwards the meter knows what it cost and whether it ended."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.wire import meter as meter_module
from haze_proxy.wire import sse
from haze_proxy.wire.meter import Meter

RECORDED = Path(__file__).parent / "recorded"
SONNET = "claude-sonnet-4-5-20250929"
GPT = "gpt-5.2-2025-12-11"
START = "msg_01XFDUDYJgAACzvnptvVoYEL"


def openai_usage(prompt: int, completion: int, total: int | None = None) -> dict[str, int]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if total is None else total,
    }


@dataclass(frozen=True)
class Told:
    """What a meter must know at the end of a recorded stream."""

    protocol: str
    state: str
    model: str | None
    usage: dict[str, Any] = field(default_factory=dict)
    reported_final: bool = False
    end_reason: str | None = None
    text: str = ""  # what was generated, as the strings of the stream spell it
    held: bytes = b""  # how the held bytes begin
    error: dict[str, Any] | None = None


STREAMS = {
    "chat_text": Told(
        "chat",
        "complete",
        GPT,
        {
            **openai_usage(1210, 9),
            "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        reported_final=True,
        end_reason="stop",
        text=r"Hello, wörld!\n",
        held=b"data: [DONE]",
    ),
    "chat_without_usage": Told("chat", "complete", GPT, end_reason="stop", text="Hello", held=b"data: [DONE]"),
    "chat_tool_calls": Told(
        "chat",
        "complete",
        GPT,
        openai_usage(84, 41),
        reported_final=True,
        end_reason="tool_calls",
        text=r"{\"city\":\"Oslo\"}{\"zone\":\"CET\"}",
        held=b"data: [DONE]",
    ),
    "chat_usage_on_every_chunk": Told(
        "chat",
        "complete",
        "qwen3-coder",
        openai_usage(31, 4),
        reported_final=True,
        end_reason="tool_calls",
        text=r"{\"path\":\"a.txt\"}",
        held=b"data: [DONE]",
    ),
    "chat_usage_on_every_chunk_cut": Told("chat", "open", "qwen3-coder", openai_usage(31, 2), text="One two"),
    "chat_without_done": Told(
        "chat",
        "open",
        "llama-3.3-70b",
        openai_usage(12, 3),
        reported_final=True,
        end_reason="stop",
        text="Yes.",
    ),
    "chat_cut": Told("chat", "open", GPT, text="The answer is fourty"),
    "chat_error_first": Told(
        "chat",
        "error",
        None,
        held=b'data: {"error":',
        error={
            "message": "The server had an error while processing your request.",
            "type": "server_error",
            "param": None,
            "code": None,
        },
    ),
    "chat_words_in_text": Told(
        "chat",
        "complete",
        GPT,
        openai_usage(9, 40),
        reported_final=True,
        end_reason="length",
        text=r"data: [DONE]\n\ndata: {\"error\":{\"message\":\"no\"},\"usage\":{\"prompt_tokens\":1}}\n\n"
        r"\"finish_reason\":\"stop\" message_stop \\\" event: error",
        held=b"data: [DONE]",
    ),
    "chat_azure_filters": Told(
        "chat",
        "complete",
        "gpt-4.1-2025-04-14",
        openai_usage(8, 1),
        reported_final=True,
        end_reason="stop",
        text="Hi",
        held=b"data: [DONE]",
    ),
    "openrouter_reasoning": Told(
        "chat",
        "complete",
        "anthropic/claude-sonnet-4.5",
        {
            **openai_usage(640, 58),
            "cost": 0.00279,
            "is_byok": False,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "audio_tokens": 0,
                "video_tokens": 0,
            },
            "cost_details": {
                "upstream_inference_cost": None,
                "upstream_inference_prompt_cost": 0.00192,
                "upstream_inference_completions_cost": 0.00087,
            },
            "completion_tokens_details": {"reasoning_tokens": 21},
        },
        reported_final=True,
        end_reason="stop",
        text="The user wants a number.Seven.",
        held=b"data: [DONE]",
    ),
    "openrouter_error_midstream": Told(
        "chat",
        "error",
        "anthropic/claude-sonnet-4.5",
        text="Once upon a",
        held=b'data: {"id":"gen-1795350124-aB"',
        error={
            "code": 502,
            "message": "Provider returned error",
            "metadata": {"error_type": "provider_unavailable", "raw": "upstream connect error"},
        },
    ),
    "gemini_tool_calls": Told(
        "chat",
        "complete",
        "gemini-3-pro-preview",
        openai_usage(70, 22, total=140),
        reported_final=True,
        end_reason="stop",
        text=r"{\"q\":\"status\"}{}",
        held=b"data: [DONE]",
    ),
    "messages_text": Told(
        "messages",
        "complete",
        SONNET,
        {
            "input_tokens": 27,
            "cache_creation_input_tokens": 2048,
            "cache_read_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 48, "ephemeral_1h_input_tokens": 2000},
            "output_tokens": 47,
            "service_tier": "standard",
            "inference_geo": "not_available",
        },
        reported_final=True,
        end_reason="end_turn",
        text=r"Hello, wörld\n",
        held=b"event: message_stop",
    ),
    "messages_thinking_tool_use": Told(
        "messages",
        "complete",
        SONNET,
        {
            "input_tokens": 512,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 89,
            "output_tokens_details": {"thinking_tokens": 30},
        },
        reported_final=True,
        end_reason="tool_use",
        text=r"I should look at the file.Let me see.{\"file_path\": \"/tmp/a.py\"}",
        held=b"event: message_stop",
    ),
    "messages_vendor_late_split": Told(
        "messages",
        "complete",
        "qwen3-max",
        {"input_tokens": 18, "cache_read_input_tokens": 8831, "output_tokens": 12},
        reported_final=True,
        end_reason="end_turn",
        text=r"Hello, wörld\n",
        held=b"event: message_stop",
    ),
    "messages_usage_after_reason": Told(
        "messages",
        "complete",
        SONNET,
        {"input_tokens": 41, "output_tokens": 19},
        reported_final=True,
        end_reason="tool_use",
        text=r"{\"command\":\"ls\"}",
        held=b"event: message_stop",
    ),
    "messages_flat_cache_after_object": Told(
        "messages",
        "complete",
        SONNET,
        {
            "input_tokens": 5,
            "cache_creation_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 100},
            "output_tokens": 8,
        },
        reported_final=True,
        end_reason="end_turn",
        text=r"Hello, wörld\n",
        held=b"event: message_stop",
    ),
    "messages_without_stop": Told(
        "messages",
        "open",
        SONNET,
        {"input_tokens": 6, "output_tokens": 8},
        reported_final=True,
        end_reason="end_turn",
        text=r"Hello, wörld\n",
    ),
    "messages_error_first": Told(
        "messages",
        "error",
        None,
        held=b"event: error",
        error={"type": "overloaded_error", "message": "Overloaded"},
    ),
    "messages_error_later": Told(
        "messages",
        "error",
        SONNET,
        {"input_tokens": 6, "output_tokens": 1},
        text="Hello",
        held=b"event: error",
        error={"type": "overloaded_error", "message": "Overloaded"},
    ),
    "messages_cut": Told("messages", "open", SONNET, {"input_tokens": 6, "output_tokens": 1}, text="Hello"),
    "messages_words_in_text": Told(
        "messages",
        "complete",
        SONNET,
        {"input_tokens": 6, "output_tokens": 31},
        reported_final=True,
        end_reason="end_turn",
        text=r"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\nevent: error\n\n"
        r"\"type\":\"error\" message_delta \"usage\":{\"output_tokens\":999}",
        held=b"event: message_stop",
    ),
    "messages_data_only": Told(
        "messages",
        "complete",
        SONNET,
        {"input_tokens": 6, "output_tokens": 8},
        reported_final=True,
        end_reason="end_turn",
        text=r"Hello, wörld\n",
        held=b'data: {"type":"message_stop"}',
    ),
    "responses_text": Told(
        "responses",
        "complete",
        GPT,
        {
            "input_tokens": 36,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 12,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 48,
        },
        reported_final=True,
        text="Hello, wörld",
        held=b"event: response.completed",
    ),
    "responses_tool_call": Told(
        "responses",
        "complete",
        GPT,
        {
            "input_tokens": 36,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 56,
        },
        reported_final=True,
        text=r"{\"cmd\":\"ls\"}",
        held=b"event: response.completed",
    ),
    "responses_incomplete": Told(
        "responses",
        "complete",
        GPT,
        {
            "input_tokens": 36,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 12,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 48,
        },
        reported_final=True,
        text="Hello",
        held=b"event: response.incomplete",
    ),
    "responses_failed": Told(
        "responses",
        "error",
        GPT,
        text="Hel",
        held=b"event: response.failed",
        error={"code": "server_error", "message": "The model failed to answer."},
    ),
    "responses_error": Told(
        "responses",
        "error",
        GPT,
        held=b"event: error",
        error={
            "type": "error",
            "code": "rate_limit_exceeded",
            "message": "Too many tokens.",
            "param": None,
            "sequence_number": 1,
        },
    ),
    "responses_cut": Told("responses", "open", GPT, text="Hello, response.completed said the text"),
}
IDS = {
    "chat_text": "chatcmpl-CkT3hZ0bqV8wNnYd5mE2rJ7sLxQaF",
    "chat_azure_filters": "chatcmpl-Az1",
    "openrouter_error_midstream": "gen-1795350123-hJ2kLm9PqRsTuVwXyZ01",
    "messages_text": START,
    "messages_data_only": START,
    "responses_text": "resp_0a1b2c3d4e5f",
    "messages_error_first": None,
}
LINE_ENDS = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}


def recorded(name: str) -> bytes:
    return (RECORDED / name / "response.sse").read_bytes()


def passed(meter: Meter, chunks: Iterable[bytes]) -> bytes:
    return b"".join([*map(meter.feed, chunks), meter.close()])


def splits(stream: bytes) -> dict[str, list[bytes]]:
    """The ways a network could cut these bytes: not at all, everywhere, and at random places."""
    ways = {"whole": [stream], "byte by byte": [stream[at : at + 1] for at in range(len(stream))]}
    for seed in range(12):
        choose = random.Random(seed)
        cuts = sorted(choose.sample(range(len(stream)), k=min(len(stream), choose.choice([1, 3, 20]))))
        ways[f"seed {seed}"] = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    return ways


def without_usage_chunk(stream: bytes) -> bytes:
    events = sse.Reader().feed(stream)
    chunks = [(raw, sse.parse(raw).data) for raw in events]
    kept = (raw for raw, data in chunks if not (b'"choices":[]' in data and b'"usage":{' in data))
    return b"".join(kept) + stream[sum(map(len, events)) :]


def test_every_recorded_stream_has_an_expectation() -> None:
    """A recording nobody looks at proves nothing."""
    metered = {path.parent.name for path in RECORDED.glob("*/response.sse")}
    assert set(STREAMS) <= metered


@pytest.mark.parametrize("line_end", LINE_ENDS.values(), ids=LINE_ENDS)
@pytest.mark.parametrize(("name", "told"), STREAMS.items(), ids=STREAMS)
def test_a_stream_passes_whole_and_is_understood_however_it_is_cut(name: str, told: Told, line_end: bytes) -> None:
    """Invisible and exact: not a byte lost, and the same bill for the same answer on any network."""
    stream = recorded(name).replace(b"\n", line_end)
    for way, chunks in splits(stream).items():
        meter = Meter(told.protocol)
        sent = passed(meter, chunks)
        assert sent + meter.held == stream, way
        assert (meter.state, meter.error) == (told.state, told.error), way
        assert (meter.usage, meter.reported_final) == (told.usage, told.reported_final), way
        assert (meter.model, meter.end_reason) == (told.model, told.end_reason), way
        assert meter.delivered_bytes == len(told.text.encode()), way
        assert meter.delivered_tokens == (len(told.text.encode()) + 3) // 4, way


@pytest.mark.parametrize(("name", "told"), STREAMS.items(), ids=STREAMS)
def test_an_end_is_the_terminal_event_or_a_reason_to_stop(name: str, told: Told) -> None:
    """A clean end of the body after neither is a broken answer, and must not look like a whole one."""
    meter = Meter(told.protocol)
    passed(meter, [recorded(name)])
    cut = name.endswith("_cut")
    assert meter.finished == (not cut and told.error is None)


@pytest.mark.parametrize(("name", "told"), STREAMS.items(), ids=STREAMS)
def test_the_terminal_event_waits_for_the_charge(name: str, told: Told) -> None:
    """Whoever saw an answer end has paid for it; so it is held from its first byte where that is still possible."""
    stream = recorded(name)
    meter = Meter(told.protocol)
    sent = passed(meter, [stream])
    assert bool(meter.held) == bool(told.held)
    assert meter.held.startswith(told.held)
    assert sent + meter.held == stream


@pytest.mark.parametrize(("name", "told"), STREAMS.items(), ids=STREAMS)
def test_what_goes_out_before_the_charge_is_no_end_to_anyone(name: str, told: Told) -> None:
    """Many clients act on a line without waiting for the blank line after it, and the network may cut in between."""
    for way, chunks in splits(recorded(name)).items():
        sent = passed(Meter(told.protocol), chunks)
        client = Meter(told.protocol)  # reads what was sent, and does not wait for blank lines when it closes
        passed(client, [sent])
        assert client.state == "open", way


@pytest.mark.parametrize(("name", "upstream_id"), IDS.items(), ids=IDS)
def test_the_answers_id_is_the_first_one_the_upstream_named(name: str, upstream_id: str | None) -> None:
    """It is what the owner shows the provider when a bill is in dispute."""
    meter = Meter(STREAMS[name].protocol)
    passed(meter, [recorded(name)])
    assert meter.upstream_id == upstream_id


@pytest.mark.parametrize("name", [name for name in STREAMS if STREAMS[name].protocol == "chat"])
def test_a_usage_chunk_nobody_asked_for_is_removed_and_still_read(name: str) -> None:
    """Client code reads choices[0] of every chunk; Haze reads the usage of every answer."""
    told, stream = STREAMS[name], recorded(name)
    for way, chunks in splits(stream).items():
        meter = Meter("chat", hide_usage=True)
        assert passed(meter, chunks) + meter.held == without_usage_chunk(stream), way
        assert (meter.usage, meter.reported_final, meter.state) == (told.usage, told.reported_final, told.state), way


@pytest.mark.parametrize("protocol", ["messages", "responses"])
def test_hiding_usage_concerns_chat_only(protocol: str) -> None:
    """The other protocols have no extra chunk; their usage is part of events every client expects."""
    stream = recorded(f"{protocol}_text")
    meter = Meter(protocol, hide_usage=True)
    assert passed(meter, [stream]) + meter.held == stream


def test_bytes_of_an_unfinished_event_go_out_at_once() -> None:
    """A stream is never buffered."""
    meter = Meter("chat")
    meter.feed(recorded("chat_cut"))
    meter = Meter("messages")
    meter.feed(recorded("messages_text")[:900])
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
    meter.feed(recorded("chat_cut"))
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


def test_the_open_block_is_known() -> None:
    """A stream that must end early closes the block it is in."""
    meter, seen = Meter("messages"), []
    for raw in sse.Reader().feed(recorded("messages_thinking_tool_use")):
        meter.feed(raw)
        seen.append(meter.open_block)
    assert seen == [None, 0, 0, 0, 0, None, 1, 1, None, 2, 2, 2, 2, 2, None, None, None]


def test_the_service_tier_is_the_last_one_told() -> None:
    """`auto` was asked for; what the answer was served as sets its price."""
    meter = Meter("responses")
    passed(meter, [recorded("responses_text")])
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
