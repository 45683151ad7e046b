"""Claude Code, headless: the client that sends the most and repeats a refusal the longest."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from agents import CREDENTIALS, WORDS, Run
from front import Front
from harness import UNKNOWN_KEY, UPSTREAM_KEYS, Caller, Haze

FORWARDED = ("anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access")


def tool_results(body: Any) -> list[str]:
    """Return what the tools answered in the last turn of a request."""
    blocks = body["messages"][-1]["content"]
    return [block["content"] for block in blocks if block["type"] == "tool_result"]


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("model", ["hekiu", "claude-hekiu", None], ids=lambda model: model or "no model named")
def test_a_bash_tool_goes_round_on_the_echo_channel(
    model: str | None, credential: str, shipped: Haze, front_of: Callable[[Haze], Front], claude: Run
) -> None:
    """A fresh checkout without any provider serves Claude Code: a call, its result, an answer, and nothing else."""
    front, caller = front_of(shipped), shipped.caller()
    done = claude(front, caller.key, *(["--model", model] if model else []), credential=credential)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"The tool said: {WORDS}" in done.stdout
    assert [seen.status for seen in front.requests] == [200, 200]
    assert tool_results(front.requests[-1].json()) == [WORDS]


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("model", ["claude-sonnet-5-5", None], ids=lambda model: model or "no model named")
def test_a_bash_tool_goes_round_on_an_anthropic_channel_byte_for_byte(
    model: str | None, credential: str, front: Front, paid: Caller, providers: dict[str, Front], claude: Run
) -> None:
    """Haze is invisible: what Claude Code sends is what the provider gets, save the credential."""
    done = claude(front, paid.key, *(["--model", model] if model else []), credential=credential)
    assert done.returncode == 0, done.stdout + done.stderr
    sent, arrived = front.requests, providers["anthropic"].requests
    assert [seen.status for seen in sent] == [200, 200]
    assert [seen.target for seen in arrived] == [seen.target for seen in sent] == ["/v1/messages?beta=true"] * 2
    assert [hashlib.sha256(seen.body).hexdigest() for seen in arrived] == [
        hashlib.sha256(seen.body).hexdigest() for seen in sent
    ]
    assert tool_results(sent[-1].json())
    for before, after in zip(sent, arrived, strict=True):
        assert [after.header(name) for name in FORWARDED] == [before.header(name) for name in FORWARDED]
        assert after.header("x-api-key") == UPSTREAM_KEYS["JOURNEY_ANTHROPIC_KEY"]
        assert not any(paid.key in value for _, value in after.headers)


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize(
    ("sort", "status", "told"),
    [("unknown", 401, "Failed to authenticate"), ("empty", 402, "API Error: 402")],
    ids=["a key nobody issued", "an empty account"],
)
def test_a_final_refusal_is_asked_for_once(
    sort: str, status: int, told: str, credential: str, front: Front, empty: Caller, claude: Run
) -> None:
    """Left to itself it asks eleven times over three minutes, and the person sees nothing meanwhile."""
    done = claude(front, {"unknown": UNKNOWN_KEY, "empty": empty.key}[sort], "--model", "hekiu", credential=credential)
    assert done.returncode != 0
    assert told in done.stdout + done.stderr
    assert [seen.status for seen in front.requests] == [status]
