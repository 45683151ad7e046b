"""The log of requests finds what a plain filter finds, a page at a time, and no page reads more than its share."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haze_proxy.money import endings
from haze_proxy.store import accounts, database, keys, request_log
from haze_proxy.store.keys import NewKey
from haze_proxy.store.migrations import migrate
from haze_proxy.store.request_log import STATUSES, Found, Wanted

BEGAN = 1_800_000_000_000
HOUR = 3_600_000
MODELS, CHANNELS = ("a", "b/c"), ("one", None)
ENDS = [("open", None), ("interrupted", "process died"), ("settled", "completed"), *(
    (state, ending.word) for ending in endings.TABLE[1:-1] for state in ("settled", "void")
)]  # fmt: skip
INSERT = (
    "INSERT INTO requests (id, epoch, account_id, key_id, state, ended, protocol, stream, model, channel, opened_at,"
    " ended_at, estimated, held) VALUES (?, 1, ?, ?, ?, ?, 'chat', 0, ?, ?, ?, ?, ?, 0)"
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A store with two accounts of two keys each, whose server runs; nobody has asked for anything."""
    path = tmp_path_factory.mktemp("log") / "haze.db"
    with closing(database.connect(str(path), "normal")) as connection:
        migrate(connection)
        with database.transaction(connection):
            for account in (1, 2):
                accounts.add(connection, f"{account}@b.c", password_hash=None, is_admin=False, now_ms=BEGAN)
                for _ in range(2):
                    keys.add(connection, account, NewKey("k", 1, 1, 1), keys.make_secret(), BEGAN)
            connection.execute("INSERT INTO epochs (pid, started_at) VALUES (1, 0)")
        yield connection


@contextmanager
def undone(connection: sqlite3.Connection) -> Iterator[None]:
    """Whatever is written inside is gone afterwards."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


requests = st.tuples(
    st.integers(0, 5), st.sampled_from([(1, 1), (1, 2), (2, 3)]), st.sampled_from(ENDS), st.sampled_from(MODELS),
    st.sampled_from(CHANNELS), st.booleans(),
)  # fmt: skip
wishes = st.builds(
    Wanted,
    account_id=st.sampled_from([None, 1, 2]),
    key_id=st.sampled_from([None, 1, 3]),
    model=st.sampled_from([None, *MODELS, "never"]),
    channel=st.sampled_from([None, "one"]),
    status=st.sampled_from([None, *STATUSES]),
    since=st.sampled_from([None, BEGAN + 2 * HOUR]),
    until=st.sampled_from([None, BEGAN + 4 * HOUR]),
)


def fill(connection: sqlite3.Connection, rows: list[tuple], number: int = 0) -> None:
    """Write requests down; the first of each is the hour in which it came."""
    for place, (hour, (account, key), (state, ended), model, channel, estimated) in enumerate(rows, number):
        at = BEGAN + hour * HOUR + place
        end = None if state == "open" else at
        facts = (account, key, state, ended, model, channel, at, end, estimated and state == "settled")
        connection.execute(INSERT, (f"req_{at:012x}{place:016x}", *facts))


def means(status: str, row: sqlite3.Row) -> bool:
    """What a status means, said once more in Python."""
    state, ended = row["state"], row["ended"]
    plain = {
        "completed": (state, ended) == ("settled", "completed"),
        "estimated": bool(row["estimated"]),
        "running": state == "open",
        "interrupted": state == "interrupted",
        "not charged": state in ("void", "interrupted"),
    }
    return plain.get(status, ended == status)


def plainly(connection: sqlite3.Connection, wanted: Wanted) -> list[str]:
    """The ids that are wanted, newest first, by looking at every row."""
    return [
        row["id"]
        for row in connection.execute("SELECT * FROM requests ORDER BY id DESC")
        if all(getattr(wanted, name) in (None, row[name]) for name in ("account_id", "key_id", "model", "channel"))
        and (wanted.since is None or row["opened_at"] >= wanted.since)
        and (wanted.until is None or row["opened_at"] < wanted.until)
        and (wanted.status is None or means(wanted.status, row))
    ]


def ids(found: Found) -> list[str]:
    """The ids of a page."""
    return [row["id"] for row in found.rows]


@given(rows=st.lists(requests, max_size=25), wanted=wishes, size=st.integers(1, 4), walk=st.integers(1, 7))
@settings(max_examples=300, deadline=None)
def test_all_pages_together_are_what_a_plain_filter_finds(log, rows, wanted, size, walk) -> None:
    """Down to the last row and up again: none is lost, none comes twice, and no page walks further than it may."""
    with undone(log):
        fill(log, rows)
        expected, found, seen = plainly(log, wanted), request_log.read(log, wanted, rows=size, walk=walk), []
        while True:
            assert found.looked <= walk
            assert len(found.rows) <= size
            seen += ids(found)
            if not found.older:
                break
            found = request_log.read(log, wanted, found.older, rows=size, walk=walk)
        assert seen == expected
        up, cursor = [], seen[-1] if seen else ""
        while cursor:
            found = request_log.read(log, wanted, cursor, newer=True, rows=size, walk=walk)
            up = [*(each for each in ids(found) if each not in up), *up]
            cursor = found.newer
        # The last page up is the newest one, which may hold the row that was begun at.
        assert [each for each in up if each != seen[-1]] == expected[:-1]


@given(first=st.lists(requests, min_size=3, max_size=12), late=st.lists(requests, max_size=4), wanted=wishes)
@settings(max_examples=100, deadline=None)
def test_what_comes_in_meanwhile_moves_no_page(log, first, late, wanted) -> None:
    """A busy account turns pages, too: the second page begins where the first one ended, whatever is new."""
    with undone(log):
        fill(log, first)
        before = plainly(log, wanted)
        found = request_log.read(log, wanted, rows=2)
        fill(log, [(9, *rest) for _, *rest in late], 100)
        assert ids(found) == before[:2]
        if found.older:
            assert ids(request_log.read(log, wanted, found.older, rows=2)) == before[2:4]


def test_a_walk_that_found_nothing_says_where_it_stopped(log) -> None:
    """Whoever looks for something rare is told how far was looked, and goes on from there, in both directions."""
    with undone(log):
        rare = (0, (1, 1), ("settled", "completed"), "rare", "one", False)
        fill(log, [(rare), *[(0, (1, 1), ("settled", "completed"), "a", None, False)] * 9])
        wanted = Wanted(account_id=1, channel="one")
        found = request_log.read(log, wanted, walk=4)
        everything = plainly(log, Wanted(account_id=1))
        assert (found.rows, found.looked, found.reached, found.older) == ([], 4, everything[3], everything[3])
        assert request_log.at_ms(found.reached) == BEGAN + 6
        found = request_log.read(log, wanted, found.older, walk=6)
        assert ids(found) == [everything[9]]
        up = request_log.read(log, wanted, everything[9], newer=True, walk=4)
        assert (up.rows, up.newer, up.reached) == ([], everything[5], everything[5])
        assert ids(request_log.read(log, wanted, up.older, walk=4)) == [everything[9]]


def test_a_walk_over_a_slow_disk_stops_sooner(log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that nobody has read for a year come from the disk one by one; and yet each page gets on by a step."""
    monkeypatch.setattr(request_log, "PATIENCE_S", -1)
    with undone(log):
        fill(log, [(0, (1, 1), ("settled", "completed"), "a", None, False)] * (2 * request_log.STEP + 1))
        wanted, seen = Wanted(account_id=1, channel="one"), []
        found = request_log.read(log, wanted)
        while found.older:
            seen.append(found.looked)
            assert found.reached == found.older
            found = request_log.read(log, wanted, found.older)
        assert [*seen, found.looked] == [request_log.STEP, request_log.STEP, 1]


def test_the_models_of_an_account_are_its_own(log) -> None:
    """The filter offers what was used, not what is served today."""
    with undone(log):
        rest = (("settled", "completed"), None, False)
        fill(log, [(0, (1, 1), rest[0], model, *rest[1:]) for model in ("b", "a", "b", "c")])
        fill(log, [(1, (2, 3), rest[0], "theirs", *rest[1:])], 10)
        assert request_log.models(log, 1) == ["a", "b", "c"]
        assert request_log.models(log, 2) == ["theirs"]
        assert [request_log.has_used(log, 1, model) for model in ("a", "theirs", "")] == [True, False, False]


def test_the_list_of_models_ends_somewhere(log, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a glob alias an account can ask for as many names as it likes."""
    monkeypatch.setattr(request_log, "MODELS_MAX", 2)
    with undone(log):
        fill(log, [(0, (1, 1), ("settled", "completed"), model, None, False) for model in "dcba"])
        assert request_log.models(log, 1) == ["a", "b"]


def test_the_keys_of_an_account_are_its_own_revoked_or_not(log) -> None:
    """What a revoked key has cost is asked above all."""
    with undone(log):
        log.execute("UPDATE keys SET revoked_at = 5 WHERE id = 1")
        assert [(row["id"], row["revoked_at"]) for row in request_log.keys(log, 1)] == [(2, None), (1, 5)]


PLANS = {
    "an account": (Wanted(account_id=1), "requests_of_account (account_id=? AND id>? AND id<?)"),
    "a model": (Wanted(account_id=1, model="a"), "requests_by_model (account_id=? AND model=? AND id>? AND id<?)"),
    "a key": (Wanted(account_id=1, key_id=1), "requests_by_key (account_id=? AND key_id=? AND id>? AND id<?)"),
    "running": (Wanted(account_id=1, status="running"), "requests_open (epoch=? AND id>? AND id<?)"),
    "a rare end": (
        Wanted(1, status="client left"), "requests_unusual_of_account (account_id=? AND id>? AND id<?)"
    ),
    "estimated": (Wanted(1, status="estimated"), "requests_unusual_of_account (account_id=? AND id>? AND id<?)"),
    "everybody's rare ends": (Wanted(status="not charged"), "requests_unusual (id>? AND id<?)"),
    "everybody": (Wanted(), "PRIMARY KEY (id>? AND id<?)"),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "plan"), PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("newer", [False, True])
def test_each_filter_walks_an_index_between_two_ids(log, wanted: Wanted, plan: str, newer: bool) -> None:
    """In the order of the pages: nothing is sorted, and nothing outside the times that are asked for is touched."""
    for each in (wanted, replace(wanted, channel="one", since=BEGAN, until=BEGAN + HOUR)):
        steps = plans(log, lambda each=each: request_log.read(log, each, "req_1" if newer else "", newer=newer))
        walks = [step for step in steps if "requests" in step and "(id=?)" not in step]
        assert walks
        assert all(step.endswith(plan) for step in walks)
        assert not any("SCAN" in step or "TEMP" in step for step in steps if "epochs" not in step)


def test_lists_of_choices_are_seeks(log) -> None:
    """They are read with every page."""
    choices = (
        request_log.models,
        request_log.keys,
        lambda connection, account: request_log.has_used(log, account, "a"),
    )
    steps = plans(log, lambda: [choice(log, 1) for choice in choices])
    assert all(step.startswith("SEARCH") for step in steps)


def plans(connection: sqlite3.Connection, work: Callable[[], object]) -> list[str]:
    """How SQLite does what `work` asks."""
    asked: set[str] = set()
    connection.set_trace_callback(asked.add)
    work()
    connection.set_trace_callback(None)
    return [row["detail"] for sql in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
