"""The charts of the first page: the receipts' own sums, to the nano-dollar, for every choice; and nobody else's."""

from datetime import UTC, datetime
from itertools import pairwise, product

import pytest
from gateway import Haze
from past import DAY_MS, MODELS, Done, added, cells, fund, happened, many, nano
from people import Person, Seen
from test_dashboard import owner

from haze_proxy.money.usage import Usage
from haze_proxy.web.usage.spans import SPANS, Span
from haze_proxy.web.words import now_ms

MEASURES = {"spend": "Spend", "tokens": "Tokens", "requests": "Requests"}
CHOICES = list(product(MEASURES, ("model", "key")))
# By name and time of the end, what each measure is, from the rows of requests and of transfers.
RECEIPTS = {
    show: (
        f"SELECT {{}} AS name, ended_at, sum({what}) AS number FROM (SELECT requests.*, keys.name AS key FROM requests"
        " JOIN keys ON keys.id = key_id) AS requests"
        " LEFT JOIN transfers ON request_id = requests.id AND kind = 'refund'"
        " WHERE account_id = 1 AND ended_at >= ? GROUP BY 1, 2"
    )
    for show, what in {
        "spend": "cost - shortfall - coalesce(amount, 0)",
        "tokens": "input + cache_read + cache_write_5m + cache_write_1h + output",
        "requests": "1",
    }.items()
}
Numbers = dict[tuple[str, int], int]


@pytest.fixture
async def mine(house: Haze, stranger: Person) -> Person:
    """The owner of key 1, logged in; key 2 is his as well, key 3 somebody else's."""
    person = await owner(house, stranger.session)
    for account in (1, 2):
        house.rows(
            "INSERT INTO keys (account_id, name, prefix, digest, requests_per_minute, tokens_per_minute,"
            " concurrent_requests, created_at) VALUES (?, ?, 'sk-rr-xxxxxx', randomblob(32), 1, 1, 1, 0)",
            account, ("", "my nightly", "their secret project")[account],
        )  # fmt: skip
    fund(house, 2)
    return person


async def at_one_time(person: Person, path: str, span: Span) -> tuple[Seen, list[int]]:
    """A page, and the steps that it shows: it is asked again if a step began meanwhile."""
    while True:
        times = span.times(now_ms())
        seen = await person.get(path)
        if span.times(now_ms()) == times:
            return seen, times


@pytest.mark.parametrize("name", SPANS)
async def test_the_numbers_are_those_of_the_receipts(house: Haze, mine: Person, name: str) -> None:
    """Exactly, folded or not, refunds taken off: a chart that is nearly right makes every number doubtful."""
    happened(house, *many(150, [1, 2, 3]), fold=True)
    happened(house, *many(50, [1, 2, 3], seed=2))
    for show, by in CHOICES:
        path = f"/dashboard?range={name}&show={show}&by={by}"
        seen, times = await at_one_time(mine, path, SPANS[name])
        expected = {
            (row["name"], row["ended_at"]): row["number"] for row in house.rows(RECEIPTS[show].format(by), times[0])
        }
        _legend_is(cells(seen.text, f"{MEASURES[show]} by {by}"), show, expected)
        _table_is(cells(seen.text, f"{MEASURES[show]} by {by} by time"), SPANS[name], times, expected)
        assert "their secret project" not in seen.text
        assert len(seen.text.encode()) < 45_000


def _legend_is(legend: list[list[str]], show: str, expected: Numbers) -> None:
    """Each name has what its requests came to, the six largest by themselves and the others together."""
    drawn = {"spend": lambda row: nano(row[7]), "tokens": lambda row: nano(row[3]) + nano(row[5]),
             "requests": lambda row: nano(row[1])}[show]  # fmt: skip
    of = {row[0]: drawn(row) for row in legend}
    others, names = of.pop("others", 0), added([(name, number) for (name, _), number in expected.items()])
    assert {name: value for name, value in of.items() if value} == {name: names[name] for name in of if of[name]}
    assert sum(of.values()) + others == sum(names.values())
    assert len(of) == min(6, len({name for name, _ in expected}))


def _table_is(table: list[list[str]], span: Span, times: list[int], expected: Numbers) -> None:
    """Each step has what its requests came to, in all and by name."""
    assert sum(nano(row[1]) for row in table) == sum(expected.values())
    for said, total, *values in table:
        [at] = [at for at in times if span.said(at) == said]
        here = [value for (_, end), value in expected.items() if at <= end < at + span.grain]
        assert nano(total) == sum(map(nano, values)) == sum(here)


async def test_another_account_sees_nothing_of_it(house: Haze, mine: Person, other: Person) -> None:
    """Neither by asking for it, nor by asking for everybody."""
    happened(house, *many(30, [1, 2]))
    for query in ("", "?by=key", "?by=account&account=1", "?account_id=0"):
        seen = await other.get(f"/dashboard{query}")
        assert "Last requests" not in seen.words
        assert "maker/" not in seen.text
        assert "my nightly" not in seen.text


async def test_the_six_largest_have_colours_and_the_rest_is_one(house: Haze, mine: Person) -> None:
    """What is called others is all others, and no name is lost from the total."""
    happened(house, *(Done(model=model, usage=None, ended="failed upstream") for at, model in enumerate(MODELS)
                      for _ in range(at + 1)))  # fmt: skip
    rows = cells((await mine.get("/dashboard?show=requests")).text, "Requests by model")
    assert [(row[0], row[1]) for row in rows] == [
        *((MODELS[at], str(at + 1)) for at in (7, 6, 5, 4, 3, 2)), ("others", "3")
    ]  # fmt: skip


async def test_what_came_to_nothing_is_told_with_its_reason(house: Haze, mine: Person) -> None:
    """An answer that never came is what people look for first; that it cost nothing is what they ask next."""
    happened(
        house,
        *[Done(usage=None, ended="failed upstream")] * 3,
        Done(usage=None, ended="client left before the answer"),
        Done(usage=None, ended="failed upstream", ago=2 * DAY_MS),
        Done(),
    )
    seen = await mine.get("/dashboard")
    assert "Requests 5 4 came to nothing" in seen.words
    assert cells(seen.text, "Requests that came to nothing") == [
        ["failed upstream", "3", "every channel that was asked failed before the first event"],
        ["client left before the answer", "1", "the client left a stream that the provider had not begun"],
    ]


async def test_a_reason_leads_to_its_requests(house: Haze, mine: Person) -> None:
    """Each has a receipt with all that was tried."""
    happened(house, Done(usage=None, ended="failed upstream", model="maker/broken"), Done(model="maker/sound"))
    path = "/dashboard/usage?status=failed%20upstream"
    assert f'href="{path}"' in (await mine.get("/dashboard")).text
    log = await mine.get(path)
    listed = cells(log.text, "Requests")
    assert log.status == 200
    assert "maker/broken" in str(listed)
    assert "maker/sound" not in str(listed)


async def test_the_cache_is_told_as_what_it_saved_and_as_what_it_cost(house: Haze, mine: Person) -> None:
    """Hits are a part of all input; a cache that is written and never read is a loss, and said to be one."""
    happened(house, Done())  # 3,000 of 4,000 tokens at a tenth of $3
    words = (await mine.get("/dashboard")).words
    assert "Cache hits 75.0 % of the input tokens Saved by caching < $0.01 $0.0081" in words
    happened(house, Done(usage=Usage(cache_write_5m=1_000_000)))
    words = (await mine.get("/dashboard")).words
    assert "Lost by caching $0.74 $0.7419 more than without" in words


async def test_a_refund_takes_back_what_was_spent(house: Haze, mine: Person) -> None:
    """At the time at which it was spent: the bar becomes lower, and no later one is below nothing."""
    happened(house, Done(ago=3 * DAY_MS, refunded=True), Done(ago=3 * DAY_MS))
    [row] = cells((await mine.get("/dashboard?range=month")).text, "Spend by model")
    assert (row[1], nano(row[7])) == ("2", Done().cost)


async def test_free_answers_are_no_empty_chart(house: Haze, mine: Person) -> None:
    """Nothing was spent; what there was is a click away."""
    happened(house, Done(usage=None, ended="failed upstream"))
    seen = await mine.get("/dashboard")
    assert "Nothing was spent in the last 24 hours: 1 request cost nothing. Tokens · Requests" in seen.words
    assert "<svg role" not in seen.text
    assert "/dashboard?show=requests#use" in seen.text


@pytest.mark.parametrize(
    ("query", "told"),
    [("", "Another range: Hour Month"), ("?range=month", "Copy an example from one of your keys")],
)
async def test_a_quiet_time_says_what_to_do_next(house: Haze, mine: Person, query: str, told: str) -> None:
    """An empty frame would look like a fault."""
    happened(house, Done(ago=60 * DAY_MS))
    words = (await mine.get(f"/dashboard{query}")).words
    assert "Nothing in the last" in words
    assert told in words


@pytest.mark.parametrize("query", ["?range=year&show=money&by=person", "?range=&show=&by=", "?range=%00<b>"])
async def test_an_unknown_choice_is_the_usual_one(house: Haze, mine: Person, query: str) -> None:
    """Somebody typed it, or a bookmark is old: there is a page all the same."""
    happened(house, Done())
    seen = await mine.get(f"/dashboard{query}")
    assert seen.status == 200
    assert "Spend by model, the last 24 hours" in seen.words
    assert "<b>" not in seen.text


async def test_a_link_changes_one_thing_and_keeps_the_others(house: Haze, mine: Person) -> None:
    """And the one that is chosen says so to a screen reader."""
    happened(house, Done())
    text = (await mine.get("/dashboard?range=month&show=tokens&by=key")).text
    assert '<a href="/dashboard?range=month&amp;show=requests&amp;by=key#use">Requests</a>' in text
    assert '<a href="/dashboard?range=hour&amp;show=tokens&amp;by=key#use">Hour</a>' in text
    assert text.count('aria-current="true"') == 3


async def test_a_models_name_is_text_wherever_it_stands(house: Haze, mine: Person) -> None:
    """A caller chooses it: in a title, a legend, a label and a table it must stay what it is."""
    happened(house, Done(model='"><script>alert(1)</script>'))
    text = (await mine.get("/dashboard")).text
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)") >= 4


async def test_two_keys_of_one_name_are_two(house: Haze, mine: Person) -> None:
    """People call all their keys laptop."""
    house.rows("UPDATE keys SET name = 'laptop'")
    happened(house, Done(key=1), Done(key=2))
    rows = cells((await mine.get("/dashboard?by=key")).text, "Spend by key")
    assert sorted(row[0] for row in rows) == ["laptop (#1)", "laptop (#2)"]


async def test_a_refused_key_is_a_click_away(house: Haze, mine: Person) -> None:
    """Its limits, its models and its budget are what is changed next."""
    house.rows("INSERT INTO refusals VALUES (?, 1, '415 invalid_request_error', 2)", now_ms() // 60_000)
    seen = await mine.get("/dashboard")
    assert '<a href="/dashboard/keys/1">test</a>' in seen.text
    assert "Content-Encoding is unknown" in seen.words


@pytest.mark.parametrize("name", SPANS)
def test_a_span_has_its_steps_also_where_clocks_are_changed(name: str) -> None:
    """UTC has no such night: each day has 24 hours, and each step begins where the one before it ends."""
    span = SPANS[name]
    for moment in (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), datetime(2027, 3, 28, 2, 30, tzinfo=UTC)):
        now = int(moment.timestamp() * 1000)
        times = span.times(now)
        assert len(times) == span.count
        assert {later - earlier for earlier, later in pairwise(times)} == {span.grain}
        assert times[-1] <= now < times[-1] + span.grain
        assert len({span.said(at) for at in times}) == span.count
