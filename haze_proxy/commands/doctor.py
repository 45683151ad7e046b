"""The command that looks at everything and says what to do."""

import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from haze_proxy.commands.input import as_json_option
from haze_proxy.commands.output import print_json
from haze_proxy.doctor.findings import FAIL, WARN, Finding

INDENT: Final = " " * 22


@click.command()
@click.option("--key", "named", metavar="KEY", help="A key, its visible prefix, or its id; in full, it makes a call.")
@as_json_option
@click.pass_obj
def doctor(path: Path, named: str | None, as_json: bool) -> int:
    """Look at everything, and say what to do; exit status 1 when something fails. Nothing is changed."""
    # Here and not above: it loads what a server does.
    from haze_proxy.doctor.visit import visit

    found = []
    for finding in visit(path, os.environ, named):
        found.append(finding)
        if not as_json:
            _say(finding)
    if as_json:
        print_json([asdict(each) for each in found])
    levels = Counter(each.level for each in found)
    if levels[FAIL]:
        click.echo(f"{levels[FAIL]} of {len(found)} checks failed, {levels[WARN]} are worth a look.", err=True)
        return 1
    return 0


def _say(finding: Finding) -> None:
    click.echo(f"{finding.level:<5} {finding.check:<15} {finding.found}")
    if finding.advice:
        click.echo(f"{INDENT}{finding.advice}")
