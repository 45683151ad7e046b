"""The page of one model: what it costs, what it is called, who can talk to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from gateway import ECHO, Haze, channel, running
from people import BROWSER, Person
from reading import cells, examples

from haze_proxy.money.prices import load_table

DASH = "\N{EN DASH}"
CONFIG = """
[[channels]]
name = "echo"
kind = "echo"
models = ["maker/large:v1"]
aliases = { "large" = "maker/large:v1", "large-*" = "maker/large:v1", "free" = "gift", "both" = "gift" }
[[channels]]
name = "second"
kind = "echo"
models = ["both"]
[[models]]
id = "maker/large:v1"
name = "Large <1>"
provider = "Maker"
notes = "For long texts"
input = 3
output = 15
cache_read = 0.3
cache_write_5m = 3.75
request = 0.001
tiers = [{ above = 200_000, input = 6, output = 22.5 }]
server_tools = { web_search = 10 }
service_tiers = { priority = { factor = 2 } }
context_tokens = 1_000_000
max_output_tokens = 64_000
[[models]]
id = "gift"
free = true
[[models]]
id = "both"
free = true
"""
OTHERS = """
[[models]]
id = "routed"
input = 1
output = 2
price = "upstream"
markup = 1.05
[[models]]
id = "vectors"
input = 0.02
"""
ADDRESS = "http://127.0.0.1:9"
CHANNELS = (
    channel("openrouter", ADDRESS, '["routed"]')
    + channel("openai", ADDRESS, '["vectors", "gpt-4o"]')
    + channel("anthropic", ADDRESS, '["claude-sonnet-4-5"]', translate="false")
)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Haze]:
    """A Haze with a model that has everything a price can have."""
    async with running(tmp_path, CONFIG) as haze:
        yield haze


@pytest.fixture
async def reader(shop: Haze) -> AsyncIterator[Person]:
    """Somebody who looks at it."""
    async with aiohttp.ClientSession() as session:
        yield Person(shop, session)


@pytest.fixture
async def buyer(tmp_path: Path) -> AsyncIterator[Person]:
    """Somebody who looks at models of real providers."""
    async with running(tmp_path, CHANNELS + OTHERS) as haze, aiohttp.ClientSession() as session:
        yield Person(haze, session)


async def test_every_price_stands_there_exactly(reader: Person) -> None:
    """Tiers, modes and fees included: what is charged can be worked out from this page."""
    seen = await reader.get("/models/maker/large:v1")
    assert cells(seen.text, "Prices") == [
        ["Usual", "$3.00", "$0.30", "$3.75", DASH, "$15.00"],
        ["Above 200,000 input tokens", "$6.00", "$0.30", "$3.75", DASH, "$22.50"],
        ["Service tier: priority", "$6.00", "$0.60", "$7.50", DASH, "$30.00"],
        ["Service tier: priority, above 200,000 input tokens", "$12.00", "$0.60", "$7.50", DASH, "$45.00"],
    ]
    assert "each request $0.001" in seen.words
    assert "web search, a thousand calls $10.00" in seen.words
    assert "A dash has no price of its own" in seen.words
    assert "From the owner's config.toml." in seen.words
    assert "Large <1>" in seen.words
    assert "1,000,000 tokens" in seen.words


async def test_a_thousand_requests_cost_what_a_thousand_receipts_say(reader: Person) -> None:
    """By the same arithmetic as the charge, fees and cached tokens included."""
    found = cells((await reader.get("/models/maker/large:v1")).text, "What 1,000 requests cost")
    assert found[0] == ["A short question", "500", "200", "$5.50"]
    assert found[2][1:] == ["50,000", "1,000", "$44.50"]


async def test_a_model_says_what_else_it_is_called(reader: Person) -> None:
    """Only names that lead to it now: another channel's exact id wins over an alias."""
    assert "Also called large , large-*" in (await reader.get("/models/maker/large:v1")).words
    seen = await reader.get("/models/large-2026")
    assert "The provider's name of it maker/large:v1" in seen.words
    words = (await reader.get("/models/free")).words
    assert "The provider's name of it gift" in words
    assert "both" not in words
    assert "Free: it holds nothing" in words


async def test_a_model_says_who_is_answered_untranslated(buyer: Person) -> None:
    """And shows the lines of those clients that it answers at all."""
    words = (await buyer.get("/models/gpt-4o")).words
    assert "chat messages, translated responses embeddings" in words
    only = await buyer.get("/models/claude-sonnet-4-5")
    assert "Protocols messages Prices" in only.words
    assert set(examples(only.text)) == {"Model ID", "Anthropic SDK, Python", "Claude Code"}


async def test_a_shipped_price_says_where_it_is_from(buyer: Person) -> None:
    """And of which day: prices grow old."""
    table = load_table()
    words = (await buyer.get("/models/gpt-4o")).words
    assert f"From the table that ships with Haze: {table.source.split(' ', 1)[1]}, {table.version}." in words
    assert "$2.50" in words


async def test_a_price_that_only_the_provider_knows_is_not_made_up(buyer: Person) -> None:
    """What is held is told, and no sum of what it will be."""
    seen = await buyer.get("/models/routed")
    assert "costs what the provider says it cost, times 1.05" in seen.words
    assert "What 1,000 requests cost" not in seen.words


async def test_a_model_for_vectors_has_sizes_and_lines_of_its_own(buyer: Person) -> None:
    """Nobody embeds with a chat client."""
    seen = await buyer.get("/models/vectors")
    assert cells(seen.text, "What 1,000 requests cost")[2] == ["A page", "1,000", "0", "$0.02"]
    assert set(examples(seen.text)) == {"Model ID", "Embeddings"}
    assert '"model": "vectors"' in examples(seen.text)["Embeddings"]


async def test_a_model_that_is_not_served_has_no_page(reader: Person) -> None:
    """Whatever is typed is text."""
    for path in ("nobody", "%3Cscript%3E", "maker/large", "gpt-4o"):
        seen = await reader.get(f"/models/{path}")
        assert (seen.status, "<script>" in seen.text.partition("<main")[2]) == (404, False)
        assert "No model of that name is served here now." in seen.words


async def test_a_program_gets_json_of_one_model_at_the_same_address(tmp_path: Path) -> None:
    """Whoever brings a key, or Anthropic's header, calls the API; with a slash too many always."""
    async with running(tmp_path, ECHO) as haze:
        for headers in ({"Authorization": f"Bearer {haze.key}"}, {"x-api-key": haze.key, **BROWSER}):
            answer = await haze.get("/models/hekiu", key="", headers=headers)
            assert answer.json()["id"] == "hekiu"
        for headers in ({"x-api-key": "wrong"}, {"anthropic-version": "2023-06-01"}):
            assert (await haze.get("/models/hekiu", key="", headers={**BROWSER, **headers})).status == 401
        assert (await haze.get("/v1/models/hekiu", key="", headers=BROWSER)).status == 401
        assert (await haze.get("//models/hekiu", key="")).status == 401
        page = await haze.get("/models/hekiu", key="")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert (await haze._send("HEAD", "/models/hekiu", None, "", {})).status == 200
