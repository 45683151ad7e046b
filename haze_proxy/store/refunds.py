"""What a request's account paid comes back, once."""

import sqlite3
from dataclasses import dataclass

from haze_proxy.store import keys, transfers, usage_sums
from haze_proxy.store.transfers import Transfer


class RefundError(Exception):
    """A request that cannot be refunded; the message is one clear line."""


@dataclass(frozen=True, slots=True)
class Refund:
    """What came back, and the account's balance with it, in nano-dollars."""

    amount: int
    balance: int


def give(connection: sqlite3.Connection, request_id: str, memo: str | None, now_ms: int) -> Refund:
    """Give an account back what it paid for a request, and take it off what the key has spent and off the sums.

    A shortfall was never paid, so it does not come back. Raises RefundError where there is nothing to give.
    """
    row = connection.execute(
        "SELECT account_id, key_id, state, ended_at, cost - shortfall AS paid, EXISTS (SELECT 1 FROM transfers"
        " WHERE request_id = requests.id AND kind = 'refund') AS done FROM requests WHERE id = ?",
        (request_id,),
    ).fetchone()
    if complaint := _complaint(row):
        raise RefundError(f"{request_id}: {complaint}")
    name = transfers.account(row["account_id"])
    transfers.move(connection, Transfer(transfers.REVENUE, name, row["paid"], "refund", request_id, memo=memo), now_ms)
    keys.take_back(connection, row["key_id"], row["paid"], row["ended_at"])
    usage_sums.take_back(connection, request_id, row["paid"])
    return Refund(row["paid"], transfers.balance(connection, name))


def _complaint(row: sqlite3.Row | None) -> str | None:
    if row is None:
        return "There is no such request."
    if row["done"]:
        return "This request was already refunded."
    if row["state"] != "settled":
        return f"This request is {row['state']}: nothing was charged."
    return None if row["paid"] else "This request cost its account nothing."
