"""The owner's commands about copies of the store."""

from pathlib import Path

import click

from haze_proxy import config
from haze_proxy.commands.output import time_text
from haze_proxy.commands.store import store
from haze_proxy.store import backup as copies

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("target", type=FILE, metavar="PATH")
@click.pass_obj
def backup(path: Path, target: Path) -> None:
    """Copy the store to a new file while the server runs."""
    with store(config.load(path)) as connection:
        size = copies.make(connection, target)
    click.echo(f"{target}: {size} bytes, whole")


@click.command()
@click.argument("source", type=FILE, metavar="PATH")
@click.option("--check", is_flag=True, required=True, help="Only prove that it could be used; the one thing it does.")
def restore(source: Path, check: bool) -> int:
    """Prove that a copy could take the store's place; exit status 1 when it could not."""
    found = copies.check(source)
    for complaint in found.complaints:
        click.echo(complaint)
    if found.complaints:
        click.echo(f"{source}: the books do not add up: {len(found.complaints)} complaints.", err=True)
        return 1
    click.echo(
        f"{source}: whole, version {found.version}, {found.accounts} accounts, {found.transfers} transfers"
        f" (the last at {time_text(found.newest) or 'no time'}), {found.requests} requests, sum 0"
    )
    return 0


COMMANDS = (backup, restore)
