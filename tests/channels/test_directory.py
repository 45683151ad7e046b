"""Who serves a model: the most exact channels, in an order that keeps a conversation where its cache is."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from gateway import ECHO, PAID, channel, running
from hypothesis import given
from hypothesis import strategies as st
from provider import Provider, Reply, whole

from haze_proxy import config, config_models
from haze_proxy.channels.directory import Directory
from haze_proxy.channels.order import session_of


def directory(*rows: dict[str, Any], models: str = "", environ: dict[str, str] | None = None) -> Directory:
    """Rows of channels as they stand in config.toml; every model is priced unless `models` says otherwise."""
    made = tuple(
        config.Channel(**{"name": f"c{n}", "kind": "openai", "api_key": "k", **row}) for n, row in enumerate(rows)
    )
    named = {name for row in made for name in (*row.models, *row.aliases) if "*" not in name} | {"wild/one", "m"}
    priced = tuple(config_models.Model(id=name, input=Decimal(1), output=Decimal(1)) for name in sorted(named))
    return Directory(
        config.Config(channels=made, models=config.parse(models).models if models else priced), environ or {}
    )


def served(found: Directory, model: str, protocol: str = "chat", session: str = "") -> list[tuple[str, str]]:
    """(channel, upstream id) of each candidate, in order."""
    return [(c.channel.name, c.upstream_model) for c in found.candidates(model, protocol, session)]


RANKS: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str]]]] = {
    "an id before an alias": ([{"models": ("m",)}, {"aliases": {"m": "x"}}], [("c0", "m")]),
    "an alias before a glob": ([{"aliases": {"m": "x"}}, {"models": ("m*",)}], [("c0", "x")]),
    "globs of ids and of aliases": ([{"models": ("m*",)}, {"aliases": {"m*": "x"}}], [("c0", "m"), ("c1", "x")]),
    "priority within a rank": ([{"models": ("m",)}, {"models": ("m",), "priority": 1}], [("c1", "m"), ("c0", "m")]),
    "an exact one of low priority": ([{"models": ("m",), "priority": -9}, {"models": ("*m",)}], [("c0", "m")]),
    "inactive ones do not count": ([{"models": ("m",), "active": False}, {"aliases": {"m": "x"}}], [("c1", "x")]),
    "an id beside its own alias": ([{"models": ("m",), "aliases": {"m": "x"}}], [("c0", "m")]),
    "echo never beside another": ([{"kind": "echo", "models": ("m",)}, {"models": ("m",)}], [("c1", "m")]),
    "echo's exact id before a real glob": ([{"kind": "echo", "models": ("m",)}, {"models": ("m*",)}], [("c0", "m")]),
    "echo's globs beside real ones": ([{"kind": "echo", "aliases": {"m*": "e"}}, {"models": ("o",)}], []),
    "echo alone": ([{"kind": "echo", "aliases": {"m*": "e"}}], [("c0", "e")]),
    "nobody": ([{"models": ("other",)}], []),
    "letters count": ([{"models": ("M",)}], []),
}


@pytest.mark.parametrize(("rows", "wanted"), RANKS.values(), ids=RANKS)
def test_the_most_exact_channels_serve(rows: list[dict[str, Any]], wanted: list[tuple[str, str]]) -> None:
    """An owner who names a model means that channel; a glob is for the rest."""
    models = "" if wanted and wanted[0][1] != "e" else '[[models]]\nid = "e"\ninput = 1\noutput = 1\n'
    found = directory(*rows, models=models)
    assert sorted(served(found, "m")) == sorted(wanted)
    if "priority" in str(rows):
        assert served(found, "m") == wanted


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_session_stays_where_it_was(session: str, other: str) -> None:
    """Its prompt cache is there: a change costs ten times the price."""
    rows = [{"models": ("m",)} for _ in range(4)]
    found = directory(*rows)
    before = served(found, "m", session=session)
    assert served(directory(*rows), "m", session=session) == before
    served(found, "m", session=other)
    assert served(found, "m", session=session) == before
    # Rendezvous: when one that did not serve it goes away, nothing moves.
    gone = before[-1][0]
    fewer = directory(*({**row, "active": f"c{n}" != gone} for n, row in enumerate(rows)))
    assert served(fewer, "m", session=session)[0] == before[0]


def test_weights_are_kept_over_many_sessions() -> None:
    """A weight of three takes three of four sessions."""
    found = directory({"models": ("m",), "weight": 3}, {"models": ("m",)})
    firsts = Counter(served(found, "m", session=f"s{number}")[0][0] for number in range(4000))
    assert 2850 < firsts["c0"] < 3150


SESSIONS: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "Claude Code's": ({"x-claude-code-session-id": "h"}, {"metadata": {"user_id": "u"}}, "h"),
    "metadata": ({}, {"metadata": {"user_id": "u"}, "prompt_cache_key": "p"}, "u"),
    "prompt_cache_key": ({}, {"prompt_cache_key": "p", "session_id": "s"}, "p"),
    "session_id": ({}, {"session_id": "s"}, "s"),
    "none": ({}, {}, "the key"),
    "odd types": ({}, {"metadata": [1], "prompt_cache_key": 7, "session_id": {}}, "the key"),
    "long": ({}, {"session_id": "x" * 1000}, "x" * 256),
}


@pytest.mark.parametrize(("headers", "body", "wanted"), SESSIONS.values(), ids=SESSIONS)
def test_a_session_is_what_the_client_calls_it(headers: dict[str, str], body: dict[str, Any], wanted: str) -> None:
    """Each client names it elsewhere; what one chooses is never longer than it needs to be."""
    assert session_of(headers, body, "the key") == wanted


INACTIVE: dict[str, tuple[dict[str, Any], str]] = {
    "unset variable": ({"api_key": "env:NOT_SET"}, "NOT_SET"),
    "empty variable": ({"api_key": "env:EMPTY"}, "EMPTY"),
    "no key": ({"api_key": ""}, "api_key"),
    "switched off": ({"active": False}, "active = false"),
    "a line end in the key": ({"api_key": "a\nb"}, "character"),
}


@pytest.mark.parametrize(("row", "reason"), INACTIVE.values(), ids=INACTIVE)
def test_a_channel_that_cannot_be_called_is_inactive_and_says_why(row: dict[str, Any], reason: str) -> None:
    """Called without its key it would only collect refusals; the owner reads the reason at the start."""
    found = directory({"models": ("m",), **row}, environ={"EMPTY": "  "})
    assert served(found, "m") == []
    assert reason in found.channels[0].inactive
    assert reason in found.explain("m")[0].reason


def test_a_model_with_a_price_for_input_only_is_explained_as_served() -> None:
    """Embeddings need no price for output; a channel that does not speak them cannot serve such a model."""
    only_input = '[[models]]\nid = "m"\ninput = 1\n'
    found = directory({"models": ("m",)}, {"models": ("m",), "kind": "anthropic"}, models=only_input)
    assert served(found, "m", "embeddings") == [("c0", "m")]
    assert served(found, "m", "chat") == []
    assert [(verdict.channel, verdict.order) for verdict in found.explain("m")] == [("c0", 1), ("c1", None)]
    assert "add `output`" in found.explain("m", "chat")[0].reason


def ways(found: Directory, protocol: str) -> list[tuple[str, str]]:
    """(channel, protocol it is asked in) of each candidate, in order."""
    return [(c.channel.name, c.protocol) for c in found.candidates("m", protocol)]


def test_an_owner_says_what_a_channel_speaks() -> None:
    """A server may have nothing but Responses, or more than others of its kind."""
    found = directory({"models": ("m",), "protocols": ("responses",)})
    assert [ways(found, each) for each in ("chat", "messages", "responses")] == [[("c0", "responses")]] * 3
    assert ways(found, "embeddings") == []
    assert found.explain("m", "embeddings")[0].reason == "this channel does not speak embeddings"
    both = directory({"models": ("m",), "kind": "anthropic", "protocols": ("chat", "messages")})
    assert [ways(both, each)[0][1] for each in ("chat", "messages", "responses")] == ["chat", "messages", "chat"]
    alone = directory({"models": ("m",), "protocols": ("responses",), "translate": False})
    assert ways(alone, "chat") == []


def test_within_a_priority_the_callers_own_protocol_comes_first() -> None:
    """Untouched bytes before translated ones, however the weights are; but the owner's order before both."""
    rows = [{"weight": 9}, {"kind": "anthropic"}, {"kind": "gemini", "priority": 1}, {"kind": "openrouter"}]
    found = directory(*({"models": ("m",), **row} for row in rows))
    for number in range(20):
        names = [name for name, _ in served(found, "m", "messages", f"session {number}")]
        assert (names[0], set(names[1:3]), names[3]) == ("c2", {"c1", "c3"}, "c0")


def test_a_key_never_stands_in_a_representation() -> None:
    """Logs and tracebacks print objects."""
    assert "very-secret" not in repr(directory({"models": ("m",), "api_key": "very-secret"}).channels)


def test_who_asks_for_many_ids_fills_no_memory() -> None:
    """A glob serves any id a caller makes up."""
    found = directory({"models": ("wild/*",)}, models='[[models]]\nid = "wild/one"\nfree = true\n')
    for number in range(5000):
        found.candidates(f"wild/{number}", "chat")
    assert len(found._known) <= 1024
    assert served(found, "wild/one") == [("c0", "wild/one")]


async def test_one_conversation_goes_to_one_channel(tmp_path: Path, provider: Provider) -> None:
    """Through the public door: many turns of one session, one upstream."""
    rows = [channel("openai", f"{provider.url}/{n}").replace('"openai"', f'"c{n}"', 1) for n in range(4)]
    async with running(tmp_path, PAID + "".join(rows)) as haze:
        provider.otherwise = lambda received: Reply(body=whole("chat"))
        for session in range(12):
            headers = {"x-claude-code-session-id": f"session-{session}"}
            for _ in range(2):
                body = {"model": "paid", "messages": [{"role": "user", "content": "hi"}]}
                assert (await haze.post("/v1/chat/completions", body, headers=headers)).status == 200
        paths = [received.path for received in provider.requests]
        assert paths[0::2] == paths[1::2]
        assert len(set(paths)) > 1


async def test_an_echo_channel_is_no_real_models_double(tmp_path: Path, provider: Provider) -> None:
    """A parrot must not answer for a real model: with a channel of another kind its globs are silent."""
    parrot = ECHO.replace('models = ["hekiu"]', 'models = ["hekiu"]\naliases = { "claude-*" = "hekiu" }')
    (tmp_path / "alone").mkdir()
    async with running(tmp_path / "alone", parrot) as alone:
        assert (await alone.ask("messages", "claude-new")).status == 200
    (tmp_path / "beside").mkdir()
    async with running(tmp_path / "beside", parrot + PAID + channel("openai", provider.url)) as beside:
        assert (await beside.ask("messages", "claude-new")).status == 503
        assert (await beside.ask("messages", "hekiu")).status == 200
