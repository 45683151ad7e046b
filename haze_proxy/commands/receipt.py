"""A receipt as the owner reads it: as JSON, or as a page of text."""

from collections.abc import Mapping
from typing import Any

import click

from haze_proxy.commands.output import print_json, print_rows, time_text
from haze_proxy.money import receipt_lines
from haze_proxy.money.receipt import usd
from haze_proxy.money.receipt_lines import Shown
from haze_proxy.store.receipts import Receipt

TIMES = ("opened_at", "first_byte_at", "ended_at")
AS_THEY_ARE = (
    "state", "ended", "protocol", "model", "channel", "upstream_model", "upstream_id", "status", "service_tier",
)  # fmt: skip
LISTS = ("lines", "attempts", "transfers")


def receipt_row(receipt: Receipt) -> dict[str, Any]:
    """A receipt as it is shown: money as exact decimal strings in USD. The amounts of its lines add up to its cost."""
    row, price = receipt.row, receipt.price
    return {
        "id": row["id"],
        "account": row["email"],
        "key": row["prefix"],
        **{name: row[name] for name in AS_THEY_ARE},
        "stream": bool(row["stream"]),
        **{name: time_text(row[name]) for name in TIMES},
        "usage": None if price is None else "estimated" if row["estimated"] else "reported",
        "reasoning_tokens": row["reasoning"],
        "lines": [_line(each) for each in receipt_lines.shown(receipt.charge, receipt.unexplained)],
        "flags": list(receipt.charge.flags),
        "price_source": None if price is None else price.source,
        "price_version": None if price is None else price.version or None,
        **_money(receipt),
        "attempts": [_attempt(each) for each in receipt.attempts],
        "transfers": [_transfer(each) for each in receipt.transfers],
    }


def _money(receipt: Receipt) -> dict[str, str | None]:
    row = receipt.row
    amounts = {
        "held": receipt.held_first,
        "extended": row["extended"],
        "cost": row["cost"],
        "settled": receipt.charged,
        "shortfall": row["shortfall"],
        "returned": receipt.returned,
        "refunded": receipt.refunded,
        "upstream_cost": row["upstream_cost"],
    }
    return {f"{name}_usd": None if amount is None else usd(amount) for name, amount in amounts.items()}


def _line(line: Shown) -> dict[str, Any]:
    return {
        "class": line.cls,
        "count": line.count,
        "price": line.price,
        "unit": line.unit,
        "amount_usd": line.amount,
    }


def _attempt(facts: Mapping[str, Any]) -> dict[str, Any]:
    cost = facts.get("upstream_cost")
    return {
        "channel": facts["channel"],
        "model": facts["model"],
        "status": facts["status"],
        "began_at": time_text(facts["began_at"]),
        "first_byte_at": time_text(facts["first_byte_at"]),
        "upstream_id": facts["upstream_id"],
        "upstream_cost_usd": None if cost is None else usd(cost),
        "error": facts["error"],
    }


def _transfer(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "kind": row["kind"],
        "debit": row["debit"],
        "credit": row["credit"],
        "amount_usd": usd(row["amount"]),
        "created_at": time_text(row["created_at"]),
        "memo": row["memo"],
    }


def print_receipt(receipt: Receipt, as_json: bool) -> None:
    """One JSON object, or what is known line by line, then its tables."""
    row = receipt_row(receipt)
    if as_json:
        print_json(row)
        return
    facts = {name: value for name, value in row.items() if name not in LISTS and value not in (None, [], False)}
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else "yes" if value is True else value
        click.echo(f"{name.ljust(width)}  {shown}")
    for name in LISTS:
        if row[name]:
            click.echo(f"\n{name}")
            print_rows(row[name], as_json=False)
