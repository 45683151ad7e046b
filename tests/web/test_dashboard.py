"""The first page: what there is, what is held, what runs, and what the last requests came to; nobody else's."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest
from gateway import ECHO, PAID, Haze, channel, running
from people import Person, owner
from provider import Provider, Reply
from provider_answers import events

from haze_proxy.store import overview
from haze_proxy.web.billing.runway import runway


@pytest.fixture
async def me_with_key(house: Haze, stranger: Person) -> Person:
    """The owner of `house.key` and ten dollars."""
    return await owner(house, stranger.session)


async def test_the_figures_are_the_gateways_own(house: Haze, me_with_key: Person) -> None:
    """What a request is judged by, exactly; not yesterday's sum."""
    await house.ask("chat", max_tokens=100)
    [row] = await house.ended()
    left = 10**10 - row["cost"]
    words = (await me_with_key.get("/dashboard")).words
    assert f"Balance $9.99 ${left / 10**9:.9f}".rstrip("0") in words
    assert "Held $0.00" in words
    assert "In flight 0" in words


async def test_a_running_request_is_seen_with_what_it_holds(tmp_path: Path, provider: Provider) -> None:
    """Otherwise money would seem to be missing."""
    jar = aiohttp.CookieJar(unsafe=True)
    text = ECHO + PAID + channel("openai", provider.url)
    async with running(tmp_path, text) as haze, aiohttp.ClientSession(cookie_jar=jar) as session:
        person = await owner(haze, session)
        free = asyncio.Event()
        provider.script(Reply(chunks=[free, *events("chat", ["Hello"])]))
        call = asyncio.create_task(haze.ask("chat", "paid", stream=True))
        async with asyncio.timeout(5):
            while "In flight 1" not in (words := (await person.get("/dashboard")).words):
                await asyncio.sleep(0.01)
        assert "Held $0.01" in words
        assert "paid just now test 0 0 $0.00 running" in words
        free.set()
        await call
        assert "In flight 0" in (await person.get("/dashboard")).words


async def test_the_last_requests_are_listed_the_newest_first(house: Haze, me_with_key: Person) -> None:
    """With what each cost, exactly."""
    for number in range(12):
        await house.ask("chat", max_tokens=10 + number)
    rows = await house.ended(12)
    seen = await me_with_key.get("/dashboard")
    assert seen.text.count("<code>hekiu</code>") == 10
    assert f"${rows[-1]['cost'] / 10**9:.9f}".rstrip("0") in seen.words


async def test_nobody_elses_requests_are_listed(house: Haze, me_with_key: Person, other: Person) -> None:
    """Neither theirs, nor their refusals, nor their money."""
    await house.ask("chat")
    await house.ended()
    words = (await other.get("/dashboard")).words
    assert "Last requests" not in words
    assert "hekiu" not in words
    assert "Balance $0.00" in words


async def test_refusals_are_told_with_what_helps(house: Haze, me_with_key: Person) -> None:
    """Why a key is dead stands here, though a refused request writes no row of its own. Yesterday's are forgotten."""
    now = int(time.time() // 60)
    for minute, reason, count in ((now, "429 rate_limit_error", 3), (now - 5, "429 rate_limit_error", 4),
                                  (now, "418 strange", 1), (now - 1441, "402 billing_error", 9)):  # fmt: skip
        house.rows("INSERT INTO refusals (minute, key_id, reason, count) VALUES (?, 1, ?, ?)", minute, reason, count)
    words = (await me_with_key.get("/dashboard")).words
    assert "429 rate_limit_error test 7" in words
    assert "A limit of this key was hit" in words
    assert "The answer's message says why." in words
    assert "402" not in words


async def test_more_refusals_than_are_counted_are_not_passed_over(
    house: Haze, me_with_key: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound is there for the page to open at all; what it leaves out must not look like nothing."""
    monkeypatch.setattr(overview, "REFUSALS_ROWS", 3)
    now = int(time.time() // 60)
    for minute in range(now - 3, now):
        assert "more than are counted" not in (await me_with_key.get("/dashboard")).words
        house.rows("INSERT INTO refusals VALUES (?, 1, '429 rate_limit_error', 1)", minute)
    assert "and more than are counted here" in (await me_with_key.get("/dashboard")).words


@pytest.mark.parametrize(
    ("balance", "per_day", "told"),
    [
        (10**9, 0, ""),
        (0, 10**9, "less than a minute"),
        (10**9, 10**9, "1 day"),
        (25 * 10**8, 10**9, "2 days"),
        (10**9, 24 * 10**9, "1 hour"),
        (10**18, 1, "over a year"),
    ],
)
def test_how_long_a_balance_lasts(balance: int, per_day: int, told: str) -> None:
    """Rounded down: nobody should be surprised early."""
    assert runway(balance, per_day) == told
