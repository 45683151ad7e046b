"""The catalogue: a page for people, the same address for programs."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from gateway import Haze, channel, running
from people import BROWSER, Person, Seen
from reading import cells, links

from haze_proxy.web import static

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
notes = "Costs Nothing"
"""
NUMBERS = range(1, 61)
KIB_MAX = 60
# Claude's own protocol alone, and what a Claude channel never has; without a translation.
KINDS = """
[[models]]
id = "talker"
provider = "One"
input = 3
output = 15
cache_write_5m = 3.75
tiers = [{ above = 200_000, input = 6, output = 22.5 }]
context_tokens = 1_000
[[models]]
id = "vectors"
provider = "Two"
input = 0.02
context_tokens = 8_192
[[models]]
id = "router"
provider = "Two"
input = 1
output = 2
price = "upstream"
context_tokens = 2_000
"""
ADDRESS = "http://127.0.0.1:9"
CHANNELS = (
    channel("anthropic", ADDRESS, '["talker"]')
    + channel("openai-compatible", ADDRESS, '["vectors"]')
    + channel("openrouter", ADDRESS, '["router"]')
)
# A query -> which models are found, in their order.
SEARCHES = {
    "": ["talker", "vectors", "router"],
    "q=TWO": ["vectors", "router"],
    "q=two+out": ["router"],
    "provider=One": ["talker"],
    "provider=Nobody": [],
    "protocol=chat": ["talker", "router"],
    "protocol=chat&native=1": ["router"],
    "protocol=messages&native=1": ["talker", "router"],
    "protocol=responses": ["talker", "router"],
    "protocol=embeddings": ["vectors", "router"],
    "protocol=nonsense": ["talker", "vectors", "router"],
    "free=1": [],
    "sort=id": ["router", "talker", "vectors"],
    "sort=input": ["vectors", "talker", "router"],
    "sort=output": ["talker", "vectors", "router"],
    "sort=context": ["vectors", "router", "talker"],
    "sort=nonsense": ["talker", "vectors", "router"],
    "provider=Two&sort=context": ["vectors", "router"],
}


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


@pytest.fixture
async def chooser(tmp_path: Path) -> AsyncIterator[Person]:
    """Somebody who looks at three models of different kinds."""
    async with running(tmp_path, CHANNELS + KINDS) as haze, aiohttp.ClientSession() as session:
        yield Person(haze, session)


def found(seen: Seen) -> list[str]:
    """The ids on a page, in their order."""
    return re.findall(r'<td class="main"><a href="/models/[^"]*"><code>([^<]*)</code>', seen.text)


async def test_a_row_says_what_a_model_costs(reader: Person) -> None:
    """Exactly, and only what would be served: a model without a price is not."""
    words = (await reader.get("/models")).words
    assert f"maker/model-001 Model No. 1 Maker $0.175 {DASH} {DASH} $14.00 400,000 {DASH}" in words
    assert "unpriced" not in words
    assert "free Costs Nothing echo free free free free" in (await reader.get("/models?q=FREE")).words


async def test_a_row_tells_of_tiers_and_of_prices_that_vary(chooser: Person) -> None:
    """Nobody shall find a dearer tier on his receipt that the list was silent about."""
    talker, vectors, router = cells((await chooser.get("/models")).text, "Models")
    assert talker[2:6] == ["$3.00 more above 200,000", DASH, "$3.75", "$15.00"]
    assert vectors[2:6] == ["$0.02", DASH, DASH, DASH]
    assert router[2:6] == ["varies"] * 4


@pytest.mark.parametrize("query", SEARCHES)
async def test_models_are_found_and_sorted_by_the_address_alone(chooser: Person, query: str) -> None:
    """So that a search can be sent to somebody; what makes no sense in it is left out."""
    assert found(await chooser.get(f"/models?{query}")) == SEARCHES[query]


async def test_a_sort_keeps_the_search_and_the_search_the_sort(chooser: Person) -> None:
    """By plain links, and by a field that is not seen."""
    seen = await chooser.get("/models?q=two&protocol=embeddings&sort=context")
    assert "/models?q=two&protocol=embeddings&sort=input" in links(seen.text)
    assert '<input type="hidden" name="sort" value="context">' in seen.text
    assert "<option selected>embeddings</option>" in seen.text
    assert "2 of 3 · Show all" in seen.words


async def test_the_search_finds_by_id_name_provider_and_notes(reader: Person) -> None:
    """All the words, in any case and order; what was typed stays in its field, and is text."""
    for query in ("MODEL-007", "maker+no.+-007", "7+maker/model-007"):
        assert found(await reader.get(f"/models?q={query}")) == ["maker/model-007"]
    assert found(await reader.get("/models?q=nothing")) == ["free"]
    assert found(await reader.get("/models?free=1")) == ["free"]
    seen = await reader.get("/models?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in seen.text
    assert "No model fits Show all 61" in seen.words


async def test_a_long_list_has_pages_that_keep_the_search(reader: Person) -> None:
    """By links; a page that is not there is the last one."""
    first, second = await reader.get("/models?q=maker"), await reader.get("/models?q=maker&page=2")
    assert "/models?q=maker&page=2" in links(first.text)
    assert 'rel="prev"' not in first.text
    assert found(first)[-1] == "maker/model-050"
    assert found(second)[0] == "maker/model-051"
    assert 'rel="next"' not in second.text
    assert "/models?q=maker&sort=id" in links(second.text)
    for page in ("99", "999999"):
        assert found(await reader.get(f"/models?q=maker&page={page}")) == found(second)
    for page in ("0", "-1", "x", "²", "9" * 30):
        assert found(await reader.get(f"/models?q=maker&page={page}")) == found(first)


@pytest.mark.parametrize("path", ["/models", "/docs", "/models/maker/model-001"])
async def test_a_long_page_is_light_on_the_line(shop: Haze, path: str) -> None:
    """With all that belongs to it; and whoever cannot unpack it gets it as it is."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        async with session.get(shop.url + path, headers={**BROWSER, "Accept-Encoding": "gzip"}) as answer:
            packed = await answer.read()
            assert answer.headers["Content-Encoding"] == "gzip"
        async with session.get(shop.url + path, headers={**BROWSER, "Accept-Encoding": "identity"}) as answer:
            assert b"</html>" in await answer.read()
    beside = sum(
        len(file.body) for name, file in static.files().items() if name in ("style.css", "copy.js", "icon.svg")
    )
    assert len(packed) + beside <= KIB_MAX * 1024


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
