"""New accounts that people make themselves: what they are given, and who is the first administrator."""

import sqlite3

from haze_proxy.store import accounts, transfers
from haze_proxy.store.transfers import Transfer


class InvitationUsedError(Exception):
    """There is an administrator already."""


def add(
    connection: sqlite3.Connection, email: str, *, password_hash: str, gift: int, as_admin: bool, now_ms: int
) -> int:
    """An account with its gift (nano-dollars), in one transaction; returns its id.

    Raises AccountError when the address is taken, InvitationUsedError when there is an administrator already.
    """
    if as_admin and accounts.has_admin(connection):
        raise InvitationUsedError
    account_id = accounts.add(connection, email, password_hash=password_hash, is_admin=as_admin, now_ms=now_ms)
    if gift:
        accounts.credit(connection, account_id, gift, Transfer(transfers.PROMOTION, "", gift, "signup"), now_ms)
    return account_id
