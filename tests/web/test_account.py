"""The account's own page: another password, and where one is logged in."""

import pytest
from gateway import Haze
from people import PASSWORD, Come, Person

from haze_proxy.context import STORE
from haze_proxy.store import password_links
from haze_proxy.store.password_links import make_token
from haze_proxy.web.words import now_ms

NEW = "battery staple correct"


async def change(person: Person, old: str = PASSWORD, new: str = NEW) -> tuple[int, str]:
    """Ask for another password; the status, and what was said."""
    seen = await person.post("/dashboard/account/password", password=old, new_password=new)
    return seen.status, seen.complaint("password") or seen.complaint("new_password")


async def test_another_password_logs_out_everywhere_else(house: Haze, me: Person, come: Come) -> None:
    """Whoever changes it suspects somebody, who may have seen this browser's cookie, too."""
    thief = await come()
    await thief.log_in()
    before = me.cookies
    assert await change(me) == (303, "")
    assert "The password is changed" in (await me.get("/dashboard/account?done=password")).words
    assert me.cookies != before
    assert len(house.rows("SELECT * FROM sessions")) == 1
    assert (await thief.get("/dashboard")).status == 303
    assert (await thief.log_in()).status == 403
    assert (await thief.log_in(password=NEW)).status == 303


async def test_another_password_ends_the_link_that_would_choose_one(house: Haze, me: Person, stranger: Person) -> None:
    """Whoever fears for the password fears for the mail, too: a link that lies there is good for nothing any more."""
    token = make_token()
    await house.app[STORE].write(password_links.add, 2, token, now_ms())
    assert "Choose a password" in (await stranger.get(f"/password?link={token}")).words
    assert await change(me) == (303, "")
    assert (await stranger.get(f"/password?link={token}")).status == 403
    assert (await stranger.post("/password", link=token, password="the thief's choice")).status == 403


async def test_the_old_password_is_asked_for_and_counted(house: Haze, me: Person) -> None:
    """An unlocked screen is not enough, and does not serve to guess."""
    for old in ("", "x" * 300, "wrong horse battery"):
        assert await change(me, old) in (
            (422, "The password you use now."),
            (422, "This is not the password you use now."),
        )
    for _ in range(9):
        await change(me, "wrong horse battery")
    assert (await change(me))[0] == 429
    house.clock[0] += 901
    assert await change(me, new="short") == (422, "At least 10 characters.")
    assert (await change(me))[0] == 303


async def test_one_of_ones_sessions_can_be_ended(house: Haze, me: Person, come: Come) -> None:
    """A lost telephone is logged out from home; the list says which is which."""
    lost = await come()
    await lost.log_in()
    page = await me.get("/dashboard/account")
    assert page.words.count("Firefox on Linux") == 2
    assert page.text.count("this one") == 1
    action = page.text.partition('action="/dashboard/account/sessions/')[2].partition('"')[0]
    assert (await me.post(f"/dashboard/account/sessions/{action}")).location == "/dashboard/account?done=session"
    assert (await lost.get("/dashboard")).status == 303
    assert (await me.get("/dashboard")).status == 200


async def test_all_other_sessions_can_be_ended(me: Person, come: Come) -> None:
    """When one does not know which."""
    others = [await come() for _ in range(3)]
    for other in others:
        await other.log_in()
    assert (await me.post("/dashboard/account/sessions")).location == "/dashboard/account?done=sessions"
    assert [(await other.get("/dashboard")).status for other in others] == [303] * 3
    assert (await me.get("/dashboard")).status == 200


async def test_a_strangers_session_is_not_there(house: Haze, me: Person, other: Person) -> None:
    """Neither shown nor ended."""
    [row] = house.rows("SELECT digest FROM sessions JOIN accounts ON accounts.id = account_id WHERE email LIKE 'me%'")
    digest = row["digest"].hex()
    assert (await other.post(f"/dashboard/account/sessions/{digest}")).status == 404
    assert digest not in (await other.get("/dashboard/account")).text
    assert (await me.get("/dashboard")).status == 200


@pytest.mark.parametrize("done", ["", "x", "<script>", "password"])
async def test_what_was_done_is_said_in_our_own_words(me: Person, done: str) -> None:
    """A link cannot put words on the page."""
    seen = await me.get(f"/dashboard/account?done={done}")
    assert ('role="status"' in seen.text) == (done == "password")
    assert "<script>" not in seen.text
