"""GET /v1/models: one shape that every SDK reads, and only what would be served now."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from checks import refused
from gateway import ECHO, Haze, channel, running
from provider import Provider

MANY = '["b/one", "a/two", "three", "unpriced", "wild/*", "gratis"]'
CATALOGUE = """
[[models]]
id = "b/one"
name = "One"
provider = "Vendor"
notes = "What people read"
input = 1.75
output = 14
cache_read = 0.175
cache_write_5m = 2.1875
cache_write_1h = 3.5
request = 0.01
context_tokens = 400_000
max_output_tokens = 128_000
[[models]]
id = "a/two"
input = 0.000001
output = 0.1
[[models]]
id = "three"
input = 3
output = 15
[[models]]
id = "gratis"
free = true
[[models]]
id = "wild/known"
input = 1
output = 1
[[models]]
id = "short"
input = 1
output = 1
"""
LISTED = ["hekiu", "b/one", "a/two", "three", "gratis", "short"]


@pytest.fixture
async def shop(tmp_path: Path, provider: Provider) -> AsyncIterator[Haze]:
    """Haze with many models, some of which cannot be listed."""
    real = channel("openai", provider.url, MANY, aliases='{ short = "three", "any-*" = "three" }')
    silent = channel("gemini", provider.url, '["switched-off"]', active="false")
    async with running(tmp_path, ECHO + CATALOGUE + real + silent) as server:
        yield server


async def listed(haze: Haze, query: str = "", **more: Any) -> Any:
    """The list as JSON."""
    answer = await haze.get(f"/v1/models{query}", **more)
    assert answer.status == 200, answer.body
    return answer.json()


async def test_the_list_is_what_would_be_served_in_the_order_of_the_configuration(shop: Haze) -> None:
    """Unpriced ids, globs and inactive channels are not: a listed model must answer."""
    body = await listed(shop)
    assert [model["id"] for model in body["data"]] == LISTED
    assert {name: body[name] for name in body if name != "data"} == {
        "object": "list",
        "has_more": False,
        "first_id": "hekiu",
        "last_id": "short",
    }


async def test_every_listed_model_answers(shop: Haze) -> None:
    """The promise behind the list."""
    for model in LISTED:
        assert (await shop.ask("chat", model)).status == 200, model


async def test_a_model_has_every_sdks_fields(shop: Haze) -> None:
    """OpenAI's, Anthropic's and OpenRouter's, side by side; prices in USD per token, exact."""
    one = (await listed(shop))["data"][1]
    assert one == {
        "id": "b/one",
        "object": "model",
        "type": "model",
        "created": 1_767_225_600,
        "created_at": "2026-01-01T00:00:00Z",
        "owned_by": "Vendor",
        "provider": "Vendor",
        "name": "One",
        "display_name": "One",
        "description": "What people read",
        "context_length": 400_000,
        "max_input_tokens": 400_000,
        "max_tokens": 128_000,
        "max_completion_tokens": 128_000,
        "pricing": {
            "prompt": "0.00000175",
            "completion": "0.000014",
            "input_cache_read": "0.000000175",
            "input_cache_write": "0.0000021875",
            "input_cache_write_1h": "0.0000035",
            "request": "0.01",
        },
    }


async def test_small_and_free_prices_are_exact(shop: Haze) -> None:
    """A price in floating point, or as 1e-12, is one that scripts add up wrong."""
    prices = {model["id"]: model["pricing"] for model in (await listed(shop))["data"]}
    assert prices["a/two"] == {"prompt": "0.000000000001", "completion": "0.0000001"}
    assert prices["gratis"] == {"prompt": "0", "completion": "0"}
    assert prices["short"] == {"prompt": "0.000001", "completion": "0.000001"}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/", "/models", "/models/", "/v1/v1/models"])
async def test_base_urls_that_people_paste_find_the_list(shop: Haze, path: str) -> None:
    """A redirect would lose the credential, and breaks Claude Code's discovery."""
    assert (await shop.get(path)).json() == await listed(shop)


async def test_a_key_sees_what_it_may_use(shop: Haze) -> None:
    """A model that would be refused is no offer."""
    key = await shop.known(shop.account(email="few@example.com", models=("three", "b/one", "wild/known", "unpriced")))
    assert [model["id"] for model in (await listed(shop, key=key))["data"]] == ["b/one", "three"]
    none = await shop.known(shop.account(email="none@example.com", models=("nothing",)))
    assert await listed(shop, key=none) == {
        "object": "list",
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }
    refused(await shop.get("/v1/models/gratis", key=key), "chat", 404)
    assert (await shop.get("/v1/models/wild/known", key=key)).json()["id"] == "wild/known"


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 7, 1000])
async def test_following_the_pages_comes_to_an_end_and_shows_each_once(shop: Haze, limit: int) -> None:
    """SDK iterators follow has_more and last_id: a page that answers itself loops for ever."""
    seen: list[str] = []
    page = await listed(shop, f"?limit={limit}")
    for _ in range(20):
        assert 1 <= len(page["data"]) <= limit
        seen += [model["id"] for model in page["data"]]
        if not page["has_more"]:
            break
        page = await listed(shop, f"?limit={limit}&after_id={page['last_id']}")
    assert seen == LISTED
    back: list[str] = []
    page = await listed(shop, f"?limit={limit}&before_id=short")
    for _ in range(20):
        back = [model["id"] for model in page["data"]] + back
        if not page["has_more"]:
            break
        page = await listed(shop, f"?limit={limit}&before_id={page['first_id']}")
    assert back == LISTED[:-1]


@pytest.mark.parametrize(
    "query", ["after_id=gone", "before_id=gone", "after_id=short", "before_id=hekiu", "after_id=b%2F"]
)
async def test_beyond_the_ends_there_is_nothing_and_no_more(shop: Haze, query: str) -> None:
    """A model that was taken away while a client was paging must not send it back to the first page."""
    page = await listed(shop, f"?limit=2&{query}")
    assert (page["data"], page["has_more"], page["last_id"]) == ([], False, None)


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "1.5", "9" * 5000, "²", "%20"])
async def test_a_limit_that_is_none_is_400(shop: Haze, limit: str) -> None:
    """Also one with more digits than Python reads."""
    answer = await shop.get(f"/v1/models?limit={limit}")
    assert "limit" in refused(answer, "chat", 400)


ONE = {
    "b/one": "/v1/models/b/one",
    "b/one escaped": "/v1/models/b%2Fone",
    "b/one, a slash after": "/v1/models/b/one/",
    "three": "/models/three",
    "a glob's": "/v1/models/wild/known",
    "a glob alias's": "/v1/models/any-thing",
    "an alias": "/v1/v1/models/short",
}


@pytest.mark.parametrize("path", ONE.values(), ids=ONE)
async def test_one_model_by_its_id(shop: Haze, path: str) -> None:
    """The SDKs escape a slash, people do not; and every id that would be served is known."""
    answer = await shop.get(path)
    wanted = path.split("/models/")[1].rstrip("/").replace("%2F", "/")
    assert (answer.status, answer.json()["id"], answer.json()["object"]) == (200, wanted, "model")
    entries = {model["id"]: model for model in (await listed(shop))["data"]}
    assert answer.json() == entries.get(wanted, answer.json())


@pytest.mark.parametrize(
    "model", ["nobody", "unpriced", "wild/unpriced", "b", "one", "switched-off", "%00", "..%2Fkey"]
)
async def test_a_model_nobody_serves_is_404(shop: Haze, model: str) -> None:
    """In the envelope of who asks."""
    answer = await shop.get(f"/v1/models/{model}")
    assert answer.error()["param"] == "model"
    refused(answer, "chat", 404)
    refused(await shop.get(f"/v1/models/{model}", headers={"anthropic-version": "2026-10-21"}), "messages", 404)
