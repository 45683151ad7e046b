"""The way from an empty Haze to a first paid answer: each page says the next step, to whoever can take it."""

import re
from pathlib import Path

import aiohttp
import pytest
from gateway import ECHO, PAID, channel, running
from people import Person, Seen, owner

EMPTY = "The balance is empty: paid requests are refused with 402, and free models work."
GIVE = "give your account credit"
ONLY_ECHO = "Only the embedded echo answers so far"
ACTION = re.compile(r'<form method="post" action="([^"]*)"')
NO_CHANNEL = "No channel is active, so no model is served."
PLACES = ("/dashboard", "/dashboard/playground", "/dashboard/billing")


@pytest.mark.parametrize("path", PLACES)
async def test_an_owner_without_money_is_led_to_where_he_makes_it(admin: Person, path: str) -> None:
    """There is nobody else to ask; the first request of a fresh Haze would be refused, and nothing said what to do."""
    page = await admin.get(path)
    assert EMPTY in page.words
    assert GIVE in page.words
    [account] = admin.haze.rows("SELECT id FROM accounts WHERE email = 'admin@example.com'")
    place = f"/admin/accounts/{account['id']}"
    assert f'href="{place}#money"' in page.text
    once = (await admin.get(place)).text.partition('name="once" value="')[2].partition('"')[0]
    assert (await admin.post(f"{place}/money", kind="credit", amount="5", memo="", once=once)).status == 303
    assert EMPTY not in (await admin.get(path)).words


async def test_whoever_has_no_money_hears_so_beside_the_new_key(me: Person, admin: Person) -> None:
    """Before the first request is refused; and nobody but an owner is sent to the owner's rooms."""
    for person, leads in ((me, "/dashboard/billing"), (admin, "/admin/accounts/")):
        shown = await person.post("/dashboard/keys", name="Laptop")
        assert EMPTY in shown.words
        assert f'href="{leads}' in shown.text.partition(EMPTY[:20])[2]
    assert "/admin" not in (await me.get("/dashboard")).text


async def test_the_first_request_is_a_click_away(me: Person) -> None:
    """With a key, by a client or in the browser; without one, the key comes first, and is said once."""
    assert "No request yet" not in (await me.get("/dashboard")).words
    await me.make_key(name="Laptop")
    page = await me.get("/dashboard")
    assert "No request yet Connect Claude Code or another client, or ask in the playground" in page.words


@pytest.mark.parametrize(
    ("config", "said"),
    [(ECHO, ONLY_ECHO), ("", NO_CHANNEL), (ECHO + PAID + channel("openai", "http://127.0.0.1:9"), "")],
)
async def test_an_owner_without_a_provider_is_led_to_the_channels(tmp_path: Path, config: str, said: str) -> None:
    """An echo is no model; whoever administers Haze can add one, and nobody else is told to."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with running(tmp_path, config) as haze, aiohttp.ClientSession(cookie_jar=jar) as session:
        person = await owner(haze, session)
        assert ONLY_ECHO not in (await person.get("/dashboard")).words
        haze.rows("UPDATE accounts SET is_admin = 1")
        page = await person.get("/dashboard")
        assert [text for text in (ONLY_ECHO, NO_CHANNEL) if text in page.words] == ([said] if said else [])
        assert ("/admin/channels#add" in page.text) == bool(said)


async def test_an_address_that_nothing_is_at_says_so_in_peoples_words(stranger: Person) -> None:
    """Methods are the API's affair."""
    page = await stranger.get("/nothing", Accept="text/html")
    assert page.status == 404
    assert "There is no such page Nothing is at /nothing." in page.words


async def test_a_wrong_form_is_sent_again_to_where_it_was_sent(admin: Person, other: Person) -> None:
    """Its page has another address than the one it began on, and all of its forms lead to the account as before."""
    [account] = admin.haze.rows("SELECT id FROM accounts WHERE email = 'other@example.com'")
    place = f"/admin/accounts/{account['id']}"
    before, wrong = await admin.get(place), await admin.post(f"{place}/money", kind="credit", amount="2.5x")
    assert wrong.status == 422
    for acts in (_acts(before), _acts(wrong)):
        assert f"{place}/money" in acts
        assert all(act == "/logout" or act.removeprefix(place).count("/") == 1 for act in acts)


def _acts(page: Seen) -> list[str]:
    return ACTION.findall(page.text)
