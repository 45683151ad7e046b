"""A full page of the administration is light: with the stylesheet it loads at once on a train."""

import asyncio
from dataclasses import dataclass, replace

import pytest
from gateway import Haze
from made import Log
from people import Person

from haze_proxy.context import KEYRING, RUNNING, InFlight
from haze_proxy.store.keys import digest

BYTES_MAX = 40 * 1024
MODEL = "anthropic/claude-sonnet-4.5-20260929"
MANY = 60
PAGES = ("", "/accounts", "/accounts?q=somebody", "/accounts/1", "/codes", "/requests", "/shortfalls", "/audit")
# Each is done MANY times; i counts from 0.
COUNTED = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY - 1}) "
DONE = (
    "INSERT INTO accounts (email, created_at, is_admin)"
    " SELECT 'somebody.with.a.long.name.' || i || '@example.com', 1, 1 FROM n",
    "INSERT INTO codes (digest, prefix, amount, memo, created_at, redeemed_at, account_id, expires_at)"
    " SELECT CAST(i AS BLOB), 'haze-ABCD', 123456789, 'For those at the conference', 1, 2, 1, 4073500800000 FROM n",
    "INSERT INTO audit (at, actor_id, act, target, detail) SELECT i, 1, 'account.password',"
    " 'somebody.with.a.long.name@example.com', 'haze-ABCD…, haze-ABCD…, haze-ABCD…: 5 USD, For the conference' FROM n",
    "INSERT INTO transfers (debit, credit, amount, kind, created_at, memo)"
    " SELECT 'external:manual', 'account:1', 1 + i, 'credit', 1, 'Invoice 2026-11-25 for the whole year' FROM n",
    "INSERT INTO keys (account_id, name, prefix, digest, requests_per_minute, tokens_per_minute, concurrent_requests,"
    " created_at, budget, models, addresses, expires_at, last_used_at) SELECT 1, 'A key with a name ' || i,"
    " 'sk-rr-abcdef', CAST(i AS BLOB), 100, 9, 9, 1, 5000000000, '[\"a\"]', '[\"192.0.2.1\"]', 4073500800000, 1 FROM n",
    "INSERT INTO sessions SELECT CAST(i AS BLOB), 1, 1, 1, 4073500800000, 'Mozilla/5.0 (X11; Linux) Firefox/140.0',"
    " '2001:db8:85a3:8d3:1319:8a2e:370:7348' FROM n",
)


@dataclass
class Runs:
    """A request that runs for ever."""

    facts: InFlight

    def in_flight(self) -> InFlight:
        """How it stands."""
        return self.facts


@pytest.fixture
async def full(house: Haze, log: Log, admin: Person) -> Person:
    """An administrator of a house in which much has happened and much runs."""
    for sql in DONE:
        house.rows(COUNTED + sql)
    for number in range(MANY):
        facts = {"account_id": 1, "key_id": 1, "model": MODEL, "protocol": "messages", "stream": 1}
        log.add(number, **facts, held=1_234_567, cost=123_456_789, estimated=1, input=123_456, cache_read=48_000)
        log.add(
            number, **facts, state="interrupted", ended="process died", held=987_654_321, ended_at=4_073_500_800_000
        )
    key = house.app[KEYRING].find(digest(house.key))
    assert key is not None
    seen = InFlight(log.ids[0], key, "messages", MODEL, "openrouter", 2, True, 12.5, 123_456_789)
    for number in range(MANY):
        task = asyncio.current_task() if number == 0 else object()
        house.app[RUNNING][task] = Runs(replace(seen, id=log.ids[number]))  # type: ignore[index]
    return admin


@pytest.mark.parametrize("page", PAGES)
async def test_a_full_page_is_light(house: Haze, full: Person, page: str) -> None:
    """Whatever there is, a page holds a bounded part of it."""
    seen = await full.get(f"/admin{page}")
    house.app[RUNNING].clear()
    assert seen.status == 200
    assert len(seen.text.encode()) < BYTES_MAX


async def test_what_does_not_fit_is_found_by_a_link(house: Haze, full: Person) -> None:
    """Bounded is not hidden: more keys are on the next page, and the log has all that runs."""
    first = await full.get("/admin/accounts/1")
    second = await full.get("/admin/accounts/1?page=7")
    assert "61 live ones" in first.words
    assert "A key with a name 59" not in first.words
    assert "A key with a name 59" in second.words
    assert "And in 55 more places." in first.words
    now = await full.get("/admin")
    house.app[RUNNING].clear()
    assert "the newest 25 of 60" in now.words
    assert 'href="/admin/requests?status=running"' in now.text
