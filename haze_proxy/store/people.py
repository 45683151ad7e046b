"""Accounts as administrators look at them: a page of many, and what belongs to one.

Every query goes by an index and reads a bounded number of rows.
"""

import sqlite3
from dataclasses import dataclass

from haze_proxy.store import accounts, overview, own_keys, sessions, statement
from haze_proxy.store.accounts import Account
from haze_proxy.store.keys import Key
from haze_proxy.store.sessions import Session
from haze_proxy.store.statement import Line

LAST = 10
# Above every character of an e-mail address.
END = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Person:
    """An account with what it has: its keys, where it is logged in, and the last things that happened to it."""

    account: Account
    can_log_in: bool
    keys: list[Key]
    sessions: list[Session]
    transfers: list[Line]
    requests: list[sqlite3.Row]


def newest(connection: sqlite3.Connection, before: int, most: int) -> list[Account]:
    """The newest `most` accounts whose id is below `before`, newest first."""
    sql = f"{accounts.SELECT} WHERE accounts.id < ? ORDER BY accounts.id DESC LIMIT ?"
    return [accounts.account(row) for row in connection.execute(sql, (before, most))]


def search(connection: sqlite3.Connection, begin: str, after: str, most: int) -> list[Account]:
    """The first `most` accounts whose e-mail address begins with `begin`, in any case, and comes after `after`."""
    sql = f"{accounts.SELECT} WHERE email >= ? AND email < ? AND email > ? ORDER BY email LIMIT ?"
    return [accounts.account(row) for row in connection.execute(sql, (begin, begin + END, after, most))]


def read(connection: sqlite3.Connection, account_id: int, now_ms: int) -> Person:
    """One account. Raises AccountError when there is none."""
    account = accounts.get(connection, account_id)
    login = accounts.login(connection, account.email)
    return Person(
        account=account,
        can_log_in=login is not None and login.password_hash is not None,
        keys=own_keys.shown(connection, account_id),
        sessions=sessions.of_account(connection, account_id, now_ms),
        transfers=statement.older(connection, account_id, "", statement.NEWEST, LAST),
        requests=connection.execute(overview.LATEST, (account_id, overview.LAST)).fetchall(),
    )
