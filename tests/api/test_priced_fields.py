"""Every field that changes the price, on every protocol, streamed or not: what is held for it and what it costs.

The providers here cost 1,000 nano-dollars for a token in and 10,000 for one out (`paid`), or twice that (`dear`).
"""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from billed import IN, OUT, flags, held, reply
from checks import quiet, refused, untouched
from gateway import Haze, channel, running
from provider import HANG_UP, Provider, Reply, events, whole

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
PLAIN = IN * 1_000 + OUT * 10_000
SEARCH = 10_000_000
STOP = b"message_stop"
SHOP = """
[[models]]
id = "paid"
input = 1
output = 10
server_tools = { web_search = 10 }
service_tiers = { priority = { factor = 2 }, flex = { input = 0.5, output = 5 } }
speeds = { fast = { factor = 6 } }
inference_geos = { us = { factor = 1.1 } }
max_output_tokens = 1000
[[models]]
id = "dear"
input = 2
output = 20
max_output_tokens = 2000
[[models]]
id = "openrouter/auto"
input = 1
output = 10
"""


@pytest.fixture
async def shop(tmp_path: Path, provider: Provider) -> AsyncIterator[Haze]:
    """Haze before a provider that speaks every protocol; `costly` is a name of ours for `dear`."""
    row = channel(
        "openrouter", provider.url, '["paid", "dear", "unpriced", "openrouter/auto"]', aliases='{ costly = "dear" }'
    )
    async with running(tmp_path, SHOP + row) as server:
        yield server


async def charged(haze: Haze, provider: Provider, protocol: str, stream: bool, fields: Any, **said: Any) -> Any:
    """The row of one request whose answer says what is `said`; the books must prove it from the row alone."""
    provider.script(reply(protocol, stream, **said))
    answer = await haze.ask(protocol, "paid", max_tokens=100, stream=stream, **fields)
    assert (answer.status, answer.cut) == (200, False), answer.body
    (row,) = await haze.ended()
    await quiet(haze)
    if not stream:
        assert Decimal(answer.headers["x-haze-cost-usd"]) == Decimal(row["cost"]).scaleb(-9)
    return row


# name: what is asked, what the answer tells, what is held for a token (times the plain price), what it costs
MODES: dict[str, tuple[dict[str, str], dict[str, str], tuple[int, int], int]] = {
    "a tier that is served": ({"service_tier": "priority"}, {"service_tier": "priority"}, (2, 1), PLAIN * 2),
    "a tier that is not served": ({"service_tier": "priority"}, {"service_tier": "default"}, (2, 1), PLAIN),
    "a cheaper tier": ({"service_tier": "flex"}, {"service_tier": "flex"}, (1, 2), PLAIN // 2),
    "a cheaper tier that was not to be had": ({"service_tier": "flex"}, {"service_tier": "default"}, (1, 2), PLAIN),
    "a tier of the owner's account": ({}, {"service_tier": "priority"}, (1, 1), PLAIN * 2),
    "auto, and it was dearer": ({"service_tier": "auto"}, {"service_tier": "priority"}, (2, 1), PLAIN * 2),
    "auto, and it was not": ({"service_tier": "auto"}, {"service_tier": "default"}, (2, 1), PLAIN),
    "a speed": ({"speed": "fast"}, {"speed": "fast"}, (6, 1), PLAIN * 6),
    "a speed that was not to be had": ({"speed": "fast"}, {"speed": "standard"}, (6, 1), PLAIN),
    "a place": ({"inference_geo": "us"}, {"inference_geo": "us"}, (11, 10), PLAIN * 11 // 10),
    "a place that makes no difference": ({}, {"inference_geo": "not_available"}, (1, 1), PLAIN),
    "all of them": (
        {"service_tier": "priority", "speed": "fast", "inference_geo": "us"},
        {"service_tier": "priority", "speed": "fast", "inference_geo": "us"},
        (132, 10),
        PLAIN * 132 // 10,
    ),
}


@EACH
@STREAM
@pytest.mark.parametrize(("asked", "told", "times", "cost"), MODES.values(), ids=MODES)
async def test_the_mode_asked_for_is_held_and_the_reported_one_charged(
    shop: Haze,
    provider: Provider,
    protocol: str,
    stream: bool,
    asked: dict[str, str],
    told: dict[str, str],
    times: tuple[int, int],
    cost: int,
) -> None:
    """Providers bill what they served, which is not always what was asked for."""
    row = await charged(shop, provider, protocol, stream, asked, told=told)
    plain = held(protocol, "paid", 1_000, 10_000, 100, max_tokens=100, stream=stream, **asked)
    assert (row["held"], row["cost"], row["estimated"]) == (plain * times[0] // times[1], cost, 0)
    assert row["service_tier"] == told.get("service_tier")
    assert await flags(shop) == []


UNSURE: dict[str, tuple[dict[str, str], dict[str, str], int, str]] = {
    "no price for it": ({}, {"service_tier": "scale"}, PLAIN * 2, "service_tier scale has no price"),
    "a cheaper one, not reported": ({"service_tier": "flex"}, {}, PLAIN, "service_tier was not reported"),
    "a dearer one, not reported": ({"speed": "fast"}, {}, PLAIN * 6, "speed was not reported"),
}


@EACH
@STREAM
@pytest.mark.parametrize(("asked", "told", "cost", "flag"), UNSURE.values(), ids=UNSURE)
async def test_a_mode_that_is_not_known_costs_the_dearest_it_can_be_and_is_flagged(
    shop: Haze,
    provider: Provider,
    protocol: str,
    stream: bool,
    asked: dict[str, str],
    told: dict[str, str],
    cost: int,
    flag: str,
) -> None:
    """The cheapest would be a gift of the owner's; the flag shows him which price is missing."""
    row = await charged(shop, provider, protocol, stream, asked, told=told)
    assert (row["cost"], await flags(shop)) == (cost, [flag])


def others(protocol: str, *models: str) -> dict[str, Any]:
    """Further models that may answer, in the protocol's own field."""
    if protocol == "messages":
        return {"fallbacks": [{"model": model} for model in models]}
    return {"models": list(models)}


ANSWERED = {"paid": (PLAIN, []), "dear": (PLAIN * 2, []), "costly": (PLAIN * 2, [])}
ANSWERED |= {"nobody": (PLAIN * 2, ["it is not known which of the models answered"])}


@EACH
@STREAM
@pytest.mark.parametrize("model", ANSWERED)
async def test_the_dearest_model_is_held_and_the_one_that_answered_charged(
    shop: Haze, provider: Provider, protocol: str, stream: bool, model: str
) -> None:
    """The provider goes on to the next model by itself, and the channel's own names are not the caller's."""
    fields = others(protocol, "costly")
    row = await charged(shop, provider, protocol, stream, fields, model=model)
    cost, flagged = ANSWERED[model]
    assert (row["cost"], await flags(shop)) == (cost, flagged)
    assert row["held"] == held(protocol, "paid", 2_000, 20_000, 100, max_tokens=100, stream=stream, **fields)
    (received,) = provider.requests
    assert {name: received.json()[name] for name in fields} == others(protocol, "dear")


async def test_the_fallback_that_completed_an_answer_is_the_one_charged(shop: Haze, provider: Provider) -> None:
    """A stream begins under the name of the model that was asked; the last of its iterations says who ended it."""
    steps = [{"type": "message", "model": "paid"}, {"type": "fallback_message", "model": "dear"}]
    told = {"iterations": steps}
    row = await charged(shop, provider, "messages", True, others("messages", "dear"), told=told, model="paid")
    assert row["cost"] == PLAIN * 2


async def test_without_a_limit_the_longest_of_the_models_is_held(shop: Haze, provider: Provider) -> None:
    """`dear` may write twice as much."""
    provider.script(reply("chat", False))
    assert (await shop.ask("chat", "paid", models=["dear"], n=3)).status == 200
    (row,) = await shop.ended()
    assert row["held"] == held("chat", "paid", 2_000, 20_000, 3 * 2000, models=["dear"], n=3)


@STREAM
@pytest.mark.parametrize("fields", [{"n": 3}, {"best_of": 3}, {"n": 2, "best_of": 3}], ids=["n", "best_of", "both"])
async def test_the_limit_of_each_answer_is_held(
    shop: Haze, provider: Provider, stream: bool, fields: dict[str, Any]
) -> None:
    """Three answers may be three times as long, and each that was made is billed, shown or not."""
    row = await charged(shop, provider, "chat", stream, fields)
    expected = held("chat", "paid", 1_000, 10_000, 3 * 100, max_tokens=100, stream=stream, **fields)
    assert (row["held"], row["cost"]) == (expected, PLAIN)


@EACH
@STREAM
async def test_a_plugin_holds_ten_calls_and_costs_the_reported_ones(
    shop: Haze, provider: Provider, protocol: str, stream: bool
) -> None:
    """A search of OpenRouter's, whatever model is asked."""
    fields = {"plugins": [{"id": "web"}]}
    row = await charged(shop, provider, protocol, stream, fields, told={"server_tool_use": {"web_search_requests": 3}})
    plain = held(protocol, "paid", 1_000, 10_000, 100, max_tokens=100, stream=stream, **fields)
    assert (row["held"], row["cost"], row["estimated"]) == (plain + 10 * SEARCH, PLAIN + 3 * SEARCH, 0)
    assert row["server_tools"] == '{"web_search":3}'


@EACH
@STREAM
@pytest.mark.parametrize("fields", [{"plugins": [{"id": "web"}]}, {"web_search_options": {}}], ids=["plugin", "option"])
async def test_a_search_that_runs_with_every_request_costs_one_call_where_it_is_not_counted(
    shop: Haze, provider: Provider, protocol: str, stream: bool, fields: dict[str, Any]
) -> None:
    """It has run; an answer without a count must not make it free."""
    row = await charged(shop, provider, protocol, stream, fields)
    assert (row["cost"], row["estimated"]) == (PLAIN + SEARCH, 1)


TOOLS = {
    "chat": {"web_search_options": {"search_context_size": "high"}},
    "messages": {"tools": [{"type": "web_search_20260318", "name": "web_search"}]},
    "responses": {"tools": [{"type": "web_search"}]},
}


@EACH
@STREAM
@pytest.mark.parametrize("times", [0, 1, 12])
async def test_a_tool_priced_in_the_configuration_costs_its_reported_calls(
    shop: Haze, provider: Provider, protocol: str, stream: bool, times: int
) -> None:
    """Twelve are more than were held for, and are charged all the same."""
    fields = TOOLS[protocol]
    row = await charged(
        shop, provider, protocol, stream, fields, told={"server_tool_use": {"web_search_requests": times}}
    )
    plain = held(protocol, "paid", 1_000, 10_000, 100, max_tokens=100, stream=stream, **fields)
    assert (row["held"], row["cost"]) == (plain + 10 * SEARCH, PLAIN + times * SEARCH)


async def test_calls_that_no_answer_can_have_made_are_not_charged(shop: Haze, provider: Provider) -> None:
    """A million searches are a provider's mistake, and would empty the account."""
    row = await charged(
        shop, provider, "responses", False, TOOLS["responses"], told={"server_tool_use": {"web_search_requests": 10**6}}
    )
    assert (row["estimated"], row["shortfall"]) == (1, 0)
    assert row["cost"] == row["input"] * 1_000 + row["output"] * 10_000


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a tier without a price": ({"service_tier": "scale"}, "service_tier"),
    "a tier that is no text": ({"service_tier": 5}, "service_tier"),
    "a speed without a price": ({"speed": "ludicrous"}, "speed"),
    "a place without a price": ({"inference_geo": "moon"}, "inference_geo"),
    "a model without a price": ({"models": ["dear", "unpriced"]}, "models[1]"),
    "a model of nobody's": ({"models": ["nobody"]}, "models[0]"),
    "a model that is no text": ({"models": [{"id": "dear"}]}, "models[0]"),
    "a router among the models": ({"models": ["openrouter/auto"]}, "models[0]"),
    "a model that has no such tier": ({"models": ["dear"], "service_tier": "flex"}, "service_tier"),
    "a model that has no such tool": ({"models": ["dear"], "plugins": [{"id": "web"}]}, "plugins[0]"),
    "a fallback without a price": ({"fallbacks": [{"model": "unpriced"}]}, "fallbacks[0]"),
    "the provider's own fallbacks": ({"fallbacks": "default"}, "fallbacks"),
    "a fallback that may write more": (
        {"fallbacks": [{"model": "dear", "max_tokens": 101}]},
        "fallbacks[0].max_tokens",
    ),
    "a plugin without a price": ({"plugins": [{"id": "web"}, {"id": "file-parser"}]}, "plugins[1]"),
    "a preset": ({"preset": "mine"}, "preset"),
    "a tool without a price": ({"tools": [{"type": "code_interpreter"}]}, "tools[0].type"),
}


@EACH
@STREAM
@pytest.mark.parametrize(("fields", "named"), REFUSED.values(), ids=REFUSED)
async def test_what_has_no_price_is_refused_by_its_name(
    shop: Haze, provider: Provider, protocol: str, stream: bool, fields: dict[str, Any], named: str
) -> None:
    """Served without its price, it would be paid by the owner."""
    answer = await shop.ask(protocol, "paid", max_tokens=100, stream=stream, **fields)
    assert refused(answer, protocol, 400).startswith(f"{named}: ")
    assert provider.requests == []
    untouched(shop)


@EACH
async def test_a_router_without_the_upstreams_price_is_refused(shop: Haze, provider: Provider, protocol: str) -> None:
    """Whatever the owner wrote down for it: the model that answers has another price."""
    answer = await shop.ask(protocol, "openrouter/auto", max_tokens=100)
    assert refused(answer, protocol, 400).startswith("model: ")
    assert provider.requests == []


@EACH
async def test_a_model_that_the_key_may_not_use_cannot_be_named_beside_another(
    shop: Haze, provider: Provider, protocol: str
) -> None:
    """A list of models would be the way around the key's own."""
    key = await shop.known(shop.account("10", email="limited@example.com", models=("paid",)))
    answer = await shop.ask(protocol, "paid", key=key, max_tokens=100, **others(protocol, "dear"))
    assert "may not use `dear`" in refused(answer, protocol, 400)
    assert provider.requests == []


async def test_a_channel_that_has_the_price_serves_what_another_cannot(tmp_path: Path, provider: Provider) -> None:
    """The first channel does not serve `dear`, so the request goes to the second."""
    rows = channel("openai", provider.url, priority="1") + channel("openrouter", provider.url, '["paid", "dear"]')
    async with running(tmp_path, SHOP + rows) as haze:
        row = await charged(haze, provider, "chat", False, {"models": ["dear"]}, model="dear")
        assert (row["channel"], row["cost"]) == ("openrouter", PLAIN * 2)


@pytest.mark.parametrize("usage", [{"output_tokens": 10**9}, {"server_tool_use": {"web_search_requests": 10**6}}])
async def test_absurd_numbers_before_a_cut_empty_no_account(shop: Haze, provider: Provider, usage: Any) -> None:
    """A final usage is charged although the answer broke off; not one that nobody would believe of a whole answer."""
    sent = [event for event in events("messages", usage={**whole("messages")["usage"], **usage}) if STOP not in event]
    provider.script(Reply(chunks=[*sent, HANG_UP]))
    assert (await shop.ask("messages", "paid", max_tokens=100, stream=True)).cut
    (row,) = await shop.ended()
    assert (row["state"], row["ended"], row["cost"]) == ("void", "upstream broke off", 0)
    await quiet(shop)


async def test_vectors_say_what_they_cost(shop: Haze, provider: Provider) -> None:
    """Nothing is streamed here, so the header is always there."""
    answer = await shop.ask("embeddings", "paid")
    assert (answer.status, answer.headers["x-haze-cost-usd"]) == (200, "0.000011")
