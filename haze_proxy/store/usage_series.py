"""What a chart shows: the sums of a span of time, by name and by time.

Each statement goes by a primary key and reads at most the times of the span x the names that a time may have (see
usage_sums), and what was added since the last fold, at most a minute ago.
"""

import sqlite3
from collections.abc import Iterable
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


NOTHING: Final = Sums()


@dataclass(frozen=True, slots=True)
class Series:
    """Sums by name and time (ms since 1970, the beginning of each grain), and by how requests ended.

    `labels` are what people call a name that is a number: a key's name, else the beginning of its secret.
    """

    cells: dict[str, dict[int, Sums]]
    ended: dict[str, Sums]
    labels: dict[str, str]


def read(connection: sqlite3.Connection, account_id: int, by: str, grain: int, since: int) -> Series:
    """The sums of an account (EVERYBODY: of all) from `since` on; both `since` and `grain` are ms."""
    cells = _cells(connection, account_id, by, grain, since)
    ended = {name: total(row.values()) for name, row in _cells(connection, account_id, "ended", grain, since).items()}
    labels = {}
    if by == "key":
        labels = {str(row["id"]): row["name"] or f"{row['prefix']}…" for row in connection.execute(KEYS, (account_id,))}
    return Series(cells, ended, labels)


def emails(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, str]:
    """Account ids (as texts, a few) -> their e-mail addresses."""
    found = (connection.execute("SELECT email FROM accounts WHERE id = ?", (each,)).fetchone() for each in ids)
    return {each: row["email"] for each, row in zip(ids, found, strict=True) if row is not None}


def total(sums: Iterable[Sums]) -> Sums:
    """All of them together."""
    return Sums(*[sum(column) for column in zip(NOTHING, *sums, strict=True)])


def _cells(
    connection: sqlite3.Connection, account_id: int, by: str, grain: int, since: int
) -> dict[str, dict[int, Sums]]:
    values = {"account": account_id, "by": by, "grain": grain, "since": since}
    cells: dict[str, dict[int, Sums]] = {}
    for time, name, *sums in connection.execute(FOLDED, values):
        cells.setdefault(name, {})[time] = Sums(*sums)
    for time, name, *sums in connection.execute(RECENT_OF_ALL[by] if account_id == EVERYBODY else RECENT[by], values):
        row = cells.setdefault(name, {})
        row[time] = row.get(time, NOTHING).plus(Sums(*sums))
    return cells


NAMES: Final = {
    "model": "model",
    "key": "CAST(key_id AS TEXT)",
    "ended": "ended",
    "account": "CAST(account_id AS TEXT)",
    "channel": "channel",
}
KEYS = "SELECT id, name, prefix FROM keys WHERE account_id = ?"
FOLDED = (
    f"SELECT time, name, {', '.join(SUMS)} FROM usage_sums"
    " WHERE account_id = :account AND by = :by AND grain = :grain AND time >= :since"
)
RECENT_OF_ALL = {
    by: f"SELECT slot - slot % :grain, {name}, {', '.join(SUMS)} FROM usage_recent WHERE slot >= :since"
    for by, name in NAMES.items()
}
RECENT = {by: f"{sql} AND account_id = :account" for by, sql in RECENT_OF_ALL.items()}
