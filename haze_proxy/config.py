"""config.toml -> frozen values: every default, every check, every message.

Values are what the owner wrote; secrets named as `env:NAME` are looked up by whoever needs them (`secret`), so that a
configuration can be shown without showing a credential.
"""

import ipaddress
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from haze_proxy.config_models import Model, Name, Positive, Struct, complaints, is_exact

Kind = Literal["openai", "openrouter", "anthropic", "gemini", "openai-compatible", "echo"]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Number = Annotated[float, msgspec.Meta(gt=0, le=10**6)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=10**6)]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
# What one payment may be: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts.
CARD_USD_MIN = Decimal("0.5")
CARD_USD_MAX = Decimal("999999.99")
CENT_DECIMALS = 2
# A token of RFC 9110.
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class ConfigError(Exception):
    """What is wrong with config.toml, in one line that names the file and the path of the value."""


class Server(Struct, frozen=True):
    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = "http://127.0.0.1:8080"
    trusted_proxies: tuple[str, ...] = ()
    max_body_mib: Positive = 32


class Store(Struct, frozen=True):
    path: str = "data/haze.db"
    durability: Literal["full", "normal"] = "full"


class Accounts(Struct, frozen=True):
    registration: Literal["open", "closed"] = "open"
    signup_credit: Decimal = Decimal(0)


class Limits(Struct, frozen=True):
    """What a new key gets."""

    requests_per_minute: Positive = 120
    tokens_per_minute: Positive = 2_000_000
    concurrent_requests: Positive = 32


class Billing(Struct, frozen=True):
    output_slice_tokens: Positive = 2048


class Stripe(Struct, frozen=True):
    """Top-ups by card; amounts in USD."""

    secret_key: str = ""
    webhook_secret: str = ""
    minimum: Decimal = Decimal(5)
    maximum: Decimal = Decimal(500)
    base_url: str = ""

    def __repr__(self) -> str:
        return f"Stripe(minimum={self.minimum}, maximum={self.maximum}, base_url={self.base_url!r})"


Protocol = Literal["chat", "messages", "responses", "embeddings"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Options(Struct, frozen=True):
    """What a channel's models take in translated requests, where that differs from what its kind's usually do."""

    limit_field: Literal["max_completion_tokens", "max_tokens"] | msgspec.UnsetType = msgspec.UNSET
    limit_default: Positive | msgspec.UnsetType = msgspec.UNSET
    sampling: bool | msgspec.UnsetType = msgspec.UNSET
    efforts: tuple[Effort, ...] | msgspec.UnsetType = msgspec.UNSET
    thinking: Literal["adaptive", "budget", "none"] | msgspec.UnsetType = msgspec.UNSET
    reasoning_field: Name | msgspec.UnsetType = msgspec.UNSET
    encrypted_reasoning: bool | msgspec.UnsetType = msgspec.UNSET
    allowed_fields: frozenset[str] | msgspec.UnsetType = msgspec.UNSET
    system_turns: bool | msgspec.UnsetType = msgspec.UNSET
    prefill: bool | msgspec.UnsetType = msgspec.UNSET
    cache_marks: Literal["", "cache_control", "prompt_cache_breakpoint"] | msgspec.UnsetType = msgspec.UNSET

    def given(self) -> dict[str, Any]:
        """The options that the owner wrote down."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in values.items() if value is not msgspec.UNSET}


class Channel(Struct, frozen=True):
    """One configured upstream; `models` are ids or globs, `aliases` map a public id (or glob) to the upstream's id."""

    name: Name
    kind: Kind
    api_key: str = ""
    base_url: str = ""
    models: tuple[Name, ...] = ()
    aliases: dict[Name, Name] = msgspec.field(default_factory=dict)
    priority: Annotated[int, msgspec.Meta(ge=-(10**6), le=10**6)] = 0
    weight: Number = 1
    active: bool = True
    first_byte_timeout_s: Seconds = 300
    silence_timeout_s: Seconds = 300
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    stateful: bool = False
    protocols: tuple[Protocol, ...] = ()
    translate: bool = True
    options: Options = Options()


class Config(Struct, frozen=True):
    server: Server = Server()
    store: Store = Store()
    accounts: Accounts = Accounts()
    limits: Limits = Limits()
    billing: Billing = Billing()
    stripe: Stripe = Stripe()
    channels: tuple[Channel, ...] = ()
    models: tuple[Model, ...] = ()


def load(path: Path) -> Config:
    """Read a configuration file. The store's path comes out absolute, taken from the file's own folder.

    Raises ConfigError with one line naming the file and the path of the value that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        config = parse(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    store = msgspec.structs.replace(config.store, path=str((path.parent / config.store.path).resolve()))
    return msgspec.structs.replace(config, store=store)


def parse(text: str) -> Config:
    """Text of a configuration -> its values. Raises ConfigError naming the path of the value that is wrong."""
    try:
        # Python's own TOML reader, because it lets decimals stay decimals: a price must never pass through a float.
        config = msgspec.convert(tomllib.loads(text, parse_float=Decimal), Config)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(str(error)) from error
    for complaint in _complaints(config):
        raise ConfigError(complaint)
    return config


def secret(value: str, environ: Mapping[str, str]) -> str:
    """The value itself, or for `env:NAME` what that variable holds; "" when it is unset."""
    return environ.get(value[4:], "").strip() if value.startswith("env:") else value


def listening(config: Config, host: str | None, port: int | None) -> Config:
    """The configuration with another host or port to listen on; None: the file's.

    A public_url that is just where the file listens moves along, so that the addresses which people are shown work.
    """
    server = config.server
    moved = msgspec.structs.replace(server, host=host or server.host, port=server.port if port is None else port)
    if moved.port and server.public_url.rstrip("/") in _own_urls(server):
        name = urlsplit(server.public_url).hostname if moved.host in WILDCARDS else moved.host
        moved = msgspec.structs.replace(moved, public_url=f"http://{_in_url(name or moved.host)}:{moved.port}")
    return msgspec.structs.replace(config, server=moved)


def _own_urls(server: Server) -> set[str]:
    return {f"http://{_in_url(name)}:{server.port}" for name in (server.host, *LOOPBACK)}


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _complaints(config: Config) -> Iterator[str]:
    yield from _server_complaints(config.server)
    if not is_exact(config.accounts.signup_credit) or config.accounts.signup_credit < 0:
        yield "Expected USD with at most 9 decimals, not negative - at `$.accounts.signup_credit`"
    for key, complaint in _stripe_complaints(config.stripe):
        yield f"{complaint} - at `$.stripe.{key}`"
    for number, channel in enumerate(config.channels):
        for key, complaint in _channel_complaints(channel):
            yield f"{complaint} - at `$.channels[{number}].{key}`"
    for number, model in enumerate(config.models):
        for key, complaint in complaints(model):
            yield f"{complaint} - at `$.models[{number}].{key}`"
    for what, names in (("channels", [c.name for c in config.channels]), ("models", [m.id for m in config.models])):
        for name, times in Counter(names).items():
            if times > 1:
                yield f"`{name}` stands {times} times - at `$.{what}`"


def _server_complaints(server: Server) -> Iterator[str]:
    if not server.public_url.startswith(("http://", "https://")):
        yield "Expected a URL with http:// or https:// - at `$.server.public_url`"
    for number, proxy in enumerate(server.trusted_proxies):
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            yield f"Expected an address or a network, got `{proxy}` - at `$.server.trusted_proxies[{number}]`"


def _stripe_complaints(stripe: Stripe) -> Iterator[tuple[str, str]]:
    for key in ("secret_key", "webhook_secret"):
        if getattr(stripe, key) == "env:":
            yield key, "Name a variable after `env:`"
    for key in ("minimum", "maximum"):
        value = getattr(stripe, key)
        if not is_exact(value, CENT_DECIMALS) or not CARD_USD_MIN <= value <= CARD_USD_MAX:
            yield key, f"Expected USD from {CARD_USD_MIN} to {CARD_USD_MAX} with at most {CENT_DECIMALS} decimals"
    if stripe.minimum > stripe.maximum:
        yield "minimum", "It is more than `maximum`"
    if stripe.base_url and not (_is_base_url(stripe.base_url) and urlsplit(stripe.base_url).path in ("", "/")):
        yield "base_url", "Expected a URL with http:// or https:// and a host, without path and query"


def _channel_complaints(channel: Channel) -> Iterator[tuple[str, str]]:
    if channel.base_url and not _is_base_url(channel.base_url):
        yield "base_url", "Expected a URL with http:// or https:// and a host, without a query"
    if channel.kind == "openai-compatible" and not channel.base_url:
        yield "base_url", "A channel of kind `openai-compatible` needs its address"
    if "*" in channel.models and len(channel.models) > 1:
        yield "models", "`*` stands alone: it means what the upstream lists"
    if not channel.models and not channel.aliases:
        yield "models", "Name at least one model or alias"
    for name, value in channel.headers.items():
        if not HEADER_NAME.fullmatch(name) or not value.isprintable():
            yield "headers", f"`{name}` is not a header"
    if channel.api_key == "env:":
        yield "api_key", "Name a variable after `env:`"


def _is_base_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return (
            url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0 and not (url.query or url.fragment)
        )
    except ValueError:  # a port that is none, or a bracket without its other half
        return False
