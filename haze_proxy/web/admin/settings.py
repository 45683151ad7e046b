"""The configuration as it may be shown. What is not named here is masked, so that tomorrow's keys are not shown either.

A credential is never shown, only that there is one and which environment variable it comes from.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from haze_proxy import config, config_models
from haze_proxy.channels.channel import VARIABLE

MASKED: Final = "set, not shown"
UNSET: Final = "not set"
# Larger numbers are read in groups of three digits.
GROUPED_FROM: Final = 10_000


@dataclass(frozen=True, slots=True)
class Line:
    """A key of config.toml, what it says as TOML has it, and whether that is what it says by itself."""

    key: str
    text: str
    is_default: bool


def plain(value: Any) -> str:
    """A value as it stands in config.toml."""
    if value is None or value is msgspec.UNSET:
        return UNSET
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return f"{value:_}" if value >= GROUPED_FROM else str(value)
    if isinstance(value, msgspec.Struct):
        return plain(dict(_given(value)))
    if isinstance(value, Mapping):
        return _table({key: plain(each) for key, each in value.items()})
    return f"[{', '.join(map(plain, sorted(value) if isinstance(value, frozenset) else value))}]"


def _table(rows: Mapping[str, str]) -> str:
    return f"{{ {', '.join(f'{plain_key(key)} = {text}' for key, text in rows.items())} }}" if rows else "{}"


def plain_key(key: str) -> str:
    """A key as it stands in config.toml."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'


def credential(value: str) -> str:
    """That there is one, and where it comes from."""
    if not value:
        return UNSET
    return f'"{value}"' if VARIABLE.fullmatch(value) else MASKED


def headers(value: Mapping[str, str]) -> str:
    """Their names: any of them may be a credential."""
    return _table({name: credential(each) for name, each in value.items()})


def address(value: str) -> str:
    """A URL without a name and a password in it."""
    if not value:
        return UNSET
    parts = urlsplit(value)
    return f'"{parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()}"'


Shown = dict[str, Callable[[Any], str]]
# Table of config.toml -> key -> how it is shown.
SHOWN: Final[dict[type, Shown]] = {
    config.Server: {
        **dict.fromkeys(("host", "port", "trusted_proxies", "max_body_mib"), plain),
        "public_url": address,
    },
    config.Store: dict.fromkeys(("path", "durability"), plain),
    config.Accounts: dict.fromkeys(("registration", "signup_credit"), plain),
    config.Limits: dict.fromkeys(("requests_per_minute", "tokens_per_minute", "concurrent_requests"), plain),
    config.Billing: dict.fromkeys(("output_slice_tokens",), plain),
    config.Stripe: {
        **dict.fromkeys(("secret_key", "webhook_secret"), credential),
        **dict.fromkeys(("minimum", "maximum"), plain),
        "base_url": address,
    },
    config.Channel: {
        **dict.fromkeys(("name", "kind", "models", "aliases", "priority", "weight", "active"), plain),
        **dict.fromkeys(("first_byte_timeout_s", "silence_timeout_s", "stateful", "protocols", "translate"), plain),
        "options": plain,
        "api_key": credential,
        "base_url": address,
        "headers": headers,
    },
    config_models.Model: {
        **dict.fromkeys(("id", "name", "provider", "notes", "tiers", "server_tools", "free", "price", "markup"), plain),
        **dict.fromkeys((*config_models.PRICE_KEYS, *config_models.VARIANTS.values()), plain),
        **dict.fromkeys(("context_tokens", "max_output_tokens"), plain),
    },
}


def lines(table: msgspec.Struct, path: str = "") -> Iterator[Line]:
    """Every key of a table, and of the tables in it; `path` is how the table is called."""
    shown = SHOWN.get(type(table), {})
    for field in msgspec.structs.fields(table):
        value = getattr(table, field.name)
        if isinstance(value, msgspec.Struct) and field.name not in shown:
            yield from lines(value, f"{path}{field.name}.")
            continue
        is_default = not field.required and value == default(field)
        masked = UNSET if is_default and not value else MASKED
        yield Line(path + field.name, shown[field.name](value) if field.name in shown else masked, is_default)


def default(field: msgspec.structs.FieldInfo) -> Any:
    """What a key says where the file does not name it."""
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default


def named(table: msgspec.Struct) -> str:
    """The keys of a table that are not what they are by themselves, in one line."""
    own = (line for line in lines(table) if not line.is_default)
    return ", ".join(f"{line.key} = {line.text}" for line in own)


def _given(table: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(table):
        value = getattr(table, field.name)
        if field.required or value != default(field):
            yield field.name, value
