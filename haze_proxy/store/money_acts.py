"""What administrators, and the owner by commands, do with money: each act with its line in the audit log.

`actor` is the administrator's account id, None for the owner's commands; money is nano-dollars. All of it happens in
the caller's transaction, so no money moves that is not written down.
"""

import sqlite3
from collections.abc import Sequence

from haze_proxy.money.receipt import usd
from haze_proxy.store import accounts, audit, codes, refunds, transfers
from haze_proxy.store.accounts import Account
from haze_proxy.store.audit import Act
from haze_proxy.store.codes import Code, Redeemed
from haze_proxy.store.refunds import Refund
from haze_proxy.store.transfers import Transfer

# As many beginnings of codes stand in one line of the log.
NAMED = 5


def credit(
    connection: sqlite3.Connection, actor: int | None, account: Account, amount: int, how: Transfer, now_ms: int
) -> int:
    """Give an account money as `how` says; returns its balance. The same idempotency key gives, and tells, it once.

    Raises AlreadyMovedError when that key has moved other money.
    """
    is_first = how.idempotency_key is None or not transfers.has_moved(connection, how.idempotency_key)
    balance = accounts.credit(connection, account.id, amount, how, now_ms)
    if is_first:
        audit.record(connection, Act(actor, "account.credit", account.email, _said(amount, how.memo)), now_ms)
    return balance


def correct(
    connection: sqlite3.Connection, actor: int, account: Account, amount: int, memo: str, unique: str, now_ms: int
) -> None:
    """Take back what an account was given by mistake; the same idempotency key takes, and tells, it once.

    Raises AlreadyMovedError, sqlite3.IntegrityError when there is not so much.
    """
    if not transfers.has_moved(connection, unique):
        audit.record(connection, Act(actor, "account.correct", account.email, _said(amount, memo)), now_ms)
    name = transfers.account(account.id)
    back = Transfer(name, transfers.MANUAL, amount, "correction", idempotency_key=unique, memo=memo or None)
    transfers.move(connection, back, now_ms)


def refund(connection: sqlite3.Connection, actor: int | None, request_id: str, memo: str | None, now_ms: int) -> Refund:
    """Give back what a request's account paid for it, once. Raises RefundError."""
    given = refunds.give(connection, request_id, memo, now_ms)
    audit.record(connection, Act(actor, "request.refund", request_id, _said(given.amount, memo)), now_ms)
    return given


def add_codes(
    connection: sqlite3.Connection,
    actor: int | None,
    made: Sequence[str],
    amount: int,
    memo: str | None,
    expires_at: int | None,
    now_ms: int,
) -> None:
    """Store new codes, each of them worth `amount`. The log has no more of them than how they begin."""
    for each in made:
        codes.add(connection, each, amount, memo, expires_at, now_ms)
    shown = [f"{each[: codes.SHOWN]}…" for each in made[:NAMED]] + ["…"] * (len(made) > NAMED)
    detail = f"{', '.join(shown)}: {_said(amount, memo)}" if len(made) > 1 else _said(amount, memo)
    target = made[0][: codes.SHOWN] if len(made) == 1 else f"{len(made)} codes"
    audit.record(connection, Act(actor, "code.add", target, detail), now_ms)


def withdraw_code(connection: sqlite3.Connection, actor: int, code_id: int, now_ms: int) -> Code:
    """Let an open code expire now. Raises CodeError where it is not open."""
    code = codes.withdraw(connection, code_id, now_ms)
    audit.record(connection, Act(actor, "code.withdraw", code.prefix, _said(code.amount, code.memo)), now_ms)
    return code


def redeem_code(connection: sqlite3.Connection, account: Account, code: str, now_ms: int) -> Redeemed:
    """Redeem a code for an account, by the owner's command. Raises CodeError."""
    redeemed = codes.redeem(connection, account.id, code, now_ms)
    audit.record(connection, Act(None, "code.redeem", account.email, _said(redeemed.amount, None)), now_ms)
    return redeemed


def _said(amount: int, memo: str | None) -> str:
    return f"{usd(amount)} USD, {memo}" if memo else f"{usd(amount)} USD"
