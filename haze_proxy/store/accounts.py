"""Accounts: who pays."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from haze_proxy.store import transfers
from haze_proxy.store.transfers import Transfer


@dataclass(frozen=True, slots=True)
class Account:
    """One account with its money in nano-dollars: balance is committed, spent is everything charged less refunds."""

    id: int
    email: str
    is_admin: bool
    created_at: int
    disabled_at: int | None
    balance: int
    spent: int


class AccountError(Exception):
    """An account that cannot be made or found; the message is one clear line."""


def add(connection: sqlite3.Connection, email: str, *, password_hash: str | None, is_admin: bool, now_ms: int) -> int:
    """Make an account and return its id. Raises AccountError when the address is taken."""
    try:
        cursor = connection.execute(
            "INSERT INTO accounts (email, password_hash, is_admin, created_at) VALUES (?, ?, ?, ?)",
            (email, password_hash, is_admin, now_ms),
        )
    except sqlite3.IntegrityError as error:
        raise AccountError(f"There is already an account for {email}.") from error
    return int(cursor.lastrowid or 0)


def find(connection: sqlite3.Connection, email: str) -> Account:
    """The account of an e-mail address, in any case. Raises AccountError when there is none."""
    row = connection.execute(f"{SELECT} WHERE email = ?", (email,)).fetchone()
    if row is None:
        raise AccountError(f"There is no account for {email}.")
    return account(row)


def get(connection: sqlite3.Connection, account_id: int) -> Account:
    """The account of an id. Raises AccountError when there is none."""
    row = connection.execute(f"{SELECT} WHERE accounts.id = ?", (account_id,)).fetchone()
    if row is None:
        raise AccountError("There is no such account.")
    return account(row)


@dataclass(frozen=True, slots=True)
class Login:
    """What a login is judged by. No `password_hash`: this account cannot log in."""

    account_id: int
    password_hash: str | None
    is_disabled: bool


def login(connection: sqlite3.Connection, email: str) -> Login | None:
    """What is known of an e-mail address; None where it has no account."""
    row = connection.execute("SELECT id, password_hash, disabled_at FROM accounts WHERE email = ?", (email,)).fetchone()
    return None if row is None else Login(row["id"], row["password_hash"], row["disabled_at"] is not None)


def set_password(connection: sqlite3.Connection, account_id: int, password_hash: str) -> None:
    """Let an account log in with another password from now on."""
    connection.execute("UPDATE accounts SET password_hash = ? WHERE id = ?", (password_hash, account_id))


def set_low_balance(connection: sqlite3.Connection, account_id: int, amount: int | None) -> None:
    """Tell an account when its balance is below `amount` nano-dollars; None: never."""
    connection.execute("UPDATE accounts SET low_balance = ? WHERE id = ?", (amount, account_id))


def spent(connection: sqlite3.Connection, account_id: int) -> int:
    """Everything an account was charged less refunds, in nano-dollars."""
    return int(connection.execute(f"{SELECT} WHERE accounts.id = ?", (account_id,)).fetchone()["spent"])


def has_admin(connection: sqlite3.Connection) -> bool:
    """Whether somebody administers this Haze."""
    return connection.execute("SELECT 1 FROM accounts WHERE is_admin = 1 LIMIT 1").fetchone() is not None


def every(connection: sqlite3.Connection) -> list[Account]:
    """All accounts, oldest first."""
    return [account(row) for row in connection.execute(f"{SELECT} ORDER BY accounts.id")]


def emails(connection: sqlite3.Connection, account_ids: Iterable[int]) -> dict[int, str]:
    """The e-mail addresses of some accounts, by their ids."""
    rows = (connection.execute("SELECT id, email FROM accounts WHERE id = ?", (each,)) for each in account_ids)
    return {row["id"]: row["email"] for found in rows for row in found}


def disable(connection: sqlite3.Connection, account_id: int, now_ms: int) -> None:
    """Refuse every request of an account from now on (403)."""
    connection.execute("UPDATE accounts SET disabled_at = coalesce(disabled_at, ?) WHERE id = ?", (now_ms, account_id))


def enable(connection: sqlite3.Connection, account_id: int) -> None:
    """Answer an account's requests again."""
    connection.execute("UPDATE accounts SET disabled_at = NULL WHERE id = ?", (account_id,))


def credit(connection: sqlite3.Connection, account_id: int, amount: int, how: Transfer, now_ms: int) -> int:
    """Give an account money as `how` says (its source, kind, memo and idempotency key); returns the new balance."""
    name = transfers.account(account_id)
    transfers.move(
        connection,
        Transfer(how.debit, name, amount, how.kind, idempotency_key=how.idempotency_key, memo=how.memo),
        now_ms,
    )
    return transfers.balance(connection, name)


def held(connection: sqlite3.Connection, account_id: int) -> int:
    """What the open requests of the running server have set aside, in nano-dollars, as far as it is written down."""
    row = connection.execute(
        "SELECT coalesce(sum(held), 0) FROM requests INDEXED BY requests_open WHERE state = 'open' AND account_id = ?"
        " AND epoch = (SELECT max(id) FROM epochs WHERE ended_at IS NULL)",
        (account_id,),
    ).fetchone()
    return int(row[0])


# What was spent is what came in, less what was taken back (a correction, or what went back to a card) and what is left:
# these are few, charges are many. A refund of a request is no new money.
SELECT = (
    "SELECT accounts.id, email, is_admin, created_at, disabled_at, ledger.balance,"
    " (SELECT coalesce(sum(amount), 0) FROM transfers"
    "  WHERE credit = ledger.name AND credit GLOB 'account:*' AND kind <> 'refund')"
    " - (SELECT coalesce(sum(amount), 0) FROM transfers INDEXED BY transfers_taken_back"
    "  WHERE debit = ledger.name AND kind IN ('card_refund', 'card_dispute', 'correction'))"
    " - ledger.balance AS spent FROM accounts JOIN ledger ON ledger.name = 'account:' || accounts.id"
)


def account(row: sqlite3.Row) -> Account:
    return Account(**{**dict(row), "is_admin": bool(row["is_admin"])})
