"""A receipt in people's words: how the request ended and what that means for its price, its lines, and each attempt.

The same for its account and for the owner, but for what is the owner's own trouble: what an upstream said about his
credential or his wallet, and what it cost him where that is not the price.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from haze_proxy.money import endings, receipt_lines
from haze_proxy.money.receipt import UPSTREAM_COST
from haze_proxy.money.receipt_lines import Shown
from haze_proxy.store.receipts import Receipt
from haze_proxy.web import price_list
from haze_proxy.web.words import money

# A line's class -> what people call it; tools of the provider go by their own names.
CLASSES: Final = {
    "input": "Input",
    "cache_read": "Input from the cache",
    "cache_write_5m": "Input kept in the cache for 5 minutes",
    "cache_write_1h": "Input kept in the cache for 1 hour",
    "output": "Output",
    "request": "The request itself",
    UPSTREAM_COST: "The provider's own cost",
    receipt_lines.ROUNDING: "Rounded up to a whole nano-dollar",
    receipt_lines.NOT_EXPLAINED: "Not explained by the price that was kept",
}
TRANSFERS: Final = {
    "charge": "Paid for this request",
    "shortfall": "Paid by the house",
    "refund": "Refunded",
}
RUNNING: Final = "It is still running. What it costs is known when it ends."


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to a channel. `status` is what the upstream answered, where that may be told; times are ms."""

    channel: str
    model: str
    status: int | None
    error: str
    began_at: int
    first_byte_at: int | None
    upstream_id: str
    upstream_cost: int | None


@dataclass(frozen=True, slots=True)
class View:
    """What a receipt's page shows. `ending` are sentences; `upstream_cost` (nano-dollars) is None where it is not told.

    `lines` and `transfers` come with what people call them; `price_from` is where the price is from, "" without one.
    """

    receipt: Receipt
    is_owners: bool
    ending: list[str]
    lines: list[tuple[str, Shown]]
    transfers: list[tuple[str, dict[str, Any]]]
    attempts: list[Attempt]
    upstream_cost: int | None
    price_from: str


def of(found: Receipt, *, is_owners: bool = False) -> View:
    """A receipt as its account sees it, or as the owner does."""
    shown = receipt_lines.shown(found.charge, found.unexplained)
    return View(
        receipt=found,
        is_owners=is_owners,
        ending=list(_ending(found)),
        lines=[(CLASSES.get(line.cls, line.cls.replace("_", " ").capitalize()), line) for line in shown],
        transfers=[(TRANSFERS.get(row["kind"], row["kind"]), dict(row)) for row in found.transfers],
        attempts=[_attempt(each, is_owners) for each in found.attempts],
        upstream_cost=found.row["upstream_cost"] if is_owners else None,
        price_from=price_list.source(found.price) if found.price else "",
    )


def _ending(found: Receipt) -> list[str]:
    row, known = found.row, endings.BY_WORD.get(found.row["ended"] or "")
    if row["state"] == "open":
        return [RUNNING]
    said = [known.sentence if known else f"It ended as: {row['ended']}."]
    if known is not None and known.kind == endings.FINAL:
        reported = row["state"] == "settled"
        said.append("It had reported that." if reported else "It had reported none, so nothing was charged.")
    if row["estimated"]:
        said.append("The usage is an estimate: the provider reported none that can be the usage of this answer.")
    if found.price is not None and found.price.free:
        said.append("The model is free.")
    if row["shortfall"]:
        said.append(f"The account could not pay all of it; {money(row['shortfall'])} are the house's loss.")
    if found.refunded:
        said.append(f"{money(found.refunded)} were refunded.")
    return said


def _attempt(facts: dict[str, Any], is_owners: bool) -> Attempt:
    error = facts["error"] or ""
    is_told = is_owners or not _is_owners_trouble(facts["status"], error)
    return Attempt(
        channel=facts["channel"],
        model=facts["model"],
        status=facts["status"] if is_told else None,
        error=error,
        began_at=facts["began_at"],
        first_byte_at=facts["first_byte_at"],
        upstream_id=facts["upstream_id"] or "",
        upstream_cost=facts.get("upstream_cost") if is_owners else None,
    )


def _is_owners_trouble(status: int | None, error: str) -> bool:
    """Whether an upstream's refusal was told to the caller as another: then its status is the owner's affair."""
    is_refusal = status is not None and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return is_refusal and not error.startswith(str(status))
