"""What a chart shows: the sums of a span of time, by name and by time.

Each statement goes by a primary key and reads at most the times of the span x the names that a time may have (see
usage_sums), and what was added since the last fold, at most a minute ago.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from haze_proxy.store.usage_sums import EVERYBODY, SUMS


class Sums(NamedTuple):
    """What requests came to, in the order of usage_sums.SUMS. Money is nano-dollars, `cost` is less refunds."""

    settled: int = 0
    void: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    cost: int = 0
    shortfall: int = 0
    saved: int = 0

    @property
    def requests(self) -> int:
        """All that ended, charged or not."""
        return self.settled + self.void

    @property
    def all_input(self) -> int:
        """Tokens that went in, cached or not."""
        return self.input + self.cache_read + self.cache_write

    @property
    def tokens(self) -> int:
        """All tokens, in and out; reasoning is a part of output."""
        return self.all_input + self.output

    @property
    def spend(self) -> int:
        """What accounts paid and were not given back."""
        return self.cost - self.shortfall

    def plus(self, other: "Sums") -> "Sums":
        """Both together."""
        return Sums(*[mine + more for mine, more in zip(self, other, strict=True)])

    def minus(self, other: "Sums") -> "Sums":
        """This without the other."""
        return Sums(*[mine - less for mine, less in zip(self, other, strict=True)])


NOTHING: Final = Sums()


# What names can be ranked by -> the sum that says it, as the properties of Sums and the columns have it.
RANKS: Final = {
    "spend": "cost - shortfall",
    "cost": "cost",
    "tokens": "input + cache_read + cache_write + output",
    "requests": "settled + void",
}


@dataclass(frozen=True, slots=True)
class Series:
    """Sums by name and time (ms since 1970, the beginning of each grain), and by how requests ended.

    `cells` are those of the names that lead, the first before the others; `rest` is what all others came to by time,
    and `others` whether that is more than what has no name. `labels` are what people call a name that is a number: a
    key's name, else the beginning of its secret.
    """

    cells: dict[str, dict[int, Sums]]
    rest: dict[int, Sums]
    others: bool
    ended: dict[str, Sums]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose sums (EVERYBODY: of all), by what, from `since` on in steps of `grain`, both in ms; which names lead: the
    first `most` by `rank`, a key of RANKS.
    """

    account_id: int
    by: str
    grain: int
    since: int
    rank: str
    most: int

    @property
    def values(self) -> dict[str, int | str]:
        """What the statements need."""
        return {"account": self.account_id, "by": self.by, "grain": self.grain, "since": self.since}


def read(connection: sqlite3.Connection, asked: Asked) -> Series:
    """The sums that were asked for. A thousand names are added up by SQLite: only those that lead become objects."""
    names = _names(connection, asked)
    led = sorted((name for name in names if name), key=lambda name: (*names[name], name))[: asked.most]
    cells = {name: dict[int, Sums]() for name in led}
    rest: dict[int, Sums] = {}
    for time, *sums in connection.execute(WHOLE, asked.values):
        rest[time] = Sums(*sums)
    for time, name, *sums in _folded(connection, asked, led):
        cells[name][time] = Sums(*sums)
        rest[time] = rest[time].minus(cells[name][time])
    for time, name, *sums in _recent(connection, asked):
        row = cells.get(name, rest)
        row[time] = row.get(time, NOTHING).plus(Sums(*sums))
    if len(led) == len(names):
        rest.clear()
    others = bool(names.keys() - {*led, ""})
    ended = by_ending(connection, asked.account_id, asked.grain, asked.since)
    return Series(cells, rest, others, ended, _labels(connection, asked))


def _names(connection: sqlite3.Connection, asked: Asked) -> dict[str, tuple[int, int]]:
    """All names, each with what it is ranked by; less is before more."""
    rank, names = RANKS[asked.rank], dict[str, tuple[int, int]]()
    recent = (RECENT_OF_ALL if asked.account_id == EVERYBODY else RECENT)[asked.by]
    for question in (RANKED.format(rank), f"SELECT name, -({rank}), -(settled + void) FROM ({recent})"):
        for name, first, second in connection.execute(question, asked.values):
            before = names.get(name, (0, 0))
            names[name] = (before[0] + first, before[1] + second)
    return names


def by_ending(connection: sqlite3.Connection, account_id: int, grain: int, since: int) -> dict[str, Sums]:
    """What an account's requests (EVERYBODY: all) came to from `since` on, by how they ended; both times are ms."""
    asked, found = Asked(account_id, "ended", grain, since, "requests", 0), dict[str, Sums]()
    for _, name, *sums in (*connection.execute(ALL_FOLDED, asked.values), *_recent(connection, asked)):
        found[name] = found.get(name, NOTHING).plus(Sums(*sums))
    return found


def _labels(connection: sqlite3.Connection, asked: Asked) -> dict[str, str]:
    if asked.by != "key":
        return {}
    rows = connection.execute(KEYS, (asked.account_id,))
    return {str(row["id"]): row["name"] or f"{row['prefix']}…" for row in rows}


def _recent(connection: sqlite3.Connection, asked: Asked) -> Iterator[sqlite3.Row]:
    question = (RECENT_OF_ALL if asked.account_id == EVERYBODY else RECENT)[asked.by]
    return iter(connection.execute(question, asked.values))


def _folded(connection: sqlite3.Connection, asked: Asked, names: list[str]) -> Iterable[sqlite3.Row]:
    if not names:
        return ()  # an empty IN makes SQLite plan a walk of the whole table
    place = asked.account_id, asked.by, asked.grain, asked.since
    return connection.execute(FOLDED.format(", ".join("?" * len(names))), (*place, *names))


def emails(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, str]:
    """Account ids (as texts, a few) -> their e-mail addresses."""
    found = (connection.execute("SELECT email FROM accounts WHERE id = ?", (each,)).fetchone() for each in ids)
    return {each: row["email"] for each, row in zip(ids, found, strict=True) if row is not None}


def total(sums: Iterable[Sums]) -> Sums:
    """All of them together."""
    return Sums(*[sum(column) for column in zip(NOTHING, *sums, strict=True)])


NAMES: Final = {
    "model": "model",
    "key": "CAST(key_id AS TEXT)",
    "ended": "ended",
    "account": "CAST(account_id AS TEXT)",
    "channel": "channel",
}
KEYS = "SELECT id, name, prefix FROM keys WHERE account_id = ?"
PLACE = "FROM usage_sums WHERE account_id = :account AND by = :by AND grain = :grain AND time >= :since"
ALL_FOLDED = f"SELECT time, name, {', '.join(SUMS)} {PLACE}"
# The key is in the order of times: nothing is sorted.
WHOLE = f"SELECT time, {', '.join(f'sum({column})' for column in SUMS)} {PLACE} GROUP BY time"
RANKED = f"SELECT name, -({{}}), -(settled + void) {PLACE}"
FOLDED = (
    f"SELECT time, name, {', '.join(SUMS)} FROM usage_sums"
    " WHERE account_id = ? AND by = ? AND grain = ? AND time >= ? AND name IN ({})"
)
RECENT_OF_ALL = {
    by: f"SELECT slot - slot % :grain AS time, {name} AS name, {', '.join(SUMS)} FROM usage_recent WHERE slot >= :since"
    for by, name in NAMES.items()
}
RECENT = {by: f"{sql} AND account_id = :account" for by, sql in RECENT_OF_ALL.items()}
