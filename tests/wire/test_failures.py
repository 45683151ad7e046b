"""A status of 200 proves nothing: what answers nothing, or broke off, is told and treated as a failure."""

from typing import Any

import orjson
import pytest
from provider import events, whole

from haze_proxy.wire import failures
from haze_proxy.wire.meter import Meter

GOOD = {"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}
OWN = {"message": "Provider disconnected", "code": 502}
BROKE_OFF = "The provider broke off in the middle of its answer."
NOTHING = "The provider sent an answer that answers nothing."


def chat(**fields: Any) -> dict[str, Any]:
    """An answer of chat with one choice of these fields."""
    return {"id": "x", "choices": [{**GOOD, **fields}]}


FAILED: dict[str, tuple[str, dict[str, Any], str]] = {
    "an error": ("chat", {"error": OWN}, OWN["message"]),
    "an error beside no choices": ("chat", {"choices": None, "error": OWN}, OWN["message"]),
    "an error as text": ("chat", {"error": "why"}, "why"),
    "no choices": ("chat", {"choices": []}, NOTHING),
    "choices that are null": ("chat", {"choices": None, "usage": {"prompt_tokens": 1}}, NOTHING),
    "choices that are an object": ("chat", {"choices": {"0": GOOD}}, NOTHING),
    "an error in a choice": ("chat", chat(error=OWN), OWN["message"]),
    "a choice that ends by error": ("chat", chat(finish_reason="error"), BROKE_OFF),
    "a pretended stop": ("chat", chat(native_finish_reason="network_error"), BROKE_OFF),
    "a pretended stop by error": ("chat", chat(native_finish_reason="error"), BROKE_OFF),
    "a message's error": ("messages", {"type": "error", "error": {"type": "api_error", "message": "m"}}, "m"),
    "no content": ("messages", {"content": [], "type": "message"}, NOTHING),
    "content that is null": ("messages", {"content": None, "usage": {"input_tokens": 1}}, NOTHING),
}


@pytest.mark.parametrize(("protocol", "answer", "message"), FAILED.values(), ids=FAILED)
def test_an_answer_that_is_none_says_why(protocol: str, answer: dict[str, Any], message: str) -> None:
    """Passed on as a success it is charged, and breaks the client where it looks for `choices`."""
    error = failures.of_answer(protocol, answer)
    assert error is not None
    assert error["message"] == message


ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("chat", whole("chat")),
    "messages": ("messages", whole("messages")),
    "an error that is null": ("chat", {**chat(), "error": None}),
    "nothing to say": ("messages", {"content": [], "usage": {"output_tokens": 1}, "stop_reason": "end_turn"}),
    "a filter": ("chat", chat(finish_reason="content_filter", native_finish_reason="error")),
    "a length": ("chat", chat(finish_reason="length", native_finish_reason="MAX_TOKENS")),
    "another reason": ("chat", chat(native_finish_reason="end_turn")),
    "odd reasons": ("chat", chat(finish_reason=7, native_finish_reason=["error"])),
    "an odd reason beside one's own": ("chat", chat(finish_reason=[None], native_finish_reason="error")),
    "odd choices": ("chat", {"choices": [None, 7]}),
}


@pytest.mark.parametrize(("protocol", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_stays_one(protocol: str, answer: dict[str, Any]) -> None:
    """What a provider means as an answer is not ours to refuse."""
    assert failures.of_answer(protocol, answer) is None


HEAD, *_, STOP, _DONE = events("chat", with_usage=False)
PRETENDED = STOP.replace(
    b'"finish_reason": "stop"', b'"finish_reason": "stop", "native_finish_reason": "network_error"'
)
ENDS_BY_ERROR = STOP.replace(b'"stop"', b'"error"')


@pytest.mark.parametrize("hide_usage", [False, True])
@pytest.mark.parametrize("end", [PRETENDED, ENDS_BY_ERROR], ids=["pretended stop", "error"])
def test_a_chunk_that_ends_badly_becomes_an_error_event(end: bytes, hide_usage: bool) -> None:
    """A client that reads `finish_reason: "stop"` takes an empty answer for whole."""
    meter = Meter("chat", hide_usage=hide_usage)
    assert meter.feed(HEAD) == HEAD
    assert meter.feed(end) == b""
    assert meter.state == "error"
    assert not meter.reported_final
    assert orjson.loads(meter.held.removeprefix(b"data: "))["error"]["message"] == BROKE_OFF


@pytest.mark.parametrize("cut", range(1, len(PRETENDED)))
def test_however_it_is_cut_the_error_stands_in_an_event_of_its_own(cut: int) -> None:
    """What has begun to go out cannot be taken back, but it must not swallow the error."""
    meter = Meter("chat")
    sent = meter.feed(HEAD) + meter.feed(PRETENDED[:cut]) + meter.feed(PRETENDED[cut:]) + meter.close() + meter.held
    assert meter.state == "error"
    *_, last = [part for part in sent.split(b"\n\n") if part]
    assert orjson.loads(last.removeprefix(b"data: "))["error"]["message"] == BROKE_OFF
    assert sent.startswith(HEAD)


def test_a_bad_end_without_its_blank_line_is_told_as_well() -> None:
    """An upstream that broke off may not have come to it."""
    meter = Meter("chat")
    sent = meter.feed(HEAD) + meter.feed(PRETENDED[:-2]) + meter.close() + meter.held
    assert meter.state == "error"
    assert sent.endswith(b"\n\n")
    assert b'\n\ndata: {"error":' in sent
