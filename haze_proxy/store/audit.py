"""The audit log: what administrators did on the pages, and the owner by commands."""

import sqlite3
from dataclasses import asdict, dataclass

# Above the id of every entry.
NEWEST = 2**62
# As many entries one search reads.
LOOKED_AT = 5_000
# Stands for the owner's commands where an actor is asked for.
COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Act:
    """`act` is a word such as `account.credit`, `target` whom or what it changed, `detail` how; never a secret.

    `actor_id` is the administrator's account; None for the owner's commands.
    """

    actor_id: int | None
    act: str
    target: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log. `at` is ms since 1970; `actor` is an e-mail address, "" for the owner's commands."""

    id: int
    at: int
    actor: str
    act: str
    target: str
    detail: str


def record(connection: sqlite3.Connection, act: Act, now_ms: int) -> None:
    """Write an act down, in the transaction of what was done."""
    connection.execute(
        "INSERT INTO audit (at, actor_id, act, target, detail) VALUES (?, ?, ?, ?, ?)",
        (now_ms, act.actor_id, act.act, act.target, act.detail),
    )


def recent(connection: sqlite3.Connection, before: int, most: int) -> list[Entry]:
    """The newest `most` entries whose id is below `before`, newest first."""
    rows = connection.execute(f"{SELECT} WHERE audit.id < ? ORDER BY audit.id DESC LIMIT ?", (before, most))
    return [Entry(**dict(row)) for row in rows]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: by what their act and their target begin with, and by their actor ("": all; COMMAND: nobody)."""

    act: str = ""
    target: str = ""
    actor: str = ""


def search(connection: sqlite3.Connection, wanted: Wanted, before: int, most: int) -> tuple[list[Entry], int]:
    """The newest `most` entries that are wanted, with ids below `before`, and below which id to go on (0: at the end).

    Reads at most LOOKED_AT entries: where few are wanted, fewer are found, and older ones may still come.
    """
    top = int(connection.execute("SELECT coalesce(max(id), 0) + 1 FROM audit").fetchone()[0])
    before = min(before, top)
    low = max(1, before - LOOKED_AT)
    rows = connection.execute(
        SEARCH, {**asdict(wanted), "command": COMMAND, "before": before, "low": low, "most": most}
    )
    found = [Entry(**dict(row)) for row in rows]
    if len(found) == most:
        low = found[-1].id
    return found, low if low > 1 else 0


SELECT = (
    "SELECT audit.id, at, coalesce(email, '') AS actor, act, target, detail FROM audit"
    " LEFT JOIN accounts ON accounts.id = actor_id"
)
SEARCH = (
    f"{SELECT} WHERE audit.id >= :low AND audit.id < :before AND substr(act, 1, length(:act)) = :act"
    " AND lower(substr(target, 1, length(:target))) = lower(:target)"
    " AND (:actor = '' OR email = :actor OR (:actor = :command AND actor_id IS NULL))"
    " ORDER BY audit.id DESC LIMIT :most"
)
