"""`models = ["*"]`: who serves what upstreams list, for which price, and why not."""

from typing import Any

import pytest
from provider_answers import openai_list, openrouter_list, openrouter_row

from haze_proxy import config
from haze_proxy.channels import catalogue
from haze_proxy.channels.directory import Directory

AT = 1_795_612_345_678
STAR = {"kind": "openrouter", "models": ("*",)}
LIST = openrouter_list("v/one", openrouter_row("v/auto", "-1", "-1"), openrouter_row("v/gift:free", "0", "0"))


def directory(*rows: dict[str, Any], told: dict[str, Any] | None = None, models: str = "") -> Directory:
    """Channels c0, c1, … and what their upstreams told."""
    made = tuple(config.Channel(**{"name": f"c{n}", "api_key": "k", **row}) for n, row in enumerate(rows))
    settings = config.Config(channels=made, models=config.parse(models).models if models else ())
    channels = {channel.name: channel for channel in Directory(settings, {}).channels}
    lists = {
        name: catalogue.listing(channels[name].kind.name, channels[name].origin, body["data"], AT)
        for name, body in (told or {}).items()
    }
    return Directory(settings, {}, lists)


def served(found: Directory, model: str, protocol: str = "chat") -> list[tuple[str, str, str]]:
    """(channel, upstream id, how) of each candidate, in order."""
    return [(c.channel.name, c.upstream_model, c.how) for c in found.candidates(model, protocol)]


PRICED = '[[models]]\nid = "v/one"\ninput = 1\noutput = 1\n'
LISTED = ("c0", "v/one", "upstream's list")
RANKS: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str, str]]]] = {
    "an exact id before a list": ([STAR, {"kind": "openai", "models": ("v/one",)}], [("c1", "v/one", "exact id")]),
    "an alias before a list": ([STAR, {"kind": "openai", "aliases": {"v/one": "x"}}], [("c1", "x", "alias")]),
    "a list before a glob": ([STAR, {"kind": "openai", "models": ("v/*",)}], [LISTED]),
    "a list before a glob of one's own": ([{**STAR, "aliases": {"v/*": "x"}}], [LISTED]),
    "an alias of one's own before the list": ([{**STAR, "aliases": {"v/one": "x"}}], [("c0", "x", "alias")]),
    "echo never beside a list": ([STAR, {"kind": "echo", "models": ("v/*",)}], [LISTED]),
}


@pytest.mark.parametrize(("rows", "wanted"), RANKS.values(), ids=RANKS)
def test_a_list_stands_between_names_and_globs(rows: list[dict[str, Any]], wanted: list[tuple[str, str, str]]) -> None:
    """Who names a model means it more than who takes all; who lists it knows it better than a glob."""
    assert served(directory(*rows, told={"c0": LIST}, models=PRICED), "v/one") == wanted


def test_two_channels_that_list_a_model_stand_in_for_each_other() -> None:
    """Failover needs a second one."""
    found = directory(STAR, {**STAR, "priority": 1}, told={"c0": LIST, "c1": openrouter_list("v/one")})
    assert [name for name, _, _ in served(found, "v/one")] == ["c1", "c0"]


def test_what_is_not_listed_is_not_served() -> None:
    """`*` is no glob: a variant such as `:online` costs something else."""
    found = directory(STAR, told={"c0": LIST}, models='[[models]]\nid = "v/one:online"\ninput = 1\noutput = 1\n')
    assert served(found, "v/one:online") == served(found, "v/other") == served(found, "*") == []
    assert found.explain("v/other")[0].reason == "does not list this model"


def test_only_what_has_a_price_is_served_and_listed() -> None:
    """Unknown is a refusal, zero is free, and the owner reads why."""
    found = directory(STAR, told={"c0": LIST})
    assert [listed.id for listed in found.listed()] == ["v/one", "v/gift:free"]
    assert served(found, "v/auto") == []
    assert found.unpriced("v/auto")
    [verdict] = found.explain("v/auto")
    assert verdict.reason == (
        "the price is unknown (the list says that its price varies): add a [[models]] row with `input` and `output`,"
        " or `free = true`"
    )
    assert (verdict.order, verdict.how) == (None, "upstream's list")
    assert found.priced(found.channels[0]) == 2
    [gift] = found.candidates("v/gift:free", "chat")
    assert gift.price is not None
    assert gift.price.free


def test_an_alias_of_a_listed_model_costs_what_the_list_says() -> None:
    """The public id is the owner's; the upstream's id is what is paid for."""
    found = directory({**STAR, "aliases": {"mine": "v/one", "my-*": "v/one"}}, told={"c0": LIST})
    for name, how in (("mine", "alias"), ("my-own", "glob")):
        assert served(found, name) == [("c0", "v/one", how)]
        [candidate] = found.candidates(name, "chat")
        assert (candidate.price.source if candidate.price else "", candidate.max_output_tokens) == (
            "openrouter /models",
            8_192,
        )
    assert [listed.id for listed in found.listed()] == ["mine", "v/one", "v/gift:free"]


# Whose price it is: the rows, what the list says, and the source and input rate of the candidate.
SOURCES: dict[str, tuple[str, Any, tuple[str, int] | None]] = {
    "the public id's row": (
        '[[models]]\nid = "mine"\ninput = 7\noutput = 7\n' + PRICED,
        LIST,
        ("config", 7_000_000_000),
    ),
    "the upstream id's row": (PRICED, LIST, ("config", 1_000_000_000)),
    "a row without a price": ('[[models]]\nid = "mine"\nname = "My"\n', LIST, ("openrouter /models", 1_000_000_000)),
    "the list": ("", LIST, ("openrouter /models", 1_000_000_000)),
    "a list that says it varies": ("", openrouter_list(openrouter_row("v/one", "-1")), None),
    "an owner who knows better": (PRICED, openrouter_list(openrouter_row("v/one", "-1")), ("config", 1_000_000_000)),
}


@pytest.mark.parametrize(("models", "told", "wanted"), SOURCES.values(), ids=SOURCES)
def test_the_owners_price_comes_before_the_lists(models: str, told: Any, wanted: tuple[str, int] | None) -> None:
    """And the list's before what was true when Haze was packed."""
    found = directory({**STAR, "aliases": {"mine": "v/one"}}, told={"c0": told}, models=models)
    prices = [candidate.price for candidate in found.candidates("mine", "chat") if candidate.price]
    assert [(price.source, price.input) for price in prices] == ([wanted] if wanted else [])


def test_the_shipped_table_prices_what_a_list_only_names() -> None:
    """OpenAI, Anthropic and Gemini list ids without prices. What OpenRouter's list takes back stays unknown."""
    found = directory({"kind": "openai", "models": ("*",)}, told={"c0": openai_list("gpt-4o", "gpt-nobody-knows")})
    [candidate] = found.candidates("gpt-4o", "chat")
    assert candidate.price is not None
    assert candidate.price.source.startswith("prices.json")
    assert [listed.id for listed in found.listed()] == ["gpt-4o"]
    bare, varies = {"data": [{"id": "openai/gpt-4o"}]}, openrouter_list(openrouter_row("openai/gpt-4o", "-1"))
    assert len(directory(STAR, told={"c0": bare}).candidates("openai/gpt-4o", "chat")) == 1
    assert directory(STAR, told={"c0": varies}).candidates("openai/gpt-4o", "chat") == ()


def test_an_answer_is_charged_by_the_list_where_the_list_priced_it() -> None:
    """A dated name in the shipped table must not undo today's price; and a gift stays one."""
    dear = openrouter_row("v/two", "0.000005")
    found = directory(STAR, told={"c0": openrouter_list("v/one", dear, openrouter_row("v/gift:free", "0", "0"))})
    [one], [gift] = found.candidates("v/one", "chat"), found.candidates("v/gift:free", "chat")
    answered = found.price_of_answer(one, "v/two")
    assert answered is not None
    assert answered.input == 5_000_000_000
    assert found.price_of_answer(one, "openai/gpt-4o") is None
    assert found.price_of_answer(gift, "v/two") is None


def test_a_list_of_another_upstream_is_nobodys() -> None:
    """A channel that got a new address serves nothing until that one has told its list."""
    before = directory(STAR, told={"c0": LIST})
    moved = config.Config(
        channels=(config.Channel(name="c0", api_key="k", base_url="http://127.0.0.1:9/v1", **STAR),),  # type: ignore[arg-type]
    )
    found = Directory(moved, {}, before.lists)
    assert (found.lists, found.waiting, served(found, "v/one")) == ({}, ("c0",), [])
    assert found.explain("v/one")[0].reason == "its upstream has not told its list of models yet"
    assert Directory(before.config, {}, before.lists).lists == before.lists


def test_a_named_channel_has_no_list() -> None:
    """What was remembered from the time when it had one does not count."""
    before = directory(STAR, told={"c0": LIST})
    named = config.Config(channels=(config.Channel(name="c0", kind="openrouter", api_key="k", models=("m",)),))
    found = Directory(named, {}, before.lists)
    assert (found.lists, found.waiting, served(found, "v/one")) == ({}, (), [])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"kind": "echo", "models": ("*",)}, "an echo channel has no list"),
        ({**STAR, "api_key": "env:UNSET"}, "UNSET"),
        ({**STAR, "active": False}, "active = false"),
    ],
)
def test_a_channel_that_cannot_be_asked_waits_for_nothing(row: dict[str, Any], reason: str) -> None:
    """Else every unknown model would be told to come again."""
    found = directory(row)
    assert reason in found.channels[0].inactive
    assert found.waiting == ()
