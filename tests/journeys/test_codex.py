"""Codex, headless: it speaks only Responses, and repeats a refusal up to thirty times."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from agents import WORDS, Run
from front import Front
from harness import UPSTREAM_KEYS, Caller, Haze

# model -> channel, and whether a web search has a price there: by the shipped table, or not by a row of the owner's
PROVIDED = {"gpt-5.2": ("openai", True), "openai/gpt-5.2": ("openrouter", False)}


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


@pytest.mark.parametrize(("model", "place"), PROVIDED.items(), ids=PROVIDED)
def test_a_shell_goes_round_on_a_provider_byte_for_byte(
    model: str, place: tuple[str, bool], front: Front, paid: Caller, providers: dict[str, Front], codex: Run
) -> None:
    """Haze is invisible: what Codex sends is what the provider gets, save the credential."""
    channel, searches = place
    done = codex(front, paid.key, model, searches=searches)
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


def test_a_search_without_a_price_is_refused_by_its_name(front: Front, paid: Caller, codex: Run) -> None:
    """Nobody knows what it would cost; Codex shows what to look for, and does not ask again."""
    done = codex(front, paid.key, "openai/gpt-5.2")
    assert done.returncode != 0
    assert "tools[" in done.stderr
    assert [seen.status for seen in front.requests] == [400]
