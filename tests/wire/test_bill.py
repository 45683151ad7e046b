"""What an answer says of its own price is read from its own digits, and only where it can be believed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.wire import bill
from haze_proxy.wire.meter import Meter

# the text of usage.cost: nano-dollars
COSTS: dict[str, int | None] = {
    "0.000044": 44_000,
    "0": 0,
    "0.0": 0,
    "1": 1_000_000_000,
    "1.5E-7": 150,
    "1e-30": 1,
    # As a float this is 0.1234567890123457: the same here, and another one in the last digit below.
    "0.123456789012345678": 123_456_790,
    "0.1000000000000000000000000001": 100_000_001,
    "12345.678901234": 12_345_678_901_234,
    "-0.1": None,
    "null": None,
    '"0.1"': None,
    "true": None,
    "1000001": None,
    "1e999999": None,
    "1" * 5000: None,
    "0." + "1" * 300: None,
    "[]": None,
    "NaN": None,
}


@pytest.mark.parametrize(("text", "nano"), COSTS.items(), ids=[text[:30] for text in COSTS])
def test_a_cost_is_read_from_its_own_digits_and_rounded_up(text: str, nano: int | None) -> None:
    """A price that went through a float is not what was meant; what is absurd is no price."""
    assert bill.nano_cost(b'{"id":"x","usage":{"prompt_tokens":1,"cost": %s }}' % text.encode()) == nano


def test_with_the_owners_own_key_the_provider_behind_it_bills_too() -> None:
    """OpenRouter's `cost` is then its own fee alone."""
    details = {"upstream_inference_cost": 0.02}
    document = json.dumps({"usage": {"cost": 0.001, "is_byok": True, "cost_details": details}}).encode()
    assert bill.nano_cost(document) == 21_000_000
    assert bill.nano_cost(document.replace(b"true", b"false")) == 1_000_000


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_are_too_odd_to_be_read(document: bytes) -> None:
    """A metering fault must never break an answer."""
    assert bill.nano_cost(document) is None
    bill.nano_cost(b'{"usage":{"cost":%s}}' % document)


@given(st.decimals(0, 1000, places=12))
def test_every_amount_is_rounded_up_by_less_than_one(usd: Any) -> None:
    """Not to the nearest: nobody is charged less than the upstream takes."""
    nano = bill.nano_cost(b'{"usage":{"cost":%s}}' % format(usd, "f").encode())
    assert nano is not None
    assert 0 <= nano - usd.scaleb(9) < 1


STREAMS: dict[str, list[dict[str, Any]]] = {
    "chat": [
        {"model": "m", "service_tier": "flex", "choices": [], "usage": {"cost": 0.1}},
        {"choices": [], "usage": {"prompt_tokens": 1, "cost": 0.2}},
    ],
    "messages": [
        {"type": "message_start", "message": {"model": "m", "usage": {"service_tier": "flex", "cost": 0.1}}},
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 1, "cost": 0.2}},
    ],
    "responses": [
        {"type": "response.completed", "response": {"model": "m", "service_tier": "flex", "usage": {"cost": 0.2}}},
    ],
}


@pytest.mark.parametrize("protocol", STREAMS)
def test_the_last_cost_of_a_stream_is_its_cost(protocol: str) -> None:
    """Usage is cumulative: a later number takes the place of an earlier one."""
    meter = Meter(protocol)
    for document in STREAMS[protocol]:
        meter.feed(b"data: " + json.dumps(document).encode() + b"\n\n")
    told = bill.of_stream(meter)
    assert (told.model, told.modes, told.cost) == ("m", {"service_tier": "flex"}, 200_000_000)


def test_a_whole_answer_says_what_a_stream_would() -> None:
    """The tier beside the usage or inside of it, and the fallback that ended it."""
    steps = [{"type": "message", "model": "a"}, {"type": "fallback_message", "model": "b"}, {"type": "compaction"}]
    usage = {"input_tokens": 1, "speed": "fast", "inference_geo": "us", "iterations": steps, "cost": None}
    answer = {"model": "a", "service_tier": 7, "usage": usage}
    told = bill.of_whole("messages", json.dumps(answer).encode(), answer)
    assert (told.model, told.modes, told.cost) == ("b", {"speed": "fast", "inference_geo": "us"}, None)
    assert bill.of_whole("chat", b"{}", {"model": 5}).model is None
