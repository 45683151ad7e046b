"""Settlements above their hold: where an estimate was too low. What the account could not pay was the house's loss."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Above:
    """One request. Money is nano-dollars: it held `held` when it ended, cost `cost`, and `shortfall` nobody paid."""

    id: str
    ended_at: int
    account_id: int
    email: str
    model: str
    channel: str
    protocol: str
    held: int
    cost: int
    shortfall: int
    input_tokens: int
    output: int


def newest(connection: sqlite3.Connection, before: str, most: int) -> list[Above]:
    """The newest `most` requests whose id is below `before`, newest first."""
    return [Above(**dict(row)) for row in connection.execute(NEWEST, (before, most))]


NEWEST = (
    "SELECT requests.id, ended_at, account_id, email, model, coalesce(channel, '') AS channel, protocol, held, cost,"
    " shortfall, input + cache_read + cache_write_5m + cache_write_1h AS input_tokens, output"
    " FROM requests INDEXED BY requests_above_hold CROSS JOIN accounts ON accounts.id = account_id"
    " WHERE cost > held AND requests.id < ? ORDER BY requests.id DESC LIMIT ?"
)
