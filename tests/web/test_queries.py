"""Every query of every page stays fast with a million requests: found by looking at what pages ask, not by a list.

The fixture `house` looks at the plans of whatever any other test of this folder asks, filters and pages included.
"""

import pytest
from gateway import Haze
from made import Log
from people import EXAMPLES, Person, filled, listen, rows, slow

from haze_proxy.web.context import Page

SLOW = {
    "all requests": "SELECT * FROM requests",
    "by an alias": "SELECT r.id FROM requests AS r",
    "sorted aside": "SELECT * FROM requests WHERE account_id = 1 ORDER BY cost",
    "grouped aside": "SELECT protocol, sum(cost) FROM requests WHERE account_id = 1 GROUP BY protocol",
    "in a part": "SELECT (SELECT sum(amount) FROM transfers)",
    "with a name": "WITH t AS (SELECT * FROM transfers) SELECT count(*) FROM t",
}


@pytest.mark.parametrize("page", rows("GET"), ids=lambda page: page.path)
async def test_a_page_asks_nothing_slow(house: Haze, me: Person, page: Page) -> None:
    """An administrator with a key looks at it; who looks at a row looks at one that is there."""
    await me.make_key()
    house.rows("UPDATE accounts SET is_admin = 1")
    house.rows("UPDATE keys SET account_id = 2")
    assert Log(house).add() == EXAMPLES["request"]
    asked = await listen(house)
    seen = await me.get(filled(page.path))
    assert seen.status in (200, 303)
    assert any("FROM sessions" in sql for sql in asked)
    assert slow(house, asked) == []


@pytest.mark.parametrize("sql", SLOW.values(), ids=SLOW)
async def test_a_slow_query_is_seen(house: Haze, sql: str) -> None:
    """The guard over all pages must itself be able to fail."""
    assert slow(house, {sql})


async def test_a_quick_query_is_none(house: Haze) -> None:
    """By an index, bounded; and what is no query is passed over."""
    quick = "SELECT * FROM requests WHERE account_id = 1 ORDER BY id DESC LIMIT 10"
    assert slow(house, {quick, "BEGIN", "PRAGMA data_version", "-- a trigger"}) == []
