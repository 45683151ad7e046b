"""Usage times price, rounded once, up."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.money.prices import CLASSES, FREE, Price, Tier
from haze_proxy.money.receipt import MILLION, Charge, Line, charge, cost, most, nano, saved, usd, usd_of
from haze_proxy.money.usage import Usage

rates = st.integers(0, 10**12)
tokens = st.integers(0, 10**7)
usages = st.builds(Usage, *[tokens] * 5, st.just(0), st.sampled_from([(), (("web_search", 3),), (("other", 1),)]))


@st.composite
def prices(draw: st.DrawFn) -> Price:
    """A price with some classes unknown and tiers that are never cheaper than what is below them."""
    known = {name: draw(rates) for name in CLASSES if name == "input" or draw(st.booleans())}
    tiers, current = [], dict(known)
    for above in sorted(draw(st.sets(st.integers(1, 10**7), max_size=2))):
        current = {name: rate + draw(rates) for name, rate in current.items()}
        tiers.append(Tier(above, **current))
    tools = draw(st.sampled_from([(), (("web_search", 10_000_000),)]))
    return Price(**known, tiers=tuple(tiers), request=draw(st.integers(0, 10**9)), server_tools=tools)


SONNET = Price(
    input=3_000_000_000,
    output=15_000_000_000,
    cache_read=300_000_000,
    cache_write_5m=3_750_000_000,
    cache_write_1h=6_000_000_000,
    server_tools=(("web_search", 10_000_000),),
    tiers=(Tier(200_000, input=6_000_000_000, output=22_500_000_000),),
)


def test_a_receipt_can_be_checked_by_hand() -> None:
    """People compare this with their provider's price page: 100 x $3 + 2000 x $0.30 + 300 x $15 per million."""
    receipt = charge(Usage(input=100, cache_read=2000, output=300), SONNET)
    assert receipt == Charge(
        cost=5_400_000,
        lines=(
            Line("input", 100, 3_000_000_000, 300_000_000_000),
            Line("cache_read", 2000, 300_000_000, 600_000_000_000),
            Line("output", 300, 15_000_000_000, 4_500_000_000_000),
        ),
    )
    assert usd(receipt.cost) == "0.0054"


@pytest.mark.parametrize(
    ("input_tokens", "cached", "rate"),
    [(200_000, 0, 3_000_000_000), (200_001, 0, 6_000_000_000), (1, 200_000, 6_000_000_000)],
    ids=["at the threshold", "above it", "cached tokens count for the threshold"],
)
def test_a_long_context_costs_its_tier_for_every_token(input_tokens: int, cached: int, rate: int) -> None:
    """The whole request is priced by the tier its whole input reaches, as the providers do."""
    lines = charge(Usage(input=input_tokens, cache_read=cached, output=1), SONNET).lines
    assert lines[0].nano_per_million == rate


def test_a_cost_is_rounded_up_once() -> None:
    """Two classes of a third of a nano-dollar cost one nano-dollar together, not two."""
    price = Price(input=333_333, output=333_333)
    assert charge(Usage(input=1, output=1), price).cost == 1
    assert charge(Usage(input=3, output=1), price).cost == 2
    assert charge(Usage(), price).cost == 0


@pytest.mark.parametrize(
    ("usage", "flag", "cost"),
    [
        (Usage(cache_read=5), "cache_read priced as input", 10_000),
        (Usage(cache_write_1h=5), "cache_write_1h priced as input", 10_000),
        (Usage(output=5), "output priced as input", 10_000),
    ],
    ids=["a cache read", "a cache write", "a side without any price"],
)
def test_a_class_without_a_price_is_never_free(usage: Usage, flag: str, cost: int) -> None:
    """An unknown price billed as zero is how gateways lose money unnoticed; here it is billed and named."""
    receipt = charge(usage, Price(input=2_000_000_000))
    assert receipt.flags == (flag,)
    assert receipt.cost == cost


def test_a_class_without_a_price_is_billed_at_the_dearest_of_its_side() -> None:
    """A one-hour write costs more than input; the nearest known thing is the five-minute write, not the output."""
    price = Price(input=2_000_000_000, cache_write_5m=3_000_000_000, output=9_000_000_000)
    receipt = charge(Usage(cache_write_1h=5), price)
    assert receipt.flags == ("cache_write_1h priced as cache_write_5m",)
    assert receipt.cost == 15_000


def test_calls_of_server_tools_and_requests_are_on_the_receipt() -> None:
    """A web search costs a cent whatever it brings; fetching is free by the provider's own price list."""
    usage = Usage(server_tools=(("image_generation", 1), ("web_fetch", 9), ("web_search", 2)))
    receipt = charge(usage, replace(SONNET, request=7))
    assert receipt.cost == 20_000_007
    assert [(line.cls, line.tokens) for line in receipt.lines] == [("web_search", 2), ("request", 1)]
    assert receipt.flags == ("image_generation has no price",)


def test_a_markup_multiplies_what_the_upstream_says_it_cost() -> None:
    """A router's own bill is the only price it has; the owner's share is on the receipt."""
    price = replace(SONNET, markup=1_050_000)
    receipt = charge(Usage(input=100, output=300), price, 1_000_001)
    assert receipt == Charge(1_050_002, (Line("upstream_cost", 1_000_001, 1_050_000, 1_050_001_050_000),))
    assert cost(Usage(input=100, output=300), price, 1_000_001) == receipt.cost


@pytest.mark.parametrize("upstream_cost", [None, 5], ids=["nothing was reported", "there is no markup"])
def test_without_both_a_markup_and_a_reported_cost_tokens_are_priced(upstream_cost: int | None) -> None:
    """An upstream that forgets its bill once is not free, and a price of one's own is not undone by a bill."""
    price = replace(SONNET, markup=None if upstream_cost else 2_000_000)
    usage = Usage(input=100, output=300)
    assert charge(usage, price, upstream_cost) == charge(usage, SONNET)
    assert cost(usage, price, upstream_cost) == charge(usage, SONNET).cost


@given(usages, prices(), st.none() | st.integers(0, 10**9))
def test_the_quick_sum_is_the_sum_of_the_receipt(usage: Usage, price: Price, upstream_cost: int | None) -> None:
    """What is charged in a hurry is what is explained at leisure."""
    assert cost(usage, price, upstream_cost) == charge(usage, price, upstream_cost).cost


@given(usages)
def test_free_is_free(usage: Usage) -> None:
    """A free model costs nothing, whatever its upstream reports."""
    assert charge(usage, FREE) == Charge(cost=0)
    assert most(FREE, usage.total_input, usage.output) == 0


@given(usages, prices())
def test_the_lines_add_up_to_the_cost(usage: Usage, price: Price) -> None:
    """A receipt that does not add up is worth nothing."""
    receipt = charge(usage, price)
    assert receipt.cost == ceil(Fraction(sum(line.numerator for line in receipt.lines), 1_000_000))
    assert all(line.numerator == line.tokens * line.nano_per_million for line in receipt.lines)
    counted = {line.cls: line.tokens for line in receipt.lines if line.cls in CLASSES}
    assert counted == {name: count for name in CLASSES if (count := getattr(usage, name))}


@given(usages, prices(), st.sampled_from(CLASSES), st.integers(1, 10**6))
def test_more_tokens_never_cost_less(usage: Usage, price: Price, cls: str, more: int) -> None:
    """Otherwise a hold for the larger count would not cover the smaller one."""
    larger = replace(usage, **{cls: getattr(usage, cls) + more})
    assert charge(larger, price).cost >= charge(usage, price).cost


@given(usages, prices(), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_hold_covers_every_charge_it_was_made_for(usage: Usage, price: Price, spare_in: int, spare_out: int) -> None:
    """However the input turns out to be cached, the money set aside is enough."""
    held = most(price, usage.total_input + spare_in, usage.output + spare_out, usage.server_tools)
    assert charge(usage, price).cost <= held


@given(st.integers(-(10**18), 10**18))
def test_amounts_survive_being_written_and_read(amount: int) -> None:
    """Balances cross the command line and the pages as text, and not one nano-dollar is lost."""
    assert nano(usd(amount)) == nano(Decimal(usd(amount))) == amount


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1, "0.000000001"), (123_456, "0.000123456"), (1_500_000_000, "1.5"), (-20_000_000_000, "-20"),
     (10**18, "1000000000")],
)  # fmt: skip
def test_amounts_are_plain_decimals(amount: int, text: str) -> None:
    """No exponents, no padding: the same text in the CLI, the CSV and on the pages."""
    assert usd(amount) == text


@given(st.integers(-(10**24), 10**24))
def test_a_lines_amount_is_exact(numerator: int) -> None:
    """Lines are finer than nano-dollars; shown rounded they would not add up."""
    assert Decimal(usd_of(numerator)).scaleb(15) == numerator


@pytest.mark.parametrize(
    "text", ["", "abc", "0.0000000001", "NaN", "Infinity", "1e3", "1_000", "1,5", "٣", "9" * 20, "--1"]
)
def test_what_is_no_exact_amount_is_refused(text: str) -> None:
    """Rounding somebody's money silently is worse than asking again."""
    with pytest.raises(ValueError, match=r"amount of money|decimals"):
        nano(text)


@given(usages, prices())
def test_what_caching_saved_and_the_cost_are_what_plain_input_would_have_cost(usage: Usage, price: Price) -> None:
    """To the nano-dollar, tiers, fees and roundings included: otherwise the saving would be an advertisement."""
    plain = replace(usage, input=usage.total_input, cache_read=0, cache_write_5m=0, cache_write_1h=0)
    assert cost(usage, price) + saved(usage, price) == cost(plain, price)


SAVED = {
    "read in the dearer tier": (Usage(input=100, cache_read=1_000_000), SONNET, 5_700_000_000),
    "written for 5 minutes": (Usage(cache_write_5m=100_000), SONNET, -75_000_000),
    "written for an hour": (Usage(cache_write_1h=100_000), SONNET, -300_000_000),
    "written and read": (Usage(cache_write_5m=10_000, cache_read=100_000), SONNET, 262_500_000),
    "nothing cached": (Usage(input=1000, output=1000), SONNET, 0),
    "free": (Usage(cache_read=1000), FREE, 0),
    "a class without a price costs the dearest": (Usage(cache_read=1000), Price(input=1_000_000), 0),
}


@pytest.mark.parametrize(("usage", "price", "nano_usd"), SAVED.values(), ids=SAVED)
def test_what_caching_saves_can_be_checked_by_hand(usage: Usage, price: Price, nano_usd: int) -> None:
    """Writing to a cache costs more than plain input: a cache that is never read is a loss, and is told as one."""
    assert saved(usage, price) == nano_usd


def test_nobody_knows_what_caching_saved_where_the_upstreams_own_cost_is_the_price() -> None:
    """0 rather than a guess; where the upstream told no cost, the price per token is what was charged."""
    price = replace(SONNET, markup=MILLION)
    assert saved(Usage(cache_read=1000), price, 5_000) == 0
    assert saved(Usage(cache_read=1000), price) == 2_700_000
