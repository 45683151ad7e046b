"""`haze-proxy account`: who pays."""

from pathlib import Path

import click

from haze_proxy import config
from haze_proxy.commands.input import EMAIL, USD, Commands, as_json_option, password_hash
from haze_proxy.commands.output import account_row, print_row, print_rows
from haze_proxy.commands.store import now_ms, store
from haze_proxy.money import receipt
from haze_proxy.store import account_acts, accounts, database, transfers
from haze_proxy.store.transfers import Transfer


@click.group(cls=Commands, no_args_is_help=False)
def account() -> None:
    """Who pays."""


@account.command("add")
@click.argument("email", type=EMAIL)
@click.option("--admin", is_flag=True, help="May see and change everything.")
@click.option("--credit", type=USD, help="Money to begin with.")
@click.option("--password-stdin", is_flag=True, help="Read the password's line from standard input.")
@click.pass_obj
def account_add(path: Path, email: str, admin: bool, credit: int | None, password_stdin: bool) -> None:
    """Make an account and print its id."""
    settings = config.load(path)
    hashed, now = password_hash(password_stdin), now_ms()
    gifts = [
        Transfer(transfers.PROMOTION, "", receipt.nano(settings.accounts.signup_credit), "signup"),
        Transfer(transfers.MANUAL, "", credit or 0, "credit"),
    ]
    with store(settings) as connection, database.transaction(connection):
        account_id = account_acts.add(
            connection, None, email, password_hash=hashed, is_admin=admin, gifts=gifts, now_ms=now
        )
    click.echo(account_id)
    if hashed is None:
        click.echo("It has no password and cannot log in on the pages (--password-stdin gives it one).", err=True)


@account.command("list")
@as_json_option
@click.pass_obj
def account_list(path: Path, as_json: bool) -> None:
    """All accounts."""
    with store(config.load(path)) as connection, database.snapshot(connection):
        rows = [account_row(connection, each) for each in accounts.every(connection)]
    print_rows(rows, as_json)


@account.command("show")
@click.argument("email", type=EMAIL)
@as_json_option
@click.pass_obj
def account_show(path: Path, email: str, as_json: bool) -> None:
    """One account and its money."""
    with store(config.load(path)) as connection, database.snapshot(connection):
        row = account_row(connection, accounts.find(connection, email))
    print_row(row, as_json)


@account.command("disable")
@click.argument("email", type=EMAIL)
@click.pass_obj
def account_disable(path: Path, email: str) -> None:
    """Refuse an account's requests from now on."""
    with store(config.load(path)) as connection, database.transaction(connection):
        account_acts.disable(connection, None, accounts.find(connection, email), now_ms())
    click.echo(f"{email} is disabled.")


@account.command("enable")
@click.argument("email", type=EMAIL)
@click.pass_obj
def account_enable(path: Path, email: str) -> None:
    """Answer a disabled account's requests again."""
    with store(config.load(path)) as connection, database.transaction(connection):
        account_acts.enable(connection, None, accounts.find(connection, email), now_ms())
    click.echo(f"{email} is enabled.")
