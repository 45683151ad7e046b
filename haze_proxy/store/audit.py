"""The audit log: what administrators did on the pages, and the owner by commands."""

import sqlite3
from dataclasses import dataclass


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
    rows = connection.execute(
        "SELECT audit.id, at, coalesce(email, '') AS actor, act, target, detail FROM audit"
        " LEFT JOIN accounts ON accounts.id = actor_id WHERE audit.id < ? ORDER BY audit.id DESC LIMIT ?",
        (before, most),
    )
    return [Entry(**dict(row)) for row in rows]
