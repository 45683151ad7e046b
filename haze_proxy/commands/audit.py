"""The owner's command about the audit log."""

from pathlib import Path
from typing import Any

import click

from haze_proxy import config
from haze_proxy.commands.input import COUNT, Commands, as_json_option
from haze_proxy.commands.output import print_rows, time_text
from haze_proxy.commands.store import store
from haze_proxy.store import audit as acts
from haze_proxy.store import database
from haze_proxy.store.audit import NEWEST, Entry


@click.group(cls=Commands, no_args_is_help=False)
def audit() -> None:
    """What administrators did on the pages, and the owner by commands."""


@audit.command("list")
@click.option("--last", type=COUNT, default=100, help="How many.")
@as_json_option
@click.pass_obj
def audit_list(path: Path, last: int, as_json: bool) -> None:
    """The newest acts, the newest first."""
    with store(config.load(path)) as connection, database.snapshot(connection):
        rows = [_row(each) for each in acts.recent(connection, NEWEST, last)]
    print_rows(rows, as_json)


def _row(each: Entry) -> dict[str, Any]:
    return {
        "id": each.id,
        "at": time_text(each.at),
        "actor": each.actor or None,
        "act": each.act,
        "target": each.target,
        "detail": each.detail,
    }
