"""Connect a client: the page says what came with a key, and what is wrong with it, and nothing of anybody else's."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gateway import ECHO, Haze, running
from people import Come, Person

from haze_proxy.arrivals import Arrival
from haze_proxy.context import ARRIVALS
from haze_proxy.web import mistakes
from haze_proxy.web.mistakes import Place

CLAUDE = {"User-Agent": "claude-cli/2.1.330 (external, sdk-cli)", "anthropic-version": "2023-06-01"}
ASK = {"model": "hekiu", "max_tokens": 10, "messages": [{"role": "user", "content": "my secret plan"}]}
FREE = '\n[[channels]]\nname = "free"\nkind = "echo"\nmodels = ["gratis"]\n[[models]]\nid = "gratis"\nfree = true\n'
PAGE = "/dashboard/connect?key=2"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Haze]:
    """One paid model and one that is free."""
    async with running(tmp_path, ECHO + FREE) as haze:
        yield haze


async def call(house: Haze, key: str, path: str = "/v1/messages?beta=true", **more: Any) -> int:
    """A call like Claude Code's with a key; its status."""
    headers = {**CLAUDE, "x-api-key": key, **more.pop("headers", {})}
    return (await house.post(path, {**ASK, "model": "gratis", **more}, key="", headers=headers)).status


async def told(person: Person, key_id: int = 2) -> dict[str, str]:
    """What the page's script hears."""
    seen = await person.get(f"/dashboard/connect/{key_id}/state")
    assert (seen.status, seen.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    read: dict[str, str] = json.loads(seen.text)
    return read


async def test_the_page_turns_green_with_the_first_call(house: Haze, me: Person) -> None:
    """Model, client, protocol and receipt: who has just set up a client sees that it works, and what it asked for."""
    key = await me.make_key(name="Laptop")
    assert (await told(me)) == {"state": "waiting", "mark": ""}
    assert "Waiting for the first call" in (await me.get(PAGE)).words
    assert await call(house, key) == 200
    assert (now := await told(me))["state"] == "connected"
    seen = await me.get(PAGE)
    assert "Connected. claude-cli/2.1.330 asked gratis just now over the messages protocol" in seen.words
    assert f'data-mark="{now["mark"]}"' in seen.text
    [row] = await house.ended()
    assert f'href="/dashboard/usage/{row["id"]}"' in seen.text
    assert "secret plan" not in seen.text
    assert key not in seen.text


async def test_a_mark_changes_with_whatever_is_new(house: Haze, me: Person) -> None:
    """The script fetches the page again only then."""
    key = await me.make_key()
    marks = [(await told(me))["mark"]]
    for path in ("/v1/nothing", "/v1/messages", "/v1/messages", "/nothing"):
        await call(house, key, path)
        marks.append((await told(me))["mark"])
        assert (await told(me))["mark"] == marks[-1]
    assert len(set(marks)) == len(marks)


async def test_the_lines_are_those_of_this_deployment_and_the_chosen_client(house: Haze, me: Person) -> None:
    """Whoever pastes them has only the key to put in."""
    key = await me.make_key(models="hekiu")
    shown = (await me.get(PAGE)).text
    assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:8080\n" in shown
    assert f"{key[:12]}-and-the-rest-of-your-key" in shown
    codex = (await me.get(f"{PAGE}&client=codex")).text
    assert "wire_api" in codex
    assert "model = &#34;hekiu&#34;" in codex
    assert "wire_api" not in (await me.get(f"{PAGE}&client=nonsense")).text


@pytest.mark.parametrize("status", [401, 402, 403, 404, 429, 503])
def test_what_failed_at_the_provider_is_no_mistake_of_the_client(status: int) -> None:
    """It is set up as it should be; whoever changes its key or its model now makes it worse."""
    failed = Arrival(1, "req_1", "/v1/messages", "", "messages", "hekiu", status, admitted=True)
    assert list(mistakes.found([failed], Place("http://127.0.0.1:8080", "hekiu", 1))) == []
    refused = replace(failed, admitted=False, reason="Because.")
    assert len(list(mistakes.found([refused], Place("http://127.0.0.1:8080", "hekiu", 1)))) == 1


MISTAKES: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "a base URL with /v1": (
        {"path": "/v1/v1/messages"}, 200, "The base URL has a /v1 too much",
        "Set ANTHROPIC_BASE_URL=http://127.0.0.1:8080",
    ),
    "an OpenAI base URL without it": (
        {"path": "/chat/completions"}, 200, "The base URL lacks its /v1", "http://127.0.0.1:8080/v1",
    ),
    "a path that is not there": (
        {"path": "/api/v1/messages"}, 404, "The client asks for an address that is not here", "It asked for /api/v1/m",
    ),
    "a model that is not served": (
        {"model": "claude-opus-5-5"}, 503, "claude-opus-5-5 is not served here", "claude --model hekiu",
    ),
    "no money for a paid model": ({"model": "hekiu"}, 402, "There is no money for this model", "Insufficient balance"),
    "no model": ({"model": None}, 400, "Haze could not take the request", "model: Field required"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "status", "title", "advice"), MISTAKES.values(), ids=MISTAKES)
async def test_a_mistake_is_named_by_what_was_seen(
    house: Haze, me: Person, sent: dict[str, Any], status: int, title: str, advice: str
) -> None:
    """Clients tell it as "issue with the selected model", or not at all."""
    key = await me.make_key()
    assert await call(house, key, **sent) == status
    seen = await me.get(PAGE)
    assert title in seen.words
    assert advice in seen.words
    assert (await told(me))["state"] == ("connected" if status == 200 else "arrived")


KEYS: dict[str, tuple[dict[str, str], int, str, str]] = {
    "another model": ({"models": "hekiu"}, 404, "This key may not use gratis", "It may use: hekiu."),
    "another address": ({"addresses": "192.0.2.1"}, 403, "The request was not allowed", "from the address 127.0.0.1"),
    "a limit": ({"requests_per_minute": "1"}, 429, "A limit of this key was hit", "limit of 1 requests per minute"),
}


@pytest.mark.parametrize(("fields", "status", "title", "advice"), KEYS.values(), ids=KEYS)
async def test_what_the_key_does_not_allow_is_named(
    house: Haze, me: Person, fields: dict[str, str], status: int, title: str, advice: str
) -> None:
    """With the way to the form where it is changed."""
    key = await me.make_key(**fields)
    while await call(house, key) != status:
        assert status == 429  # a burst of ten comes first
    seen = await me.get(PAGE)
    assert title in seen.words
    assert advice in seen.words
    assert 'href="/dashboard/keys/2"' in seen.text


async def test_both_variables_are_noticed(house: Haze, me: Person) -> None:
    """The key that wins, and the one that never will."""
    first, second = await me.make_key(), await me.make_key()
    assert await call(house, first, headers={"Authorization": f"Bearer {second}"}) == 200
    won, lost = await me.get("/dashboard/connect?key=2"), await me.get("/dashboard/connect?key=3")
    assert "Two different credentials come with each request Haze took the one in x-api-key." in won.words
    assert "This key was not used: another credential came beside it" in lost.words
    assert [(await told(me, number))["state"] for number in (2, 3)] == ["connected", "arrived"]


async def test_a_key_that_is_over_says_so(house: Haze, me: Person) -> None:
    """Waiting for its first call would be waiting for ever."""
    key = await me.make_key()
    house.rows("UPDATE keys SET expires_at = 1 WHERE id = 2")
    while await call(house, key) != 401:
        pass
    expired = await me.get(PAGE)
    assert "This key has expired" in expired.words
    assert "The key is refused" in expired.words
    await me.post("/dashboard/keys/2/revoke")
    assert "This key is revoked" in (await me.get(PAGE)).words
    assert "Waiting" not in (await me.get(PAGE)).words


async def test_without_a_key_the_page_says_what_comes_first(me: Person) -> None:
    """And with one, the newest is chosen."""
    assert "First a key" in (await me.get("/dashboard/connect")).words
    await me.make_key(name="old")
    await me.make_key(name="new")
    seen = await me.get("/dashboard/connect")
    assert "/dashboard/connect/3/state" in seen.text


async def test_a_new_keys_page_leads_here(me: Person) -> None:
    """With the key that was just made."""
    made = await me.post("/dashboard/keys")
    assert 'href="/dashboard/connect?key=2"' in made.text
    assert 'href="/dashboard/connect"' in (await me.get("/dashboard/keys")).text
    assert 'href="/dashboard/connect"' in (await me.get("/dashboard")).text


async def test_a_strangers_key_is_not_there(house: Haze, me: Person, other: Person) -> None:
    """Nor what came with it: in the same words as for a number that nobody has."""
    await call(house, await me.make_key(name="Laptop"))
    for path in ("/dashboard/connect?key={}", "/dashboard/connect/{}/state"):
        seen = [await other.get(path.format(number)) for number in (2, 999, "1" * 15)]
        assert {each.status for each in seen} == {404}
        assert len({each.words.partition("For the owner")[0] for each in seen}) == 1
    assert (await other.get("/dashboard/connect?key=x")).status == 404
    assert "Laptop" not in (await other.get("/dashboard/connect")).words


async def test_a_key_passed_over_learns_nothing_of_the_other_account(house: Haze, me: Person, come: Come) -> None:
    """Somebody who puts another's key beside his own sees his own request, and nothing more."""
    victim = await come()
    await victim.register("victim@example.com")
    mine, theirs = await me.make_key(), await victim.make_key(name="Payroll")
    await call(house, theirs, headers={"Authorization": f"Bearer {mine}"}, model="gratis")
    seen = await me.get(PAGE)
    assert "This key was not used" in seen.words
    assert not any(text in seen.text for text in ("Payroll", theirs[:12], "gratis</code></td>"))


ODD = {
    "markup": {"headers": {"User-Agent": "<script>alert(1)</script>"}, "model": "<b>x</b>"},
    "odd characters": {"headers": {"User-Agent": "\x80\xff"}, "model": "a\u202e\x07b"},
    "marks of a format": {"headers": {"User-Agent": "{url}"}, "model": "{seen.__class__}{0}"},
}


@pytest.mark.parametrize("sent", ODD.values(), ids=ODD)
async def test_what_a_client_sends_is_text(house: Haze, me: Person, sent: dict[str, Any]) -> None:
    """Anybody who has a key decides what stands there."""
    key = await me.make_key()
    assert await call(house, key, **sent) == 503
    seen = await me.get(PAGE)
    assert seen.status == 200
    assert not any(text in seen.text for text in ("<script>alert", "<b>x", "\u202e", "\x07", "<class"))


async def test_the_page_waits_while_a_model_thinks(house: Haze, me: Person) -> None:
    """Green at the arrival, not at the end of the answer; what is running says so."""
    key = await me.make_key()
    await call(house, key)
    answered = house.app[ARRIVALS].of(2).answered
    assert answered is not None
    answered.status = 0
    assert "and is being answered now" in (await me.get(PAGE)).words
    answered.status = 502
    assert "Connected, but the provider failed." in (await me.get(PAGE)).words


async def test_a_restart_forgets_and_says_so(house: Haze, me: Person) -> None:
    """A key that works is not shown as if nothing ever came."""
    key = await me.make_key()
    await call(house, key)
    await house.ended()
    house.app[ARRIVALS]._of.clear()
    async with asyncio.timeout(5):
        while "It was last charged just now" not in (await me.get(PAGE)).words:
            pass
