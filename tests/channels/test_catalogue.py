"""What an upstream lists, and what of it is believed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_answers import anthropic_page, openai_list, openrouter_list, openrouter_row

from haze_proxy.channels import catalogue
from haze_proxy.channels.catalogue import ListError, Listing, Offer

AT = 1_795_612_345_678  # 2026-11-25, in the afternoon


def read(kind: str, body: Any) -> Listing:
    """The list in one page."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return catalogue.listing(kind, "origin", catalogue.page(raw).rows, AT)


def test_openrouters_list_has_names_sizes_and_prices() -> None:
    """Everything /v1/models shows, and the day by which a receipt explains its price."""
    found = read("openrouter", openrouter_list(openrouter_row("vendor/one", "0.000003", "0.000015"), "vendor/two"))
    one = found.offers["vendor/one"]
    assert (one.name, one.description) == ("Pretend: vendor/one", "What people read about vendor/one.")
    assert (one.context_tokens, one.max_output_tokens, one.unpriced) == (131_072, 8_192, "")
    assert one.price is not None
    assert (one.price.input, one.price.output) == (3_000_000_000, 15_000_000_000)
    assert (one.price.source, one.price.version) == ("openrouter /models", "2026-11-25")
    assert list(found.offers) == ["vendor/one", "vendor/two"]
    assert (found.origin, found.fetched_at) == ("origin", AT)


def test_other_lists_have_no_prices_of_their_own() -> None:
    """Others spell other units under the same names; their prices are the owner's and the shipped table's."""
    assert read("openai", openai_list("gpt-5.2")).offers == {"gpt-5.2": Offer("gpt-5.2")}
    foreign = read("openai-compatible", openrouter_list("m")).offers["m"]
    assert (foreign.price, foreign.unpriced, foreign.context_tokens) == (None, "", 131_072)
    claude = read("anthropic", anthropic_page(["claude-opus-5-5"])).offers["claude-opus-5-5"]
    assert claude == Offer("claude-opus-5-5", "Pretend claude-opus-5-5", "", 200_000, 64_000)


def test_geminis_ids_lose_their_prefix() -> None:
    """They are asked for, and priced, without it."""
    assert list(read("gemini", openai_list("models/gemini-2.5-flash")).offers) == ["gemini-2.5-flash"]
    assert list(read("openai-compatible", openai_list("models/own")).offers) == ["models/own"]


def test_a_price_that_cannot_be_used_says_why() -> None:
    """And takes no other model with it."""
    found = read("openrouter", openrouter_list(openrouter_row("openrouter/auto", "-1", "-1"), "vendor/good"))
    auto, good = found.offers["openrouter/auto"], found.offers["vendor/good"]
    assert (auto.price, auto.unpriced) == (None, "the list says that its price varies")
    assert good.price is not None
    bare = read("openrouter", {"data": [{"id": "m"}]}).offers["m"]
    assert (bare.price, bare.unpriced) == (None, "")


def test_a_model_named_twice_counts_once_and_only_if_both_agree() -> None:
    """Which of two prices is meant, nobody can tell."""
    same = read("openrouter", openrouter_list("m", "m"))
    assert same.offers["m"].price is not None
    rows = [openrouter_row("m"), openrouter_row("m", "0"), openrouter_row("m")]
    twice = read("openrouter", openrouter_list(*rows)).offers["m"]
    assert (twice.price, "twice" in twice.unpriced) == (None, True)


def test_retired_models_are_left_out() -> None:
    """Anthropic lists what it no longer answers."""
    body = anthropic_page(["old", "new"])
    body["data"][0]["lifecycle"] = "retired"
    assert list(read("anthropic", body).offers) == ["new"]


ODD: dict[str, Any] = {
    "no object": "m",
    "no id": {},
    "a number": {"id": 7},
    "empty": {"id": ""},
    "too long": {"id": "m" * 257},
    "a line end": {"id": "a\nb"},
    "a control character": {"id": "a\x1b[0m"},
    "spaces around it": {"id": " m"},
    "only a prefix": {"id": "models/"},
}


@pytest.mark.parametrize("row", ODD.values(), ids=ODD)
def test_a_row_that_makes_no_sense_is_left_out_alone(row: Any) -> None:
    """Ids stand in logs, headers and pages."""
    assert list(read("gemini", {"data": [row, {"id": "good"}]}).offers) == ["good"]


def test_what_people_read_is_short_and_on_one_line() -> None:
    """And a size that is none is unknown."""
    row = {"id": "m", "name": "n" * 5000, "description": "a\n\x00b\u202e" + "c" * 5000, "context_length": -1}
    offer = read("openrouter", {"data": [{**row, "max_tokens": 1.5, "top_provider": [8]}]}).offers["m"]
    assert (len(offer.name), offer.description[:4], len(offer.description)) == (200, "a bc", 998)
    assert (offer.context_tokens, offer.max_output_tokens) == (None, None)
    nobody = read("openai", {"data": [{"id": "m", "name": 7, "context_length": True}]}).offers["m"]
    assert (nobody.name, nobody.context_tokens) == ("", None)


BROKEN: dict[str, tuple[bytes, str]] = {
    "a page for people": (b"<html>", "not JSON"),
    "nothing": (b"", "not JSON"),
    "NaN": (b'{"data": [NaN]}', "not JSON"),
    "half a character": (b'{"data": [{"id": "\\ud800"}]}', "not JSON"),
    "nested without end": (b"[" * 100_000, "not JSON"),
    "an error": (b'{"error": {"message": "no"}}', "no list"),
    "a list without its object": (b'[{"id": "m"}]', "no list"),
    "data that is none": (b'{"data": {"id": "m"}}', "no list"),
    "an odd cursor": (b'{"data": [], "has_more": true, "last_id": 7}', "goes on at no model"),
    "no model": (b'{"data": []}', "no model"),
    "no model that makes sense": (b'{"data": [{"id": ""}]}', "no model"),
}


@pytest.mark.parametrize(("body", "why"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_list_says_so(body: bytes, why: str) -> None:
    """An upstream that is ill must not take all models away."""
    with pytest.raises(ListError, match=why):
        read("openrouter", body)


def test_a_list_has_an_end() -> None:
    """Five thousand models are more than anyone offers; a list of millions is an attack or a mistake."""
    assert len(read("openai", openai_list(*map(str, range(5000)))).offers) == 5000
    with pytest.raises(ListError, match="more than 5000"):
        read("openai", openai_list(*map(str, range(5001))))
    # Before anything is made of its rows: half a million fit into the bytes that are read.
    with pytest.raises(ListError, match="more than 5000"):
        catalogue.page(json.dumps(openai_list(*map(str, range(5001)))).encode())


def test_what_is_kept_reads_as_what_came() -> None:
    """The store remembers rows, not prices: a newer Haze may read them better."""
    page = catalogue.page(json.dumps(openrouter_list("a", openrouter_row("b", "-1"))).encode())
    kept = json.dumps(page.rows)
    assert catalogue.remembered("openrouter", "o", kept, AT) == catalogue.listing("openrouter", "o", page.rows, AT)
    assert "supported_parameters" not in kept
    with pytest.raises(ListError):
        catalogue.remembered("openrouter", "o", "{", AT)


Anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(catalogue.KEPT), inner, max_size=5),
    max_leaves=20,
)


@given(st.sampled_from(["openrouter", "anthropic", "gemini"]), st.lists(Anything), st.booleans(), Anything)
def test_whatever_an_upstream_says_is_a_list_or_an_error(kind: str, rows: Any, more: bool, last: Any) -> None:
    """Nothing else reaches the task that fetches."""
    body = json.dumps({"data": rows, "has_more": more, "last_id": last}).encode()
    try:
        found = read(kind, body)
    except ListError:
        return
    assert all(offer.id == name and (offer.price is None or not offer.unpriced) for name, offer in found.offers.items())
