"""Prices are exact, exactly named, and what their source says."""

import importlib.util
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from math import ceil
from pathlib import Path
from types import ModuleType

import pytest
from genai_prices.data import providers
from genai_prices.types import Usage as SourceUsage

from haze_proxy.money import prices
from haze_proxy.money.prices import KIND_PROVIDER, Limits, Price, Tier, load_table
from haze_proxy.money.prices import nano_per_million as nano
from haze_proxy.money.receipt import charge
from haze_proxy.money.usage import Usage

SHIPPED = Path(prices.__file__).with_name("prices.json")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """tests/tools/make_prices.py, which is a script and no package."""
    path = Path(__file__).parents[1] / "tools" / "make_prices.py"
    spec = importlib.util.spec_from_file_location("make_prices", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DOCUMENTED = {
    ("openrouter", "openai/gpt-5.2"): ("1.75", "14"),
    ("openrouter", "anthropic/claude-sonnet-4.5"): ("3", "15"),
    ("openai", "gpt-4o"): ("2.5", "10"),
    ("openai", "text-embedding-3-small"): ("0.02", None),
    ("gemini", "gemini-2.5-flash"): ("0.3", "2.5"),
    ("anthropic", "claude-sonnet-4-5-20250929"): ("3", "15"),
    ("anthropic", "claude-opus-4-5"): ("5", "25"),
    ("anthropic", "claude-haiku-4-5-20251001"): ("1", "5"),
}


@pytest.mark.parametrize(("channel", "usd"), DOCUMENTED.items(), ids=[" ".join(key) for key in DOCUMENTED])
def test_the_documented_models_have_a_price(channel: tuple[str, str], usd: tuple[str, str | None]) -> None:
    """A model of the documentation's table that lost its price would be refused from one release to the next."""
    kind, model = channel
    price = load_table().find(KIND_PROVIDER[kind], model)
    assert price
    assert price.input == nano(Decimal(usd[0]))
    assert price.output == (nano(Decimal(usd[1])) if usd[1] else None)


@pytest.mark.parametrize(
    "model", ["gpt-4o-", "gpt-4o-2099-01-01", "GPT-4o", "gpt", "", "openrouter/auto", "claude-opus-4-5-20991231"]
)
def test_a_price_is_never_guessed_from_a_similar_name(model: str) -> None:
    """Tomorrow's model costs what tomorrow's price list says; until then it is refused."""
    assert not any(load_table().find(provider, model) for provider in KIND_PROVIDER.values())
    assert load_table().limits("openai", model) == Limits()


def test_sizes_come_with_the_prices() -> None:
    """What a model can take is shown on /models and bounds what a request may hold."""
    assert load_table().limits("openai", "gpt-4o").context_tokens == 128_000


def test_anthropic_prices_carry_both_cache_durations_and_searches() -> None:
    """One-hour writes billed at the five-minute price cost the owner 60 % of the difference on every one."""
    price = load_table().find("anthropic", "claude-sonnet-4-5")
    assert price
    assert (price.cache_read, price.cache_write_5m, price.cache_write_1h) == (300_000_000, 3_750_000_000, 6_000_000_000)
    assert price.server_tools == (("web_search", 10_000_000),)
    assert price.at(200_001).cache_write_1h == 12_000_000_000
    assert price.at(200_000) is price


def test_every_price_says_where_it_comes_from() -> None:
    """A receipt years later must name the table it was made with."""
    document = json.loads(SHIPPED.read_text("utf-8"))
    price = load_table().find("openai", "gpt-4o")
    assert price
    assert price.source == f"prices.json {document['source']}"
    assert price.version == document["date"] == date.fromisoformat(document["date"]).isoformat()


def test_the_table_is_small_and_names_no_model_twice() -> None:
    """Two lines for one id would let the order of lines decide a price."""
    rows = json.loads(SHIPPED.read_text("utf-8"))["models"]
    names = [(row["provider"], name) for row in rows for name in row["ids"]]
    assert len(names) == len(set(names)) > 1000
    assert SHIPPED.stat().st_size < 400_000


def test_the_shipped_table_is_what_its_source_says(generator: ModuleType) -> None:
    """Nobody edits prices by hand: the file is the generator's output for the day it names, byte for byte."""
    document = json.loads(SHIPPED.read_text("utf-8"))
    assert document["source"] == f"genai-prices {version('genai-prices')}", "run `make prices`"
    text, _ = generator.generate(date.fromisoformat(document["date"]))
    assert text == SHIPPED.read_text("utf-8")


def test_a_price_with_a_date_is_taken_once_the_date_has_come(generator: ModuleType) -> None:
    """A price list that changes on the first of a month is right on both sides of it."""
    google = next(provider for provider in providers if provider.id == "google")
    model = next(model for model in google.models if model.id == "gemini-3.8-flash")
    before, _ = generator.row_of(google, model, date(2026, 12, 31))
    after, _ = generator.row_of(google, model, date(2027, 1, 1))
    assert before["input"] != after["input"]


def test_our_arithmetic_agrees_with_the_source_on_every_model() -> None:
    """An independent implementation prices the same usage, long contexts included, to the same nano-dollar."""
    table = load_table()
    day = datetime.fromisoformat(table.version).replace(hour=12, tzinfo=UTC)
    sizes = [(1_000, 0, 7), (150_000, 5_000, 300), (260_000, 60_000, 1), (1_100_000, 0, 0)]
    checked = 0
    for (provider_id, name), price in table.prices.items():
        provider = next(provider for provider in providers if provider.id == provider_id)
        model = provider.find_model(name)
        assert model
        for fresh, cached, output in sizes:
            ours = Usage(
                input=fresh,
                cache_read=cached if price.cache_read is not None else 0,
                output=output if price.output else 0,
            )
            theirs = SourceUsage(
                input_tokens=ours.total_input, cache_read_tokens=ours.cache_read, output_tokens=ours.output
            )
            expected = model.calc_price(theirs, provider, genai_request_timestamp=day).total_price
            assert charge(ours, price).cost == ceil(expected * 10**9), name
            checked += 1
    assert checked > 4000


@pytest.mark.parametrize(
    ("usd", "expected"), [("3", 3_000_000_000), ("0.000000001", 1), ("0", 0), ("1E+2", 100_000_000_000)]
)
def test_prices_are_whole_nano_dollars(usd: str, expected: int) -> None:
    """Decimals of a configuration become integers once, without a float on the way."""
    assert nano(Decimal(usd)) == expected


@pytest.mark.parametrize(
    "usd",
    ["-1", "0.0000000001", "1.0000000000000000000000000000000000000001", "NaN", "Infinity", "1e-999999", "1e999999"],
)
def test_a_price_that_is_not_exact_is_refused(usd: str) -> None:
    """A price that had to be rounded would differ from the one the owner wrote down."""
    with pytest.raises(ValueError, match=r"decimals|negative|amount of money"):
        nano(Decimal(usd))


def test_a_price_without_numbers_is_no_price() -> None:
    """Unknown must not look like free."""
    with pytest.raises(ValueError, match="free = true"):
        Price(cache_read=5)
    assert Price(free=True).free


def test_the_highest_tier_reached_wins_and_keeps_what_it_does_not_name() -> None:
    """Each threshold changes only the classes it names, in whatever order the owner wrote them."""
    price = Price(input=1, output=2, tiers=(Tier(200, input=30), Tier(100, input=10, output=20)))
    effective = price.at(201)
    assert (effective.input, effective.output, effective.cache_read) == (30, 20, None)
    assert (price.at(101).input, price.at(100).input) == (10, 1)


def test_the_dearest_rates_see_cache_writes_and_tiers() -> None:
    """A hold is made before anybody knows what will be cached, or which tier is reached."""
    price = Price(input=3, output=5, cache_read=1, cache_write_1h=6, tiers=(Tier(100, input=4, output=9),))
    assert (price.dearest_input, price.dearest_output) == (6, 9)
    assert Price(input=3).dearest_output == 3
    assert Price(free=True).dearest_input == Price(free=True).dearest_output == 0


FULL = Price(
    input=3,
    output=5,
    cache_write_1h=6,
    request=7,
    server_tools=(("web_search", 8),),
    tiers=(Tier(100, input=4, output=9), Tier(50, input=3)),
    markup=1_050_000,
    source="prices.json genai-prices 1",
    version="2026-01-02",
)


@pytest.mark.parametrize("price", [FULL, Price(input=1), Price(output=2), prices.FREE], ids=repr)
def test_a_price_is_read_back_from_the_row_it_was_written_to(price: Price) -> None:
    """Prices change; what a request cost is added up years later from what its own row says."""
    assert prices.from_facts(price.facts) == price
    assert prices.from_facts(price.facts).facts == price.facts
    assert prices.is_whole(price.facts)


def test_every_shipped_price_is_read_back() -> None:
    """No provider's price list holds something that a receipt could not show; what is refused needs no receipt."""
    for price in load_table().prices.values():
        for each in (price, *(variant.of(price) for variant in price.variants)):
            assert prices.from_facts(each.facts) == replace(each, unmetered=(), variants=())


def test_what_the_first_version_wrote_can_still_be_read() -> None:
    """An upgrade must not make old rows unreadable; that they may be incomplete is known."""
    text = '{"source":"config","version":"","request":2,"free":false,"input":1000,"output":5000}'
    assert prices.from_facts(text) == Price(input=1000, output=5000, request=2)
    assert not prices.is_whole(text)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"input":1,"tiers":[{}]}', '{"input":1,"tiers":7}', "{"])
def test_what_is_no_price_is_not_read_as_one(text: str) -> None:
    """A damaged row is named, not taken for a free one."""
    with pytest.raises(ValueError, match=r"price|JSON|input|unexpected|EOF|empty"):
        prices.from_facts(text)
