"""Lists are fetched within bounds, again and again, and the owner hears of it once."""

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider import HANG, HANG_UP, Provider, Received, Reply
from provider_answers import anthropic_page, openai_list, openrouter_list

from haze_proxy import config
from haze_proxy.channels import catalogue, refresh
from haze_proxy.channels.catalogue import ListError
from haze_proxy.channels.channel import Channel
from haze_proxy.channels.client import LIST_BYTES_MAX, Client
from haze_proxy.channels.directory import Directory
from haze_proxy.channels.refresh import Fetched, Refresher, delay_s, fetch

AT = 1_795_612_345_678
MANY = [f"claude-{number}" for number in range(2500)]


def _channel(provider: Provider, kind: str) -> Channel:
    text = f'[[channels]]\nname = "c"\nkind = "{kind}"\napi_key = "owners-secret"\nbase_url = "{provider.url}"\n'
    return Directory(config.parse(text + 'models = ["*"]\n'), {}).channels[0]


async def fetched(provider: Provider, kind: str = "openrouter") -> Fetched:
    """The list of a channel of a kind."""
    async with Client() as client:
        return await fetch(client, _channel(provider, kind), lambda: AT)


def _paged(received: Received) -> Reply:
    query = dict(part.split("=") for part in received.query.split("&") if part)
    return Reply(body=anthropic_page(MANY, query.get("after_id"), int(query.get("limit", 20))))


SHAPES: dict[str, tuple[Any, list[str], str]] = {
    "openrouter": (openrouter_list("v/one", "v/two"), ["v/one", "v/two"], "Authorization"),
    "openai": (openai_list("gpt-4o"), ["gpt-4o"], "Authorization"),
    "gemini": (openai_list("models/gemini-2.5-pro"), ["gemini-2.5-pro"], "Authorization"),
    "openai-compatible": (openai_list("own"), ["own"], "Authorization"),
    "anthropic": (anthropic_page(["claude-a", "claude-b"]), ["claude-a", "claude-b"], "x-api-key"),
}


@pytest.mark.parametrize("kind", SHAPES)
async def test_each_kinds_list_is_read_as_it_comes(provider: Provider, kind: str) -> None:
    """With the credential: some providers show an account what it may use, and others show nothing without one."""
    body, ids, credential = SHAPES[kind]
    provider.script(Reply(body=body))
    found = await fetched(provider, kind)
    assert list(found.listing.offers) == ids
    assert found.listing.fetched_at == AT
    [asked] = provider.requests
    assert (asked.method, asked.path) == ("GET", "/v1/models")
    assert "owners-secret" in asked.headers[credential]
    again = catalogue.remembered(kind, found.listing.origin, found.rows.decode(), AT)
    assert again == found.listing


async def test_a_list_in_pages_is_read_to_its_end(provider: Provider) -> None:
    """Anthropic tells at most a thousand at a time."""
    provider.lists = _paged
    found = await fetched(provider, "anthropic")
    assert list(found.listing.offers) == MANY
    assert [asked.query for asked in provider.requests] == [
        "limit=1000",
        "limit=1000&after_id=claude-999",
        "limit=1000&after_id=claude-1999",
    ]


async def test_a_list_without_an_end_is_none(provider: Provider) -> None:
    """One page that answers itself would be fetched for ever."""
    provider.lists = lambda received: Reply(body={**openai_list("m"), "has_more": True, "last_id": "m"})
    with pytest.raises(ListError, match="more than 20 pages"):
        await fetched(provider)
    assert len(provider.requests) == 20


async def test_all_pages_together_are_not_too_long(provider: Provider) -> None:
    """A bound for each page alone is none."""
    page = b'{"data": [{"id": "m"}], "has_more": true, "last_id": "m"' + b" " * (LIST_BYTES_MAX // 3) + b"}"
    provider.lists = lambda received: Reply(body=page)
    with pytest.raises(ListError, match="too long"):
        await fetched(provider)
    assert len(provider.requests) == 3


BAD: dict[str, tuple[Reply, str]] = {
    "refused": (Reply(status=401, body=b"{}"), "status 401"),
    "somewhere else": (Reply(status=302, headers={"Location": "/v2/models"}), "status 302"),
    "an error page": (Reply(body=b"<html>"), "not JSON"),
    "an unknown encoding": (Reply(body=b"{}", headers={"Content-Encoding": "zstd-17"}), "encoding 'zstd-17'"),
    "cut": (Reply(chunks=[b'{"data": [', HANG_UP]), "broke off"),
    "nonsense": (Reply(raw=b"nonsense\r\n\r\n"), "could not be reached"),
    "too long": (Reply(chunks=[b" " * 2**20] * (LIST_BYTES_MAX // 2**20 + 1)), "too long"),
    "small, and large when unpacked": (Reply(chunks=[b" " * (LIST_BYTES_MAX + 1)], compress="gzip"), "too long"),
    "nested too deeply to be kept": (
        Reply(body=b'{"data": [{"id": "m", "pricing": ' + b"[" * 400 + b"]" * 400 + b"}]}"),
        "nested too deeply",
    ),
}


@pytest.mark.parametrize(("reply", "why"), BAD.values(), ids=BAD)
async def test_what_is_no_list_is_one_error_for_the_owner(provider: Provider, reply: Reply, why: str) -> None:
    """In a few words, without his credential."""
    provider.script(reply)
    with pytest.raises(ListError, match=why) as told:
        await fetched(provider)
    assert "owners-secret" not in str(told.value)
    assert len(str(told.value)) < 200


async def test_a_silent_upstream_is_given_up(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages together have one time."""
    monkeypatch.setattr(refresh, "PATIENCE_S", 0.05)
    for hangs in (Reply(late=HANG), Reply(chunks=[b'{"data": [', HANG])):
        provider.script(hangs)
        with pytest.raises(ListError, match=r"no answer in 0\.05 s"):
            await fetched(provider)


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_wait_grows_with_failures_and_never_beyond_the_usual_one(failures: int, chance: float) -> None:
    """An upstream that is down is not asked again and again; one that was down for a minute is not left for an hour."""
    wait = delay_s(failures, chance)
    assert 0 < wait <= 3600 * 1.1
    if failures == 0:
        assert wait >= 3600 * 0.9
    elif failures < 10:
        assert 5 * 2 ** (failures - 1) * 0.9 <= wait <= 5 * 2 ** (failures - 1) * 1.1


async def test_the_owner_hears_of_a_change_and_not_of_every_try(
    provider: Provider, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead upstream is one line; so is its return."""
    monkeypatch.setattr(refresh, "FIRST_RETRY_S", 0)
    caplog.set_level(logging.INFO, "haze_proxy")
    listing = catalogue.listing("openrouter", "o", [{"id": "m"}], AT)
    script = ["no", "no", "no", "", "", "no", ValueError("odd"), "", ValueError("odd"), "no", ""]
    taken, done = [], asyncio.Event()

    async def get() -> Fetched:
        if not script:
            await asyncio.Event().wait()
        told = script.pop(0)
        if isinstance(told, Exception):
            raise told
        if told:
            raise ListError(told)
        refresher.hurry()
        return Fetched(listing, b"")

    def take(each: Fetched) -> None:
        taken.append(each)
        if not script:
            done.set()

    refresher = Refresher(_channel(provider, "openrouter"), get, take)
    task = asyncio.create_task(refresher.run())
    async with asyncio.timeout(5):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(taken) == 4
    assert [record.getMessage() for record in caplog.records if not record.exc_info] == [
        "Channel c: no new list of models (no); what it listed last is served.",
        "Channel c: its upstream lists 1 models.",
        "Channel c: no new list of models (no); what it listed last is served.",
        "Channel c: its upstream lists 1 models.",
        "Channel c: no new list of models (ValueError); what it listed last is served.",
        "Channel c: its upstream lists 1 models.",
    ]
    # A mistake of ours is told in full, and ends nothing.
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError]


def test_rows_are_kept_as_json() -> None:
    """The store takes text."""
    rows = catalogue.page(json.dumps(openrouter_list("m")).encode()).rows
    channel = Directory(
        config.parse('[[channels]]\nname = "c"\nkind = "openrouter"\napi_key = "k"\nmodels = ["*"]\n'), {}
    ).channels[0]
    assert json.loads(refresh._read(channel, rows, AT).rows) == rows
