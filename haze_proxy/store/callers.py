"""Who is named by what is at hand, and whether a request of his would be answered at all."""

import sqlite3
from dataclasses import dataclass

from haze_proxy.store import accounts, keys


@dataclass(frozen=True, slots=True)
class Named:
    """Whose request it would be: `session` is what keeps it on a channel, `refusal` why nobody would answer it."""

    session: str = ""
    refusal: str | None = None


def find(connection: sqlite3.Connection, named: str, model: str, now_ms: int) -> Named:
    """The caller named by an account's e-mail address, or by a key: its id, its visible prefix, or all of it.

    Raises UnknownKeyError or AccountError.
    """
    if "@" in named:
        account = accounts.find(connection, named)
        return Named(refusal="this account is disabled" if account.disabled_at is not None else None)
    key = keys.find(connection, named)
    return Named(key.prefix, keys.refusal(connection, key, model, now_ms))
