"""The owner's commands about money: credit, receipts, refunds, and the books."""

import csv
import sqlite3
import sys
from pathlib import Path
from typing import Any

import click

from haze_proxy import config
from haze_proxy.commands.input import DAY, EMAIL, USD, Commands, as_json_option
from haze_proxy.commands.output import print_rows, time_text
from haze_proxy.commands.receipt import print_receipt
from haze_proxy.commands.store import now_ms, store
from haze_proxy.money.receipt import usd
from haze_proxy.store import accounts, database, money_acts, proof, receipts, reconciliation, transfers
from haze_proxy.store.reconciliation import Drift
from haze_proxy.store.transfers import Transfer


@click.command()
@click.argument("email", type=EMAIL)
@click.argument("amount", type=USD, metavar="USD")
@click.option("--memo", help="What it is for.")
@click.option("--id", "unique", metavar="UNIQUE", help="The same id again moves nothing.")
@click.pass_obj
def credit(path: Path, email: str, amount: int, memo: str | None, unique: str | None) -> None:
    """Give an account money and print its new balance in USD."""
    idempotency_key = None if unique is None else f"manual:{unique}"
    how = Transfer(transfers.MANUAL, "", amount, "credit", idempotency_key=idempotency_key, memo=memo)
    with store(config.load(path)) as connection, database.transaction(connection):
        balance = money_acts.credit(connection, None, accounts.find(connection, email), amount, how, now_ms())
    click.echo(usd(balance))


@click.command()
@click.argument("request_id")
@as_json_option
@click.pass_obj
def receipt(path: Path, request_id: str, as_json: bool) -> None:
    """Why a request cost what it cost, line by line, and where its money went."""
    with store(config.load(path)) as connection, database.snapshot(connection):
        found = receipts.find(connection, request_id)
    print_receipt(found, as_json)


@click.command()
@click.argument("request_id")
@click.option("--memo", help="What it is for.")
@click.pass_obj
def refund(path: Path, request_id: str, memo: str | None) -> None:
    """Give back what an account paid for a request, once, and print its new balance in USD."""
    with store(config.load(path)) as connection, database.transaction(connection):
        given = money_acts.refund(connection, None, request_id, memo, now_ms())
    click.echo(usd(given.balance))


@click.command()
@click.option("--day", type=DAY, help="Only this one (UTC).")
@as_json_option
@click.pass_obj
def reconcile(path: Path, day: int | None, as_json: bool) -> None:
    """What requests cost here beside what the upstreams say they cost, by day, channel and model."""
    with store(config.load(path)) as connection, database.snapshot(connection):
        rows = [_drift(each) for each in reconciliation.drifts(connection, day)]
    print_rows(rows, as_json)


def _drift(each: Drift) -> dict[str, Any]:
    return {
        "day": each.day,
        "channel": each.channel,
        "model": each.model,
        "requests_with_upstream_cost": each.reported,
        "cost_usd": usd(each.cost),
        "upstream_cost_usd": usd(each.upstream_cost),
        "difference_usd": usd(each.difference),
        "requests_without_upstream_cost": each.unreported,
        "uncompared_cost_usd": usd(each.unreported_cost),
    }


@click.group(cls=Commands, no_args_is_help=False)
def ledger() -> None:
    """The books."""


@ledger.command("check")
@click.pass_obj
def ledger_check(path: Path) -> int:
    """Prove that the books add up; exit status 1 when they do not."""
    count = 0
    with store(config.load(path)) as connection, database.snapshot(connection):
        for complaint in proof.complaints(connection):
            click.echo(complaint)
            count += 1
        if not count:
            moved, requests = proof.size(connection)
            click.echo(f"clean: {moved} transfers, {requests} requests, sum 0")
        _tell_lost(connection)
    if count:
        click.echo(f"The books do not add up: {count} complaints.", err=True)
    return min(count, 1)


def _tell_lost(connection: sqlite3.Connection) -> None:
    """Shortfalls are no complaints; of many of them the sum says more than the lines."""
    count, amount = proof.lost(connection)
    if count > LISTED:
        click.echo(LOST.format(count=count, amount=usd(amount)))
    for row in proof.shortfalls(connection, LISTED):
        click.echo(SHORTFALL.format(**dict(row), at=time_text(row["ended_at"]), short=usd(row["shortfall"])))
    for row in proof.card_shortfalls(connection, LISTED):
        click.echo(CARD_SHORTFALL.format(**{**dict(row), "at": time_text(row["at"]), "amount": usd(row["amount"])}))


# So many of each kind.
LISTED = 20
LOST = "shortfalls, the house's loss: {amount} USD in {count}, of which these are the newest"
SHORTFALL = "shortfall, the house's loss: {short} USD of {id}, {at}, {email}, {model} on {channel}"
CARD_SHORTFALL = "shortfall, the house's loss: {amount} USD that Stripe took back, {at}, {email}, {memo}"


@ledger.command("export")
@click.option("--csv", is_flag=True, help="Comma-separated values; the only form there is.")
@click.pass_obj
def ledger_export(path: Path, /, **_: bool) -> None:
    """Print every transfer, oldest first."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(EXPORTED)
    with store(config.load(path)) as connection:
        for row in transfers.export(connection):
            shown = {**dict(row), "created_at": time_text(row["created_at"]), "amount_usd": usd(row["amount"])}
            out.writerow([shown[column] for column in EXPORTED])


EXPORTED = ("id", "created_at", "kind", "debit", "credit", "amount_usd", "request_id", "idempotency_key", "memo")
COMMANDS = (credit, receipt, refund, reconcile, ledger)
