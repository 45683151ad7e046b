"""The price in a mode: the one asked for while a request runs, the one reported at its end."""

from datetime import UTC, datetime
from fractions import Fraction
from math import ceil

import pytest
from genai_prices.data import providers
from genai_prices.types import Usage as SourceUsage
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.money import prices, receipt, variants
from haze_proxy.money.prices import FREE, Price, Tier, Variant, load_table
from haze_proxy.money.usage import Usage

PRIORITY = Variant("service_tier", "priority", Fraction(2))
FLEX = Variant("service_tier", "flex", rates=(("input", 500), ("output", 5_000)))
FAST = Variant("speed", "fast", Fraction(5, 2))
TIERS = (Tier(above=10, input=2_001, output=15_000),)
PRICE = Price(input=1_001, cache_read=101, output=10_000, request=7, variants=(PRIORITY, FLEX, FAST), tiers=TIERS)


def test_a_factor_is_for_all_rates_and_all_tiers_and_rounds_up() -> None:
    """Long requests in a dear tier would cost what short ones do; a fee per request is no rate."""
    fast = FAST.of(PRICE)
    assert (fast.input, fast.cache_read, fast.output, fast.request) == (2_503, 253, 25_000, 7)
    assert fast.tiers == (Tier(above=10, input=5_003, output=37_500),)


def test_rates_of_a_variants_own_leave_no_other_rate_behind() -> None:
    """A cheap cache of the usual tier is no price of another one: what is not named costs the dearest of its side."""
    flex = FLEX.of(PRICE)
    assert (flex.input, flex.output, flex.cache_read, flex.tiers) == (500, 5_000, None, ())
    assert receipt.charge(Usage(cache_read=10**6), flex).flags == ("cache_read priced as input",)


def test_modes_of_several_fields_multiply() -> None:
    """Fast in a dear tier is both."""
    found = variants.asked(PRICE, (("service_tier", "priority"), ("speed", "fast")))
    assert isinstance(found, Price)
    assert found.output == 50_000


def test_a_mode_without_a_price_is_named() -> None:
    """The first field in the order of the request's own."""
    assert variants.asked(PRICE, (("service_tier", "scale"), ("speed", "fast"))) == "service_tier"
    assert variants.asked(FREE, (("speed", "ludicrous"),)) is FREE


CHARGED = {
    "nothing asked, nothing told": ((), {}, 10_000, ()),
    "the usual told": ((), {"service_tier": "default"}, 10_000, ()),
    "another told": ((), {"service_tier": "priority"}, 20_000, ()),
    "asked and told": ((("service_tier", "flex"),), {"service_tier": "flex"}, 5_000, ()),
    "dear asked, the usual told": ((("service_tier", "priority"),), {"service_tier": "standard"}, 10_000, ()),
    "dear asked, nothing told": (
        (("service_tier", "priority"),), {}, 20_000, ("service_tier was not reported",),
    ),
    "cheap asked, nothing told": ((("service_tier", "flex"),), {}, 10_000, ("service_tier was not reported",)),
    "one without a price told": ((), {"service_tier": "scale"}, 20_000, ("service_tier scale has no price",)),
    "one that cannot be shown": ((), {"service_tier": "a\nb"}, 20_000, ("service_tier ? has no price",)),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "told", "output", "flags"), CHARGED.values(), ids=CHARGED)
def test_what_is_reported_is_charged(
    asked: tuple[tuple[str, str], ...], told: dict[str, str], output: int, flags: tuple[str, ...]
) -> None:
    """What cannot be known is charged at the dearest it can be, and flagged."""
    found = variants.charged(PRICE, asked, told)
    assert (found.output, found.flags) == (output, flags)
    assert receipt.charge(Usage(output=1), found).flags == flags


def test_a_usual_value_can_be_given_a_price_of_its_own() -> None:
    """An owner whose workspace computes in one place by default pays for that."""
    price = Price(input=1, output=10, variants=(Variant("inference_geo", "global", Fraction(3)),))
    assert variants.charged(price, (), {"inference_geo": "global"}).output == 30


@given(
    st.integers(1, 10**12), st.integers(1, 10**12), st.integers(1, 10**9), st.integers(1, 10**6), st.integers(0, 10**6)
)
def test_a_price_in_a_mode_is_proved_from_its_own_facts(
    rate_in: int, rate_out: int, factor: int, tokens_in: int, tokens_out: int
) -> None:
    """A receipt adds up years later, when nobody knows the factor any more; never below the exact product."""
    price = Price(input=rate_in, output=rate_out, variants=(Variant("speed", "fast", Fraction(factor, 10**6)),))
    found = variants.charged(price, (), {"speed": "fast"})
    usage = Usage(input=tokens_in, output=tokens_out)
    cost = receipt.cost(usage, found)
    assert receipt.cost(usage, prices.from_facts(found.facts)) == cost
    assert cost >= Fraction((tokens_in * rate_in + tokens_out * rate_out) * factor, 10**12)


def test_a_scaled_price_scales_everything() -> None:
    """What is held for an upstream's price has its markup in it, fees and all."""
    price = Price(input=1, output=3, request=5, server_tools=(("web_search", 7),), tiers=(Tier(above=1, input=9),))
    scaled = prices.scaled(price, Fraction(3, 2))
    assert (scaled.input, scaled.output, scaled.request, scaled.server_tools) == (2, 5, 8, (("web_search", 11),))
    assert scaled.tiers == (Tier(above=1, input=14),)


def test_a_scaled_price_costs_more_in_every_mode_too() -> None:
    """A tier with rates of its own held without the markup would be held too low; a factor already multiplies."""
    own = Variant("service_tier", "priority", rates=(("input", 3), ("output", 5)), tiers=(Tier(above=1, input=7),))
    scaled = prices.scaled(Price(input=1, output=3, variants=(own, FAST)), Fraction(3, 2))
    priority, fast = (variant.of(scaled) for variant in scaled.variants)
    assert (priority.input, priority.output, priority.tiers) == (5, 8, (Tier(above=1, input=11),))
    assert (fast.input, fast.output) == (5, 13)


def test_the_shipped_tiers_and_speeds_cost_what_their_source_says() -> None:
    """An independent implementation prices the same usage in the same mode, long contexts included."""
    table = load_table()
    day = datetime.fromisoformat(table.version).replace(hour=12, tzinfo=UTC)
    checked = set()
    for (provider_id, name), price in table.prices.items():
        provider = next(each for each in providers if each.id == provider_id)
        model = provider.find_model(name)
        assert model
        for variant in price.variants:
            found = variants.charged(price, (), {variant.field: variant.value})
            for tokens in (1_000, 300_000):
                usage = Usage(input=tokens, output=7)
                expected = model.calc_price(
                    SourceUsage(input_tokens=tokens, output_tokens=7),
                    provider,
                    genai_request_timestamp=day,
                    price_context={variant.field: variant.value},
                ).total_price
                assert receipt.charge(usage, found).cost == ceil(expected * 10**9), (name, variant.value)
            checked.add((provider_id, variant.field, variant.value))
    assert {("openai", "service_tier", "flex"), ("openai", "service_tier", "priority")} < checked
    assert ("anthropic", "speed", "fast") in checked
