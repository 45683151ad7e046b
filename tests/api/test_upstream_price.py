"""`price = "upstream"`: what the provider says an answer cost, times a markup, is its price; and what is held for it.

The cost counts in whole nano-dollars, the unit of all money here; a finer one is rounded up, as is its markup.
"""

import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from billed import IN, OUT, held, reply
from checks import quiet, refused
from gateway import ECHO, channel, running
from provider import Provider, Reply, whole

from haze_proxy.commands.receipt import receipt_row

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
# 1,000 and 10,000 nano-dollars a token are held.
ROW = '\n[[models]]\nid = "{}"\nprice = "upstream"\nmarkup = {}\ninput = 1\noutput = 10\n'
ROUTER = ROW.format("openrouter/auto", "1.2")

COSTS = {
    "exact": ("0.000044", "1", 44_000),
    "with a markup": ("0.000044", "1.2", 52_800),
    "finer than a nano-dollar": ("0.0000440001", "1", 44_001),
    "a markup rounded up": ("0.000000003", "1.000001", 4),
    "digits that a float would lose": ("0.0001234560000000000000001", "1", 123_457),
    "a free model behind a router": ("0", "1.2", 0),
    "below cost": ("0.000044", "0.5", 22_000),
}


@EACH
@STREAM
@pytest.mark.parametrize(("cost", "markup", "nano"), COSTS.values(), ids=COSTS)
async def test_the_upstreams_own_cost_is_charged(
    tmp_path: Path, provider: Provider, protocol: str, stream: bool, cost: str, markup: str, nano: int
) -> None:
    """A router's answer has the price of whatever model it chose; only the provider knows it."""
    text = ROW.format("openrouter/auto", markup) + channel("openrouter", provider.url, '["openrouter/auto"]')
    async with running(tmp_path, text) as haze:
        provider.script(reply(protocol, stream, model="some/model", cost=cost))
        answer = await haze.ask(protocol, "openrouter/auto", max_tokens=100, stream=stream)
        assert answer.status == 200
        (row,) = await haze.ended()
        assert (row["cost"], row["estimated"], row["shortfall"]) == (nano, 0, 0)
        assert row["upstream_cost"] == math.ceil(Decimal(cost).scaleb(9))
        assert row["held"] == held(protocol, "openrouter/auto", 1_000, 10_000, 100, max_tokens=100, stream=stream)
        await quiet(haze)


NOT_TOLD = {"nothing": "", "null": "null", "less than nothing": "-1", "more than can be": "0.1", "no number": '"0.1"'}


@EACH
@STREAM
@pytest.mark.parametrize("cost", NOT_TOLD.values(), ids=NOT_TOLD)
async def test_a_cost_that_is_not_told_is_estimated_at_what_was_held(
    tmp_path: Path, provider: Provider, protocol: str, stream: bool, cost: str
) -> None:
    """A hundred times what was held is a provider's mistake, and must not empty an account."""
    text = ROUTER + channel("openrouter", provider.url, '["openrouter/auto"]')
    async with running(tmp_path, text) as haze:
        provider.script(reply(protocol, stream, cost=cost))
        assert (await haze.ask(protocol, "openrouter/auto", max_tokens=100, stream=stream)).status == 200
        (row,) = await haze.ended()
        assert (row["cost"], row["estimated"], row["upstream_cost"]) == (IN * 1_000 + OUT * 10_000, 1, None)
        await quiet(haze)


@EACH
async def test_an_upstreams_cost_is_remembered_beside_a_price_of_our_own(
    tmp_path: Path, provider: Provider, protocol: str
) -> None:
    """`reconcile` compares the two; the caller pays the price that was named to him."""
    text = '\n[[models]]\nid = "paid"\ninput = 1\noutput = 10\n' + channel("openrouter", provider.url)
    async with running(tmp_path, text) as haze:
        for stream in (False, True):
            provider.script(reply(protocol, stream, cost="0.000012"))
            assert (await haze.ask(protocol, "paid", max_tokens=100, stream=stream)).status == 200
        rows = await haze.ended(2)
        assert [(row["cost"], row["upstream_cost"], row["estimated"]) for row in rows] == [(41_000, 12_000, 0)] * 2
        await quiet(haze)


async def test_a_model_without_hold_prices_is_held_at_what_is_known_of_it(tmp_path: Path, provider: Provider) -> None:
    """gpt-5.2 is in the shipped table: 1,750 and 14,000, times the markup."""
    text = '\n[[models]]\nid = "openai/gpt-5.2"\nprice = "upstream"\nmarkup = 2\n'
    text += channel("openrouter", provider.url, '["openai/gpt-5.2"]')
    async with running(tmp_path, text) as haze:
        provider.script(reply("chat", False, cost="0.00001"))
        assert (await haze.ask("chat", "openai/gpt-5.2", max_tokens=100)).status == 200
        (row,) = await haze.ended()
        assert row["held"] == held("chat", "openai/gpt-5.2", 3_500, 28_000, 100, max_tokens=100)
        assert row["cost"] == 20_000
        await quiet(haze)


async def test_a_router_without_hold_prices_is_held_at_the_dearest_model(tmp_path: Path, provider: Provider) -> None:
    """It may choose any; an owner who wants less held names `input` and `output`."""
    text = '\n[[models]]\nid = "openrouter/auto"\nprice = "upstream"\n'
    text += channel("openrouter", provider.url, '["openrouter/auto"]')
    async with running(tmp_path, text) as haze:
        provider.script(reply("chat", False, cost="0.00001"))
        assert (await haze.ask("chat", "openrouter/auto", max_tokens=100)).status == 200
        (row,) = await haze.ended()
        assert row["held"] > held("chat", "openrouter/auto", 15_000, 75_000, 100, max_tokens=100)
        assert row["cost"] == 10_000


@EACH
@STREAM
async def test_every_field_is_served_where_the_upstream_tells_its_cost(
    tmp_path: Path, provider: Provider, protocol: str, stream: bool
) -> None:
    """Tools and plugins are part of what it tells; ten calls of each are held at a high guess."""
    text = ROUTER + channel("openrouter", provider.url, '["openrouter/auto"]')
    fields = {"plugins": [{"id": "web"}, {"id": "file-parser"}], "preset": "mine"}
    async with running(tmp_path, text) as haze:
        provider.script(reply(protocol, stream, cost="0.04", told={"server_tool_use": {"web_search_requests": 2}}))
        answer = await haze.ask(protocol, "openrouter/auto", max_tokens=100, stream=stream, **fields)
        assert answer.status == 200
        (row,) = await haze.ended()
        tokens = held(protocol, "openrouter/auto", 1_000, 10_000, 100, max_tokens=100, stream=stream, **fields)
        assert (row["held"], row["cost"]) == (tokens + 20 * 50_000_000, 48_000_000)
        await quiet(haze)


@EACH
@STREAM
async def test_a_told_cost_is_exact_although_a_search_is_not_counted(
    tmp_path: Path, provider: Provider, protocol: str, stream: bool
) -> None:
    """The search is in the cost; "estimated" would say that nobody knows it."""
    text = ROUTER + channel("openrouter", provider.url, '["openrouter/auto"]')
    async with running(tmp_path, text) as haze:
        provider.script(reply(protocol, stream, cost="0.04"))
        fields = {"max_tokens": 100, "stream": stream, "plugins": [{"id": "web"}]}
        assert (await haze.ask(protocol, "openrouter/auto", **fields)).status == 200
        (row,) = await haze.ended()
        assert (row["cost"], row["estimated"], row["server_tools"]) == (48_000_000, 0, None)
        await quiet(haze)


@EACH
@STREAM
async def test_the_receipt_names_every_attempt_and_shows_how_the_price_came_about(
    tmp_path: Path, provider: Provider, protocol: str, stream: bool
) -> None:
    """Which channel refused, which one answered under which id, and its own cost times the markup."""
    rows = [
        channel("openrouter", provider.url, '["openrouter/auto"]', name=f'"{name}"', priority=rank)
        for name, rank in (("first", "1"), ("second", "0"))
    ]
    async with running(tmp_path, ROUTER + "".join(rows)) as haze:
        provider.script(
            Reply(status=503, body={"error": {"message": "busy"}}, headers={"x-request-id": "up-1"}),
            replace(reply(protocol, stream, cost="0.000044"), headers={"x-request-id": "up-2"}),
        )
        answer = await haze.ask(protocol, "openrouter/auto", max_tokens=100, stream=stream)
        await haze.ended()
        await quiet(haze)
        shown = receipt_row(haze.receipt(answer.headers["request-id"]))
    assert [(each["channel"], each["status"], each["upstream_id"]) for each in shown["attempts"]] == [
        ("first", 503, "up-1"),
        ("second", 200, "up-2"),
    ]
    assert [each["upstream_cost_usd"] for each in shown["attempts"]] == [None, "0.000044"]
    (line,) = shown["lines"]
    assert (line["class"], line["count"], line["price"], line["amount_usd"]) == (
        "upstream_cost", "0.000044", "1.2", "0.0000528"
    )  # fmt: skip
    assert (shown["usage"], shown["ended"], shown["price_source"]) == ("reported", "completed", "config")
    money = [Decimal(shown[f"{name}_usd"]) for name in ("held", "extended", "settled", "returned")]
    assert money[0] + money[1] == money[2] + money[3]
    assert money[2] == Decimal("0.0000528")


async def test_a_free_search_in_front_of_a_model_is_the_upstreams_price_too(tmp_path: Path, provider: Provider) -> None:
    """`:online` is a search before every answer: where our own price is all there is, it is refused."""
    own = '\n[[models]]\nid = "some/model:online"\ninput = 1\noutput = 10\n'
    row = channel("openrouter", provider.url, '["some/model:online"]')
    for text, status in ((own, 400), (ROW.format("some/model:online", "1"), 200)):
        async with running(tmp_path, text + row) as haze:
            provider.script(reply("chat", False, cost="0.00001"))
            assert (await haze.ask("chat", "some/model:online", max_tokens=100)).status == status
        (tmp_path / "data" / "haze.db").unlink()


async def test_a_price_that_is_not_known_before_is_listed_as_one_that_varies(
    tmp_path: Path, provider: Provider
) -> None:
    """OpenRouter lists its routers so; what is held is not what it costs."""
    async with running(tmp_path, ROUTER + channel("openrouter", provider.url, '["openrouter/auto"]')) as haze:
        listed = (await haze.get("/v1/models/openrouter/auto")).json()
        assert listed["pricing"] == {"prompt": "-1", "completion": "-1"}


async def test_only_a_channel_that_tells_its_cost_can_have_it_for_a_price(tmp_path: Path, provider: Provider) -> None:
    """Elsewhere every answer would be an estimate; `explain` says why the model is not served."""
    text = ECHO + ROW.format("paid", "1") + channel("openai", provider.url)
    async with running(tmp_path, text) as haze:
        assert "its price is not known here" in refused(await haze.ask("chat", "paid"), "chat", 503)


async def test_without_any_usage_what_was_counted_is_charged(tmp_path: Path, provider: Provider) -> None:
    """An answer was given, and it is not free."""
    text = ROUTER + channel("openrouter", provider.url, '["openrouter/auto"]')
    async with running(tmp_path, text) as haze:
        provider.script(Reply(body={**whole("chat"), "usage": None}))
        assert (await haze.ask("chat", "openrouter/auto", max_tokens=100)).status == 200
        (row,) = await haze.ended()
        assert (row["cost"], row["estimated"]) == (row["input"] * 1_000 + OUT * 10_000, 1)
