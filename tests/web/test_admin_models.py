"""Every model that a channel lists: live or why not, what it costs and where that comes from, and who is asked."""

from pathlib import Path

import pytest
from gateway import channel
from owner import hidden, owned
from people import Come
from provider import Provider, Reply
from provider_answers import openrouter_list

DASH = "\N{EN DASH}"
CONFIG = """
[[channels]]
name = "first"
kind = "openai"
api_key = "owners-secret"
models = ["gpt-4o", "m", "unpriced", "g-*"]
aliases = { "short" = "m" }
priority = 1
[[channels]]
name = "second"
kind = "openai-compatible"
base_url = "http://127.0.0.1:9/v1"
models = ["m"]
[[channels]]
name = "asleep"
kind = "anthropic"
api_key = "env:HAZE_UNSET"
models = ["claude-haiku-4-5"]
[[models]]
id = "m"
name = "Model M"
input = 1
output = 2
tiers = [{ above = 200_000, input = 3, output = 6 }]
[[models]]
id = "lonely"
free = true
"""


async def test_nobody_else_finds_them(come: Come) -> None:
    """What a model costs upstream is between the owner and his providers."""
    await hidden(come, "/admin/models")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("unpriced", "not live first: the price is unknown"),
        ("g-*", "not live a glob: it serves the ids that fit it, and is listed nowhere"),
        ("haiku", "not live asleep: inactive: the variable HAZE_UNSET is not set"),
        ("lonely", f"not live no channel lists it {DASH} {DASH} {DASH} unknown nobody"),
        (
            "short",
            f"live $1.00 {DASH} $2.00 the owner's config.toml 1 more "
            "Above 200,000 input tokens: $3.00 in, $6.00 out 1. first",
        ),
        ("model+m", "No model is called that"),
    ],
)
async def test_a_row_says_why(tmp_path: Path, query: str, told: str) -> None:
    """ "Why is it not listed?" has an answer here before anyone asks."""
    async with owned(tmp_path, CONFIG) as owner:
        assert told in (await owner.get(f"/admin/models?q={query}")).words


async def test_candidates_stand_in_the_order_in_which_they_are_asked(tmp_path: Path) -> None:
    """With the alias that the model has, and the table that its price is from, with its date."""
    async with owned(tmp_path, CONFIG) as owner:
        words = (await owner.get("/admin/models")).words
        assert "m Model M alias short at first live $1.00" in words
        assert "1. first, exact id 2. second, exact id" in words
        assert "live $2.50 $1.25 $10.00 the table that ships with Haze: genai-prices" in words
        # What an inactive channel would cost is known, too.
        assert "ships with Haze" in (await owner.get("/admin/models?q=haiku")).words


async def test_a_list_of_hundreds_comes_in_pages(tmp_path: Path, provider: Provider) -> None:
    """With the price that the upstream tells, and by the name of its channel."""
    provider.lists = lambda received: Reply(body=openrouter_list(*[f"v/{number:03}" for number in range(420)]))
    async with owned(tmp_path, channel("openrouter", provider.url, '["*"]')) as owner:
        while "v/000" not in (seen := await owner.get("/admin/models")).words:
            pass
        assert "v/049" in seen.words
        assert "v/050" not in seen.words
        assert "openrouter /models, 20" in seen.words
        assert 'href="/admin/models?page=2"' in seen.text
        assert "v/419" in (await owner.get("/admin/models?q=OpenRouter&page=9")).words
        assert len(seen.text) < 100_000


async def test_what_is_typed_is_text(tmp_path: Path) -> None:
    """And not a part of the page."""
    async with owned(tmp_path, "") as owner:
        seen = await owner.get("/admin/models?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
        assert "<script>alert" not in seen.text
        assert "No model yet" in seen.words
