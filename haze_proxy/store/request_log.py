"""The log of requests, the newest first: an account's own, or everybody's; all of it, or what is looked for.

Each reading walks one index in the order of ids, which begin with their time. What the index does not answer is asked
of each row on the way, and after WALK rows, or PATIENCE_S where the disk is slow, the walk stops and says where: so no
page costs more with a million requests than with a thousand, whatever is looked for.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from haze_proxy.money import endings
from haze_proxy.store.overview import first_id

ROWS: Final = 30
WALK: Final = 3000
PATIENCE_S: Final = 0.03
# The clock is looked at after so many rows.
STEP: Final = 64
# As many as a list to choose from can hold in a light page.
MODELS_MAX: Final = 100
KEYS_MAX: Final = 100

COMPLETED, ESTIMATED, RUNNING, INTERRUPTED, NOT_CHARGED = (
    "completed", "estimated", "running", "interrupted", "not charged",
)  # fmt: skip
# What can be asked of how a request ended -> the rows that it means.
STATUSES: Final = {
    COMPLETED: "state = 'settled' AND ended = 'completed'",
    ESTIMATED: "estimated = 1",
    RUNNING: "state = 'open'",
    INTERRUPTED: "state = 'interrupted'",
    NOT_CHARGED: "state IN ('void', 'interrupted')",
    **{
        ending.word: f"ended = '{ending.word}'"
        for ending in endings.TABLE
        if ending not in (endings.COMPLETED, endings.PROCESS_DIED)
    },
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests; None: whichever. `status` is a key of STATUSES; times are ms since 1970, `until` not included."""

    account_id: int | None = None
    key_id: int | None = None
    model: str | None = None
    channel: str | None = None
    status: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Some rows of the log, the newest first, and how to go on.

    `older` and `newer` are the cursors of what comes after and before ("": nothing does). `looked` rows were walked
    through; `reached` is the id at which the walk stopped before the page was full ("": it did not).
    """

    rows: list[sqlite3.Row]
    older: str
    newer: str
    looked: int
    reached: str


@dataclass(frozen=True, slots=True)
class Path:
    """An index to walk along: what it is called, its own condition, and which of the filters it answers by itself."""

    index: str
    condition: str = "1"
    answers: tuple[str, ...] = ()


# A row of the log: the columns of ROW.
Row = sqlite3.Row
# A filter's name, the condition that it means, and the values of that.
Term = tuple[str, str, tuple[object, ...]]
# As the partial indexes of migration 0008 and 0001 have it, word by word: else SQLite does not take them.
UNUSUAL: Final = "(ended <> 'completed' OR estimated)"
OPEN: Final = "state = 'open' AND epoch = (SELECT max(id) FROM epochs WHERE ended_at IS NULL)"
OF_ACCOUNT: Final = Path("INDEXED BY requests_of_account", answers=("account_id",))
BY_MODEL: Final = Path("INDEXED BY requests_by_model", answers=("account_id", "model"))
BY_KEY: Final = Path("INDEXED BY requests_by_key", answers=("account_id", "key_id"))
UNUSUAL_OF_ACCOUNT: Final = Path("INDEXED BY requests_unusual_of_account", UNUSUAL, ("account_id",))
UNUSUAL_OF_ALL: Final = Path("INDEXED BY requests_unusual", UNUSUAL)
RUNNING_NOW: Final = Path("INDEXED BY requests_open", OPEN, ("status",))
EVERY: Final = Path("")


def read(
    connection: sqlite3.Connection,
    wanted: Wanted,
    cursor: str = "",
    *,
    newer: bool = False,
    rows: int = ROWS,
    walk: int = WALK,
) -> Found:
    """At most `rows` requests older than the id `cursor` ("": the newest ones), or the next that are newer than it.

    Where too few are newer to fill the rows, they are the newest. At most `walk` rows are walked through.
    """
    ids, looked, last, stopped = _walk(connection, wanted, cursor, newer, rows, walk)
    shown, is_full = ids[:rows], len(ids) > rows
    if newer and not (is_full or stopped):
        return read(connection, wanted, rows=rows, walk=walk)
    beyond = shown[-1] if is_full else last if stopped else ""
    found = [_row(connection, each) for each in (reversed(shown) if newer else shown)]
    reached = last if stopped else ""
    if newer:
        # Where nothing was found on the way up, the row that was left is among the older ones.
        return Found(found, shown[0] if shown else cursor + JUST_ABOVE, beyond, looked, reached)
    return Found(found, beyond, shown[0] if cursor and shown else "", looked, reached)


def _walk(
    connection: sqlite3.Connection, wanted: Wanted, cursor: str, newer: bool, rows: int, walk: int
) -> tuple[list[str], int, str, bool]:
    """The ids of what is wanted, one more than `rows` if there are; how many rows were seen, the last one's id, and
    whether there may be more that was not looked at.
    """
    question, values = _question(wanted, cursor, newer)
    ids: list[str] = []
    looked, last, until = 0, "", time.monotonic() + PATIENCE_S
    with closing(connection.execute(question, (*values, walk))) as walked:
        for last, fits in walked:
            looked += 1
            if fits:
                ids.append(last)
            if len(ids) > rows:
                return ids, looked, last, False
            if looked % STEP == 0 and time.monotonic() > until:
                return ids, looked, last, True
    return ids, looked, last, looked == walk


def _question(wanted: Wanted, cursor: str, newer: bool) -> tuple[str, tuple[object, ...]]:
    """The walk as SQL, and its values but for the last: how far it may go."""
    path = _path(wanted)
    terms = list(_terms(wanted))
    known = [term for term in terms if term[0] in path.answers]
    asked = [term for term in terms if term[0] not in path.answers]
    sql = WALKING.format(
        fits=_all(asked),
        index=path.index,
        known=f"{path.condition} AND {_all(known)}",
        order="ASC" if newer else "DESC",
    )
    return sql, (*_values(asked), *_values(known), *_bounds(wanted, cursor, newer))


def _path(wanted: Wanted) -> Path:
    own = wanted.account_id is not None
    if wanted.status == RUNNING:
        return RUNNING_NOW
    if wanted.status not in (None, COMPLETED):
        return UNUSUAL_OF_ACCOUNT if own else UNUSUAL_OF_ALL
    if not own:
        return EVERY
    return BY_MODEL if wanted.model is not None else BY_KEY if wanted.key_id is not None else OF_ACCOUNT


def _terms(wanted: Wanted) -> Iterator[Term]:
    """(filter, condition, its values) of each filter that is set."""
    for name in ("account_id", "key_id", "model", "channel"):
        if (value := getattr(wanted, name)) is not None:
            yield name, f"{name} = ?", (value,)
    if wanted.status is not None:
        yield "status", STATUSES[wanted.status], ()


def _all(terms: list[Term]) -> str:
    return " AND ".join(f"({condition})" for _, condition, _ in terms) or "1"


def _values(terms: list[Term]) -> list[object]:
    return [value for _, _, values in terms for value in values]


def _bounds(wanted: Wanted, cursor: str, newer: bool) -> tuple[str, str]:
    """The ids between which, themselves not included, everything wanted lies."""
    low = "" if wanted.since is None else first_id(wanted.since)
    high = AFTER_ALL if wanted.until is None else first_id(wanted.until)
    if cursor:
        low, high = (max(low, cursor), high) if newer else (low, min(high, cursor))
    return low, high


def _row(connection: sqlite3.Connection, request_id: str) -> sqlite3.Row:
    row: sqlite3.Row = connection.execute(ROW, (request_id,)).fetchone()
    return row


def at_ms(request_id: str) -> int:
    """When a request came in, by its id. ValueError for what is no id of a request."""
    return int(request_id.removeprefix("req_")[:12], 16)


def models(connection: sqlite3.Connection, account_id: int) -> list[str]:
    """The first MODELS_MAX models that an account has asked for, by name: a seek in the index for each."""
    found = [""]
    while len(found) <= MODELS_MAX and (row := connection.execute(NEXT_MODEL, (account_id, found[-1])).fetchone()):
        found.append(row[0])
    return found[1:]


def has_used(connection: sqlite3.Connection, account_id: int, model: str) -> bool:
    """Whether an account has ever asked for a model."""
    return connection.execute(USED, (account_id, model)).fetchone() is not None


def keys(connection: sqlite3.Connection, account_id: int) -> list[sqlite3.Row]:
    """The newest KEYS_MAX keys of an account, revoked ones too: `id`, `name`, `prefix`, `revoked_at`."""
    return connection.execute(KEYS, (account_id, KEYS_MAX)).fetchall()


# Above every id, and between an id and all those above it.
AFTER_ALL: Final = "~"
JUST_ABOVE: Final = "~"
WALKING: Final = (
    "SELECT id, {fits} AS fits FROM requests {index} WHERE {known} AND id > ? AND id < ? ORDER BY id {order} LIMIT ?"
)
ROW: Final = (
    "SELECT requests.id, requests.account_id, email, key_id, name AS key_name, prefix, state, ended, protocol, stream,"
    " model, channel, upstream_model, status, opened_at, first_byte_at, ended_at, input, cache_read, cache_write_5m,"
    " cache_write_1h, input + cache_read + cache_write_5m + cache_write_1h AS input_tokens, output, reasoning,"
    " estimated, held, cost, shortfall FROM requests JOIN accounts ON accounts.id = requests.account_id"
    " JOIN keys ON keys.id = key_id WHERE requests.id = ?"
)
NEXT_MODEL: Final = (
    "SELECT model FROM requests INDEXED BY requests_by_model WHERE account_id = ? AND model > ? ORDER BY model LIMIT 1"
)
USED: Final = "SELECT 1 FROM requests INDEXED BY requests_by_model WHERE account_id = ? AND model = ? LIMIT 1"
KEYS: Final = "SELECT id, name, prefix, revoked_at FROM keys WHERE account_id = ? ORDER BY id DESC LIMIT ?"
