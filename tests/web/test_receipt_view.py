"""One receipt, two readers: the owner sees what is his own affair, the account does not. And whose each request is."""

import json
import re
from html import unescape
from typing import Any

import pytest
from gateway import Haze, apart
from made import Log
from people import Person

from haze_proxy.store import database, request_log
from haze_proxy.store.request_log import Found, Wanted
from haze_proxy.web.render import templates
from haze_proxy.web.usage import receipt_view

ATTEMPT = {"channel": "one", "model": "m", "began_at": 1_795_608_000_000, "first_byte_at": None, "upstream_id": "up-1"}


def attempt(status: int | None, error: str | None, cost: int | None = None) -> dict[str, Any]:
    """What a row keeps of an attempt."""
    return {**ATTEMPT, "status": status, "error": error, "upstream_cost": cost}


def words(text: str) -> str:
    """What is read of a piece of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def rendered(haze: Haze, request_id: str, *, is_owners: bool) -> str:
    """A receipt as one of its two readers sees it."""
    seen = receipt_view.of(haze.receipt(request_id), is_owners=is_owners)
    return words(templates().get_template("receipt_body.html").render(seen=seen))


@pytest.mark.parametrize(
    ("status", "error", "is_told"),
    [
        (401, "503 api_error", False),
        (402, "503 api_error", False),
        (403, "503 api_error", False),
        (400, "503 api_error", False),
        (429, "503 api_error", False),
        (429, "429 rate_limit_error", True),
        (400, "400 invalid_request_error", True),
        (404, "404 not_found_error", True),
        (500, "502 api_error", True),
        (529, "529 overloaded_error", True),
        (200, "502 api_error", True),
    ],
)
async def test_a_status_that_is_the_owners_trouble_is_the_owners_to_see(
    log: Log, status: int, error: str, is_told: bool
) -> None:
    """His credential was refused, or his wallet is empty: the account's is neither."""
    request_id = log.add(attempts=json.dumps([attempt(status, error)]))
    assert (f"status {status}" in rendered(log.haze, request_id, is_owners=False)) == is_told
    assert f"{error} status {status}" in rendered(log.haze, request_id, is_owners=True)


async def test_the_owner_sees_what_a_request_cost_him_and_whose_it_was(log: Log, me: Person) -> None:
    """What he pays, where that is not the price, is between him and his provider."""
    request_id = log.add(upstream_cost=77, attempts=json.dumps([attempt(200, None, 77), attempt(None, None)]))
    owners, accounts = (rendered(log.haze, request_id, is_owners=is_owners) for is_owners in (True, False))
    assert "The provider's own cost $0.000000077" in owners
    assert owners.count("$0.000000077") == 2
    assert "Account me@example.com" in owners
    assert "$0.000000077" not in accounts
    assert "me@example.com" not in accounts


async def test_everybodys_log_says_whose_each_request_is(log: Log, me: Person) -> None:
    """The same rows, with one column more, and receipts where the owner reads them."""
    mine = log.add()
    theirs = log.add(1, account_id=1, key_id=1)
    found = apart(everybodys, log.haze)
    assert [row["id"] for row in found.rows] == [theirs, mine]
    table = templates().get_template("request_rows.html").module.request_table(found.rows, "/admin/requests", True)  # type: ignore[attr-defined]
    assert re.findall(r'href="/admin/requests/(\w+)"', table) == [theirs, mine]
    assert "a@example.com" in words(table).partition("me@example.com")[0]
    assert "Time (UTC) Account Input" in words(table)


def everybodys(haze: Haze) -> Found:
    """The newest requests of all accounts."""
    connection = database.connect(str(haze.path))
    try:
        return request_log.read(connection, Wanted(channel="echo"))
    finally:
        connection.close()
