"""What one request's row and its transfers say: every class times its price, the way of the money, each attempt.

A row keeps the price it was charged with, so that a receipt adds up years after all prices have changed.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from haze_proxy.money import prices, receipt
from haze_proxy.money.prices import Price
from haze_proxy.money.receipt import Charge
from haze_proxy.money.usage import Usage

TOKENS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")


class UnknownRequestError(Exception):
    """A request that cannot be found; the message is one clear line."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request. `row` has the columns of requests, the account's `email`, the key's `key_name` and `prefix`.

    Money is nano-dollars. `price` is None where nothing was priced; `transfers` are what moved for this request, oldest
    first.
    """

    row: Mapping[str, Any]
    price: Price | None
    charge: Charge
    attempts: list[dict[str, Any]]
    transfers: list[sqlite3.Row]

    @property
    def charged(self) -> int:
        """What the account paid when the request ended."""
        return self._moved("charge")

    @property
    def refunded(self) -> int:
        """What the account was given back afterwards."""
        return self._moved("refund")

    @property
    def returned(self) -> int | None:
        """What was held too much, once the request has ended; None while it has not."""
        return None if self.row["ended_at"] is None else self.row["held"] - self.charged

    @property
    def held_first(self) -> int:
        """What was held when the request was admitted; all of it where its growth was not written down."""
        return int(self.row["held"] - (self.row["extended"] or 0))

    @property
    def unexplained(self) -> int:
        """What the lines do not explain of the cost: more or less than 0 only in rows with an incomplete price."""
        return int(self.row["cost"] - self.charge.cost)

    def _moved(self, kind: str) -> int:
        return sum(row["amount"] for row in self.transfers if row["kind"] == kind)


def find(connection: sqlite3.Connection, request_id: str, account_id: int | None = None) -> Receipt:
    """The receipt of a request, whatever became of it; of an account's own (None: of anybody's).

    Raises UnknownRequestError, in the same words for what is somebody else's.
    """
    row = connection.execute(
        "SELECT requests.*, email, name AS key_name, prefix FROM requests"
        " JOIN accounts ON accounts.id = requests.account_id JOIN keys ON keys.id = requests.key_id"
        " WHERE requests.id = ?",
        (request_id,),
    ).fetchone()
    if row is None or account_id not in (None, row["account_id"]):
        raise UnknownRequestError(f"There is no request {request_id}.")
    moved = connection.execute("SELECT * FROM transfers WHERE request_id = ?", (request_id,)).fetchall()
    moved.sort(key=itemgetter("id"))  # SQLite would sort these few in a temporary tree
    price = prices.from_facts(row["price"]) if row["price"] is not None and row["state"] == "settled" else None
    charge = Charge(0) if price is None else receipt.charge(usage(row), price, row["upstream_cost"])
    return Receipt(dict(row), price, charge, json.loads(row["attempts"] or "[]"), moved)


def usage(row: sqlite3.Row) -> Usage:
    """The usage that a row was charged for."""
    calls = () if row["server_tools"] is None else tuple(json.loads(row["server_tools"]).items())
    return Usage(**{name: row[name] for name in TOKENS}, server_tools=calls)


def cost(row: sqlite3.Row) -> int:
    """What a settled row's own usage and price add up to. ValueError when its price cannot be read."""
    return receipt.cost(usage(row), prices.from_facts(row["price"]), row["upstream_cost"])


def saved(
    state: str, plain: int, read: int, write_5m: int, write_1h: int, price: str | None, upstream_cost: int | None
) -> int:
    """What caching took off the cost of a row with these columns, in nano-dollars; 0 where the price cannot be read."""
    if state != "settled" or price is None or not (read or write_5m or write_1h):
        return 0
    try:
        return receipt.saved(Usage(plain, read, write_5m, write_1h), prices.from_facts(price), upstream_cost)
    except ValueError:
        return 0


def teach(connection: sqlite3.Connection) -> None:
    """Let the statements of a connection use `saved`."""
    connection.create_function("saved", 7, saved, deterministic=True)
