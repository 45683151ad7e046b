"""A store on a real file, and short words for what the tests do to it."""

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from haze_proxy.money.prices import Price
from haze_proxy.store import accounts, database, keys, proof, requests, transfers
from haze_proxy.store.keys import NewKey
from haze_proxy.store.migrations import migrate
from haze_proxy.store.requests import Ended, Opened, Standing
from haze_proxy.store.transfers import Transfer

NOW = 1_800_000_000_000
# In nano-dollars.
ONE_A_TOKEN = Price(input=1_000_000)


@dataclass
class Books:
    """One store with an open connection; times do not matter unless a test names them."""

    path: Path
    connection: sqlite3.Connection

    def account(self, balance: int = 0, email: str = "a@b.c") -> int:
        """A new account with some nano-dollars."""
        with database.transaction(self.connection):
            new = accounts.add(self.connection, email, password_hash=None, is_admin=False, now_ms=NOW)
            if balance:
                accounts.credit(self.connection, new, balance, Transfer(transfers.MANUAL, "", balance, "credit"), NOW)
        return new

    def key(self, account_id: int, secret: str = "", **facts: Any) -> int:
        """A new key of an account."""
        limits = {"name": "", "requests_per_minute": 60, "tokens_per_minute": 1000, "concurrent_requests": 4}
        secret = secret or keys.make_secret()
        with database.transaction(self.connection):
            return keys.add(self.connection, account_id, NewKey(**(limits | facts)), secret, NOW)

    def epoch(self) -> int:
        """A server that has just started."""
        with database.transaction(self.connection):
            return requests.begin_epoch(self.connection, 1, NOW)[0]

    def end(self, opened: Opened, cost: int, **facts: Any) -> Standing:
        """Settle a request in a transaction of its own, by default for as many input tokens as it costs."""
        known = {"state": "settled", "ended": "completed", "ended_at": NOW + 5, "held": opened.held, "payable": cost}
        known |= {"price": ONE_A_TOKEN.facts, "tokens": (cost, 0, 0, 0, 0, 0)}
        with database.transaction(self.connection):
            return requests.end(self.connection, Ended(opened, cost=cost, **(known | facts)))

    def balance(self, account_id: int) -> int:
        """The committed balance in nano-dollars."""
        return transfers.balance(self.connection, transfers.account(account_id))

    def check(self) -> list[str]:
        """What is wrong with the books."""
        return proof.check(self.connection)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """An empty store at this program's version."""
    path = tmp_path / "haze.db"
    with closing(database.connect(str(path), "normal")) as connection:
        migrate(connection)
        yield Books(path, connection)


@pytest.fixture
def other(books: Books) -> Iterator[Books]:
    """The same store through a second connection: another program."""
    with closing(database.connect(str(books.path), "normal")) as connection:
        yield Books(books.path, connection)


@pytest.fixture
def open_request() -> Callable[..., Opened]:
    """Make a key for an account and write an admitted request down: r1, r2, ... in the order they come."""
    ids = itertools.count(1)

    def open_request(books: Books, account_id: int, **facts: Any) -> Opened:
        row = books.connection.execute("SELECT max(id) FROM epochs").fetchone()
        known = {
            "id": f"r{next(ids)}",
            "epoch": row[0] or books.epoch(),
            "account_id": account_id,
            "protocol": "chat",
            "stream": True,
            "model": "hekiu",
            "opened_at": NOW,
            "held": 20,
        }
        known["key_id"] = facts.pop("key_id", None) or books.key(account_id)
        opened = Opened(**(known | facts))
        with database.transaction(books.connection):
            requests.begin(books.connection, opened)
        return opened

    return open_request
