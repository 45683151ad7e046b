"""The catalogue: a page for people, the same address for programs."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from gateway import Haze, running
from people import BROWSER, Person

DASH = "\N{EN DASH}"
ROW = """
[[models]]
id = "maker/model-{number:03}"
name = "Model No. {number}"
provider = "Maker"
input = 0.175
output = 14
context_tokens = 400_000
"""
CONFIG = """
[[channels]]
name = "echo"
kind = "echo"
models = [{ids}, "free", "unpriced"]
[[models]]
id = "free"
free = true
"""
NUMBERS = range(1, 61)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Haze]:
    """A Haze with 61 models."""
    text = CONFIG.format(ids=", ".join(f'"maker/model-{number:03}"' for number in NUMBERS))
    async with running(tmp_path, text + "".join(ROW.format(number=number) for number in NUMBERS)) as haze:
        yield haze


@pytest.fixture
async def reader(shop: Haze) -> AsyncIterator[Person]:
    """Somebody who looks at it."""
    async with aiohttp.ClientSession() as session:
        yield Person(shop, session)


async def test_a_row_says_what_a_model_costs(reader: Person) -> None:
    """Exactly, and only what would be served: a model without a price is not."""
    words = (await reader.get("/models")).words
    assert f"maker/model-001 Model No. 1 Maker $0.175 {DASH} $14.00 400,000 {DASH}" in words
    assert "unpriced" not in words
    assert "free echo free free free" in (await reader.get("/models?q=FREE")).words


async def test_the_search_finds_by_id_name_and_provider(reader: Person) -> None:
    """All the words, in any case and order; what was typed stays in its field, and is text."""
    for query in ("MODEL-007", "maker+no.+7", "7+maker/model-007"):
        seen = await reader.get(f"/models?q={query}")
        assert "maker/model-007" in seen.words
        assert "maker/model-008" not in seen.words
    seen = await reader.get("/models?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in seen.text
    assert "No model is called that Show all 61" in seen.words


async def test_a_long_list_has_pages_that_keep_the_search(reader: Person) -> None:
    """By links; a page that is not there is the last one."""
    first, second = await reader.get("/models?q=maker"), await reader.get("/models?q=maker&page=2")
    assert 'href="/models?q=maker&amp;page=2"' in first.text
    assert 'rel="prev"' not in first.text
    assert "maker/model-050" in first.words
    assert "maker/model-051" in second.words
    assert "maker/model-050" not in second.words
    assert 'rel="next"' not in second.text
    for page in ("99", "999999"):
        assert (await reader.get(f"/models?q=maker&page={page}")).words == second.words
    for page in ("0", "-1", "x", "²", "9" * 30):
        assert (await reader.get(f"/models?q=maker&page={page}")).words == first.words


async def test_a_program_gets_json_at_the_same_address(shop: Haze, reader: Person) -> None:
    """By what it brings with it, and not by what it says it is: a wrong key is 401 and never a page."""
    assert (await shop.get("/models", headers=BROWSER)).json()["object"] == "list"
    for headers in ({"x-api-key": shop.key}, {"anthropic-version": "2023-06-01", "x-api-key": shop.key}):
        assert (await shop.get("/models", key="", headers=headers)).json()["object"] == "list"
    for headers in ({"x-api-key": "wrong"}, {"anthropic-version": "2023-06-01"}, {"Authorization": "Bearer x"}):
        answer = await shop.get("/models", key="", headers={**BROWSER, **headers})
        assert (answer.status, answer.headers["Content-Type"]) == (401, "application/json")
    page = await shop.get("/models", key="")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_an_empty_catalogue_says_what_is_missing(tmp_path: Path) -> None:
    """To the owner, who sees it first."""
    async with running(tmp_path, "") as haze, aiohttp.ClientSession() as session:
        person = Person(haze, session)
        assert "haze-proxy channels says what is missing" in (await person.get("/models")).words
        assert (await person.get("/")).status == 200
