"""The owner's commands about channels: what they are, whether they answer, switches, and who would serve a model."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from haze_proxy import config
from haze_proxy.commands.input import as_json_option
from haze_proxy.commands.output import channel_row, print_rows, rest_text
from haze_proxy.commands.store import now_ms, store, wait_until_noticed
from haze_proxy.config import Config
from haze_proxy.store import callers, channel_health, channel_models, channel_switches, database, requests
from haze_proxy.store.channel_health import Resting

if TYPE_CHECKING:  # the channels' room loads aiohttp, which most commands do without
    from haze_proxy.channels.directory import Directory


@click.command()
@click.option("--test", is_flag=True, help="Ask each active channel for its models, or for one token.")
@click.option("--off", metavar="NAME", help="Ask this channel no more, from the next request on.")
@click.option("--on", metavar="NAME", help="Ask a channel again that was switched off.")
@as_json_option
@click.pass_obj
def channels(path: Path, test: bool, off: str | None, on: str | None, as_json: bool) -> int:
    """Each configured channel, and why it is not active; exit status 1 when one does not pass its test."""
    from haze_proxy.channels.probe import probe

    settings = config.load(path)
    for name, wanted in ((off, True), (on, False)):
        if name is not None:
            _switch(settings, name, off=wanted)
    if off is not None or on is not None:
        return 0
    directory, resting = _directory(settings), _resting(settings)
    healths = asyncio.run(probe(each for each in directory.channels if not each.inactive)) if test else {}
    rows = [
        channel_row(each, directory, rest_text(resting, each.name), healths.get(each.name))
        for each in directory.channels
    ]
    print_rows(rows, as_json)
    if failed := [name for name, health in healths.items() if not health.ok]:
        click.echo(f"No good answer from: {', '.join(failed)}.", err=True)
        return 1
    return 0


def _switch(settings: Config, name: str, *, off: bool) -> None:
    channel = next((each for each in _directory(settings).channels if each.name == name), None)
    if channel is None:
        raise click.ClickException(f"There is no channel {name}.")
    if channel.inactive and not off:
        raise click.ClickException(f"Channel {name} cannot be switched on here: {channel.inactive}.")
    with store(settings) as connection, database.transaction(connection):
        channel_switches.put(connection, name, off=off, actor_id=None, now_ms=now_ms())
    wait_until_noticed(settings)
    click.echo(f"Channel {name} is switched {'off' if off else 'on'}.")


@click.command()
@click.argument("model")
@click.option(
    "--key", "named", metavar="KEY", help="For this caller: a key, its visible prefix or id; or an e-mail address."
)
@click.option("--protocol", type=click.Choice(get_args(config.Protocol)), help="For callers of this protocol.")
@as_json_option
@click.pass_obj
def explain(path: Path, model: str, named: str | None, protocol: str | None, as_json: bool) -> None:
    """Who would serve a model, in which order, who would not, and why."""
    from haze_proxy.channels import verdict

    settings = config.load(path)
    caller, resting = callers.Named(), _resting(settings)
    if named is not None:
        with store(settings) as connection, database.snapshot(connection):
            caller = callers.find(connection, named, model, now_ms())
    verdicts = _directory(settings).explain(
        model, protocol, caller.session, resting=lambda each: rest_text(resting, each.channel.name, each.upstream_model)
    )
    print_rows([verdict.row(each, caller.refusal) for each in verdicts], as_json)


def _resting(settings: Config) -> list[Resting]:
    """The channels that a running server leaves alone now; none where none runs."""
    if not Path(settings.store.path).exists():
        return []
    with store(settings) as connection, database.snapshot(connection):
        known = channel_health.every(connection) if requests.is_served(connection) else []
    return [each for each in known if each.until > now_ms()]


def _directory(settings: Config) -> "Directory":
    """Who serves what, with the lists and the switches that the store remembers; it is not made for that."""
    from haze_proxy.channels.directory import Directory
    from haze_proxy.lists import known

    directory = Directory(settings, os.environ)
    if not Path(settings.store.path).exists():
        return directory
    with store(settings) as connection, database.snapshot(connection):
        lists = known(directory.channels, channel_models.load(connection)) if directory.waiting else {}
        off = {switch.channel: switch.words for switch in channel_switches.every(connection)}
    return Directory(settings, os.environ, lists, off)


COMMANDS = (channels, explain)
