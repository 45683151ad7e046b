"""Links with which people choose a password themselves: made by an administrator, good once and for a day.

A link holds 256 bits of chance; only its digest is stored. An account has one at a time: another replaces it.
"""

import hashlib
import secrets
import sqlite3

from haze_proxy.store import accounts

TOKEN_BYTES = 32
LIFETIME_MS = 86_400_000


class LinkError(Exception):
    """A link that is good for nothing. One text whatever the reason: a stranger learns nothing from it."""

    def __init__(self) -> None:
        super().__init__("This link is not valid: it was used, is older than a day, or was replaced by another one.")


def make_token() -> str:
    """What the link ends with."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def add(connection: sqlite3.Connection, account_id: int, token: str, now_ms: int) -> None:
    """Let whoever has `token` choose the account's password, within a day."""
    connection.execute(
        "INSERT OR REPLACE INTO password_links (account_id, digest, expires_at) VALUES (?, ?, ?)",
        (account_id, _digest(token), now_ms + LIFETIME_MS),
    )


def find(connection: sqlite3.Connection, token: str, now_ms: int) -> tuple[int, str]:
    """The id and the e-mail address of a token's account. Raises LinkError, also where the account is disabled."""
    row = connection.execute(
        "SELECT account_id, email FROM password_links JOIN accounts ON accounts.id = account_id"
        " WHERE digest = ? AND expires_at > ? AND disabled_at IS NULL",
        (_digest(token), now_ms),
    ).fetchone()
    if row is None:
        raise LinkError
    return row["account_id"], row["email"]


def use(connection: sqlite3.Connection, token: str, password_hash: str, now_ms: int) -> int:
    """Give the token's account its password, log it out everywhere, and returns its id. Raises LinkError."""
    account_id, _ = find(connection, token, now_ms)
    choose(connection, account_id, password_hash)
    return account_id


def choose(connection: sqlite3.Connection, account_id: int, password_hash: str) -> None:
    """Give an account another password: nobody stays logged in, and no link is good any more."""
    connection.execute("DELETE FROM password_links WHERE account_id = ?", (account_id,))
    connection.execute("DELETE FROM sessions WHERE account_id = ?", (account_id,))
    accounts.set_password(connection, account_id, password_hash)


def end_all(connection: sqlite3.Connection) -> None:
    """No link is good any more: an administrator goes, who may have kept some, and with them the way back."""
    connection.execute("DELETE FROM password_links")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
