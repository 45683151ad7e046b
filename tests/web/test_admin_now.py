"""/admin: one look at what runs, what there is, and what went wrong."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from gateway import ECHO, PAID, Haze, channel, running
from past import Done, fund, happened
from people import Person, listen, slow
from provider import Provider, Reply
from provider_answers import events

from haze_proxy.context import STORE
from haze_proxy.money.usage import Usage
from haze_proxy.store import now as stored
from haze_proxy.web.admin import now

DAY_MS = 86_400_000


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


async def test_an_empty_house_is_calm(admin: Person) -> None:
    """Nothing runs, nothing was refused, nothing is wrong: it says so, and shows no alarm."""
    seen = await admin.get("/admin")
    assert "Nothing runs" in seen.words
    assert "Balances $10.00 of 2 accounts" in seen.words
    assert "Paid in $10.00" in seen.words
    assert "Store writable, " in seen.words
    assert "Runs for less than a minute" in seen.words
    assert 'class="notice' not in seen.text
    assert "Interrupted" not in seen.words


async def test_money_stands_where_the_books_have_it(house: Haze, admin: Person) -> None:
    """What accounts have is what came in, less what was earned; every figure is the ledger's."""
    assert (await house.ask("chat")).status == 200
    [row] = await house.ended()
    house.rows(
        "INSERT INTO transfers (debit, credit, amount, kind, created_at)"
        " VALUES ('house:promotion', 'account:2', 2000000000, 'signup', 1)"
    )
    seen = await admin.get("/admin")
    assert row["cost"] > 0
    for words in (
        "Admitted 1 in the last minute",
        "Given away $2.00",
        "Balances $11.99 of 2",
        "Revenue < $0.01",
        "Shortfalls $0.00",
    ):
        assert words in seen.words


async def test_revenue_is_told_for_today_and_for_a_month(house: Haze, admin: Person) -> None:
    """By the time at which requests ended; what was given back was not earned, and what is older is history."""
    dear, yesterday = Usage(input=400_000), now_ms() % DAY_MS + 60_000
    ages = (0, yesterday, 29 * DAY_MS, 40 * DAY_MS)
    fund(house, 1)
    happened(house, *[Done(ago=age, usage=dear) for age in ages], Done(usage=dear, refunded=True), fold=True)
    happened(house, Done(usage=dear))
    words = (await admin.get("/admin")).words
    assert "Revenue today $2.40 in UTC" in words
    assert "Revenue, 30 days $4.80" in words


@pytest.fixture
async def before(tmp_path: Path, provider: Provider) -> AsyncIterator[tuple[Haze, Person]]:
    """Haze before a provider that keeps one waiting, and its administrator; what pages ask is looked at, too."""
    async with (
        running(tmp_path, ECHO + PAID + channel("openai", provider.url)) as haze,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        admin = Person(haze, session)
        await admin.register()
        haze.rows("UPDATE accounts SET is_admin = 1 WHERE id = 2")
        asked = await listen(haze)
        yield haze, admin
        assert slow(haze, asked) == []


async def test_what_runs_is_listed_while_it_runs(before: tuple[Haze, Person], provider: Provider) -> None:
    """An owner who wonders what hangs sees whose it is, where it hangs, and what it holds; its channel as soon as one
    is asked, and whether it has begun to answer.
    """
    (haze, admin), first, rest = before, asyncio.Event(), asyncio.Event()
    chunks = events("chat", ["Hello"])
    provider.script(Reply(chunks=[*chunks[:2], rest, *chunks[2:]], late=first))
    asking = asyncio.create_task(haze.ask("chat", "paid", stream=True))
    await provider.received(1)
    seen = await admin.get("/admin")
    assert "In flight 1 1 wait for a first byte" in seen.words
    assert 'href="/admin/accounts/1">a@example.com</a>' in seen.text
    assert re.search(r'href="/admin/requests/req_[0-9a-f]{28}"><code>paid<', seen.text)
    assert "test openai chat waiting 0.0 s $0.0" in seen.words
    first.set()
    async with asyncio.timeout(5):
        while "chat answering" not in (seen := await admin.get("/admin")).words:
            await asyncio.sleep(0.01)
    assert "In flight 1 all have begun to answer" in seen.words
    rest.set()
    assert (await asking).status == 200
    seen = await admin.get("/admin")
    assert "Nothing runs" in seen.words
    assert "Held $0.00" in seen.words


async def test_what_is_too_much_to_count_is_said_to_be_more(
    house: Haze, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy house is not made slower by looking at how busy it is."""
    monkeypatch.setattr(stored, "RATE_ROWS", 2)
    for _ in range(3):
        assert (await house.ask("chat")).status == 200
    await house.ended(3)
    assert "Admitted 2+ in the last minute" in (await admin.get("/admin")).words


async def test_only_the_newest_of_many_are_listed(
    before: tuple[Haze, Person], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand lines would help nobody, and cost those that run."""
    (haze, admin), gate = before, asyncio.Event()
    monkeypatch.setattr(now, "LISTED", 2)
    provider.script(*[Reply(chunks=events("chat", ["Hello"]), late=gate) for _ in range(3)])
    asking = [asyncio.create_task(haze.ask("chat", "paid", stream=True)) for _ in range(3)]
    await provider.received(3)
    seen = await admin.get("/admin")
    assert "the newest 2 of 3" in seen.words
    assert seen.words.count("chat waiting") == 2
    gate.set()
    assert [answer.status for answer in await asyncio.gather(*asking)] == [200] * 3


async def test_refusals_of_all_keys_are_added_up(house: Haze, admin: Person) -> None:
    """One dead key, or everybody? What is older than a day is not said."""
    minute = now_ms() // 60_000
    facts = [(minute, 1, "402 billing_error", 3), (minute - 5, 2, "402 billing_error", 4)]
    facts += [(minute - 1, 0, "401 authentication_error", 50), (minute - 1441, 1, "429 rate_limit_error", 9)]
    for row in facts:
        house.rows("INSERT INTO refusals (minute, key_id, reason, count) VALUES (?, ?, ?, ?)", *row)
    seen = await admin.get("/admin")
    assert "401 authentication_error 50 unknown 1 minute ago" in seen.words
    assert "402 billing_error 7 2 just now" in seen.words
    assert seen.words.index("401 auth") < seen.words.index("402 billing")
    assert "429" not in seen.words


async def test_what_a_dead_server_left_is_told_with_its_price(house: Haze, admin: Person) -> None:
    """The provider bills what nobody here was charged for; after a month it is history."""
    assert (await house.ask("chat")).status == 200
    await house.ended()
    columns = "epoch, account_id, key_id, protocol, stream, model, opened_at, "
    for number, age in enumerate((1, 2, 31)):
        house.rows(
            f"INSERT INTO requests (id, {columns} state, ended, ended_at, held) SELECT 'req_' || ?, {columns}"
            " 'interrupted', 'process died', ?, 1500000000 FROM requests WHERE state = 'settled'",
            number,
            now_ms() - age * DAY_MS,
        )
    seen = await admin.get("/admin")
    assert "2 requests. Nobody was charged; upstream they may have cost up to what they held: $3.00." in seen.words
    assert seen.words.count("hekiu a@example.com") == 2
    assert "/admin/requests/req_0" in seen.text
    assert "req_2" not in seen.text


async def test_channels_in_trouble_are_pointed_at(house: Haze, admin: Person) -> None:
    """The page about them says more; one that has come back is not named."""
    for name, until in (("dear", now_ms() + 60_000), ("back", now_ms() - 1)):
        house.rows("INSERT INTO channel_health VALUES (?, '', 3, 1, 'the wallet is empty', ?)", name, until)
    seen = await admin.get("/admin")
    assert "1 channel or model passed over at this moment: dear." in seen.words
    assert 'href="/admin/channels"' in seen.text


async def test_a_store_that_cannot_be_written_is_said_first(house: Haze, admin: Person) -> None:
    """Then nothing else on the page matters."""
    writer = house.app[STORE]._writer
    assert writer is not None
    writer.ready = False
    seen = await admin.get("/admin")
    writer.ready = True
    assert 'role="alert"' in seen.text
    assert "The store cannot be written" in seen.words
    assert "Store not writable" in seen.words
