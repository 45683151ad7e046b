"""What a list of models says they cost: exactly that, or nothing at all."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.money import listed
from haze_proxy.money.listed import UnpricedError
from haze_proxy.money.prices import CLASSES, Price
from haze_proxy.money.receipt import charge
from haze_proxy.money.usage import Usage

BASE = {"prompt": "0.00000125", "completion": "0.00001"}


def read(pricing: Any, **row: Any) -> Price:
    """The price of a row with this `pricing`."""
    return listed.price({"id": "vendor/model", "pricing": pricing, **row}, "openrouter /models", "2026-11-25")


def classes(price: Price) -> dict[str, int]:
    """The classes of a price that are known, in nano-dollars per million tokens, and its fee for a request."""
    known = {name: value for name in CLASSES if (value := getattr(price, name)) is not None}
    return known | ({"request": price.request} if price.request else {})


EXACT: dict[str, tuple[str, int]] = {
    "a usual one": ("0.00000125", 1_250_000_000),
    "a dollar a token": ("1", 10**15),
    "the smallest that can be kept": ("0.000000000000001", 1),
    "a finer one is rounded up": ("0.0000000000000001", 1),
    "a third": ("0.0000000833333333333333", 83_333_334),
    "one digit too many": ("0.0000012500000001", 1_250_000_001),
    "far too fine": ("0.00000125000000000000000000000000000001", 1_250_000_001),
    "an exponent": ("1.25e-6", 1_250_000_000),
    "a large exponent": ("1E-99", 1),
    "no digit before the point": (".00000125", 1_250_000_000),
    "zeros behind": ("0.000001250000", 1_250_000_000),
}


@pytest.mark.parametrize(("text", "nano"), EXACT.values(), ids=EXACT)
def test_a_price_is_exact_and_what_is_finer_is_rounded_up(text: str, nano: int) -> None:
    """Through a float a tenth would become something else, and rounded down the house would pay."""
    price = read({"prompt": text, "completion": text})
    assert (price.input, price.output) == (nano, nano)
    assert (price.source, price.version, price.free) == ("openrouter /models", "2026-11-25", False)


@given(st.decimals(min_value=0, max_value=1, allow_nan=False, places=30), st.integers(0, 10**7))
def test_nobody_is_charged_less_than_the_list_says_nor_a_nano_dollar_more(usd: Decimal, tokens: int) -> None:
    """Whatever the digits: the charge is the list's price, rounded up."""
    price = read({"prompt": f"{usd:f}", "completion": "0.5"})
    assert price.input is not None
    assert Fraction(price.input) - 1 < Fraction(usd) * 10**15 <= price.input
    exact = Fraction(usd) * tokens * 10**9
    cost = charge(Usage(input=tokens), price).cost
    assert exact <= cost < exact + 2 + Fraction(tokens, 10**6)


READ: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "every class": (
        {
            "prompt": "0.000003",
            "completion": "0.000015",
            "input_cache_read": "0.0000003",
            "input_cache_write": "0.00000375",
            "input_cache_write_1h": "0.000006",
            "request": "0.01",
        },
        {
            "input": 3_000_000_000,
            "output": 15_000_000_000,
            "cache_read": 300_000_000,
            "cache_write_5m": 3_750_000_000,
            "cache_write_1h": 6_000_000_000,
            "request": 10_000_000,
        },
    ),
    "null is absent": ({**BASE, "image": None, "input_cache_read": None}, {}),
    "a whole number": ({**BASE, "image": 0, "request": 1}, {"request": 10**9}),
    "a fee finer than a nano-dollar": ({**BASE, "request": "0.0000000001"}, {"request": 1}),
    # Lists wrote 0 where there was none: a cache must not be read for nothing by mistake.
    "a cache read for nothing": ({**BASE, "input_cache_read": "0"}, {}),
    # Gemini's figure is the storage alone; the token itself is paid for, too.
    "a write below its input": ({**BASE, "input_cache_write": "0.000000375"}, {"cache_write_5m": 1_625_000_000}),
    "a write for nothing": ({**BASE, "input_cache_write": "0"}, {"cache_write_5m": 1_250_000_000}),
    "no input price": (
        {"prompt": "0", "completion": "0.00001", "input_cache_read": "0"},
        {"input": 0, "cache_read": 0},
    ),
    "reasoning as output": ({**BASE, "internal_reasoning": "0.00001"}, {}),
    "a discount is the owner's": ({**BASE, "discount": 0.5}, {}),
    "an output that is no dearer": ({**BASE, "audio_output": "0.00001", "image_output": "0"}, {}),
    "a part nobody knows, for nothing": ({**BASE, "telepathy": "0"}, {}),
}


@pytest.mark.parametrize(("pricing", "more"), READ.values(), ids=READ)
def test_each_class_is_what_the_list_says(pricing: dict[str, Any], more: dict[str, int]) -> None:
    """Never less."""
    usual = {"input": 1_250_000_000, "output": 10_000_000_000}
    assert classes(read(pricing)) == usual | more


REFUSED: dict[str, tuple[Any, str]] = {
    "no object": ("0.1", "no price"),
    "none": (None, "no price"),
    "empty": ({}, "no price for its input"),
    "no output": ({"prompt": "0.1"}, "no price for its input"),
    "variable": ({"prompt": "-1", "completion": "-1"}, "varies"),
    "one variable part": ({**BASE, "request": "-0.1"}, "varies"),
    "a float": ({"prompt": 0.1, "completion": "0.1"}, "prompt is no number"),
    "NaN": ({**BASE, "prompt": "NaN"}, "prompt is no number"),
    "infinite": ({**BASE, "prompt": "Infinity"}, "prompt is no number"),
    "true": ({**BASE, "prompt": True}, "prompt is no number"),
    "a list": ({**BASE, "prompt": ["1"]}, "prompt is no number"),
    "spaces": ({**BASE, "prompt": " 1"}, "prompt is no number"),
    "underscores": ({**BASE, "prompt": "0.0_1"}, "prompt is no number"),
    "another alphabet's digits": ({**BASE, "prompt": "\u0660.\u0661"}, "prompt is no number"),
    "empty text": ({**BASE, "prompt": ""}, "prompt is no number"),
    "endless digits": ({**BASE, "prompt": "0." + "1" * 500}, "prompt is no number"),
    "a huge exponent": ({**BASE, "prompt": "1e999999999"}, "prompt is no number"),
    "two dollars a token": ({**BASE, "prompt": "2"}, "absurd"),
    "two million a call": ({**BASE, "request": "2000000"}, "absurd"),
    "a class nobody knows": ({**BASE, "telepathy": "0.1"}, "not known here: telepathy"),
    "a key of many lines": ({**BASE, "x" * 9999: "0.1"}, "x" * 40),
    "reasoning apart": ({**BASE, "internal_reasoning": "0.000003"}, "reasoning"),
    "dearer reasoning": ({**BASE, "internal_reasoning": "0.00002"}, "reasoning"),
    "dearer pictures": ({**BASE, "image_output": "0.03"}, "image_output"),
    "dearer speech": ({**BASE, "audio_output": "0.00002"}, "audio_output"),
    "a surcharge": ({**BASE, "discount": -0.5}, "discount"),
    "a discount of words": ({**BASE, "discount": "much"}, "discount"),
    "overrides of nothing": ({**BASE, "overrides": {}}, "overrides"),
    "an override of words": ({**BASE, "overrides": ["dear"]}, "overrides"),
    "too many overrides": ({**BASE, "overrides": [{}] * 33}, "overrides"),
    "an override from nowhere": ({**BASE, "overrides": [{"min_prompt_tokens": -5, "prompt": "0.1"}]}, "begin"),
    "an override from a word": ({**BASE, "overrides": [{"min_prompt_tokens": "9", "prompt": "0.1"}]}, "begin"),
    "an override that varies": ({**BASE, "overrides": [{"min_prompt_tokens": 5, "prompt": "-1"}]}, "varies"),
    "an override by a float": ({**BASE, "overrides": [{"min_prompt_tokens": 5, "prompt": 0.1}]}, "no number"),
}


@pytest.mark.parametrize(("pricing", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_price_is_refused_with_its_reason(pricing: Any, why: str) -> None:
    """The owner reads it in `explain`; a price of zero would be read on his next bill."""
    with pytest.raises(UnpricedError, match=why) as told:
        read(pricing)
    assert len(str(told.value)) < 100


@given(
    st.dictionaries(
        st.sampled_from([*listed.KNOWN, "overrides", "discount", "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.decimals().map(str),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_nothing_in_a_list_breaks_more_than_its_own_row(pricing: dict[str, Any]) -> None:
    """A price that is known is not negative; everything else is an UnpricedError."""
    try:
        price = read(pricing)
    except UnpricedError:
        return
    assert all(value >= 0 for value in classes(price).values())


@pytest.mark.parametrize(
    ("model", "fee", "known"),
    [
        ("anthropic/claude-opus-5.5", "0.01", True),
        ("perplexity/sonar", "0.005", False),
        ("openai/gpt-4o-search-preview", "0.035", False),
        ("openai/o3-deep-research", "0.01", False),
        ("perplexity/sonar", "0", True),
    ],
)
def test_a_model_that_searches_unasked_is_priced_by_the_owner(model: str, fee: str, known: bool) -> None:
    """Its searches cost more than its tokens, and are not always reported."""
    pricing = {**BASE, "web_search": fee}
    if known:
        assert read(pricing, id=model).server_tools == ((("web_search", 10_000_000),) if fee != "0" else ())
    else:
        with pytest.raises(UnpricedError, match="searches by itself"):
            read(pricing, id=model)


@pytest.mark.parametrize("made", [["text", "image"], ["audio"], [7]])
def test_answers_that_are_no_text_have_no_price_here(made: list[Any]) -> None:
    """Music is listed at zero a token and billed by the song."""
    zero = {"prompt": "0", "completion": "0"}
    assert read(zero, architecture={"output_modalities": ["text"]}).free
    assert read(zero, architecture=None).free
    with pytest.raises(UnpricedError, match="not counted in tokens"):
        read(zero, architecture={"output_modalities": made})


def test_all_zero_is_free_and_costs_nothing() -> None:
    """An explicit zero is a known one; a single fee beside it is not free."""
    zero = {"prompt": "0", "completion": "0", "request": "0", "image": "0", "input_cache_read": "0"}
    free = read(zero)
    assert free.free
    assert charge(Usage(input=10**6, cache_write_1h=5, output=10**6), free).cost == 0
    paid = read({**zero, "request": "0.001"})
    assert not paid.free
    assert charge(Usage(input=10**6, output=10**6), paid).cost == 1_000_000
    later = read({**zero, "overrides": [{"min_prompt_tokens": 100, "prompt": "0.000001"}]})
    assert (later.free, charge(Usage(input=101), later).cost) == (False, 101_000)


# The input rate in nano-dollars per million tokens, by the number of input tokens.
LONG: dict[str, tuple[list[Any], dict[int, int]]] = {
    "a long context": (
        [{"min_prompt_tokens": 200_000, "prompt": "0.0000025"}],
        {200_000: 1_250_000_000, 200_001: 2_500_000_000},
    ),
    "two, in any order": (
        [{"min_prompt_tokens": 500, "prompt": "0.000005"}, {"min_prompt_tokens": 100, "prompt": "0.000003"}],
        # The later entry wins, although the earlier one begins higher.
        {100: 1_250_000_000, 101: 3_000_000_000, 501: 3_000_000_000},
    ),
    "rising": (
        [{"min_prompt_tokens": 100, "prompt": "0.000003"}, {"min_prompt_tokens": 500, "prompt": "0.000005"}],
        {101: 3_000_000_000, 500: 3_000_000_000, 501: 5_000_000_000},
    ),
    "always": ([{"prompt": "0.000005"}], {1: 5_000_000_000}),
    "from the first token": ([{"min_prompt_tokens": 0, "prompt": "0.000005"}], {1: 5_000_000_000}),
    "a dear evening": (
        [{"utc_start": 1800, "utc_end": 2300, "prompt": "0.000004"}],
        {1: 4_000_000_000},
    ),
    "a cheap night": ([{"utc_start": 100, "utc_end": 400, "prompt": "0.000001"}], {1: 1_250_000_000}),
    "a cheap night of long requests": (
        [
            {"min_prompt_tokens": 100, "prompt": "0.000003"},
            {"min_prompt_tokens": 100, "utc_days": ["sunday"], "prompt": "0.000002"},
        ],
        {100: 1_250_000_000, 101: 3_000_000_000},
    ),
    "a dear day of long requests": (
        [
            {"min_prompt_tokens": 100, "prompt": "0.000003"},
            {"min_prompt_tokens": 100, "utc_days": ["monday"], "prompt": "0.000009"},
        ],
        {100: 1_250_000_000, 101: 9_000_000_000},
    ),
    "a condition nobody knows": ([{"full_moon": 1, "prompt": "0.000007"}], {1: 7_000_000_000}),
    "a half token": ([{"min_prompt_tokens": 100.5, "prompt": "0.000003"}], {100: 1_250_000_000, 101: 3_000_000_000}),
}


@pytest.mark.parametrize(("overrides", "rates"), LONG.values(), ids=LONG)
def test_an_override_makes_long_requests_dearer_and_a_dear_hour_the_whole_day(
    overrides: list[Any], rates: dict[int, int]
) -> None:
    """Which hour it was when the provider counted, nobody tells: the dearest is charged, and shown to people."""
    price = read({**BASE, "overrides": overrides})
    assert {tokens: price.at(tokens).input for tokens in rates} == rates


def test_an_override_inherits_what_it_does_not_name() -> None:
    """OpenRouter's rule; a tier without its own cache price keeps the lower one."""
    pricing = {**BASE, "input_cache_read": "0.0000001", "request": "0.5"}
    price = read({**pricing, "overrides": [{"min_prompt_tokens": 10, "completion": "0.00002"}]})
    above = price.at(11)
    assert (above.input, above.output, above.cache_read) == (1_250_000_000, 20_000_000_000, 100_000_000)
    assert above.request == 500_000_000


def test_a_write_price_of_certain_hours_is_at_least_the_input() -> None:
    """A class that is named for some hours only costs its input in the others."""
    price = read({**BASE, "overrides": [{"utc_start": 1, "utc_end": 2, "input_cache_write": "0.000001"}]})
    assert price.cache_write_5m == 1_250_000_000


UNMETERED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "text only": ({}, ()),
    "the same for images": ({"image": "0.00000125"}, ()),
    "an image a fee": ({"image": "0.0048"}, ("image",)),
    "image tokens": ({"image_token": "0.000002"}, ("image",)),
    "dearer sound": ({"audio": "0.000003"}, ("audio",)),
    "dearer cached sound": ({"input_cache_read": "0.0000001", "input_audio_cache": "0.0000002"}, ("audio",)),
    "cached sound as input": ({"input_audio_cache": "0.00000125"}, ()),
    "both": ({"audio": "1", "image": "5"}, ("audio", "image")),
    "sound of long requests": ({"overrides": [{"min_prompt_tokens": 9, "audio": "0.000003"}]}, ("audio",)),
}


@pytest.mark.parametrize(("more", "wanted"), UNMETERED.values(), ids=UNMETERED)
def test_input_that_is_dearer_than_text_is_named(more: dict[str, Any], wanted: tuple[str, ...]) -> None:
    """Usage does not tell sound from text: at the price of text the house would pay the rest."""
    assert read({**BASE, **more}).unmetered == wanted
