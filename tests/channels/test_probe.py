"""Does a channel answer? What the owner is told when he asks."""

import json

import pytest
from provider import HANG, Provider, Reply

from haze_proxy import config
from haze_proxy.channels import probe as probe_module
from haze_proxy.channels.directory import Directory
from haze_proxy.channels.probe import Health, probe


async def _health(provider: Provider, kind: str = "openai", models: str = '["gpt-*", "paid"]') -> Health:
    text = f"""
        [[channels]]
        name = "c"
        kind = "{kind}"
        api_key = "owners-secret"
        base_url = "{provider.url}"
        models = {models}
    """
    [health] = (await probe(Directory(config.parse(text), {}).channels)).values()
    return health


async def test_a_channel_that_lists_its_models_is_well(provider: Provider) -> None:
    """It costs nothing, so it is asked first, and with the credential: a wrong one must not look well."""
    provider.script(Reply(body={"data": []}))
    assert await _health(provider) == Health(ok=True, text="ok: 200 to GET /models")
    [asked] = provider.requests
    assert (asked.method, asked.path, asked.headers["Authorization"]) == ("GET", "/v1/models", "Bearer owners-secret")


@pytest.mark.parametrize(
    ("kind", "path", "credential"),
    [("openai", "/chat/completions", "Authorization"), ("anthropic", "/messages", "x-api-key")],
)
async def test_a_channel_without_a_list_is_asked_for_one_token(provider, kind: str, path: str, credential: str) -> None:
    """Not every provider has a list; one token is the least that proves anything. A glob is no model to ask for."""
    provider.script(Reply(status=404))
    assert await _health(provider, kind) == Health(ok=True, text=f"ok: 200 to POST {path}")
    asked = provider.requests[1]
    assert (asked.json()["model"], asked.json()["max_tokens"]) == ("paid", 1)
    assert "owners-secret" in asked.headers[credential]


@pytest.mark.parametrize("protocol", ["messages", "responses", "embeddings"])
async def test_the_token_is_asked_for_in_a_protocol_of_the_channel(provider: Provider, protocol: str) -> None:
    """Its owner said that it speaks nothing else: any other would look broken."""
    provider.script(Reply(status=404))
    models = f'["paid"]\nprotocols = ["{protocol}"]'
    assert await _health(provider, models=models) == Health(ok=True, text=f"ok: 200 to POST /{protocol}")


async def test_a_refused_credential_is_told_as_it_came(provider: Provider) -> None:
    """401 and 402 are the owner's to mend."""
    provider.script(Reply(status=401), Reply(status=401))
    assert await _health(provider) == Health(ok=False, text="failed: 401 to POST /chat/completions")


async def test_where_there_is_no_model_to_ask_for_the_list_decides(provider: Provider) -> None:
    """A channel of globs cannot be asked for a token of anything in particular."""
    provider.script(Reply(status=500))
    assert await _health(provider, models='["gpt-*"]') == Health(ok=False, text="failed: 500 to GET /models")
    assert len(provider.requests) == 1


async def test_a_line_that_breaks_is_a_failure_and_no_traceback(provider: Provider) -> None:
    """One dead channel must not hide how the others are."""
    provider.script(Reply(raw=b"nonsense"))
    health = await _health(provider)
    assert not health.ok
    assert health.text.startswith("failed: The provider behind channel c could not be reached")


async def test_a_silent_channel_is_given_up(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner at a terminal does not wait five minutes."""
    monkeypatch.setattr(probe_module, "PATIENCE_S", 0.05)
    provider.script(Reply(late=HANG))
    assert await _health(provider) == Health(ok=False, text="failed: no answer in 0.05 s")


async def test_a_channel_of_everything_is_well_when_its_list_can_be_read(provider: Provider) -> None:
    """A page of HTML with status 200 lists no model."""
    provider.script(Reply(body={"data": [{"id": "a"}, {"id": "b"}]}), Reply(body=b"<html>"), Reply(status=401))
    assert await _health(provider, models='["*"]') == Health(ok=True, text="ok: 2 models at GET /models")
    not_json = "failed: GET /models: the answer is not JSON"
    assert await _health(provider, models='["*"]') == Health(ok=False, text=not_json)
    refused = "failed: GET /models: it answered with status 401"
    assert await _health(provider, models='["*"]') == Health(ok=False, text=refused)
    assert len(provider.requests) == 3


async def test_each_channel_answers_for_itself(provider: Provider) -> None:
    """Answers are told apart by name, and all are asked at once."""
    text = "".join(
        f'[[channels]]\nname = "{name}"\nkind = "openai-compatible"\nbase_url = {json.dumps(url)}\nmodels = ["m"]\n'
        for name, url in (("good", provider.url), ("dead", "http://127.0.0.1:9/v1"))
    )
    found = await probe(Directory(config.parse(text), {}).channels)
    assert {name: health.ok for name, health in found.items()} == {"good": True, "dead": False}
