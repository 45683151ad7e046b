"""The last lists of models that upstreams told, so that a restart does without them."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """A list of one channel: `origin` says whose it is, `models` are its rows as JSON; the time is ms since 1970."""

    channel: str
    origin: str
    fetched_at: int
    models: str


def save(connection: sqlite3.Connection, told: Told) -> None:
    """Keep a list in the place of the channel's last one."""
    connection.execute(
        "INSERT OR REPLACE INTO channel_models (channel, origin, fetched_at, models) VALUES (?, ?, ?, ?)",
        (told.channel, told.origin, told.fetched_at, told.models),
    )


def load(connection: sqlite3.Connection) -> list[Told]:
    """Every channel's last list."""
    rows = connection.execute("SELECT channel, origin, fetched_at, models FROM channel_models")
    return [Told(*row) for row in rows]
