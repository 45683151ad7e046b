"""Every fault of a channel, in every protocol and form, native and translated, alone and with a second channel: what
the caller saw, what was charged, and what happened to the channel.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from checks import quiet
from gateway import PAID, PATHS, Answer, Haze, running
from provider import Provider
from ways import Way, where

from haze_proxy.context import HEALTH

from .table import FAULTS, FINE, RIGHT, Fault, Half

NATIVE = {
    "chat": Way("chat", "openai", "chat"),
    "messages": Way("messages", "anthropic", "messages"),
    "responses": Way("responses", "openai", "responses"),
}
# One for each client, and two protocols of channels: how a refusal is worded is tested for all of them elsewhere.
TRANSLATED = where(("chat on anthropic", "messages on openai", "responses on openai-compatible"))
EVERY = {**NATIVE, **TRANSLATED}
ENDED_BY = {"chat": b"data: [DONE]", "messages": b"event: message_stop", "responses": b"event: response.completed"}
FULL = 10_000_000_000
IMPATIENT = {"first_byte_timeout_s": "0.2", "silence_timeout_s": "0.2"}
# For clients of OpenAI's protocols there is no 529.
OPENAI = {529: 503}


@pytest.mark.parametrize("channels", [1, 2], ids=["alone", "with a second"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("asked", EVERY)
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_told_charged_and_blamed_rightly(
    tmp_path: Path, request: pytest.FixtureRequest, seen: list[tuple[str, ...]],
    name: str, asked: str, stream: bool, channels: int,
) -> None:  # fmt: skip
    """A peer's users lose money, answers or whole channels to each of these."""
    fault, way = FAULTS[name], EVERY[asked]
    half = fault.stream if stream else fault.whole
    async with Provider() as first, Provider() as second:
        text = _config(way, _place(request, fault, first), second.url if channels == 2 else None)
        async with running(tmp_path, text) as haze:
            if half.made is not None:
                first.script(half.made(way.spoken))
            answer = await haze.post(PATHS[way.client], way.ask(stream=stream, max_tokens=100))
            (row,) = await haze.ended()
            await quiet(haze)
            health = _health(haze, half)
            seen.append(_row(name, asked, stream, channels, answer, row, health))
            over = channels == 2 and half.over
            _check_answer(answer, way.client, half, over=over, stream=stream)
            assert (row["state"], row["cost"]) == _charged(half, over=over)
            assert haze.balance() == FULL - row["cost"]
            assert health == half.channel
            assert len(second.requests) == int(over)
            assert len(json.loads(row["attempts"])) == 1 + int(over)


def _place(request: pytest.FixtureRequest, fault: Fault, first: Provider) -> str:
    return request.getfixturevalue(fault.base_url) if fault.base_url else first.url


def _config(way: Way, first: str, second: str | None) -> str:
    text = PAID + way.channel(first, name='"first"', priority="1", **IMPATIENT)
    return text + (way.channel(second, name='"second"') if second else "")


def _check_answer(answer: Answer, protocol: str, half: Half, *, over: bool, stream: bool) -> None:
    status = 200 if over else half.heard
    assert answer.status == (status if protocol == "messages" else OPENAI.get(status, status)), answer.body
    ending = "" if over else half.ending
    # A failed response is an end that every client of the protocol knows: nothing has to be cut after it.
    assert answer.cut == (ending == "cut" and protocol != "responses")
    if answer.status == 200 and stream:
        # An error event, never a polite end; and after it, or after the terminal event, nothing more.
        assert _tells_error(answer.body) == bool(ending)
        last = answer.body.removesuffix(b"\n\n").rpartition(b"\n\n")[2]
        assert last.startswith(ENDED_BY[protocol]) == (not ending)
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


def _health(haze: Haze, half: Half) -> str:
    """What is known of the first channel, in the words of the table."""
    cooling = haze.app[HEALTH]._cooling
    if not cooling:
        return FINE
    (((channel_name, model), state),) = cooling.items()
    assert (channel_name, model) == ("first", half.place)
    seconds = state.until - haze.clock[0]
    return f"{'barred' if state.barred else 'out'} {seconds:.0f} s{': owner' if state.owners else ''}"


def _row(name: str, asked: str, stream: bool, channels: int, answer: Answer, row: Any, health: str) -> tuple[str, ...]:
    saw = str(answer.status)
    if answer.status != 200:
        error = answer.error()
        saw += f" {error['type']}" + (", final" if answer.headers.get("x-should-retry") == "false" else "")
        saw += f", Retry-After {wait}" if (wait := answer.headers.get("Retry-After")) else ""
    elif _tells_error(answer.body):
        saw += ", error event" + (", cut" if answer.cut else "")
    charged = f"{row['cost'] / 1e9:.6f} USD" if row["cost"] else "nothing"
    return name, asked, "stream" if stream else "whole", str(channels), saw, charged, health
