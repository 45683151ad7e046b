"""The owner's commands about codes."""

from pathlib import Path
from typing import Any

import click

from haze_proxy import config
from haze_proxy.commands.input import CODES, EMAIL, EXPIRY, USD, Commands, as_json_option
from haze_proxy.commands.output import print_rows, time_text
from haze_proxy.commands.store import now_ms, store
from haze_proxy.money.receipt import usd
from haze_proxy.store import accounts, codes, database, money_acts
from haze_proxy.store.codes import Code


@click.group(cls=Commands, no_args_is_help=False)
def code() -> None:
    """Money to give away: whoever redeems a code first has it."""


@code.command("add")
@click.argument("amount", type=USD, metavar="USD")
@click.option("--count", type=CODES, default=1, help="How many.")
@click.option("--expires", type=EXPIRY, help="When they end; a day ends them as it begins (UTC).")
@click.option("--memo", help="What they are for.")
@click.pass_obj
def code_add(path: Path, amount: int, count: int, expires: int | None, memo: str | None) -> None:
    """Make codes and print them, one a line: they are shown once and never again."""
    made = [codes.make() for _ in range(count)]
    with store(config.load(path)) as connection, database.transaction(connection):
        money_acts.add_codes(connection, None, made, amount, memo, expires, now_ms())
    click.echo("\n".join(made))


@code.command("list")
@as_json_option
@click.pass_obj
def code_list(path: Path, as_json: bool) -> None:
    """All codes, and who redeemed them."""
    with store(config.load(path)) as connection, database.snapshot(connection):
        rows = [_row(each, now_ms()) for each in codes.every(connection)]
    print_rows(rows, as_json)


@code.command("redeem")
@click.argument("email", type=EMAIL)
@click.argument("code")
@click.pass_obj
def code_redeem(path: Path, email: str, code: str) -> None:
    """Redeem a code for an account and print its new balance in USD."""
    with store(config.load(path)) as connection, database.transaction(connection):
        redeemed = money_acts.redeem_code(connection, accounts.find(connection, email), code, now_ms())
    click.echo(usd(redeemed.balance))


def _row(each: Code, now: int) -> dict[str, Any]:
    return {
        "id": each.id,
        "prefix": each.prefix,
        "amount_usd": usd(each.amount),
        "state": each.state(now),
        "created_at": time_text(each.created_at),
        "expires_at": time_text(each.expires_at),
        "redeemed_at": time_text(each.redeemed_at),
        "redeemed_by": each.email,
        "memo": each.memo,
    }
