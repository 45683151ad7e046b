"""A configured upstream: its row in config.toml with the secrets that it names, and why it cannot be asked."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from haze_proxy import config
from haze_proxy.channels.kinds import KINDS, Kind
from haze_proxy.wire.options import Options

# `models` of a channel that serves what its upstream lists.
EVERYTHING: Final = ("*",)
VARIABLE: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]{0,127})")


@dataclass(frozen=True, slots=True)
class Channel:
    """A configured upstream, ready to be called. Where it is not, `inactive` is what config.toml has against it, and
    `off` since when it is switched off beside that file, and by whom; "" is nothing.

    `protocols` are those that it speaks itself: its kind's, if its row names no others.
    """

    name: str
    kind: Kind
    base_url: str
    headers: Mapping[str, str]
    models: tuple[str, ...]
    aliases: Mapping[str, str]
    priority: int
    weight: float
    first_byte_timeout_s: float
    silence_timeout_s: float
    stateful: bool
    inactive: str
    protocols: frozenset[str]
    translates: bool
    options: Options
    api_key: str = ""
    # No part of what the channel is: one that was off for a while is as it was before.
    off: str = field(default="", compare=False)

    @property
    def serves(self) -> bool:
        """Whether it may be asked at all."""
        return not self.inactive and not self.off

    @property
    def lists(self) -> bool:
        """Whether it serves what its upstream lists, and can be asked for that."""
        return self.models == EVERYTHING and not self.inactive

    @property
    def origin(self) -> str:
        """Whose list of models it would fetch: the same for the same kind and address."""
        return hashlib.blake2b(f"{self.kind.name}\0{self.base_url}".encode(), digest_size=16).hexdigest()

    def __repr__(self) -> str:
        return f"<channel {self.name}>"  # never the key


def made(row: config.Channel, environ: Mapping[str, str], off: str = "") -> Channel:
    """The channel of a row; `off` says since when it is switched off beside the file, and by whom, or is ""."""
    kind = KINDS[row.kind]
    api_key = config.secret(row.api_key, environ)
    return Channel(
        name=row.name,
        kind=kind,
        base_url=(row.base_url or kind.base_url).rstrip("/"),
        headers={name: config.secret(value, environ) for name, value in row.headers.items()},
        models=row.models,
        aliases=row.aliases,
        priority=row.priority,
        weight=row.weight,
        first_byte_timeout_s=row.first_byte_timeout_s,
        silence_timeout_s=row.silence_timeout_s,
        stateful=row.stateful,
        inactive=_inactive(row, kind, api_key, environ),
        protocols=frozenset(row.protocols) or kind.protocols,
        translates=row.translate,
        options=replace(kind.options, **row.options.given()),
        api_key=api_key,
        off=off,
    )


def _inactive(row: config.Channel, kind: Kind, api_key: str, environ: Mapping[str, str]) -> str:
    if not row.active:
        return "active = false in config.toml"
    if row.models == EVERYTHING and kind.name == "echo":
        return 'an echo channel has no list for models = ["*"]: name the models'
    if not api_key and row.api_key.startswith("env:"):
        if not VARIABLE.fullmatch(row.api_key):
            # Perhaps the key itself, which is nothing to be shown.
            return "what follows env: in api_key is no name of a variable"
        return f"the variable {row.api_key[4:]} is not set"
    if not api_key and kind.needs_key:
        return "api_key is not set"
    if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
        return "api_key holds a character that cannot be sent"
    for name, value in row.headers.items():
        if not (text := config.secret(value, environ)).isprintable() or not text.isascii():
            return f"the header {name} holds a character that cannot be sent"
    return ""
