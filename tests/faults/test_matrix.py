"""Every fault of a channel, in every protocol and form, alone and with a second channel: what the caller saw, what was
charged, and what happened to the channel.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from checks import quiet
from gateway import PAID, Answer, Haze, asking, channel, running
from provider import Provider, events

from haze_proxy.context import HEALTH

from .table import FAULTS, FINE, RIGHT, Fault, Half

KIND = {"chat": "openai", "messages": "anthropic", "responses": "openai"}
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
FULL = 10_000_000_000
IMPATIENT = {"first_byte_timeout_s": "0.2", "silence_timeout_s": "0.2"}
# For clients of OpenAI's protocols there is no 529.
OPENAI = {529: 503}


@pytest.mark.parametrize("channels", [1, 2], ids=["alone", "with a second"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_told_charged_and_blamed_rightly(
    tmp_path: Path, request: pytest.FixtureRequest, seen: list[tuple[str, ...]],
    name: str, protocol: str, stream: bool, channels: int,
) -> None:  # fmt: skip
    """A peer's users lose money, answers or whole channels to each of these."""
    fault = FAULTS[name]
    half = fault.stream if stream else fault.whole
    async with Provider() as first, Provider() as second:
        text = _config(protocol, _place(request, fault, first), second.url if channels == 2 else None)
        async with running(tmp_path, text) as haze:
            if half.made is not None:
                first.script(half.made(protocol))
            answer = await _ask(haze, protocol, stream=stream)
            (row,) = await haze.ended()
            await quiet(haze)
            health = _health(haze, protocol, half)
            seen.append(_row(name, protocol, stream, channels, answer, row, health))
            over = channels == 2 and half.over
            _check_answer(answer, protocol, half, over=over, stream=stream)
            assert (row["state"], row["cost"]) == _charged(half, over=over)
            assert haze.balance() == FULL - row["cost"]
            assert health == half.channel
            assert len(second.requests) == int(over)
            assert len(json.loads(row["attempts"])) == 1 + int(over)


def _place(request: pytest.FixtureRequest, fault: Fault, first: Provider) -> str:
    return request.getfixturevalue(fault.base_url) if fault.base_url else first.url


def _config(protocol: str, first: str, second: str | None) -> str:
    kind = KIND[protocol]
    text = PAID + channel(kind, first, name='"first"', priority="1", **IMPATIENT)
    return text + (channel(kind, second, name='"second"') if second else "")


async def _ask(haze: Haze, protocol: str, *, stream: bool) -> Answer:
    fields: dict[str, Any] = {"stream": stream, "max_tokens": 100}
    if stream and protocol == "chat":
        fields["stream_options"] = {"include_usage": True}
    return await haze.post(PATHS[protocol], asking(protocol, "paid", **fields))


def _check_answer(answer: Answer, protocol: str, half: Half, *, over: bool, stream: bool) -> None:
    status = 200 if over else half.heard
    assert answer.status == (status if protocol == "messages" else OPENAI.get(status, status)), answer.body
    ending = "" if over else half.ending
    # A failed response is an end that every client of the protocol knows: nothing has to be cut after it.
    assert answer.cut == (ending == "cut" and protocol != "responses")
    if answer.status == 200 and stream:
        last = events(protocol, model="paid")[-1]
        # An error event, never a polite end; and after it, or after the terminal event, nothing more.
        assert _tells_error(answer.body) == bool(ending)
        assert answer.body.endswith(last) == (not ending)
    elif answer.status != 200:
        assert answer.error()["message"]
        assert answer.headers["request-id"]
        for secret in (b"owners-secret", b"127.0.0.1", b"nobody.invalid"):
            assert secret not in answer.body


def _tells_error(body: bytes) -> bool:
    # Every answer of the responses protocol has an "error" that is null.
    return any(sign in body for sign in (b"event: error", b'"error":{', b'"error": {'))


def _charged(half: Half, *, over: bool) -> tuple[str, int]:
    cost = RIGHT if over else half.cost
    return ("settled", cost) if cost else ("void", 0)


def _health(haze: Haze, protocol: str, half: Half) -> str:
    """What is known of the first channel, in the words of the table."""
    cooling = haze.app[HEALTH]._cooling
    if not cooling:
        return FINE
    (((channel_name, model), state),) = cooling.items()
    assert (channel_name, model) == ("first", half.place)
    seconds = state.until - haze.clock[0]
    return f"{'barred' if state.barred else 'out'} {seconds:.0f} s{': owner' if state.owners else ''}"


def _row(
    name: str, protocol: str, stream: bool, channels: int, answer: Answer, row: Any, health: str
) -> tuple[str, ...]:
    saw = str(answer.status)
    if answer.status != 200:
        error = answer.error()
        saw += f" {error['type']}" + (", final" if answer.headers.get("x-should-retry") == "false" else "")
        saw += f", Retry-After {wait}" if (wait := answer.headers.get("Retry-After")) else ""
    elif _tells_error(answer.body):
        saw += ", error event" + (", cut" if answer.cut else "")
    charged = f"{row['cost'] / 1e9:.6f} USD" if row["cost"] else "nothing"
    return name, protocol, "stream" if stream else "whole", str(channels), saw, charged, health
