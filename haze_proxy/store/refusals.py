"""Refused requests, counted: a client repeats one up to thirty times, so a row each would be a gift to a flood."""

import sqlite3
from collections.abc import Mapping


def add(connection: sqlite3.Connection, minute: int, counts: Mapping[tuple[int, str], int]) -> None:
    """Add counts by (key id, reason) to a minute since 1970. Key 0 stands for requests without a known key."""
    connection.executemany(
        "INSERT INTO refusals (minute, key_id, reason, count) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (key_id, minute, reason) DO UPDATE SET count = count + excluded.count",
        [(minute, key_id, reason, count) for (key_id, reason), count in counts.items()],
    )
