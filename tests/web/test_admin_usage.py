"""What all accounts used: for administrators alone, from sums of its own, to the nano-dollar."""

from itertools import product

import pytest
from gateway import Haze
from past import Done, added, cells, fund, happened, many, nano
from people import Person
from test_dashboard_charts import at_one_time

from haze_proxy.money.usage import Usage
from haze_proxy.web.usage.spans import SPANS

MEASURES = {"spend": "Revenue", "tokens": "Tokens", "requests": "Requests"}
CHOICES = list(product(MEASURES, ("model", "account", "channel")))


@pytest.fixture
async def admin(house: Haze, me: Person) -> Person:
    """An administrator; account 1 has key 1, and account 2 (his own) key 2."""
    await me.make_key()
    house.rows("UPDATE accounts SET is_admin = 1 WHERE id = 2")
    return me


@pytest.mark.parametrize("name", SPANS)
async def test_whatever_is_chosen_adds_up_to_the_same(house: Haze, admin: Person, name: str) -> None:
    """By model, by account and by channel are the same requests, and the receipts of everybody."""
    fund(house, 2)
    happened(house, *many(60, [1, 2]), Done(), fold=True)
    happened(house, Done(key=2, channel=""))
    for show, by in CHOICES:
        seen, times = await at_one_time(admin, f"/admin/usage?range={name}&show={show}&by={by}", SPANS[name])
        [row] = house.rows(
            "SELECT sum(cost - coalesce(amount, 0)) AS cost, count(*) AS requests FROM requests"
            " LEFT JOIN transfers ON request_id = requests.id AND kind = 'refund' WHERE ended_at >= ?",
            times[0],
        )
        legend = cells(seen.text, f"{MEASURES[show]} by {by}")
        assert (sum(nano(each[7]) for each in legend), sum(nano(each[1]) for each in legend)) == tuple(row)


async def test_revenue_is_told_by_account(house: Haze, admin: Person) -> None:
    """Who it comes from, by the address the owner knows them by; refunds are taken off."""
    fund(house, 2)
    happened(house, *many(80, [1, 2]), fold=True)
    rows = house.rows(
        "SELECT email, cost - coalesce(amount, 0) AS cost FROM requests JOIN accounts ON accounts.id = account_id"
        " LEFT JOIN transfers ON request_id = requests.id AND kind = 'refund'"
    )
    legend = cells((await admin.get("/admin/usage?range=month&by=account")).text, "Revenue by account")
    assert {row[0]: nano(row[7]) for row in legend} == added([(row["email"], row["cost"]) for row in rows])


async def test_a_request_that_no_channel_had_is_told(house: Haze, admin: Person) -> None:
    """It failed before any was called: that is nobody's fault but Haze's."""
    happened(house, Done(), Done(channel="", usage=None, ended="failed before an answer"))
    legend = cells((await admin.get("/admin/usage?by=channel")).text, "Revenue by channel")
    assert [(row[0], row[1], row[2]) for row in legend] == [("openai", "1", "0"), ("no channel", "1", "1")]


async def test_shortfalls_are_a_part_of_the_revenue_that_the_house_paid(house: Haze, admin: Person) -> None:
    """The account that could not pay did not spend it."""
    happened(house, Done(key=2))
    words = (await admin.get("/admin/usage")).words
    assert f"Revenue < $0.01 ${Done().cost / 10**9}" in words
    assert "Shortfall < $0.01 of the revenue, paid by the house" in words
    assert "Spend $0.00" in (await admin.get("/dashboard")).words


async def test_nobody_else_finds_it(house: Haze, other: Person, stranger: Person) -> None:
    """For everybody else there is no such page."""
    happened(house, Done(usage=Usage(input=1)))
    assert (await other.get("/admin/usage")).status == 404
    assert (await stranger.get("/admin/usage")).status == 404
    assert "Usage" not in (await other.get("/dashboard")).words


async def test_nothing_at_all_says_so(admin: Person) -> None:
    """The first day of a gateway."""
    assert (
        "Nothing in the last 30 days No request has ended since." in (await admin.get("/admin/usage?range=month")).words
    )
