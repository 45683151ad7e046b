"""The log of one's own requests: what each cost and how it ended, whatever is looked for, a page at a time."""

import asyncio
import re
import time
from itertools import chain

import pytest
from gateway import Haze
from made import Log, link, listed
from people import Person, Seen

from haze_proxy.money import endings
from haze_proxy.store import request_log

DAY_MS = 86_400_000


async def test_whoever_has_made_no_request_is_told_how(me: Person) -> None:
    """An empty table says nothing."""
    seen = await me.get("/dashboard/usage")
    assert (seen.status, "No request yet" in seen.words) == (200, True)


async def test_a_row_says_what_a_request_took_and_cost(log: Log, me: Person) -> None:
    """Time, model, key, channel, protocol, tokens, money, durations, end: what people ask about, without a click."""
    log.add(stream=1, protocol="messages", cache_write_5m=6, ended="client left", estimated=1, cost=1_000_000_041)
    words = (await me.get("/dashboard/usage")).words
    row = "hekiu messages · stream · echo 2026-11-25 12:00:00 by Laptop 20 4 cached 3 $1.000000041"
    assert f"{row} 12.3 s first byte 420 ms client left estimated" in words


async def test_a_real_request_is_in_the_log_of_its_account_alone(house: Haze, stranger: Person, other: Person) -> None:
    """What somebody asks for, and for how much, is nobody else's business."""
    await house.ask("chat", max_tokens=7)
    [row] = await house.ended()
    await stranger.register("owner@example.com")
    house.rows("UPDATE requests SET account_id = (SELECT max(id) FROM accounts)")
    assert listed(await stranger.get("/dashboard/usage")) == [row["id"]]
    seen = await other.get("/dashboard/usage?status=completed")
    assert (listed(seen), "hekiu" in seen.words) == ([], False)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "abcdefg"),
        ("model=rare", "b"),
        ("key=3", "c"),
        ("status=completed", "abcd"),
        ("status=estimated", "d"),
        ("status=client+left", "e"),
        ("status=running", "f"),
        ("status=interrupted", "g"),
        ("status=not+charged", "g"),
        ("from=2026-11-25", "cdefg"),
        ("to=2026-11-24", "ab"),
        ("from=2026-11-24&to=2026-11-24", "b"),
        ("model=rare&key=3", ""),
        ("model=hekiu&key=2&status=completed&from=2026-11-25", "d"),
        ("model=&key=&status=&from=&to=", "abcdefg"),
    ],
)
async def test_each_filter_finds_what_it_names(log: Log, me: Person, query: str, expected: str) -> None:
    """And all of them together what all of them name."""
    await me.make_key(name="Second")
    log.haze.rows("UPDATE epochs SET id = 1, ended_at = NULL")
    rows = {
        "a": log.add(-2 * DAY_MS),
        "b": log.add(-1 * DAY_MS, model="rare"),
        "c": log.add(0, key_id=3),
        "d": log.add(1, estimated=1),
        "e": log.add(2, ended="client left"),
        "f": log.add(3, state="open", ended=None, ended_at=None, cost=0),
        "g": log.add(4, state="interrupted", ended="process died", cost=0),
    }
    seen = await me.get(f"/dashboard/usage?{query}")
    assert (seen.status, listed(seen)) == (200, [rows[name] for name in reversed(expected)])


async def test_the_lists_offer_what_the_account_has(log: Log, me: Person) -> None:
    """Models that were used, keys of its own, revoked ones too, and every way in which a request can end."""
    log.add(model="z/used")
    log.add(model="theirs", account_id=1, key_id=1)
    await me.make_key(name="Gone")
    await me.post("/dashboard/keys/3/revoke")
    text = (await me.get("/dashboard/usage")).text
    options = re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)', text)
    assert options[1:5] == [("z/used", "z/used"), ("", "All"), ("3", "Gone (revoked)"), ("2", "Laptop")]
    assert {ending.word for ending in endings.TABLE} - {"process died"} <= {value for value, _ in options}
    assert "theirs" not in text


WRONG = {
    "from=yesterday": ("from", "A day such as 2027-01-31."),
    "from=2026-02-30": ("from", "A day such as 2027-01-31."),
    "to=99999-01-01": ("to", "A day such as 2027-01-31."),
    "from=2026-11-25&to=2026-11-24": ("to", "This day is before the first one."),
    "model=never": ("model", "This account has not used a model of that name."),
    "model=theirs": ("model", "This account has not used a model of that name."),
    "model=%00": ("model", "It holds a character that cannot be shown."),
    f"model={'m' * 300}": ("model", "At most 256 characters."),
    "key=1": ("key", "There is no such key in this account."),
    "key=99": ("key", "There is no such key in this account."),
    "key=x": ("key", "There is no such key in this account."),
    f"key={'9' * 40}": ("key", "There is no such key in this account."),
    "key=%D9%A3": ("key", "There is no such key in this account."),
    "status=fine": ("status", "One of the list."),
    "find=req_1": ("find", "There is no such request in this account."),
}


@pytest.mark.parametrize(("query", "said"), WRONG.items(), ids=[query[:40] for query in WRONG])
async def test_a_wrong_filter_is_said_beside_its_field(log: Log, me: Person, query: str, said: tuple[str, str]) -> None:
    """And the log is shown without it: an address that somebody typed is no reason to show nothing."""
    mine = log.add()
    log.add(model="theirs", account_id=1, key_id=1)
    seen = await me.get(f"/dashboard/usage?{query}")
    assert (seen.status, seen.complaint(said[0])) == (422, said[1])
    assert listed(seen) == [mine]


@pytest.mark.parametrize("query", ["before=req_1", "after=x", "before=%00", "after=req_" + "g" * 28])
async def test_an_address_that_is_cut_off_shows_the_newest(log: Log, me: Person, query: str) -> None:
    """Whoever pastes half a link sees the log, and why it is another place."""
    mine = log.add()
    seen = await me.get(f"/dashboard/usage?{query}")
    assert (seen.status, listed(seen)) == (422, [mine])
    assert "The address of this page is not whole" in seen.words


async def test_pages_neither_lose_nor_repeat_a_row_while_new_ones_come(
    log: Log, me: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Down by "Older" and up by "Newer", with the filters kept."""
    monkeypatch.setattr(request_log, "ROWS", 3)
    mine = [log.add(number, model=("a", "b")[number % 2]) for number in range(16)][::-2]
    seen = await me.get("/dashboard/usage?model=b&from=2026-11-01")
    pages = [listed(seen)]
    while path := link(seen, "Older →"):
        log.add(100 + len(log.ids), model="b")
        seen = await me.get(path)
        pages.append(listed(seen))
    assert [len(each) for each in pages] == [3, 3, 2]
    assert list(chain(*pages)) == mine
    up = pages[-1:]
    while path := link(seen, "← Newer"):
        seen = await me.get(path)
        up.insert(0, listed(seen))
    late = log.ids[:15:-1]
    assert list(dict.fromkeys(chain(*up))) == late + mine
    assert link(seen, "Newest") == ""


async def test_a_long_search_stops_and_is_continued(log: Log, me: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rare request among a million is found by and by; no page is waited for."""
    monkeypatch.setattr(request_log, "WALK", 4)
    rare = log.add(state="void", ended="empty answer")
    for number in range(6):
        log.add(number + 1, ended="client left")
    seen = await me.get("/dashboard/usage?status=empty+answer")
    assert "4 requests were looked through for this page, as far as 2026-11-25 12:00:00 UTC. None of them" in seen.words
    assert listed(seen) == []
    seen = await me.get(link(seen, "Look further back →"))
    assert listed(seen) == [rare]
    assert link(seen, "Newest") == "/dashboard/usage?status=empty+answer"


async def test_days_that_are_looked_at_most_are_a_click_away(log: Log, me: Person) -> None:
    """With the other filters kept, and the place in the log not."""
    log.add()
    seen = await me.get("/dashboard/usage?status=completed&before=" + log.ids[0])
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert link(seen, "Today") == f"/dashboard/usage?status=completed&from={today}"
    assert link(seen, "Everything") == "/dashboard/usage?status=completed"
    seen = await me.get(link(seen, "Today"))
    assert re.search(r'aria-current="true">Today', seen.text)


async def test_a_request_is_found_by_the_id_that_its_answer_carried(
    house: Haze, log: Log, me: Person, other: Person
) -> None:
    """What a program logged leads to its receipt; to its own account's alone, in the words of one that is not there."""
    house.rows("UPDATE keys SET account_id = 2 WHERE id = 1")
    mine = log.add()
    seen = await me.get(f"/dashboard/usage?find=+{mine}+")
    assert (seen.status, seen.location) == (303, f"/dashboard/usage/{mine}")
    seen = await other.get(f"/dashboard/usage?find={mine}")
    assert (seen.status, seen.complaint("find")) == (422, "There is no such request in this account.")
    assert "No request yet" in seen.words


async def test_a_running_request_is_in_the_log_while_it_runs(house: Haze, log: Log, me: Person) -> None:
    """With dashes for what is not known yet."""
    log.add(state="open", ended=None, ended_at=None, first_byte_at=None, input=0, cache_read=0, output=0, cost=0)
    assert "by Laptop 0 0 $0.00 \N{EN DASH} running" in (await me.get("/dashboard/usage")).words


async def test_a_full_page_is_light(log: Log, me: Person) -> None:
    """Thirty rows and lists of a hundred models and keys load on a train; what is not in a list can still be asked."""
    for number in range(101):
        log.add(number, model=f"anthropic/claude-sonnet-{number:03}", input=123_456, cache_read=123_456, stream=1)
        log.haze.rows(
            "INSERT INTO keys (account_id, name, prefix, digest, requests_per_minute, tokens_per_minute,"
            " concurrent_requests, created_at) VALUES (2, ?, 'sk-rr-abcdef', ?, 1, 1, 1, 0)",
            f"A key with a name {number}", str(number).encode(),
        )  # fmt: skip
    seen = await me.get("/dashboard/usage?model=anthropic%2Fclaude-sonnet-100&key=2")
    assert seen.status == 200
    assert listed(seen) == [log.ids[-1]]
    for chosen in ("anthropic/claude-sonnet-100", "2"):
        assert f'value="{chosen}" selected' in seen.text
    seen = await me.get("/dashboard/usage")
    assert len(listed(seen)) == 30
    assert len(seen.text.encode()) < 40 * 1024


async def test_the_dashboard_and_the_page_of_a_key_lead_here(log: Log, me: Person) -> None:
    """From a number that surprises to what it is made of."""
    mine = log.add()
    assert listed(await me.get("/dashboard")) == [mine]
    assert 'href="/dashboard/usage?key=2"' in (await me.get("/dashboard/keys/2")).text


async def test_a_page_is_read_while_requests_are_settled(house: Haze, log: Log, me: Person) -> None:
    """The log has a connection of its own: nobody's charge waits for it, and it for nobody's."""
    log.add()
    looks = [me.get("/dashboard/usage?status=completed") for _ in range(5)]
    seen, *_ = await asyncio.gather(*looks, *(house.ask("chat", max_tokens=5) for _ in range(5)))
    assert isinstance(seen, Seen)
    assert seen.status == 200
