"""Channels, for the administrator: how each is doing, its switch, its test, and the rows to paste."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from gateway import ECHO, PAID, channel, running
from owner import EMAIL, acts, hidden, owned
from people import Come
from provider import Provider, Reply
from provider_answers import openrouter_list

from haze_proxy import config
from haze_proxy.channels.directory import Directory
from haze_proxy.channels.kinds import KINDS
from haze_proxy.context import HEALTH, RECORDS
from haze_proxy.web.admin import channel_samples, channels

SLASH = channel("openai", "{url}", name='"a/b %c"')


async def test_nobody_else_finds_them(come: Come) -> None:
    """Which providers an owner has, and what fails there, is his alone."""
    await hidden(come, "/admin/channels")


async def test_a_channel_shows_how_it_is_doing(tmp_path: Path, provider: Provider) -> None:
    """Its answers, its errors and what runs there, of the last minutes."""
    async with owned(tmp_path, ECHO + channel("openai", provider.url) + PAID) as owner:
        haze = owner.haze
        assert (await haze.ask("chat", "paid")).status == 200
        provider.script(Reply(status=500, body={"error": {"message": "we broke"}}))
        assert (await haze.ask("chat", "paid")).status == 502
        words = (await owner.get("/admin/channels")).words
        assert "openai openai · priority 0 · weight 1 cooling down" in words
        assert "1 of 2 hour: 1 of 2 0 just now" in words
        assert "echo echo · priority 0 · weight 1 active hekiu" in words
        assert "not yet" in words
        one = (await owner.get("/admin/channels/openai")).words
        assert "1 failure: we broke" in one
        assert "Last errors since the start of this server" in one
        assert "paid just now we broke" in one
        haze.clock[0] += 3700
        late = (await owner.get("/admin/channels/openai")).words
        assert "Errors in an hour 0 of 0" in late
        assert "2 since the start, 1 failed" in late


async def test_a_name_that_is_no_path_is_found(tmp_path: Path, provider: Provider) -> None:
    """Whatever the owner calls a channel; one that there is not is 404."""
    async with owned(tmp_path, SLASH.format(url=provider.url)) as owner:
        [link] = re.findall(r'<a href="(/admin/channels/[^"]+)">a/b %c</a>', (await owner.get("/admin/channels")).text)
        assert link == "/admin/channels/a%2Fb%20%25c"
        seen = await owner.get(link)
        assert (seen.status, "a/b %c" in seen.words) == (200, True)
        assert (await owner.post(f"{link}/switch", to="off")).location == link
        assert "off here since" in (await owner.get(link)).words
        assert (await owner.get("/admin/channels/nobody")).status == 404
        for act in ("switch", "test", "forgive"):
            assert (await owner.post(f"/admin/channels/nobody/{act}")).status == 404


async def test_a_switch_holds_for_the_next_request_and_is_written_down(tmp_path: Path, provider: Provider) -> None:
    """Beside what the file says: the page says both, and who it was."""
    async with owned(tmp_path, ECHO + channel("openai", provider.url) + PAID) as owner:
        assert (await owner.post("/admin/channels/openai/switch", to="off")).status == 303
        assert (await owner.haze.ask("chat", "paid")).status == 503
        words = (await owner.get("/admin/channels/openai")).words
        assert re.search(rf"config.toml: active; off here since \S+ \S+ UTC by {EMAIL}", words)
        assert f"by {EMAIL}" in (await owner.get("/admin/channels")).words
        await owner.post("/admin/channels/openai/switch", to="off")
        assert (await owner.post("/admin/channels/openai/switch", to="on")).status == 303
        assert (await owner.haze.ask("chat", "paid")).status == 200
        assert "off here" not in (await owner.get("/admin/channels/openai")).words
        assert acts(owner.haze) == [(EMAIL, "channel.switch", "openai")] * 2


async def test_what_the_file_has_against_a_channel_cannot_be_switched_away(tmp_path: Path) -> None:
    """Nothing here beats config.toml; the answer says what to change."""
    async with owned(tmp_path, ECHO + channel("openai", "http://127.0.0.1:9/v1", active="false")) as owner:
        words = (await owner.get("/admin/channels/openai")).words
        assert "inactive active = false in config.toml" in words
        assert "Switch on" not in words
        seen = await owner.post("/admin/channels/openai/switch", to="on")
        assert seen.status == 422
        assert "It cannot be switched on here: active = false in config.toml." in seen.words
        assert (await owner.post("/admin/channels/openai/test")).status == 422
        assert acts(owner.haze) == []


async def test_a_switch_of_a_channel_that_is_gone_is_shown(tmp_path: Path, provider: Provider) -> None:
    """It has no effect, and whoever adds a channel of that name again should know."""
    async with owned(tmp_path, ECHO + channel("openai", provider.url)) as owner:
        await owner.post("/admin/channels/openai/switch", to="off")
        key = owner.haze.key
    async with owned(tmp_path, ECHO, key=key) as owner:
        words = (await owner.get("/admin/channels")).words
        assert "no longer in config.toml, and so without effect: openai (off here since" in words


async def test_a_test_says_what_the_provider_says(tmp_path: Path, provider: Provider) -> None:
    """In its own words, without the owner's secrets in them; nobody pays for it, and it is written down."""
    async with owned(tmp_path, ECHO + channel("openai", provider.url) + PAID) as owner:
        provider.script(Reply(body={"data": []}))
        assert (await owner.post("/admin/channels/openai/test")).location == "/admin/channels/openai"
        assert "ok: 200 to GET /models, after" in (await owner.get("/admin/channels/openai")).words
        wrong = Reply(status=401, body={"error": {"message": "Incorrect API key provided: owners-secret"}})
        provider.script(wrong, wrong)
        await owner.post("/admin/channels/openai/test")
        seen = await owner.get("/admin/channels/openai")
        assert "failed: 401 to POST /chat/completions, after" in seen.words
        assert "The provider says: Incorrect API key provided: ***" in seen.words
        assert "owners-secret" not in seen.text
        assert acts(owner.haze) == [(EMAIL, "channel.test", "openai")] * 2
        assert owner.haze.rows("SELECT * FROM requests") == []


async def test_a_test_of_all_that_is_listed_tells_the_refusal(tmp_path: Path, provider: Provider) -> None:
    """The list is all that such a channel can be asked for."""
    provider.lists = lambda received: Reply(status=403, body={"error": {"message": "Region not supported"}})
    async with owned(tmp_path, ECHO + channel("openrouter", provider.url, '["*"]')) as owner:
        await owner.post("/admin/channels/openrouter/test")
        words = (await owner.get("/admin/channels/openrouter")).words
        assert "failed: GET /models: it answered with status 403" in words
        assert "The provider says: Region not supported" in words


async def test_a_test_waits_for_no_provider_for_long(
    tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person waits for the page; and a second press meanwhile asks nobody a second time."""
    monkeypatch.setattr(channels, "PATIENCE_S", 0.3)
    never = asyncio.Event()
    provider.script(Reply(late=never))
    async with owned(tmp_path, ECHO + channel("openai", provider.url)) as owner:
        first = asyncio.create_task(owner.post("/admin/channels/openai/test"))
        await provider.received(1)
        assert (await owner.post("/admin/channels/openai/test")).status == 303
        assert len(provider.requests) == 1
        assert (await first).status == 303
        assert "failed: no answer in 0.3 s" in (await owner.get("/admin/channels/openai")).words


async def test_a_forgiven_channel_is_asked_at_once(tmp_path: Path, provider: Provider) -> None:
    """The owner has paid his bill, and his callers shall not wait half an hour for Haze to find out."""
    provider.script(Reply(status=402, body={"error": {"message": "Insufficient credits"}}))
    async with owned(tmp_path, ECHO + channel("openai", provider.url) + PAID) as owner:
        assert (await owner.haze.ask("chat", "paid")).status == 503
        assert (await owner.haze.ask("chat", "paid")).status == 503
        assert len(provider.requests) == 1
        words = (await owner.get("/admin/channels/openai")).words
        assert "needs you" in words
        assert "Insufficient credits" in words
        assert (await owner.post("/admin/channels/openai/forgive")).status == 303
        assert (await owner.haze.ask("chat", "paid")).status == 200
        assert "Forgive" not in (await owner.get("/admin/channels/openai")).words
        assert acts(owner.haze) == [(EMAIL, "channel.forgive", "openai")]
        assert owner.haze.rows("SELECT * FROM channel_health") == []


async def test_forgiving_one_leaves_the_others_alone(tmp_path: Path, provider: Provider) -> None:
    """And a channel that nothing is wrong with is forgiven nothing."""
    provider.script(Reply(status=402), Reply(status=402))
    text = ECHO + channel("openai", provider.url) + channel("openrouter", provider.url) + PAID
    async with owned(tmp_path, text) as owner:
        assert (await owner.haze.ask("chat", "paid")).status == 503
        await owner.post("/admin/channels/echo/forgive")
        await owner.post("/admin/channels/openai/forgive")
        health = owner.haze.app[HEALTH]
        assert (health.of("openai"), len(health.of("openrouter"))) == ([], 1)


async def test_what_is_listed_is_shown_with_its_age(tmp_path: Path, provider: Provider) -> None:
    """A `*` channel serves what its upstream told last."""
    rows: list[Any] = [f"v/model-{number:02}" for number in range(60)]
    provider.lists = lambda received: Reply(body=openrouter_list(*rows))
    async with owned(tmp_path, ECHO + channel("openrouter", provider.url, '["*"]')) as owner:
        async with asyncio.timeout(5):
            while "60 listed" not in (seen := await owner.get("/admin/channels")).words:
                await asyncio.sleep(0.02)
        assert "all that it lists" not in seen.words
        words = (await owner.get("/admin/channels/openrouter")).words
        assert "60 models, 60 with a price, fetched just now" in words
        assert "v/model-00" in words
        assert "and 20 more" in words


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_to_paste_serves(kind: str) -> None:
    """It is read as the server reads it, and every model it names has a price, once its variable is set."""
    [sample] = [each for each in channel_samples.every(()) if f'kind = "{kind}"' in each.text]
    settings = config.parse(sample.text)
    variables = re.findall(r"^api_key = \"env:(\w+)\"$", sample.text, re.MULTILINE)
    directory = Directory(settings, dict.fromkeys(variables, "set"))
    [row] = settings.channels
    [made] = directory.channels
    assert (made.inactive, made.base_url) == ("", KINDS[row.kind].base_url or row.base_url)
    assert all(variable in sample.where for variable in variables)
    for model in row.models if row.models != ("*",) else ():
        assert directory.serves(model), model


def test_a_row_to_paste_has_a_name_that_is_free() -> None:
    """Else the file with it would be refused."""
    texts = [each.text for each in channel_samples.every({"openai", "openai-2"})]
    assert any('name = "openai-3"\nkind = "openai"\n' in text for text in texts)


async def test_the_page_says_where_a_row_goes(tmp_path: Path) -> None:
    """And what has to be done for Haze to notice it."""
    async with owned(tmp_path, "") as owner:
        words = (await owner.get("/admin/channels")).words
        assert f"Paste its row into {tmp_path / 'config.toml'} , then read the file again" in words
        assert "No channel yet" in words
        assert words.count("[[channels]]") == len(KINDS)


async def test_what_runs_is_counted_until_it_ends(tmp_path: Path, provider: Provider) -> None:
    """Whether it is answered, refused, or left by its caller."""
    comes = asyncio.Event()
    provider.script(Reply(late=comes, status=429))
    text = ECHO + channel("openai", provider.url) + channel("openrouter", provider.url) + PAID
    async with running(tmp_path, text) as haze:
        records = haze.app[RECORDS]
        asking = asyncio.create_task(haze.ask("chat", "paid"))
        await provider.received(1)
        assert sorted(records.of(name).in_flight for name in ("openai", "openrouter")) == [0, 1]
        comes.set()
        assert (await asking).status == 200
        both = [records.of(name) for name in ("openai", "openrouter")]
        assert [each.in_flight for each in both] == [0, 0]
        assert sorted(each.errors for each in both) == [0, 1]
        assert sum(each.attempts for each in both) == 2
        provider.script(Reply(status=400, body={"error": {"message": "no"}}))
        assert (await haze.ask("chat", "paid")).status == 400
        assert sum(each.errors for each in both) == 1
