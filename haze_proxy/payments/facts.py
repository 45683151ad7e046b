"""What Stripe says, in Haze's words: where a checkout stands, and what was taken back.

Objects and events: https://docs.stripe.com/api/checkout/sessions/object, https://docs.stripe.com/api/events/types,
https://docs.stripe.com/api/disputes/object (what begins with `warning_` is an inquiry).
Amounts are whole cents.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

State = Literal["open", "paid", "failed", "expired"]
CURRENCY: Final = "usd"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A payment on its way. `intent` is what its refunds and disputes name it by; `url` is where it is paid."""

    session_id: str
    state: State
    cents: int
    currency: str
    is_live: bool
    intent: str | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What Stripe has taken back from a payment, in all, by one refunded charge or one dispute: `source` names it."""

    intent: str
    source: str
    kind: Literal["card_refund", "card_dispute"]
    cents: int
    currency: str
    is_live: bool


Fact = Checkout | TakenBack


def checkout(session: Mapping[str, Any]) -> Checkout:
    """A Checkout Session. Raises KeyError or TypeError where it is none."""
    return Checkout(
        session_id=session["id"],
        state=_state(session),
        # What was bought; a total holds taxes that Haze is not owed.
        # Nothing where another program's checkout sells a subscription, or only asks for a card.
        cents=int(session["amount_subtotal"] or 0),
        currency=session["currency"] or "",
        is_live=bool(session["livemode"]),
        intent=session.get("payment_intent"),
        url=session.get("url") or "",
    )


def fact(event: Mapping[str, Any]) -> Fact | None:
    """What an event says; None where it says nothing to Haze. Raises KeyError or TypeError where it is none."""
    read = EVENTS.get(event["type"])
    return None if read is None else read(event["data"]["object"])


def _state(session: Mapping[str, Any]) -> State:
    if session["payment_status"] == "paid":
        return "paid"
    # Complete and unpaid: the money is under way, as with a bank's transfer.
    return "expired" if session.get("status") == "expired" else "open"


def _failed(session: Mapping[str, Any]) -> Checkout:
    known = checkout(session)
    return Checkout(known.session_id, "failed", known.cents, known.currency, known.is_live)


def _refunded(charge: Mapping[str, Any]) -> TakenBack | None:
    # It is the charge that comes, with all of its refunds added up.
    return _taken(charge, "card_refund", "amount_refunded")


def _disputed(dispute: Mapping[str, Any]) -> TakenBack | None:
    # An inquiry takes nothing; if it becomes a dispute, money that is withdrawn is told of by the same object.
    if dispute.get("status", "").startswith("warning_"):
        return None
    return _taken(dispute, "card_dispute", "amount")


def _taken(what: Mapping[str, Any], kind: Literal["card_refund", "card_dispute"], amount: str) -> TakenBack | None:
    intent, cents = what.get("payment_intent"), int(what[amount])
    if not intent or cents <= 0:
        return None  # no checkout's, or nothing
    return TakenBack(intent, what["id"], kind, cents, what["currency"], bool(what["livemode"]))


EVENTS: Final[dict[str, Callable[[Mapping[str, Any]], Fact | None]]] = {
    "checkout.session.completed": checkout,
    "checkout.session.async_payment_succeeded": checkout,
    "checkout.session.async_payment_failed": _failed,
    "checkout.session.expired": checkout,
    "charge.refunded": _refunded,
    "charge.dispute.created": _disputed,
    "charge.dispute.funds_withdrawn": _disputed,
}
