"""The doctor's visit: everything that an owner would look at when something does not work, in the order of looking.

Each check is a function that yields findings; nothing here changes anything, and no finding repeats a secret.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from haze_proxy import config
from haze_proxy.config import ConfigError
from haze_proxy.doctor import client, house, key, line
from haze_proxy.doctor.findings import FAIL, OK, Finding, House
from haze_proxy.store import keys
from haze_proxy.store.database import StoreError

SECRET: Final = re.compile(rf"{keys.PREFIX}[\w-]{{7,}}")

Check = Callable[[House], Iterator[Finding]]
CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("clock", house.clock),
    ("store", house.store),
    ("disk", house.disk),
    ("administrator", house.administrator),
    ("server", line.server),
    ("address", line.address),
    ("answers", line.answers),
    ("channels", house.channels),
    ("models", house.models),
)
KEY_CHECKS: Final[tuple[tuple[str, Check], ...]] = (("key", key.key), ("call", key.call))


def visit(path: Path, environ: Mapping[str, str], named: str | None) -> Iterator[Finding]:
    """All findings for a configuration file and, if one is named, a key: in full, what is visible of it, or its id."""
    return map(partial(_without, named or ""), _found(path, environ, named))


def _found(path: Path, environ: Mapping[str, str], named: str | None) -> Iterator[Finding]:
    yield from house.machine()
    try:
        settings = config.load(path)
    except ConfigError as error:
        yield Finding("config", FAIL, str(error), "Mend the file; the message names the place.")
        yield from client.variables(environ, None)
        return
    yield Finding("config", OK, f"{path}: {len(settings.channels)} channels, {len(settings.models)} models")
    visited = House(settings, environ, named)
    for name, check in (*CHECKS, *(KEY_CHECKS if named is not None else ())):
        try:
            yield from check(visited)
        except (StoreError, OSError, sqlite3.Error) as error:
            yield Finding(name, FAIL, str(error), "Nothing more can be said about it.")
    yield from client.variables(environ, settings)


def _without(named: str, finding: Finding) -> Finding:
    """A finding in which no key stands, and least of all the one that was named."""
    return replace(finding, found=_clean(named, finding.found), advice=_clean(named, finding.advice))


def _clean(named: str, text: str) -> str:
    if len(named) >= keys.SHOWN:
        text = text.replace(named, "…")
    return SECRET.sub(f"{keys.PREFIX}…", text)
