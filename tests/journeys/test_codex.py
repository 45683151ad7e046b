"""Codex, headless: it speaks only Responses, and repeats a refusal up to thirty times."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from agents import WORDS, Run
from front import Front
from harness import UPSTREAM_KEYS, Caller, Haze

PROVIDED = {"gpt-4o": "openai", "openai/gpt-5.2": "openrouter"}  # model -> channel


def tool_results(body: Any) -> list[str]:
    """Return what the tools of a request answered, the latest last."""
    return [item["output"] for item in body["input"] if item["type"] == "function_call_output"]


def test_a_shell_goes_round_on_the_echo_channel(shipped: Haze, front_of: Callable[[Haze], Front], codex: Run) -> None:
    """A fresh checkout without any provider serves Codex: a command, its output, an answer, and nothing else."""
    front, caller = front_of(shipped), shipped.caller()
    done = codex(front, caller.key, "hekiu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The tool said:" in done.stdout
    assert WORDS in done.stdout
    assert [(seen.target, seen.status) for seen in front.requests] == [("/v1/responses", 200)] * 2
    (output,) = tool_results(front.requests[-1].json())
    assert output.rstrip().endswith(f"Output:\n{WORDS}")


@pytest.mark.parametrize(("model", "channel"), PROVIDED.items(), ids=PROVIDED)
def test_a_shell_goes_round_on_a_provider_byte_for_byte(
    model: str, channel: str, front: Front, paid: Caller, providers: dict[str, Front], codex: Run
) -> None:
    """Haze is invisible: what Codex sends is what the provider gets, save the credential."""
    done = codex(front, paid.key, model)
    assert done.returncode == 0, done.stdout + done.stderr
    sent, arrived = front.requests, providers[channel].requests
    assert [(seen.target, seen.status) for seen in sent] == [("/v1/responses", 200)] * 2
    assert [hashlib.sha256(seen.body).hexdigest() for seen in arrived] == [
        hashlib.sha256(seen.body).hexdigest() for seen in sent
    ]
    (output,) = tool_results(sent[-1].json())
    assert "Process exited with code 0" in output
    assert output in done.stdout  # the pretend provider tells the result
    for seen in arrived:
        assert seen.header("authorization") == f"Bearer {UPSTREAM_KEYS[f'JOURNEY_{channel.upper()}_KEY']}"
        assert not any(paid.key in value for _, value in seen.headers)
