"""The sums behind the charts are those of the requests, in whatever order they end; a chart reads few of their rows."""

import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store.conftest import NOW, Books

from haze_proxy.money import receipt
from haze_proxy.money.prices import Price
from haze_proxy.money.usage import Usage
from haze_proxy.store import database, migrations, refunds, requests, usage_proof, usage_series, usage_sums
from haze_proxy.store.migrations import migrate
from haze_proxy.store.requests import Ended, Opened
from haze_proxy.store.usage_series import Asked, Series, Sums
from haze_proxy.store.usage_sums import DAY_MS, DIMENSIONS, EVERYBODY, HOUR_MS, NAMES_MAX, SLOT_MS

GRAINS = (SLOT_MS, HOUR_MS, DAY_MS)
CACHED = Price(input=2_000_000, output=5_000_000, cache_read=200_000, cache_write_5m=2_500_000)
KEYS = {1: 1, 2: 1, 3: 2}  # key -> account
tokens = st.integers(0, 50)
ends = st.fixed_dictionaries(
    {
        "key": st.sampled_from(sorted(KEYS)),
        "model": st.sampled_from(["hekiu", "gpt", "claude"]),
        "channel": st.sampled_from([None, "openai", "spare"]),
        "state": st.sampled_from(["settled", "settled", "void"]),
        # Around the turn of an hour, of a day, and of the five minutes.
        "at": st.integers(NOW - NOW % DAY_MS - 2 * HOUR_MS, NOW - NOW % DAY_MS + 2 * HOUR_MS),
        "tokens": st.tuples(tokens, tokens, tokens, tokens, tokens),
        "refunded": st.booleans(),
        "fold": st.booleans(),
    }
)


def opened(books: Books, number: int, key: int, model: str) -> Opened:
    """An admitted request."""
    return Opened(f"r{number}", 1, KEYS[key], key, "chat", False, model, NOW, 20)


def end(books: Books, number: int, each: dict[str, Any]) -> None:
    """End a request as it says."""
    facts: dict[str, Any] = {"ended": "failed upstream"}
    if each["state"] == "settled":
        usage = Usage(*each["tokens"])
        cost = receipt.cost(usage, CACHED)
        facts = {"ended": "completed", "cost": cost, "payable": cost, "price": CACHED.facts}
        facts |= {"tokens": (*each["tokens"], 0)}
    opening = opened(books, number, each["key"], each["model"])
    ended = Ended(opening, each["state"], ended_at=each["at"], held=20, channel=each["channel"], **facts)
    with database.transaction(books.connection):
        requests.end(books.connection, ended)
        if each["refunded"] and ended.cost:
            refunds.give(books.connection, opening.id, None, NOW)


def fold(books: Books, now: int = NOW - DAY_MS) -> bool:
    """Move what is recent; by default nothing is old enough to be forgotten."""
    with database.transaction(books.connection):
        return usage_sums.fold(books.connection, now)


def fold_all(books: Books, now: int = NOW - DAY_MS) -> int:
    """Fold until nothing is left; how many transactions that took."""
    turns = 1
    while fold(books, now):
        turns += 1
    return turns


def house(path: Path) -> Books:
    """A store with two accounts and three keys."""
    connection = database.connect(str(path / "haze.db"), "normal")
    migrate(connection)
    books = Books(path / "haze.db", connection)
    for email in ("a@b.c", "d@e.f"):
        books.account(10**6, email)
    for account in KEYS.values():
        books.key(account)
    books.epoch()
    return books


def grouped(each: dict[str, Any]) -> Sums:
    """One request's own sums, by hand."""
    if each["state"] == "void":
        return Sums(void=1)
    plain, read, write_5m, write_1h, output = each["tokens"]
    usage = Usage(*each["tokens"])
    cost = receipt.cost(usage, CACHED)
    saved = receipt.saved(usage, CACHED)
    return Sums(1, 0, plain, read, write_5m + write_1h, output, 0, 0 if each["refunded"] else cost, 0, saved)


def expected(done: list[dict[str, Any]], account: int, by: str, grain: int) -> dict[str, dict[int, Sums]]:
    """The plain group-by that the tables stand for."""
    groups: defaultdict[str, dict[int, Sums]] = defaultdict(dict)
    for each in done:
        if account not in (EVERYBODY, KEYS[each["key"]]):
            continue
        ended = "completed" if each["state"] == "settled" else "failed upstream"
        names = {"model": each["model"], "key": str(each["key"]), "account": str(KEYS[each["key"]]),
                 "channel": each["channel"] or "", "ended": ended}  # fmt: skip
        row, at = groups[names[by]], each["at"] - each["at"] % grain
        row[at] = row.get(at, Sums()).plus(grouped(each))
    return groups


def read(connection: sqlite3.Connection, account: int, by: str, grain: int, since: int) -> Series:
    """The series with all names, "" as one of them."""
    seen = usage_series.read(connection, Asked(account, by, grain, since, "cost", 10 * NAMES_MAX))
    unnamed = {at: sums for at, sums in seen.rest.items() if sums.requests}
    return replace(seen, cells=seen.cells | ({"": unnamed} if unnamed else {}))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ends, max_size=25))
def test_the_sums_are_a_plain_group_by_whatever_ends_in_whatever_order(done: list[dict[str, Any]]) -> None:
    """A chart that differs from the receipts would make people doubt both."""
    with TemporaryDirectory() as folder:
        books = house(Path(folder))
        with closing(books.connection):
            for number, each in enumerate(done):
                end(books, number, each)
                if each["fold"]:
                    fold_all(books)
            assert books.check() == []
            for account in (EVERYBODY, 1, 2):
                for by in DIMENSIONS[account == EVERYBODY]:
                    for grain in GRAINS:
                        seen = read(books.connection, account, by, grain, 0)
                        assert seen.cells == expected(done, account, by, grain), (account, by, grain)


@pytest.fixture
def old(tmp_path: Path):
    """A store with two accounts and three keys."""
    books = house(tmp_path)
    yield books
    books.connection.close()


EACH = {"key": 1, "model": "hekiu", "channel": "c", "state": "settled", "at": NOW, "tokens": (1, 2, 3, 4, 5),
        "refunded": False}  # fmt: skip


@pytest.mark.parametrize("is_folded", [False, True])
@pytest.mark.parametrize(
    ("rank", "led"), [("requests", ["b", "c"]), ("tokens", ["a", "c"]), ("cost", ["a", "c"]), ("spend", ["a", "c"])]
)
def test_few_names_lead_and_all_others_are_one(old: Books, rank: str, led: list[str], is_folded: bool) -> None:
    """A chart has six colours, and a house a thousand accounts: nothing is lost that has no colour of its own."""
    done = [EACH | {"model": model, "at": NOW + at * HOUR_MS, "tokens": (many, 0, 0, 0, 0)}
            for model, many, ats in (("a", 900, [0]), ("b", 1, [0, 1, 1, 2]), ("c", 300, [1, 2]), ("d", 2, [0]))
            for at in ats]  # fmt: skip
    for number, each in enumerate(done):
        end(old, number, each)
        if is_folded and number % 2:
            fold_all(old)
    seen = usage_series.read(old.connection, Asked(1, "model", HOUR_MS, 0, rank, 2))
    every = expected(done, 1, "model", HOUR_MS)
    assert list(seen.cells) == led
    assert (dict(seen.cells), seen.others) == ({name: every[name] for name in led}, True)
    others = [row for name, row in every.items() if name not in led]
    assert {at: sums for at, sums in seen.rest.items() if sums.requests} == {
        at: usage_series.total(row[at] for row in others if at in row) for at in {at for row in others for at in row}
    }


def test_a_span_begins_where_it_is_said_to(old: Books) -> None:
    """The last day is no longer than a day: what ended before is not in it, folded or not."""
    for number, at in enumerate((NOW - 1, NOW, NOW + HOUR_MS)):
        end(old, number, EACH | {"at": at})
    for _ in range(2):
        seen = read(old.connection, 1, "model", HOUR_MS, NOW)
        assert {name: list(row) for name, row in seen.cells.items()} == {"hekiu": [NOW, NOW + HOUR_MS]}
        fold_all(old)


def test_a_server_that_died_left_failures(old: Books) -> None:
    """Interrupted requests cost nothing and are no success; they count at the time when the next server found out."""
    with database.transaction(old.connection):
        for number, key in enumerate((1, 1, 3)):
            requests.begin(old.connection, opened(old, number, key, "hekiu"))
    old.epoch()
    assert read(old.connection, 1, "ended", HOUR_MS, 0).ended == {"process died": Sums(void=2)}
    assert old.check() == []


def test_old_five_minutes_are_forgotten_and_days_are_not(old: Books) -> None:
    """Else a busy gateway would keep a hundred thousand rows a year of which nobody asks. Days stay whole."""
    for number in range(400):
        end(old, number, EACH | {"at": NOW + number * SLOT_MS, "model": f"m{number % 3}"})
    fold_all(old)
    before = old.connection.execute("SELECT count(*) FROM usage_sums").fetchone()[0]
    now = NOW + 40 * DAY_MS
    assert fold_all(old, now) > 1
    left = {row["grain"] for row in old.connection.execute("SELECT grain FROM usage_sums")}
    assert left == {DAY_MS}
    assert old.connection.execute("SELECT count(*) FROM usage_sums").fetchone()[0] < before
    seen = read(old.connection, 1, "model", DAY_MS, 0)
    assert usage_series.total(sums for row in seen.cells.values() for sums in row.values()).settled == 400
    assert old.check() == []


def test_a_refund_of_what_is_forgotten_counts_in_its_day(old: Books) -> None:
    """It comes months later; a row of five minutes that is gone must not come back with a debt in it."""
    end(old, 1, EACH)
    fold_all(old, NOW + 40 * DAY_MS)
    with database.transaction(old.connection):
        refunds.give(old.connection, "r1", None, NOW + 40 * DAY_MS)
    fold_all(old, NOW + 40 * DAY_MS)
    grains = {(row["grain"], row["cost"]) for row in old.connection.execute("SELECT grain, cost FROM usage_sums")}
    assert grains == {(DAY_MS, 0)}
    assert old.check() == []


def test_names_that_callers_invent_are_bounded_and_still_counted(old: Books) -> None:
    """A glob lets a caller name any model: without a bound, a month could hold a million and no page would open."""
    count = NAMES_MAX + 2 * usage_sums.PORTION + 200
    with database.transaction(old.connection):
        for number in range(count):
            ended = Ended(opened(old, number, 1, f"m{number:05}"), "void", "failed upstream", NOW, 20)
            requests.end(old.connection, ended)
    assert fold_all(old) > 3
    seen = read(old.connection, 1, "model", DAY_MS, 0)
    assert NAMES_MAX < len(seen.cells) <= NAMES_MAX + usage_sums.PORTION
    assert usage_series.total(sums for row in seen.cells.values() for sums in row.values()).void == count
    assert "" in seen.cells
    end(old, count, EACH | {"model": "m00001"})
    fold_all(old)
    again = read(old.connection, 1, "model", DAY_MS, 0)
    assert again.cells["m00001"][NOW - NOW % DAY_MS].requests == 2
    assert old.check() == []


def test_an_upgrade_sums_what_there_is(old: Books) -> None:
    """A chart that begins with the day of the upgrade would say that nothing was spent before."""
    for number in range(30):
        end(old, number, EACH | {"at": NOW + number * HOUR_MS, "refunded": number % 3 == 0})
    end(old, 30, EACH | {"state": "void", "channel": None})
    with database.transaction(old.connection):
        requests.begin(old.connection, opened(old, 31, 1, "hekiu"))
    before = read(old.connection, 1, "model", HOUR_MS, 0)
    old.connection.executescript(
        "DROP TABLE usage_recent; DROP TABLE usage_sums; DROP TABLE usage_grains; PRAGMA user_version = 8"
    )
    with database.transaction(old.connection):
        for statement in migrations._statements(migrations._scripts()[9]):
            old.connection.execute(statement)
    assert read(old.connection, 1, "model", HOUR_MS, 0) == before
    assert old.check() == []


def test_a_chart_reads_by_a_key(old: Books) -> None:
    """Whatever it is by, it neither reads a table whole nor sorts aside. Everybody's recent rows are all."""
    folded = usage_series.ALL_FOLDED, usage_series.WHOLE, usage_series.RANKED.format("cost")
    for sql in (*folded, usage_series.FOLDED.format("?, ?"), *usage_series.RECENT.values(), usage_series.KEYS):
        values = dict.fromkeys(("account", "by", "grain", "since"), 1) if ":" in sql else (1,) * sql.count("?")
        [row] = old.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        assert row["detail"].startswith("SEARCH"), row["detail"]


def test_the_proof_says_where_sums_differ(old: Books) -> None:
    """In words that lead to the place."""
    end(old, 1, EACH)
    fold_all(old)
    assert list(usage_proof.complaints(old.connection)) == []
    old.connection.execute("UPDATE usage_sums SET output = 9 WHERE by = 'key' AND grain = ?", (DAY_MS,))
    assert list(usage_proof.complaints(old.connection)) == [
        "The sums of account 1 by key (1) from 2027-01-15 00:00 on are not what its requests add up to: output +4."
        " So it is at 1 places."
    ]
