"""What the running server knows of channels that failed: written when it changes, read by the owner's commands."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resting:
    """A channel (`model` is "": all of it) that is out until `until` (ms since 1970). `owners`: he must act."""

    channel: str
    model: str
    failures: int
    owners: bool
    reason: str
    until: int


def put(connection: sqlite3.Connection, resting: Resting) -> None:
    """A channel failed."""
    connection.execute(
        "INSERT OR REPLACE INTO channel_health (channel, model, failures, owners, reason, until)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (resting.channel, resting.model, resting.failures, resting.owners, resting.reason, resting.until),
    )


def remove(connection: sqlite3.Connection, channel: str, model: str) -> None:
    """A channel works again."""
    connection.execute("DELETE FROM channel_health WHERE channel = ? AND model = ?", (channel, model))


def clear(connection: sqlite3.Connection) -> None:
    """A server starts: it knows nothing of its channels yet."""
    connection.execute("DELETE FROM channel_health")


def every(connection: sqlite3.Connection) -> list[Resting]:
    """All that is known, in the order of the channels' names."""
    rows = connection.execute("SELECT * FROM channel_health ORDER BY channel, model")
    return [Resting(**{**dict(row), "owners": bool(row["owners"])}) for row in rows]
