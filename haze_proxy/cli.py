"""The owner's commands. Exit status 0 on success; 1 with one clear line on stderr otherwise.

They work while the server runs: each opens the store, does one thing in one transaction and leaves; the server notices
by itself. What scripts want (an id, a key, a balance) stands alone on stdout.
"""

from pathlib import Path
from typing import Any

import click

from haze_proxy import config
from haze_proxy.commands import audit, backup, channels, codes, doctor, money
from haze_proxy.commands.input import COUNT, EMAIL, EXPIRY, USD, Commands, as_json_option, model_ids, password_hash
from haze_proxy.commands.output import account_row, key_row, print_row, print_rows
from haze_proxy.commands.store import now_ms, store, wait_until_noticed
from haze_proxy.money import receipt
from haze_proxy.money.periods import PERIODS, TOTAL
from haze_proxy.store import account_acts, accounts, database, keys, transfers
from haze_proxy.store.keys import NewKey
from haze_proxy.store.transfers import Transfer


@click.group(cls=Commands, no_args_is_help=False)
@click.option("--config", "path", default="config.toml", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_context
def main(context: click.Context, path: Path) -> None:
    """Haze: keys, limits, balances and a ledger in front of LLM providers."""
    context.obj = path


@main.command()
@click.option("--host", help="Wins over [server] host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Wins over [server] port.")
@click.pass_obj
def serve(path: Path, host: str | None, port: int | None) -> int:
    """Answer requests until stopped."""
    # Here and not above: the server's libraries take longer to load than any other command takes to run.
    from haze_proxy import server

    return server.serve(path, host, port)


@main.group(cls=Commands, no_args_is_help=False)
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


@main.group(cls=Commands, no_args_is_help=False)
def key() -> None:
    """What an account's programs present."""


@key.command("add")
@click.argument("email", type=EMAIL)
@click.option("--name", default="", help="What people call it.")
@click.option("--rpm", type=COUNT, help="Requests a minute.")
@click.option("--tpm", type=COUNT, help="Tokens a minute.")
@click.option("--concurrent", type=COUNT, help="Requests at the same time.")
@click.option("--budget", type=USD, help="The most it may spend, ever or in each --budget-period.")
@click.option("--budget-period", type=click.Choice(PERIODS), help="How often its budget begins anew (UTC).")
@click.option("--models", metavar="A,B", help="The only models it may use.")
@click.option("--expires", type=EXPIRY, help="When it ends; a day ends it as it begins (UTC).")
@click.pass_obj
def key_add(path: Path, /, email: str, models: str | None, **wanted: Any) -> None:
    """Make a key and print it: it is shown once and never again."""
    if wanted["budget_period"] and not wanted["budget"]:
        raise click.BadParameter("needs --budget.", param_hint="--budget-period")
    settings = config.load(path)
    limits = settings.limits
    new = NewKey(
        name=wanted["name"],
        requests_per_minute=wanted["rpm"] or limits.requests_per_minute,
        tokens_per_minute=wanted["tpm"] or limits.tokens_per_minute,
        concurrent_requests=wanted["concurrent"] or limits.concurrent_requests,
        budget=wanted["budget"],
        budget_period=wanted["budget_period"] or TOTAL,
        models=model_ids(models),
        expires_at=wanted["expires"],
    )
    secret = keys.make_secret()
    with store(settings) as connection, database.transaction(connection):
        account_acts.add_key(connection, None, accounts.find(connection, email), new, secret, now_ms())
    # Until then a running server would refuse the key, and clients do not ask again.
    wait_until_noticed(settings)
    click.echo(secret)


@key.command("list")
@click.argument("email", type=EMAIL)
@as_json_option
@click.pass_obj
def key_list(path: Path, email: str, as_json: bool) -> None:
    """An account's keys, revoked ones too."""
    with store(config.load(path)) as connection, database.snapshot(connection):
        rows = [key_row(each, now_ms()) for each in keys.of_account(connection, accounts.find(connection, email).id)]
    print_rows(rows, as_json)


@key.command("revoke")
@click.argument("prefix_or_id")
@click.pass_obj
def key_revoke(path: Path, prefix_or_id: str) -> None:
    """Refuse a key from now on; it is named by what is visible of it, or by its id."""
    with store(config.load(path)) as connection, database.transaction(connection):
        revoked = keys.find(connection, prefix_or_id)
        account_acts.revoke_key(connection, None, revoked, now_ms())
    click.echo(f"Key {revoked.id} ({revoked.prefix}…) is revoked.")


COMMANDS = (
    *channels.COMMANDS,
    *money.COMMANDS,
    codes.code,
    audit.audit,
    *backup.COMMANDS,
    doctor.doctor,
)
for each in COMMANDS:
    main.add_command(each)
