"""The owner's commands. Exit status 0 on success; 1 with one clear line on stderr otherwise.

They work while the server runs: each opens the store, does one thing in one transaction and leaves; the server notices
by itself. What scripts want (an id, a key, a balance) stands alone on stdout.
"""

from pathlib import Path

import click

from haze_proxy.commands import account, audit, backup, channels, codes, doctor, key, money
from haze_proxy.commands.input import Commands


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


COMMANDS = (
    account.account,
    key.key,
    *channels.COMMANDS,
    *money.COMMANDS,
    codes.code,
    audit.audit,
    *backup.COMMANDS,
    doctor.doctor,
)
for each in COMMANDS:
    main.add_command(each)
