"""What the owner reads: rows of accounts and keys, as JSON or as a table."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import orjson

from haze_proxy.money import periods, receipt
from haze_proxy.store import accounts
from haze_proxy.store.accounts import Account
from haze_proxy.store.channel_health import Resting
from haze_proxy.store.keys import Key

if TYPE_CHECKING:  # the channels' room loads aiohttp, which most commands do without
    from haze_proxy.channels.channel import Channel
    from haze_proxy.channels.directory import Directory
    from haze_proxy.channels.probe import Health


def account_row(connection: sqlite3.Connection, each: Account) -> dict[str, Any]:
    """An account as it is shown: money as exact decimal strings in USD."""
    return {
        "id": each.id,
        "email": each.email,
        "balance_usd": receipt.usd(each.balance),
        "held_usd": receipt.usd(accounts.held(connection, each.id)),
        "spent_usd": receipt.usd(each.spent),
        "is_admin": each.is_admin,
        "disabled": each.disabled_at is not None,
        "created_at": time_text(each.created_at),
    }


def key_row(each: Key, now_ms: int) -> dict[str, Any]:
    """A key as it is shown: what is visible of it, its limits, and what is left of its budget now."""
    left = each.budget_left(now_ms)
    return {
        "id": each.id,
        "prefix": each.prefix,
        "name": each.name,
        "requests_per_minute": each.requests_per_minute,
        "tokens_per_minute": each.tokens_per_minute,
        "concurrent_requests": each.concurrent_requests,
        "budget_usd": None if each.budget is None else receipt.usd(each.budget),
        "budget_period": None if each.budget is None else each.budget_period,
        "budget_left_usd": None if left is None else receipt.usd(max(0, left)),
        "budget_resets_at": None if left is None else time_text(periods.end(each.budget_period, now_ms)),
        "spent_usd": receipt.usd(each.spent),
        "models": each.models,
        "created_at": time_text(each.created_at),
        "expires_at": time_text(each.expires_at),
        "revoked_at": time_text(each.revoked_at),
    }


def channel_row(each: "Channel", directory: "Directory", resting: str, health: "Health | None") -> dict[str, Any]:
    """A channel as it is shown, without its credential; `health` is None where it was not tested.

    `resting` says why the running server leaves it alone for the moment, or "". `listed` and `fetched_at` are those of
    its upstream's list, `priced` is how many of these can be served.
    """
    listing = directory.lists.get(each.name)
    return {
        "name": each.name,
        "kind": each.kind.name,
        "active": not each.inactive,
        "reason": each.inactive or None,
        "switch": each.off or None,
        "models": each.models,
        "aliases": dict(each.aliases),
        "priority": each.priority,
        "weight": each.weight,
        "resting": resting or None,
        "listed": None if listing is None else len(listing.offers),
        "priced": None if listing is None else directory.priced(each),
        "fetched_at": None if listing is None else time_text(listing.fetched_at),
        "health": None if health is None else health.text,
    }


def rest_text(known: Iterable[Resting], channel: str, model: str | None = None) -> str:
    """Why a channel is left alone for the moment: as a whole, or for `model` (None: for any of its models)."""
    return "; ".join(
        f"{each.model or 'all models'} until {time_text(each.until)} after {each.failures} failures: {each.reason}"
        for each in known
        if each.channel == channel and (model is None or each.model in ("", model))
    )


def time_text(at_ms: int | None) -> str | None:
    """Milliseconds since 1970 as ISO 8601 in UTC."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def print_json(value: object) -> None:
    """A value as JSON, for programs."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def print_row(row: Mapping[str, Any], as_json: bool) -> None:
    """One thing: a JSON object, or a table of one line."""
    if as_json:
        print_json(row)
    else:
        _print_table([row])


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """A listing: a JSON array, or a table; nothing at all where nothing is listed."""
    if as_json:
        print_json(rows)
    elif rows:
        _print_table(rows)


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with the same names, under them, in columns as wide as what stands in them."""
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        value = [f"{name}={target}" for name, target in value.items()]
    if isinstance(value, Iterable) and not isinstance(value, str):
        value = ",".join(map(str, value))
    return "-" if value is None or value == "" else str(value)
