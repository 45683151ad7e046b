"""Top-ups by card: a payment is credited once, whoever tells of it and how often; what is taken back is taken once.

The amount that is credited is the one written down when the payment began. What Stripe takes back is taken from the
account as far as its balance goes, never below zero; the rest is a shortfall of the house.
"""

import sqlite3
from dataclasses import dataclass
from typing import Literal

from haze_proxy.money.receipt import usd
from haze_proxy.store import audit, transfers
from haze_proxy.store.audit import Act
from haze_proxy.store.transfers import Transfer

NANO_PER_CENT = 10_000_000
ACTS = {"card_refund": "card.refund", "card_dispute": "card.dispute"}

Outcome = Literal["credited", "already", "unknown", "differs"]


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it was begun: `amount` in nano-dollars."""

    session_id: str
    account_id: int
    amount: int
    state: str


@dataclass(frozen=True, slots=True)
class Reversal:
    """What Stripe has taken back of a payment, in all, by one `source`, in nano-dollars."""

    intent: str
    source: str
    kind: Literal["card_refund", "card_dispute"]
    amount: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What a reversal took from its account, and what the house has to bear, in nano-dollars."""

    from_account: int
    shortfall: int


class UnknownPaymentError(Exception):
    """No payment of this intent was credited."""


def begin(connection: sqlite3.Connection, payment: Payment, now_ms: int) -> None:
    """Write a payment down as open, before anybody can pay it."""
    connection.execute(
        "INSERT INTO card_payments (session_id, account_id, amount, state, created_at) VALUES (?, ?, ?, ?, ?)",
        (payment.session_id, payment.account_id, payment.amount, payment.state, now_ms),
    )


def find(connection: sqlite3.Connection, account_id: int, session_id: str) -> Payment | None:
    """A payment of an account's; None where the account has no such."""
    payment = _find(connection, session_id)
    return payment if payment is not None and payment.account_id == account_id else None


def pay(
    connection: sqlite3.Connection, session_id: str, cents: int, currency: str, intent: str | None, now_ms: int
) -> Outcome:
    """Credit a payment that was paid, once. Whatever had been said of it before: that it is paid is the last word.

    "unknown": it was not begun here. "differs": what was paid is not what was begun, so nothing is credited.
    """
    payment = _find(connection, session_id)
    if payment is None:
        return "unknown"
    if payment.state == "paid":
        return "already"
    if (cents * NANO_PER_CENT, currency) != (payment.amount, "usd"):
        return "differs"
    name, key = transfers.account(payment.account_id), f"stripe:{session_id}"
    transfers.move(connection, Transfer(transfers.STRIPE, name, payment.amount, "card", idempotency_key=key), now_ms)
    connection.execute(
        "UPDATE card_payments SET state = 'paid', intent = ?, ended_at = ? WHERE session_id = ?",
        (intent, now_ms, session_id),
    )
    return "credited"


def end(connection: sqlite3.Connection, session_id: str, state: str, now_ms: int) -> bool:
    """An open payment came to nothing: `failed` or `expired`. Says whether it was open."""
    cursor = connection.execute(
        "UPDATE card_payments SET state = ?, ended_at = ? WHERE session_id = ? AND state = 'open'",
        (state, now_ms, session_id),
    )
    return cursor.rowcount > 0


def take_back(connection: sqlite3.Connection, reversal: Reversal, now_ms: int) -> Taken:
    """Take what Stripe took, as far as it is new and no more than was credited. Raises UnknownPaymentError."""
    row = connection.execute(f"{SELECT} WHERE intent = ?", (reversal.intent,)).fetchone()
    if row is None:
        raise UnknownPaymentError(f"No payment {reversal.intent} was credited.")
    payment = Payment(**dict(row))
    before = min(_taken(connection, payment), payment.amount)
    connection.execute(
        "INSERT INTO card_reversals (source, session_id, amount) VALUES (?, ?, ?)"
        " ON CONFLICT (source) DO UPDATE SET amount = max(amount, excluded.amount)",
        (reversal.source, payment.session_id, reversal.amount),
    )
    after = min(_taken(connection, payment), payment.amount)
    return _take(connection, payment, reversal, before, after, now_ms) if after > before else Taken(0, 0)


def _take(
    connection: sqlite3.Connection, payment: Payment, reversal: Reversal, before: int, after: int, now_ms: int
) -> Taken:
    name, due = transfers.account(payment.account_id), after - before
    own = min(due, transfers.balance(connection, name))
    parts = ((name, own, reversal.kind), (transfers.SHORTFALL, due - own, "card_shortfall"))
    for debit, amount, kind in parts:
        if amount:
            key = f"stripe:{payment.session_id}:{after}:{kind}"
            back = Transfer(debit, transfers.STRIPE, amount, kind, idempotency_key=key, memo=reversal.source)
            transfers.move(connection, back, now_ms)
    email = connection.execute("SELECT email FROM accounts WHERE id = ?", (payment.account_id,)).fetchone()["email"]
    detail = f"{reversal.source}: ${usd(own)} from the account, ${usd(due - own)} from the house"
    audit.record(connection, Act(None, ACTS[reversal.kind], email, detail), now_ms)
    return Taken(own, due - own)


def _taken(connection: sqlite3.Connection, payment: Payment) -> int:
    question = "SELECT coalesce(sum(amount), 0) FROM card_reversals WHERE session_id = ?"
    return int(connection.execute(question, (payment.session_id,)).fetchone()[0])


SELECT = "SELECT session_id, account_id, amount, state FROM card_payments"


def _find(connection: sqlite3.Connection, session_id: str) -> Payment | None:
    row = connection.execute(f"{SELECT} WHERE session_id = ?", (session_id,)).fetchone()
    return None if row is None else Payment(**dict(row))
