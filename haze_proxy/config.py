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

Kind = Literal["openai", "openrouter", "anthropic", "gemini", "openai-compatible", "echo"]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
Number = Annotated[float, msgspec.Meta(gt=0, le=10**6)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=10**6)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]

# A token of RFC 9110.
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Prices are kept as whole nano-dollars per million tokens; a finer price could not be charged exactly.
PRICE_DECIMALS_MAX = 9
# Of a thousand calls, and of factors, which are kept in millionths.
TOOL_DECIMALS_MAX = FACTOR_DECIMALS_MAX = 6
FACTOR_MAX = 1000
USD_MAX = 1_000_000


class ConfigError(Exception):
    """What is wrong with config.toml, in one line that names the file and the path of the value."""


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of config.toml: unknown keys are errors."""


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
    aliases: dict[Name, Name] = {}
    priority: Annotated[int, msgspec.Meta(ge=-(10**6), le=10**6)] = 0
    weight: Number = 1
    active: bool = True
    first_byte_timeout_s: Seconds = 300
    silence_timeout_s: Seconds = 300
    headers: dict[str, str] = {}
    stateful: bool = False
    translate: bool = True
    options: Options = Options()


class Tier(Struct, frozen=True):
    """Prices that hold once a request's whole input is longer than `above` tokens (USD per million tokens)."""

    above: Positive
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None


class Variant(Struct, frozen=True):
    """Other prices of a model: all of them times `factor`, or its own (USD per million tokens)."""

    factor: Decimal | None = None
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    tiers: tuple[Tier, ...] = ()


class Model(Struct, frozen=True):
    """One row of the catalogue. Prices: USD per million tokens (`request`: USD each; `server_tools`: USD per thousand
    calls), exact decimals.
    """

    id: Name
    name: str = ""
    provider: str = ""
    notes: str = ""
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    request: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    server_tools: dict[Name, Decimal] = {}
    service_tiers: dict[Name, Variant] = {}
    speeds: dict[Name, Variant] = {}
    inference_geos: dict[Name, Variant] = {}
    context_tokens: Positive | None = None
    max_output_tokens: Positive | None = None
    free: bool = False
    price: Literal["", "upstream"] = ""
    markup: Decimal = Decimal(1)


class Config(Struct, frozen=True):
    server: Server = Server()
    store: Store = Store()
    accounts: Accounts = Accounts()
    limits: Limits = Limits()
    billing: Billing = Billing()
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


def _complaints(config: Config) -> Iterator[str]:
    yield from _server_complaints(config.server)
    if not _exact(config.accounts.signup_credit) or config.accounts.signup_credit < 0:
        yield "Expected USD with at most 9 decimals, not negative - at `$.accounts.signup_credit`"
    for number, channel in enumerate(config.channels):
        for key, complaint in _channel_complaints(channel):
            yield f"{complaint} - at `$.channels[{number}].{key}`"
    for number, model in enumerate(config.models):
        for key, complaint in _model_complaints(model):
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


def _model_complaints(model: Model) -> Iterator[tuple[str, str]]:
    prices = {key: getattr(model, key) for key in PRICE_KEYS}
    named = any(value is not None for value in prices.values())
    yield from _price_complaints("", prices, model.tiers)
    yield from _price_complaints("server_tools.", model.server_tools, (), TOOL_DECIMALS_MAX)
    for key in VARIANTS.values():
        for value, variant in getattr(model, key).items():
            yield from _variant_complaints(f"{key}.{value}", variant, bool(model.tiers))
    if not _is_factor(model.markup):
        yield "markup", f"Expected a factor above 0 with at most {FACTOR_DECIMALS_MAX} decimals"
    if model.tiers and not named:
        yield "tiers", "Tiers change prices: name `input` and `output` first"
    if model.free and (named or model.tiers or model.price):
        yield "free", "A free model has no price"
    if model.price and (model.input is None) != (model.output is None):
        yield "price", "What is held before the upstream tells its cost needs both `input` and `output`, or neither"


def _variant_complaints(path: str, variant: Variant, has_tiers: bool) -> Iterator[tuple[str, str]]:
    prices = {key: getattr(variant, key) for key in TIER_KEYS}
    named = any(value is not None for value in prices.values())
    yield from _price_complaints(f"{path}.", prices, variant.tiers)
    if variant.factor is not None and not _is_factor(variant.factor):
        yield f"{path}.factor", f"Expected a factor above 0 with at most {FACTOR_DECIMALS_MAX} decimals"
    if (variant.factor is not None) == (named or bool(variant.tiers)):
        yield path, "Name either `factor` or prices"
    elif named and (variant.input is None or variant.output is None):
        yield path, "Prices need both `input` and `output`"
    elif named and has_tiers and not variant.tiers:
        # Long requests would cost less than short ones.
        yield path, "The model has tiers: name `tiers` here, too, or a `factor`"


def _price_complaints(
    path: str, prices: Mapping[str, Decimal | None], tiers: tuple[Tier, ...], decimals: int = PRICE_DECIMALS_MAX
) -> Iterator[tuple[str, str]]:
    rows = list(prices.items())
    for number, tier in enumerate(tiers):
        rows += [(f"tiers[{number}].{key}", getattr(tier, key)) for key in TIER_KEYS]
    for key, value in rows:
        if value is not None and (not value.is_finite() or value < 0):
            yield path + key, "Expected a price of 0 or more"
        elif value is not None and not _exact(value, decimals):
            yield path + key, f"A price has at most {decimals} decimals and is at most {USD_MAX}"
    if len({tier.above for tier in tiers}) < len(tiers):
        yield f"{path}tiers", "Two tiers begin at the same length"


def _is_factor(value: Decimal) -> bool:
    return value.is_finite() and 0 < value <= FACTOR_MAX and _exact(value, FACTOR_DECIMALS_MAX)


def _exact(value: Decimal, decimals: int = PRICE_DECIMALS_MAX) -> bool:
    """Finite, at most so many decimals, and small enough that nano-dollars of it fit SQLite's integers."""
    # Looked at as it is written: arithmetic would round it to the context's digits before it is judged.
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -decimals and -USD_MAX <= value <= USD_MAX


TIER_KEYS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
# The field of a request or an answer -> where the row has its prices, by its values.
VARIANTS = {"service_tier": "service_tiers", "speed": "speeds", "inference_geo": "inference_geos"}
PRICE_KEYS = (*TIER_KEYS, "request")
