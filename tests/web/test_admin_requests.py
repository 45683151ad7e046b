"""/admin/requests: everybody's requests and receipts, and money that is given back."""

import re
from urllib.parse import urlencode

import pytest
from gateway import Haze
from made import Log, link
from people import Person, Seen

from haze_proxy.store import request_log

DAY_MS = 86_400_000


def listed(seen: Seen) -> list[str]:
    """The ids of the requests on a page, from the top."""
    return re.findall(r'href="/admin/requests/(req_[0-9a-f]{28})"', seen.text)


@pytest.fixture
def four(house: Haze, log: Log) -> list[str]:
    """Requests: two of `me`, two of `a@example.com`; each is of another day, the last is the newest."""
    mine = {"account_id": 2, "key_id": 2}
    theirs = {"account_id": 1, "key_id": 1}
    house.rows("UPDATE keys SET prefix = 'sk-rr-' || 'abcde' || id")
    return [
        log.add(0, **mine),
        log.add(DAY_MS, **theirs, model="other", channel="gone"),
        log.add(2 * DAY_MS, **mine, state="void", ended="failed upstream", cost=0, price=None),
        log.add(3 * DAY_MS, **theirs, estimated=1),
    ]


# What is asked for -> which of `four`, the newest first.
WANTED = {
    "": [3, 2, 1, 0],
    "account=me@example.com": [2, 0],
    "account=ME@example.com": [2, 0],
    "account=1": [3, 1],
    "key=2": [2, 0],
    "key=sk-rr-abcde1": [3, 1],
    "key=sk-rr-abcde1%E2%80%A6": [3, 1],
    "account=1&key=1&model=other": [1],
    "model=other": [1],
    "channel=echo": [3, 2, 0],
    "channel=gone": [1],
    "status=not+charged": [2],
    "status=estimated": [3],
    "account=me@example.com&status=not+charged": [2],
    "from=2026-11-26&to=2026-11-27": [2, 1],
    "model=nothing": [],
}


@pytest.mark.parametrize(("query", "which"), WANTED.items(), ids=lambda value: str(value) or "all")
async def test_requests_are_found(four: list[str], admin: Person, query: str, which: list[int]) -> None:
    """By whose they are, with which key, for which model, on which channel, how they ended, and when."""
    seen = await admin.get(f"/admin/requests?{query}")
    assert (seen.status, listed(seen)) == (200, [four[number] for number in which])
    assert which or "No request is like that" in seen.words
    if "account=1" in query:
        assert 'value="a@example.com"' in seen.text


async def test_each_row_says_whose_it_is(four: list[str], admin: Person) -> None:
    """An owner looks for the account that does this."""
    seen = await admin.get("/admin/requests")
    for email in ("me@example.com", "a@example.com"):
        assert seen.words.count(email) == 2
    assert len(four) == 4


WRONG = {
    "account=nobody@example.com": ("account", "There is no account for nobody@example.com."),
    "account=999": ("account", "There is no such account."),
    "account=" + "x" * 255: ("account", "At most 254 characters."),
    "key=sk-rr-zzzzzz": ("key", "No such key."),
    "key=" + "9" * 99: ("key", "No such key."),
    "account=1&key=2": ("key", "This key is another account's."),
    "status=fine": ("status", "One of the list."),
    "from=today": ("from", "A day such as 2027-01-31."),
    "find=req_1": ("find", "There is no such request."),
    "find=req_" + "0" * 28: ("find", "There is no such request."),
}


@pytest.mark.parametrize(("query", "told"), WRONG.items(), ids=lambda value: str(value)[:40])
async def test_what_is_wrong_stands_beside_its_field(
    four: list[str], admin: Person, query: str, told: tuple[str, str]
) -> None:
    """What was typed stays, and is left out of what is looked for."""
    seen = await admin.get(f"/admin/requests?{query}")
    assert (seen.status, seen.complaint(told[0])) == (422, told[1])
    assert len(listed(seen)) == (2 if "account=1" in query else len(four))


async def test_a_log_is_read_a_page_at_a_time(four: list[str], admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forth and back, with the same filters."""
    monkeypatch.setattr(request_log, "ROWS", 1)
    first = await admin.get("/admin/requests?account=1")
    older = await admin.get(link(first, "Older →"))
    assert [listed(first), listed(older)] == [[four[3]], [four[1]]]
    assert listed(await admin.get(link(older, "← Newer"))) == [four[3]]


async def test_a_request_is_found_by_the_id_that_its_answer_carried(house: Haze, admin: Person) -> None:
    """Somebody writes with it in hand; its receipt shows what is the owner's, too."""
    answer = await house.ask("chat")
    await house.ended()
    request_id = answer.headers["request-id"]
    assert (await admin.get(f"/admin/requests?{urlencode({'find': request_id})}")).location == (
        f"/admin/requests/{request_id}"
    )
    seen = await admin.get(f"/admin/requests/{request_id}")
    assert "Account a@example.com" in seen.words
    assert "account:1 house:revenue" in seen.words
    assert 'href="/admin/requests?account=1"' in seen.text


async def test_a_refund_comes_back_once(house: Haze, admin: Person) -> None:
    """With what it is for, by whom; twice is told and moves nothing."""
    answer = await house.ask("chat")
    [row] = await house.ended()
    place = f"/admin/requests/{answer.headers['request-id']}"
    wrong = await admin.post(f"{place}/refund", memo="x" * 201)
    assert (wrong.status, wrong.complaint("memo")) == (422, "At most 200 characters.")
    assert 'value="xxx' in wrong.text
    assert (await admin.post(f"{place}/refund", memo="a bad answer")).location == f"{place}?done=refund"
    seen = await admin.get(f"{place}?done=refund")
    assert "The money is back on the account." in seen.words
    assert "house:revenue account:1 a bad answer" in seen.words
    assert "Give back" not in seen.words
    again = await admin.post(f"{place}/refund", memo="a bad answer")
    assert (again.status, "This request was already refunded." in again.words) == (422, True)
    assert (house.balance(), row["cost"] > 0) == (10 * 10**9, True)
    assert "Balance $10.00" in (await admin.get("/admin/accounts/1")).words
    [act] = house.rows("SELECT act, target, detail FROM audit")
    assert act["act"] == "request.refund"
    assert act["target"] == row["id"]
    assert act["detail"].endswith("USD, a bad answer")
    assert house.check() == []


async def test_what_was_not_charged_is_not_given_back(house: Haze, four: list[str], admin: Person) -> None:
    """There is no button, and a form that is made up gets a sentence."""
    place = f"/admin/requests/{four[2]}"
    assert "nothing to give back" in (await admin.get(f"{place}?done=refund")).words
    seen = await admin.post(f"{place}/refund")
    assert (seen.status, "This request is void: nothing was charged." in seen.words) == (422, True)
    assert house.rows("SELECT * FROM audit") == []


async def test_a_request_that_is_not_there_is_said_so(admin: Person) -> None:
    """In the same words for looking and for giving back."""
    place = "/admin/requests/req_" + "0" * 28
    for seen in (await admin.get(place), await admin.post(f"{place}/refund", memo="x" * 201)):
        assert (seen.status, "There is no such request." in seen.words) == (404, True)


async def test_nobody_else_sees_them(me: Person, stranger: Person, four: list[str]) -> None:
    """Not even one's own, by this address."""
    for person in (me, stranger):
        asked = [await person.get(path) for path in ("/admin/requests", f"/admin/requests/{four[0]}")]
        asked.append(await person.post(f"/admin/requests/{four[0]}/refund"))
        assert [seen.status for seen in asked] == [404] * 3
