"""Codes: money for whoever redeems one first. Only their digest is stored.

A code holds 100 bits of chance, of which its visible beginning shows 20: nobody guesses one, so a plain SHA-256 is
enough.
"""

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass

from haze_proxy.store import transfers
from haze_proxy.store.transfers import Transfer

PREFIX = "haze-"
# Crockford's base 32: no I, L, O and U, so that nothing is misread. 5 bits a character.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MISREAD = str.maketrans("ILO", "110", " -")
GROUPS, GROUP = 5, 4
SHOWN = len(PREFIX) + GROUP


@dataclass(frozen=True, slots=True)
class Code:
    """A code's facts. `amount` is nano-dollars, times are ms; `email` is who redeemed it."""

    id: int
    prefix: str
    amount: int
    memo: str | None
    created_at: int
    expires_at: int | None
    redeemed_at: int | None
    email: str | None

    def state(self, now_ms: int) -> str:
        """`open`, `redeemed` or `expired`."""
        if self.redeemed_at is not None:
            return "redeemed"
        return "expired" if self.expires_at is not None and self.expires_at <= now_ms else "open"


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a code gave, and the account's balance with it, in nano-dollars."""

    amount: int
    balance: int


class CodeError(Exception):
    """A code that gives nothing. One text whatever the reason: a stranger learns nothing from it."""

    def __init__(self) -> None:
        super().__init__("This code cannot be redeemed: it is unknown, was used before, or has expired.")


def make() -> str:
    """A new code, such as haze-7K3D-9QWM-X0TB-4HNE-2RVA."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))
    return PREFIX + "-".join(groups)


def digest(code: str) -> bytes:
    """What is stored of a code; the same however it was typed: case, spaces, hyphens, O for 0, I or L for 1."""
    plain = code.upper().translate(MISREAD)
    if len(plain) > GROUPS * GROUP:
        plain = plain.removeprefix(PREFIX.upper().rstrip("-"))
    return hashlib.sha256(plain.encode("utf-8", "surrogateescape")).digest()


def add(
    connection: sqlite3.Connection, code: str, amount: int, memo: str | None, expires_at: int | None, now_ms: int
) -> None:
    """Store a code's digest and what it is worth. No money moves before it is redeemed."""
    connection.execute(
        "INSERT INTO codes (digest, prefix, amount, memo, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        (digest(code), code[:SHOWN], amount, memo, now_ms, expires_at),
    )


def every(connection: sqlite3.Connection) -> list[Code]:
    """All codes, oldest first."""
    return [_code(row) for row in connection.execute(f"{SELECT} ORDER BY codes.id")]


def newest(connection: sqlite3.Connection, before: int, most: int) -> list[Code]:
    """The newest `most` codes whose id is below `before`, newest first."""
    rows = connection.execute(f"{SELECT} WHERE codes.id < ? ORDER BY codes.id DESC LIMIT ?", (before, most))
    return [_code(row) for row in rows]


def withdraw(connection: sqlite3.Connection, code_id: int, now_ms: int) -> Code:
    """Let an open code expire now. Raises CodeError where there is none, or it was redeemed or has expired."""
    changed = connection.execute(
        "UPDATE codes SET expires_at = ?"
        " WHERE id = ? AND redeemed_at IS NULL AND (expires_at IS NULL OR expires_at > ?)",
        (now_ms, code_id, now_ms),
    ).rowcount
    if not changed:
        raise CodeError
    return _code(connection.execute(f"{SELECT} WHERE codes.id = ?", (code_id,)).fetchone())


def redeem(connection: sqlite3.Connection, account_id: int, code: str, now_ms: int) -> Redeemed:
    """Give an account what a code is worth, once for all accounts, in the caller's transaction. Raises CodeError."""
    row = connection.execute(
        "UPDATE codes SET redeemed_at = ?, account_id = ?"
        " WHERE digest = ? AND redeemed_at IS NULL AND (expires_at IS NULL OR expires_at > ?) RETURNING id, amount",
        (now_ms, account_id, digest(code), now_ms),
    ).fetchone()
    if row is None:
        raise CodeError
    name = transfers.account(account_id)
    gift = Transfer(transfers.PROMOTION, name, row["amount"], "code", idempotency_key=f"code:{row['id']}")
    transfers.move(connection, gift, now_ms)
    return Redeemed(row["amount"], transfers.balance(connection, name))


SELECT = (
    "SELECT codes.id, prefix, amount, memo, codes.created_at, expires_at, redeemed_at, email FROM codes"
    " LEFT JOIN accounts ON accounts.id = account_id"
)


def _code(row: sqlite3.Row) -> Code:
    return Code(**dict(row))
