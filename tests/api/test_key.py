"""GET /v1/key: what this key may, has used, and has left."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta

from gateway import Haze
from provider import Provider, Reply, whole


async def test_a_key_shows_itself_and_nothing_secret(haze: Haze) -> None:
    """OpenRouter's fields for its clients, exact strings beside them; the secret stays where it was shown once."""
    answer = await haze.get("/v1/key")
    data = answer.json()["data"]
    assert haze.key not in answer.body.decode()
    assert data["prefix"] == haze.key[:12]
    assert (data["label"], data["limit"], data["limit_remaining"], data["usage"]) == ("test", None, None, 0)
    assert (data["balance_usd"], data["held_usd"], data["available_usd"]) == ("10", "0", "10")
    assert (data["models"], data["expires_at"], data["object"]) == (None, None, "key")
    assert abs(time.time() - time.mktime(time.strptime(data["created_at"], "%Y-%m-%dT%H:%M:%SZ")) + time.timezone) < 60


async def test_money_that_was_spent_and_held_shows_at_once(chained: Haze, provider: Provider) -> None:
    """Committed money from the ledger, held money from memory: what is available is what a request would find."""
    assert (await chained.ask("chat", "paid")).status == 200
    gate = asyncio.Event()
    provider.script(Reply(late=gate, body=whole("chat")))
    running = asyncio.create_task(chained.ask("chat", "paid", max_tokens=100))
    await provider.received(2)
    data = (await chained.get("/v1/key")).json()["data"]
    assert (data["balance_usd"], data["spent_usd"], data["usage"]) == ("9.999959", "0.000041", 0.000041)
    assert float(data["held_usd"]) > 0.001
    assert abs(float(data["available_usd"]) - 9.999959 + float(data["held_usd"])) < 1e-9
    assert data["limits"]["running_requests"] == 1
    gate.set()
    await running


async def test_a_budget_and_its_rest_are_shown(chained: Haze) -> None:
    """A script asks before it starts whether it can afford to."""
    facts = {"budget": 1_000_000, "models": ("paid",), "expires_at": 4_000_000_000_000, "requests_per_minute": 60}
    key = await chained.known(chained.account("1", email="b@example.com", **facts))
    assert (await chained.ask("chat", "paid", key=key, max_tokens=10)).status == 200
    data = (await chained.get("/v1/key", key=key)).json()["data"]
    assert (data["budget_usd"], data["budget_left_usd"]) == ("0.001", "0.000959")
    assert (data["limit"], data["limit_remaining"]) == (0.001, 0.000959)
    assert (data["models"], data["expires_at"]) == (["paid"], "2096-10-02T07:06:40Z")
    assert (data["limits"]["requests_per_minute"], data["limits"]["requests_left"]) == (60, 9)


async def test_a_budget_with_a_period_says_when_it_begins_anew(chained: Haze) -> None:
    """Who is told 402 wants to know whether to wait or to ask for more; what was spent in a period that is over is not
    of this one.
    """
    key = await chained.known(chained.account("1", email="b@example.com", budget=1_000_000, budget_period="day"))
    assert (await chained.ask("chat", "paid", key=key, max_tokens=10)).status == 200
    data = (await chained.get("/v1/key", key=key)).json()["data"]
    assert (data["budget_period"], data["budget_left_usd"]) == ("day", "0.000959")
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert data["budget_resets_at"] == tomorrow.strftime("%Y-%m-%dT%H:%M:%SZ")
    chained.rows("UPDATE keys SET period_started = period_started - 86400000, name = 'yesterday' WHERE id = 2")
    async with asyncio.timeout(5):
        while (data := (await chained.get("/v1/key", key=key)).json()["data"])["name"] != "yesterday":
            await asyncio.sleep(0.02)
    assert (data["budget_left_usd"], data["spent_usd"]) == ("0.001", "0.000041")


async def test_a_budget_that_is_used_up_refuses_until_its_turn(chained: Haze) -> None:
    """The refusal names the key's budget, not the account's balance, and when to come again."""
    key = await chained.known(chained.account("1", email="b@example.com", budget=50_000, budget_period="month"))
    answer = await chained.ask("chat", "paid", key=key, max_tokens=1000)
    assert answer.status == 402
    assert re.search(r"budget is used up.*It begins anew at \d{4}-\d\d-01T00:00:00Z\.", answer.error()["message"])


async def test_a_key_without_money_is_still_shown(haze: Haze) -> None:
    """Who is told 402 looks here next."""
    key = await haze.known(haze.account("0", email="poor@example.com", name=""))
    data = (await haze.get("/v1/key", key=key)).json()["data"]
    assert (data["balance_usd"], data["available_usd"], data["label"]) == ("0", "0", key[:12])


async def test_asking_costs_no_limit(haze: Haze) -> None:
    """A monitor that asks every second must not use up the key it watches."""
    key = await haze.known(haze.account(email="b@example.com", requests_per_minute=6))
    for _ in range(30):
        limits = (await haze.get("/v1/key", key=key)).json()["data"]["limits"]
    assert limits["requests_left"] == 10
