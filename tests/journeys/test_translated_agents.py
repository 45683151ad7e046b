"""Claude Code and Codex on channels that do not speak their protocol: a tool really runs, its result goes up, and the
provider finds the beginning of every request in its cache.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from agents import Run
from front import Front, Seen
from harness import Caller, Haze

CREDIT_USD = Decimal(5)
ANSWERS = 4  # of two prompts: each time a call, then its result
CHANNELS = {"gpt-4o": "openai", "gemini-3-pro": "gemini", "deepseek-v4": "deepseek", "claude-thinks": "claude"}
MODELS = {
    "Claude Code": ("gpt-4o", "gemini-3-pro", "deepseek-v4"),
    "Codex": ("gemini-3-pro", "deepseek-v4", "claude-thinks"),
}
CHAT = "/v1/chat/completions"
PATHS = {"claude-thinks": "/v1/messages"}
# What each provider counts, in tokens: fresh input, cached input, input written to the cache, output.
COUNTED = {
    "gpt-4o": (11, 0, 0, 3),
    "gemini-3-pro": (11, 0, 0, 303),
    "deepseek-v4": (11, 100, 0, 3),
    "claude-thinks": (11, 100, 20, 3),
}
# What stands in a request with a result because the provider said it with the call, and wants it back.
WANTED_BACK = {
    "gpt-4o": b"",
    "gemini-3-pro": b'"extra_content":{"google":{"thought_signature":"c2lnbmVk"}}',
    "deepseek-v4": b'"reasoning_content":"Let me think."',
    "claude-thinks": b'{"type":"thinking","thinking":"Let me think.","signature":"c2lnbmVkIGJ5IENsYXVkZQ=="}',
}
PRICES = (Decimal(3), Decimal("0.3"), Decimal("3.75"), Decimal(15))  # of every model, in USD per million tokens


def price(model: str) -> Decimal:
    """Return what one answer of this model costs, in USD."""
    return sum((count * each for count, each in zip(COUNTED[model], PRICES, strict=True)), Decimal(0)) / 1_000_000


def said(body: Mapping[str, Any]) -> list[Any]:
    """Return the turns of a request to a provider."""
    turns: list[Any] = body["messages"]
    return turns


def results(body: Mapping[str, Any]) -> list[str]:
    """Return what tools answered in a request to a provider, in either protocol."""
    found = [turn["content"] for turn in said(body) if turn["role"] == "tool"]
    blocks = [block for turn in said(body) if isinstance(turn["content"], list) for block in turn["content"]]
    told = [block["content"] for block in blocks if block.get("type") == "tool_result"]
    return found + ["".join(part["text"] for part in parts) for parts in told]


def beginning(seen: Seen) -> bytes:
    """Return a request's own bytes up to the end of its last turn: what the next one must begin with.

    What the user says next may join his last words; then only the brackets move.
    """
    text = seen.body.decode()
    start = text.index('"messages":') + len('"messages":')
    _, end = json.JSONDecoder().raw_decode(text, start)
    return text[:end].rstrip("]}").encode()


def outside(seen: Seen) -> dict[str, Any]:
    """Return what of a request is no turn: tools and settings, which stand before the turns in the cache."""
    return {name: value for name, value in seen.json().items() if name != "messages"}


@dataclass
class Conversation:
    """Two prompts to one agent, the second going on with the first: what reached the provider, and what was shown."""

    model: str
    caller: Caller
    arrived: Sequence[Seen]
    shown: Sequence[str]


@pytest.fixture(params=[(agent, model) for agent, models in MODELS.items() for model in models], ids=", ".join)
def conversation(
    request: pytest.FixtureRequest, haze: Haze, front: Front, providers: dict[str, Front], claude: Run, codex: Run
) -> Conversation:
    """Hold a conversation, which takes four answers."""
    agent, model = request.param
    caller = haze.caller(str(CREDIT_USD))
    shown = []
    for again in (False, True):
        if agent == "Claude Code":
            done = claude(front, caller.key, "--model", model, *(["--continue"] if again else []))
        else:
            done = codex(front, caller.key, model, searches=False, again=again)
        assert done.returncode == 0, done.stdout + done.stderr
        shown.append(done.stdout)
    assert [seen.status for seen in front.requests] == [200] * ANSWERS
    return Conversation(model, caller, providers[CHANNELS[model]].requests, shown)


def test_a_tool_runs_its_result_goes_up_and_nothing_before_it_changes(conversation: Conversation, haze: Haze) -> None:
    """What agents are for. A later request that began otherwise would not be found in the provider's cache."""
    model, arrived = conversation.model, conversation.arrived
    assert [(seen.target, seen.status) for seen in arrived] == [(PATHS.get(model, CHAT), 200)] * ANSWERS
    assert [seen.json()["model"] for seen in arrived] == [model] * ANSWERS
    told = [results(seen.json()) for seen in arrived]
    assert [len(each) for each in told] == [0, 1, 1, 2]
    # It was told to run `echo ok`.
    assert all(result.rstrip().endswith("ok") and "echo" not in result for result in told[-1]), told
    assert all(WANTED_BACK[model] in seen.body for seen in arrived[1:])
    assert all("Result: " in text for text in conversation.shown)
    for earlier, later in pairwise(arrived):
        assert later.body.startswith(beginning(earlier))
        assert outside(later) == outside(earlier)
    account = haze.account(conversation.caller)
    assert Decimal(account["spent_usd"]) == ANSWERS * price(model)
    assert Decimal(account["held_usd"]) == 0
