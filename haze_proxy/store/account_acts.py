"""What administrators, and the owner by commands, do to accounts: each act with its line in the audit log.

`actor` is the administrator's account id, None for the owner's commands. All of it happens in the caller's transaction,
so nothing is done that is not written down.
"""

import sqlite3
from collections.abc import Sequence

from haze_proxy.money.receipt import usd
from haze_proxy.store import accounts, audit, keys, own_keys, password_links
from haze_proxy.store.accounts import Account, AccountError
from haze_proxy.store.audit import Act
from haze_proxy.store.keys import Key, NewKey
from haze_proxy.store.transfers import Transfer


class LastAdminError(AccountError):
    """An act after which nobody would administer this Haze; the message is one clear line."""

    def __init__(self) -> None:
        super().__init__("Nobody else administers this Haze: make somebody an administrator first.")


def add(
    connection: sqlite3.Connection,
    actor: int | None,
    email: str,
    *,
    password_hash: str | None,
    is_admin: bool,
    gifts: Sequence[Transfer],
    now_ms: int,
) -> int:
    """Make an account with what it is given; returns its id. Raises AccountError when the address is taken."""
    account_id = accounts.add(connection, email, password_hash=password_hash, is_admin=is_admin, now_ms=now_ms)
    given = [gift for gift in gifts if gift.amount]
    for gift in given:
        accounts.credit(connection, account_id, gift.amount, gift, now_ms)
    facts = ["administrator"] * is_admin + [f"{gift.kind} {usd(gift.amount)} USD" for gift in given]
    audit.record(connection, Act(actor, "account.add", email, ", ".join(facts)), now_ms)
    return account_id


def disable(connection: sqlite3.Connection, actor: int | None, account: Account, now_ms: int) -> None:
    """Refuse an account's requests and log it out. Raises LastAdminError on a page; a command can undo what it did."""
    if accounts.get(connection, account.id).is_admin:
        if actor is not None:
            _another_admin(connection, account)
        password_links.end_all(connection)
    accounts.disable(connection, account.id, now_ms)
    audit.record(connection, Act(actor, "account.disable", account.email), now_ms)


def enable(connection: sqlite3.Connection, actor: int | None, account: Account, now_ms: int) -> None:
    """Answer an account's requests again."""
    accounts.enable(connection, account.id)
    audit.record(connection, Act(actor, "account.enable", account.email), now_ms)


def set_admin(connection: sqlite3.Connection, actor: int, account: Account, now_ms: int, *, is_admin: bool) -> None:
    """Let an account administer this Haze, or not any more. Raises LastAdminError."""
    if not is_admin:
        _another_admin(connection, account)
        password_links.end_all(connection)
    connection.execute("UPDATE accounts SET is_admin = ? WHERE id = ?", (is_admin, account.id))
    act = "account.admin" if is_admin else "account.no_admin"
    audit.record(connection, Act(actor, act, account.email), now_ms)


def end_sessions(connection: sqlite3.Connection, actor: int, account: Account, now_ms: int) -> int:
    """Log an account out everywhere; returns how many sessions ended."""
    ended = connection.execute("DELETE FROM sessions WHERE account_id = ?", (account.id,)).rowcount
    audit.record(connection, Act(actor, "account.log_out", account.email, f"{ended} sessions"), now_ms)
    return ended


def link_password(connection: sqlite3.Connection, actor: int, account: Account, token: str, now_ms: int) -> None:
    """Let whoever has `token` choose the account's password, once and within a day."""
    password_links.add(connection, account.id, token, now_ms)
    audit.record(connection, Act(actor, "account.password", account.email, "a link"), now_ms)


def add_key(
    connection: sqlite3.Connection, actor: int | None, account: Account, new: NewKey, secret: str, now_ms: int
) -> int:
    """Make a key for an account; returns its id."""
    key_id = keys.add(connection, account.id, new, secret, now_ms)
    audit.record(connection, Act(actor, "key.add", account.email, _called(key_id, secret[: keys.SHOWN])), now_ms)
    return key_id


def revoke_key(connection: sqlite3.Connection, actor: int | None, key: Key, now_ms: int) -> None:
    """Refuse a key from now on."""
    own_keys.revoke(connection, key.account_id, key.id, now_ms)
    email = accounts.get(connection, key.account_id).email
    audit.record(connection, Act(actor, "key.revoke", email, _called(key.id, key.prefix)), now_ms)


def _called(key_id: int, prefix: str) -> str:
    return f"key {key_id}, {prefix}…"


def _another_admin(connection: sqlite3.Connection, account: Account) -> None:
    # Asked in the transaction: two administrators may send each other away at the same time.
    sql = "SELECT 1 FROM accounts WHERE is_admin = 1 AND disabled_at IS NULL AND id <> ? LIMIT 1"
    if connection.execute(sql, (account.id,)).fetchone() is None:
        raise LastAdminError
