"""The configuration: read once, complaining like a person."""

from decimal import Decimal
from pathlib import Path

import pytest

from haze_proxy import config, config_models
from haze_proxy.config import ConfigError

WHOLE = """
[server]
host = "127.0.0.1"                      # --host and --port win over it
port = 8080
public_url = "http://127.0.0.1:8080"    # what /docs and the dashboard show
trusted_proxies = []                    # whose X-Forwarded-For is believed
max_body_mib = 32

[store]
path = "data/haze.db"                   # relative to this file
durability = "full"                     # full: survives power loss · normal: survives kill -9

[accounts]
registration = "open"                   # open | closed
signup_credit = 0                       # USD

[limits]                                # what a new key gets; changed per key in the dashboard
requests_per_minute = 120
tokens_per_minute = 2_000_000
concurrent_requests = 32

[billing]
output_slice_tokens = 2048

[[channels]]
name = "openrouter"
kind = "openrouter"                     # openai | openrouter | anthropic | gemini | openai-compatible | echo
api_key = "env:OPENROUTER_API_KEY"      # unset: the channel is inactive
models = ["openai/gpt-5.2", "anthropic/claude-sonnet-4.5"]
aliases = { "gpt-5" = "openai/gpt-5.2" }

[[models]]
id = "openai/gpt-5.2"
name = "GPT-5.2 via OpenRouter"
provider = "OpenRouter"
notes = "Works after an OpenRouter channel is configured"
input = 1.75                            # USD per million tokens, exact decimals
output = 14
cache_read = 0.175
context_tokens = 400_000
max_output_tokens = 128_000
"""

CHANNEL = "[[channels]]\nname = 'c'\nkind = 'echo'\nmodels = ['m']\n"
MODEL = "[[models]]\nid = 'm'\n"


def test_an_empty_file_is_every_default() -> None:
    """What is not written means what the reference says it means."""
    assert config.parse("") == config.Config(
        server=config.Server(
            host="127.0.0.1", port=8080, public_url="http://127.0.0.1:8080", trusted_proxies=(), max_body_mib=32
        ),
        store=config.Store(path="data/haze.db", durability="full"),
        accounts=config.Accounts(registration="open", signup_credit=Decimal(0)),
        limits=config.Limits(requests_per_minute=120, tokens_per_minute=2_000_000, concurrent_requests=32),
        billing=config.Billing(output_slice_tokens=2048),
        channels=(),
        models=(),
    )


def test_a_channel_and_a_model_have_defaults_too() -> None:
    """A row is as short as what it says."""
    [channel] = config.parse(CHANNEL).channels
    assert (channel.api_key, channel.base_url, channel.aliases, channel.headers) == ("", "", {}, {})
    assert (channel.priority, channel.weight, channel.active, channel.stateful) == (0, 1, True, False)
    assert (channel.first_byte_timeout_s, channel.silence_timeout_s) == (300, 300)
    assert (channel.protocols, channel.translate) == ((), True)
    [model] = config.parse(MODEL).models
    assert (model.name, model.provider, model.notes, model.price, model.markup) == ("", "", "", "", 1)
    assert {getattr(model, key) for key in config_models.PRICE_KEYS} == {None}
    assert (model.tiers, model.context_tokens, model.max_output_tokens, model.free) == ((), None, None, False)


def test_the_documented_example_is_read_as_it_is_meant() -> None:
    """People start from it; where it writes down a default, it must be the default."""
    whole, nothing = config.parse(WHOLE), config.parse("")
    for table in ("server", "store", "accounts", "limits", "billing"):
        assert getattr(whole, table) == getattr(nothing, table)
    assert whole.channels == (
        config.Channel(
            name="openrouter",
            kind="openrouter",
            api_key="env:OPENROUTER_API_KEY",
            models=("openai/gpt-5.2", "anthropic/claude-sonnet-4.5"),
            aliases={"gpt-5": "openai/gpt-5.2"},
        ),
    )
    [model] = whole.models
    assert (model.input, model.output, model.cache_read) == (Decimal("1.75"), Decimal(14), Decimal("0.175"))
    assert (model.context_tokens, model.max_output_tokens) == (400_000, 128_000)


@pytest.mark.parametrize("written", ["0.1", "0.000000001", "1234.123456789", "3", "0", "1000000"])
def test_a_price_is_exactly_what_was_written(written: str) -> None:
    """0.1 as a float is not 0.1, and a ledger would carry the difference for ever."""
    [model] = config.parse(MODEL + f"input = {written}").models
    assert model.input == Decimal(written)


RIGHT = {
    "a network as a trusted proxy": "[server]\ntrusted_proxies = ['10.0.0.0/8', '::1']",
    "any port": "[server]\nport = 0",
    "all that the upstream lists": "[[channels]]\nname = 'c'\nkind = 'openai'\nmodels = ['*']",
    "an alias alone": "[[channels]]\nname = 'c'\nkind = 'echo'\naliases = { 'claude-*' = 'hekiu' }",
    "a factor as a weight": CHANNEL + "weight = 0.5\npriority = -3",
    "half a second": CHANNEL + "first_byte_timeout_s = 0.5",
    "a header from the environment": CHANNEL + "headers = { 'X-Team' = 'env:TEAM' }",
    "an own address": "[[channels]]\nname='c'\nkind='openai-compatible'\nbase_url='http://h:1/v1'\nmodels=['m']",
    "tiers": MODEL + "input = 1\noutput = 2\n[[models.tiers]]\nabove = 200_000\ninput = 2",
    "free": MODEL + "free = true",
    "the upstream's price": MODEL + "price = 'upstream'\nmarkup = 1.2",
    "the upstream's price and what is held": MODEL + "price = 'upstream'\ninput = 1\noutput = 2",
    "what a model's fields cost": MODEL + "input = 1\noutput = 2\nserver_tools = { web_search = 0.000001 }\n"
    "service_tiers = { priority = { factor = 1.5 }, flex = { input = 1, output = 2, cache_read = 0 } }\n"
    "speeds = { fast = { factor = 6 } }\ninference_geos = { us = { factor = 1.1 } }",
    "signup credit": "[accounts]\nsignup_credit = 0.5",
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_accepted(text: str) -> None:
    """A check that refuses a good file stops a server that would have run."""
    config.parse(text)


WRONG = {
    "not TOML": ("[server", "Expected ']' at the end of a table declaration (at end of document)"),
    "an unknown table": ("[sever]", "Object contains unknown field `sever`"),
    "an unknown key": ("[server]\nprot = 1", "Object contains unknown field `prot` - at `$.server`"),
    "an unknown key of a row": (
        CHANNEL + "modles = []",
        "Object contains unknown field `modles` - at `$.channels[0]`",
    ),
    "a protocol that there is not": (
        CHANNEL + "protocols = ['chat', 'grpc']",
        "Invalid enum value 'grpc' - at `$.channels[0].protocols[1]`",
    ),
    "a text for a number": ("[server]\nport = '80'", "Expected `int`, got `str` - at `$.server.port`"),
    "a float for a count": ("[server]\nport = 80.5", "Expected `int`, got `decimal` - at `$.server.port`"),
    "a port that is none": ("[server]\nport = 65536", "Expected `int` <= 65535 - at `$.server.port`"),
    "no body at all": ("[server]\nmax_body_mib = 0", "Expected `int` >= 1 - at `$.server.max_body_mib`"),
    "a public address without a scheme": (
        "[server]\npublic_url = 'haze.example'",
        "Expected a URL with http:// or https:// - at `$.server.public_url`",
    ),
    "a proxy by name": (
        "[server]\ntrusted_proxies = ['::1', 'proxy.example']",
        "Expected an address or a network, got `proxy.example` - at `$.server.trusted_proxies[1]`",
    ),
    "a durability that is none": (
        "[store]\ndurability = 'some'",
        "Invalid enum value 'some' - at `$.store.durability`",
    ),
    "a registration that is none": (
        "[accounts]\nregistration = 'half'",
        "Invalid enum value 'half' - at `$.accounts.registration`",
    ),
    "a gift that takes": (
        "[accounts]\nsignup_credit = -1",
        "Expected USD with at most 9 decimals, not negative - at `$.accounts.signup_credit`",
    ),
    "a gift too fine": (
        "[accounts]\nsignup_credit = 0.0000000001",
        "Expected USD with at most 9 decimals, not negative - at `$.accounts.signup_credit`",
    ),
    "a gift without end": (
        "[accounts]\nsignup_credit = inf",
        "Expected USD with at most 9 decimals, not negative - at `$.accounts.signup_credit`",
    ),
    "a rate of nothing": (
        "[limits]\nrequests_per_minute = 0",
        "Expected `int` >= 1 - at `$.limits.requests_per_minute`",
    ),
    "a slice of nothing": (
        "[billing]\noutput_slice_tokens = 0",
        "Expected `int` >= 1 - at `$.billing.output_slice_tokens`",
    ),
    "a channel without a name": (
        "[[channels]]\nkind = 'echo'\nmodels = ['m']",
        "Object missing required field `name` - at `$.channels[0]`",
    ),
    "a channel without a kind": (
        "[[channels]]\nname = 'c'\nmodels = ['m']",
        "Object missing required field `kind` - at `$.channels[0]`",
    ),
    "a kind nobody knows": (
        "[[channels]]\nname = 'c'\nkind = 'azure'\nmodels = ['m']",
        "Invalid enum value 'azure' - at `$.channels[0].kind`",
    ),
    "a compatible channel without an address": (
        "[[channels]]\nname = 'c'\nkind = 'openai-compatible'\nmodels = ['m']",
        "A channel of kind `openai-compatible` needs its address - at `$.channels[0].base_url`",
    ),
    "an address without a scheme": (
        CHANNEL + "base_url = 'api.example/v1'",
        "Expected a URL with http:// or https:// and a host, without a query - at `$.channels[0].base_url`",
    ),
    "a star in company": (
        "[[channels]]\nname = 'c'\nkind = 'openai'\nmodels = ['*', 'm']",
        "`*` stands alone: it means what the upstream lists - at `$.channels[0].models`",
    ),
    "a channel for nothing": (
        "[[channels]]\nname = 'c'\nkind = 'echo'",
        "Name at least one model or alias - at `$.channels[0].models`",
    ),
    "a weight of nothing": (CHANNEL + "weight = 0", "Expected `float` > 0.0 - at `$.channels[0].weight`"),
    "a silence of nothing": (
        CHANNEL + "silence_timeout_s = 0",
        "Expected `float` > 0.0 - at `$.channels[0].silence_timeout_s`",
    ),
    "a header with a line break": (
        CHANNEL + 'headers = { "X-A" = "1\\r\\nX-B: 2" }',
        "`X-A` is not a header - at `$.channels[0].headers`",
    ),
    "a header with a colon": (
        CHANNEL + "headers = { 'X-A:' = '1' }",
        "`X-A:` is not a header - at `$.channels[0].headers`",
    ),
    "the second row is named": (
        CHANNEL + "[[channels]]\nname = 'd'\nkind = 'echo'",
        "Name at least one model or alias - at `$.channels[1].models`",
    ),
    "two channels of one name": (CHANNEL * 2, "`c` stands 2 times - at `$.channels`"),
    "two rows of one model": (MODEL * 2, "`m` stands 2 times - at `$.models`"),
    "a negative price": (MODEL + "output = -1", "Expected a price of 0 or more - at `$.models[0].output`"),
    "a price that is no number": (MODEL + "input = nan", "Expected a price of 0 or more - at `$.models[0].input`"),
    "a price too fine to charge": (
        MODEL + "input = 0.0000000001",
        "A price has at most 9 decimals and is at most 1000000 - at `$.models[0].input`",
    ),
    "a price beyond reason": (
        MODEL + "request = 1000001",
        "A price has at most 9 decimals and is at most 1000000 - at `$.models[0].request`",
    ),
    "a wrong price in a tier": (
        MODEL + "input = 1\n[[models.tiers]]\nabove = 10\noutput = -1",
        "Expected a price of 0 or more - at `$.models[0].tiers[0].output`",
    ),
    "a tier above nothing": (
        MODEL + "[[models.tiers]]\nabove = 0",
        "Expected `int` >= 1 - at `$.models[0].tiers[0].above`",
    ),
    "free with a price": (MODEL + "free = true\ninput = 1", "A free model has no price - at `$.models[0].free`"),
    "two prices": (
        MODEL + "price = 'upstream'\ninput = 1",
        "What is held before the upstream tells its cost needs both `input` and `output`, or neither"
        " - at `$.models[0].price`",
    ),
    "a tool's fee that cannot be charged exactly": (
        MODEL + "server_tools = { web_search = 0.0000001 }",
        "A price has at most 6 decimals and is at most 1000000 - at `$.models[0].server_tools.web_search`",
    ),
    "a tier of service without a price": (
        MODEL + "service_tiers = { flex = {} }",
        "Name either `factor` or prices - at `$.models[0].service_tiers.flex`",
    ),
    "a tier of service with two prices": (
        MODEL + "service_tiers = { flex = { factor = 0.5, input = 1, output = 2 } }",
        "Name either `factor` or prices - at `$.models[0].service_tiers.flex`",
    ),
    "half a price of a speed": (
        MODEL + "speeds = { fast = { input = 1 } }",
        "Prices need both `input` and `output` - at `$.models[0].speeds.fast`",
    ),
    "a place to compute for nothing": (
        MODEL + "inference_geos = { us = { factor = 0 } }",
        "Expected a factor above 0 with at most 6 decimals - at `$.models[0].inference_geos.us.factor`",
    ),
    "a tier of service that forgets long requests": (
        MODEL + "input = 1\noutput = 2\nservice_tiers = { flex = { input = 1, output = 1 } }\n"
        "[[models.tiers]]\nabove = 10\ninput = 2",
        "The model has tiers: name `tiers` here, too, or a `factor` - at `$.models[0].service_tiers.flex`",
    ),
    "a factor of nothing": (
        MODEL + "price = 'upstream'\nmarkup = 0",
        "Expected a factor above 0 with at most 6 decimals - at `$.models[0].markup`",
    ),
}


@pytest.mark.parametrize(("text", "complaint"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_its_file_and_its_path(tmp_path: Path, text: str, complaint: str) -> None:
    """The owner reads one line and knows where to look."""
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert str(caught.value) == f"{file}: {complaint}"


UNREADABLE = {
    "missing": (lambda file: None, "No such file or directory"),
    "a folder": (lambda file: file.mkdir(), "Is a directory"),
    "not UTF-8": (lambda file: file.write_bytes(b"\xff"), "'utf-8' codec can't decode byte 0xff"),
}


@pytest.mark.parametrize(("make", "complaint"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, make, complaint: str) -> None:
    """Most first mistakes are a wrong folder."""
    file = tmp_path / "config.toml"
    make(file)
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert str(caught.value).startswith(f"{file}: {complaint}")


@pytest.mark.parametrize(
    ("written", "path"),
    [("data/haze.db", "home/data/haze.db"), ("../haze.db", "haze.db"), ("{absolute}/x.db", "x.db")],
    ids=["below", "beside", "absolute"],
)
def test_the_store_lies_where_the_file_says_from_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, path: str
) -> None:
    """A command started elsewhere must not open, or make, another store."""
    (tmp_path / "home").mkdir()
    file = tmp_path / "home" / "config.toml"
    file.write_text(f"[store]\npath = '{written.format(absolute=tmp_path)}'", encoding="utf-8")
    monkeypatch.chdir("/")
    assert config.load(file).store.path == str(tmp_path / path)


@pytest.mark.parametrize(
    ("value", "secret"),
    [("sk-1", "sk-1"), ("env:NAME", "sk-2"), ("env:OTHER", ""), ("", ""), ("env:", "")],
    ids=["itself", "from the environment", "unset", "none", "no name"],
)
def test_a_secret_is_looked_up_when_it_is_needed(value: str, secret: str) -> None:
    """A configuration can be shown without showing a credential; a line break from a file does not travel with it."""
    assert config.secret(value, {"NAME": "sk-2\n"}) == secret


@pytest.mark.parametrize(
    ("server", "host", "port", "url"),
    [
        ("", None, 9000, "http://127.0.0.1:9000"),
        ("port = 9000\npublic_url = 'http://localhost:9000/'", None, 9001, "http://127.0.0.1:9001"),
        ("", "192.0.2.7", None, "http://192.0.2.7:8080"),
        ("", "2001:db8::7", None, "http://[2001:db8::7]:8080"),
        ("", "0.0.0.0", 9000, "http://127.0.0.1:9000"),
        ("public_url = 'https://haze.example'", "0.0.0.0", 9000, "https://haze.example"),
        ("port = 9000\npublic_url = 'http://127.0.0.1:80'", None, 9001, "http://127.0.0.1:80"),
        ("", None, 0, "http://127.0.0.1:8080"),
        ("", None, None, "http://127.0.0.1:8080"),
    ],
    ids=["port", "port of the file", "host", "IPv6", "every host", "behind a proxy", "a forwarded port", "any", "none"],
)
def test_the_address_that_people_are_shown_moves_along(server: str, host: str | None, port: int, url: str) -> None:
    """Whoever starts on another port opens the printed link, and must not find nobody there."""
    moved = config.listening(config.parse(f"[server]\n{server}"), host, port)
    assert moved.server.public_url == url
    assert moved.server.host == (host or "127.0.0.1")
