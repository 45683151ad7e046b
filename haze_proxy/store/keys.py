"""Keys: the credentials of an account. Only their digest is stored.

A key holds 256 bits of chance, so a plain SHA-256 is enough: a slow hash slows down guessing, and there is none.
"""

import hashlib
import json
import secrets
import sqlite3
from dataclasses import dataclass

from haze_proxy.money import periods

PREFIX = "sk-rr-"
# 32 random bytes in URL-safe base64 without padding.
SECRET_BYTES = 32
# As much of a key as may be shown again: enough to tell keys apart, useless for guessing.
SHOWN = len(PREFIX) + 6


@dataclass(frozen=True, slots=True)
class Key:
    """A key's facts. Budget and spent are nano-dollars; `models` are the ids it may use (None: all); times are ms.

    `period_spent` is what it spent in the period of its budget that began at `period_started`; that one may be over.
    `addresses` are the networks it may be used from (None: all). What moves with each request is as it was read.
    """

    id: int
    account_id: int
    name: str
    prefix: str
    requests_per_minute: int
    tokens_per_minute: int
    concurrent_requests: int
    budget: int | None
    budget_period: str
    spent: int
    period_spent: int
    period_started: int
    models: tuple[str, ...] | None
    addresses: tuple[str, ...] | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None

    @property
    def has_secret(self) -> bool:
        """Whether somebody can hold it: the one that pages ask with (store/playground.py) has nothing to present."""
        return self.prefix.startswith(PREFIX)

    def may_use(self, model: str) -> bool:
        """Whether this key may ask for a model."""
        return self.models is None or model in self.models

    def budget_left(self, now_ms: int) -> int | None:
        """What is left of its budget in the period that is now, holds not taken off; None where it has none."""
        if self.budget is None:
            return None
        is_over = periods.begin(self.budget_period, now_ms) > self.period_started
        return self.budget - (0 if is_over else self.period_spent)


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is decided about a key by whoever makes or edits it."""

    name: str
    requests_per_minute: int
    tokens_per_minute: int
    concurrent_requests: int
    budget: int | None = None
    budget_period: str = periods.TOTAL
    models: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    expires_at: int | None = None


class UnknownKeyError(Exception):
    """A key that cannot be found; the message is one clear line."""


def make_secret() -> str:
    """A new key: `sk-rr-` and 43 characters."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> bytes:
    """What is stored of a key, and what it is found by."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def add(connection: sqlite3.Connection, account_id: int, new: NewKey, secret: str, now_ms: int) -> int:
    """Store a key's digest and facts; returns its id."""
    cursor = connection.execute(
        "INSERT INTO keys (account_id, name, prefix, digest, requests_per_minute, tokens_per_minute,"
        " concurrent_requests, budget, budget_period, models, addresses, created_at, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            account_id,
            new.name,
            secret[:SHOWN],
            digest(secret),
            new.requests_per_minute,
            new.tokens_per_minute,
            new.concurrent_requests,
            new.budget,
            new.budget_period,
            listed(new.models),
            listed(new.addresses),
            now_ms,
            new.expires_at,
        ),
    )
    return int(cursor.lastrowid or 0)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a key has spent, in nano-dollars: in all, and in the period of its budget that began at `period_started`."""

    total: int
    in_period: int
    period_started: int


def spend(connection: sqlite3.Connection, key_id: int, cost: int, now_ms: int) -> Spent:
    """Count a cost that is settled at `now_ms`, in the transaction of its charge; a period may begin with it."""
    row = connection.execute(
        "UPDATE keys SET spent = spent + ?, period_spent = period_spent + ?, last_used_at = ? WHERE id = ?"
        " RETURNING spent, period_spent, period_started, budget_period",
        (cost, cost, now_ms, key_id),
    ).fetchone()
    began = periods.begin(row["budget_period"], now_ms)
    if began == row["period_started"]:
        return Spent(row["spent"], row["period_spent"], began)
    # A clock that was set back settles in a period that is over: it counts in all, and not in the one that runs.
    turned = began > row["period_started"]
    in_period, started = (cost, began) if turned else (row["period_spent"] - cost, row["period_started"])
    connection.execute(
        "UPDATE keys SET period_spent = ?, period_started = ? WHERE id = ?", (in_period, started, key_id)
    )
    return Spent(row["spent"], in_period, started)


def take_back(connection: sqlite3.Connection, key_id: int, amount: int, settled_at: int) -> None:
    """A refund of what was settled at `settled_at`: it was not spent, nor in its period if that still runs."""
    # The revision tells a running server, which otherwise hears of what a key has spent from its own charges alone.
    connection.execute("UPDATE clock SET revision = revision + 1")
    connection.execute(
        "UPDATE keys SET spent = spent - ?, period_spent = period_spent - iif(? >= period_started, ?, 0),"
        " revision = (SELECT revision FROM clock) WHERE id = ?",
        (amount, settled_at, amount, key_id),
    )


def of_account(connection: sqlite3.Connection, account_id: int) -> list[Key]:
    """The keys of an account, oldest first, revoked ones too."""
    rows = connection.execute(f"{SELECT} WHERE account_id = ? ORDER BY id", (account_id,))
    return [key(row) for row in rows]


def find(connection: sqlite3.Connection, named: str) -> Key:
    """The key named by its id, by what is visible of it, or in full. Raises UnknownKeyError unless exactly one fits."""
    number = int(named) if named.isdecimal() and len(named) < SHOWN else -1
    rows = connection.execute(
        f"{SELECT} WHERE id = ? OR prefix = ? OR digest = ? ORDER BY id", (number, named, digest(named))
    )
    fits = [key(row) for row in rows]
    if not fits:
        raise UnknownKeyError("No such key.")
    if len(fits) > 1:
        raise UnknownKeyError(
            f"{named} fits several keys; name one by its id: {', '.join(str(each.id) for each in fits)}."
        )
    return fits[0]


def refusal(connection: sqlite3.Connection, found: Key, model: str, now_ms: int) -> str | None:
    """Why a key would get no answer for a model, apart from money and limits; None when it would."""
    disabled = connection.execute("SELECT disabled_at FROM accounts WHERE id = ?", (found.account_id,)).fetchone()[0]
    if found.revoked_at is not None:
        return "this key is revoked"
    if found.expires_at is not None and found.expires_at <= now_ms:
        return "this key has expired"
    if disabled is not None:
        return "this key's account is disabled"
    return None if found.may_use(model) else f"this key may only use {', '.join(found.models or ())}"


COLUMNS = (
    "id, account_id, name, prefix, requests_per_minute, tokens_per_minute, concurrent_requests, budget, budget_period,"
    " spent, period_spent, period_started, models, addresses, created_at, expires_at, revoked_at, last_used_at"
)
SELECT = f"SELECT {COLUMNS} FROM keys"


def key(row: sqlite3.Row) -> Key:
    """A row of COLUMNS as a value."""
    fields = {name: row[name] for name in Key.__dataclass_fields__}
    for name in ("models", "addresses"):
        fields[name] = None if row[name] is None else tuple(json.loads(row[name]))
    return Key(**fields)


def listed(values: tuple[str, ...] | None) -> str | None:
    """Ids or networks as they are stored: a JSON array, or NULL for all."""
    return None if values is None else json.dumps(values)
