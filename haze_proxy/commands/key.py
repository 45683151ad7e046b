"""`haze-proxy key`: what an account's programs present."""

from pathlib import Path
from typing import Any

import click

from haze_proxy import config
from haze_proxy.commands.input import COUNT, EMAIL, EXPIRY, USD, Commands, as_json_option, model_ids
from haze_proxy.commands.output import key_row, print_rows
from haze_proxy.commands.store import now_ms, store, wait_until_noticed
from haze_proxy.money.periods import PERIODS, TOTAL
from haze_proxy.store import account_acts, accounts, database, keys
from haze_proxy.store.keys import NewKey


@click.group(cls=Commands, no_args_is_help=False)
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
