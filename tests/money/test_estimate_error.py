"""How far the estimate of input is from what tokenizers count; `pytest -s` shows the table.

The counts were made once, by tests/tools/count_tokens.py: a hold that is too small lets an account spend what it has
not, one that is much too large refuses it what it could pay.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from haze_proxy.money import fields
from haze_proxy.money.estimate import IMAGE_TOKENS, SERVER_TOOL_TOKENS, input_tokens

HERE = Path(__file__).parent
RECORDED = HERE.parent / "wire" / "recorded_requests"
TEXTS: dict[str, dict[str, str]] = json.loads((HERE / "token_texts.json").read_bytes())
COUNTS: dict[str, dict[str, dict[str, int]]] = json.loads((HERE / "token_counts.json").read_bytes())
Table = Callable[[str, int, int], None]


@pytest.fixture(scope="module")
def table() -> Table:
    """Prints a line of the table: a sample, its estimate, and the most tokens that any tokenizer makes of it."""

    def line(name: str, estimate: int, most: int) -> None:
        print(f"{name:32} estimated {estimate:6}  counted {most:6}  {estimate / most:5.2f} times")

    return line


def estimated(text: str) -> int:
    """What a text adds to the estimate of a request."""
    parsed: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
    empty: dict[str, Any] = {"messages": [{"role": "user", "content": ""}]}
    return input_tokens(orjson.dumps(parsed), parsed, "chat") - input_tokens(orjson.dumps(empty), empty, "chat")


def rows(*groups: str) -> list[tuple[str, str]]:
    """(group, name) of each sample of some groups."""
    return [(group, name) for group in groups for name in COUNTS[group]]


@pytest.mark.parametrize(("group", "name"), rows("language", "code"))
def test_language_and_code_are_never_held_too_low(group: str, name: str, table: Table) -> None:
    """And at most three and a half times too high."""
    estimate, counts = estimated(TEXTS[group][name]), COUNTS[group][name].values()
    table(name, estimate, max(counts))
    assert all(tokens <= estimate <= 3.5 * tokens for tokens in counts)


@pytest.mark.parametrize("name", COUNTS["body"])
def test_a_coding_agents_body_is_never_held_too_low(name: str, table: Table) -> None:
    """An image, or a tool of the provider's, has an allowance of its own beside what its JSON comes to."""
    body = (RECORDED / f"{name}.json").read_bytes()
    parsed = orjson.loads(body)
    estimate = input_tokens(body, parsed, "responses" if "input" in parsed else "messages")
    beside = IMAGE_TOKENS * body.count(b'"image/png"') + SERVER_TOOL_TOKENS * len(fields.fee_tools(parsed))
    counts = [tokens + beside for tokens in COUNTS["body"][name].values()]
    table(name, estimate, max(counts))
    assert all(tokens <= estimate <= 2.5 * tokens for tokens in counts)


# Tokens of the largest picture a model takes: Anthropic's page on vision (1,568 pixels, about 1,600 tokens; 4,784 on
# models that see more), OpenAI's on images (high detail: 85, and 170 for each of at most 8 tiles; 1,536 patches times
# 1.62), November 2026. Models that keep the original detail are not among them: 12 megapixels are said to be 14,364
# tokens there.
IMAGES = {"Claude until 4.6": 1_640, "Claude since 4.7": 4_784, "GPT-4o": 85 + 8 * 170, "GPT-5 mini": 2_489}


@pytest.mark.parametrize("name", IMAGES)
def test_a_picture_costs_its_allowance_and_not_its_base64(name: str, table: Table) -> None:
    """Four megabytes of base64 are a picture like any other."""
    part = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K" * 500_000}}
    parsed = {"messages": [{"role": "user", "content": [part]}]}
    estimate = input_tokens(orjson.dumps(parsed), parsed, "messages")
    table(f"a picture, {name}", estimate, IMAGES[name])
    assert IMAGES[name] <= estimate < IMAGE_TOKENS + 100


@pytest.mark.parametrize(("group", "name"), rows("machine"))
def test_what_only_machines_write_is_held_at_more_than_half(group: str, name: str, table: Table) -> None:
    """No language has so many tokens for its bytes. What a hold lacks, the charge takes of the balance that is left;
    only beyond that the house pays.
    """
    estimate, counts = estimated(TEXTS[group][name]), COUNTS[group][name].values()
    table(name, estimate, max(counts))
    assert all(estimate > tokens / 2 for tokens in counts)
