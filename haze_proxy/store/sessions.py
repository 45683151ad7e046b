"""Sessions: who is logged in on the pages. A browser holds a token of 256 bits; only its digest is stored."""

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass

TOKEN_BYTES = 32
LIFETIME_MS = 30 * 86_400_000
# `seen_at` is written at most this often: a page that is looked at should not cost a commit.
SEEN_EVERY_MS = 600_000
USER_AGENT_MAX = 200
# Of one account: its own page lists them all.
SESSIONS_MAX = 50


class StaleLoginError(Exception):
    """The password was changed, or the account disabled, while the login ran."""


@dataclass(frozen=True, slots=True)
class Session:
    """One login, and whose it is. Times are ms since 1970; below `low_balance` nano-dollars it wants a notice."""

    digest: bytes
    account_id: int
    email: str
    is_admin: bool
    created_at: int
    seen_at: int
    expires_at: int
    user_agent: str
    address: str
    low_balance: int | None


def make_token() -> str:
    """What the browser keeps."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def begin(
    connection: sqlite3.Connection,
    account_id: int,
    token: str,
    *,
    user_agent: str,
    address: str,
    now_ms: int,
    password_hash: str | None = None,
) -> None:
    """Log an account in; its sessions that have expired are forgotten, and of too many the one seen longest ago.

    `password_hash` is what the password was compared with. Raises StaleLoginError where the account has another by now.
    """
    if password_hash is not None and not _is_current(connection, account_id, password_hash):
        raise StaleLoginError
    connection.execute("DELETE FROM sessions WHERE account_id = ? AND expires_at <= ?", (account_id, now_ms))
    connection.execute(
        "INSERT INTO sessions (digest, account_id, created_at, seen_at, expires_at, user_agent, address)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (digest(token), account_id, now_ms, now_ms, now_ms + LIFETIME_MS, user_agent[:USER_AGENT_MAX], address),
    )
    connection.execute(
        "DELETE FROM sessions WHERE account_id = ? AND digest NOT IN (SELECT digest FROM sessions WHERE account_id = ?"
        " ORDER BY digest = ? DESC, seen_at DESC LIMIT ?)",
        (account_id, account_id, digest(token), SESSIONS_MAX),
    )


def _is_current(connection: sqlite3.Connection, account_id: int, password_hash: str) -> bool:
    sql = "SELECT 1 FROM accounts WHERE id = ? AND password_hash = ? AND disabled_at IS NULL"
    return connection.execute(sql, (account_id, password_hash)).fetchone() is not None


def find(connection: sqlite3.Connection, token: str, now_ms: int) -> Session | None:
    """The session of a token; None when it is unknown or over, or its account is disabled."""
    row = connection.execute(
        f"{SELECT} WHERE digest = ? AND expires_at > ? AND disabled_at IS NULL", (digest(token), now_ms)
    ).fetchone()
    return None if row is None else _session(row)


def of_account(connection: sqlite3.Connection, account_id: int, now_ms: int) -> list[Session]:
    """Where an account is logged in, the last seen first."""
    rows = connection.execute(f"{SELECT} WHERE account_id = ? AND expires_at > ?", (account_id, now_ms))
    return sorted(map(_session, rows), key=lambda session: session.seen_at, reverse=True)


def seen(connection: sqlite3.Connection, session: Session, now_ms: int) -> None:
    """A session was used."""
    connection.execute("UPDATE sessions SET seen_at = ? WHERE digest = ?", (now_ms, session.digest))


def end(connection: sqlite3.Connection, account_id: int, digest: bytes) -> bool:
    """Log an account out where it has a session; says whether it had that one."""
    cursor = connection.execute("DELETE FROM sessions WHERE digest = ? AND account_id = ?", (digest, account_id))
    return cursor.rowcount > 0


def end_others(connection: sqlite3.Connection, session: Session) -> int:
    """Log its account out everywhere else; returns how many sessions ended."""
    cursor = connection.execute(
        "DELETE FROM sessions WHERE account_id = ? AND digest <> ?", (session.account_id, session.digest)
    )
    return cursor.rowcount


SELECT = (
    "SELECT digest, account_id, email, is_admin, sessions.created_at, seen_at, expires_at, user_agent, address,"
    " low_balance"
    " FROM sessions JOIN accounts ON accounts.id = account_id"
)


def _session(row: sqlite3.Row) -> Session:
    return Session(**{**dict(row), "is_admin": bool(row["is_admin"])})
