"""Who may make an account, what it is given, and who becomes the administrator."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from gateway import ECHO, Haze, running
from people import PASSWORD, Come, Person, Seen

from haze_proxy.web.site import SITE


def invitation(haze: Haze) -> str:
    """The path of the link that is printed at the start."""
    site = haze.app[SITE]
    return site.invitation_url.removeprefix(site.url)


async def alone(haze: Haze, session: aiohttp.ClientSession) -> Seen:
    """Register on a Haze that has a configuration of its own."""
    return await Person(haze, session).register()


async def test_who_registers_is_logged_in_and_no_administrator(house: Haze, stranger: Person) -> None:
    """The first thing that is wanted next is a key."""
    seen = await stranger.register("New@Example.com")
    assert (seen.status, seen.location) == (303, "/dashboard")
    assert "Make your first key" in (await stranger.get("/dashboard")).words
    [row] = house.rows("SELECT email, is_admin, password_hash FROM accounts WHERE id = 2")
    assert (row["email"], row["is_admin"]) == ("New@Example.com", 0)
    assert row["password_hash"].startswith("$argon2id$")
    assert PASSWORD not in row["password_hash"]


async def test_a_new_account_is_given_what_the_owner_decided(tmp_path: Path) -> None:
    """In the transaction that makes it: nobody gets it twice."""
    async with (
        running(tmp_path, f"[accounts]\nsignup_credit = 0.5\n{ECHO}") as haze,
        aiohttp.ClientSession() as session,
    ):
        await alone(haze, session)
        assert haze.balance(2) == 500_000_000
        assert haze.check() == []


@pytest.mark.parametrize(
    ("fields", "where", "complaint"),
    [
        ({"email": "nobody", "password": PASSWORD}, "email", "An e-mail address, such as you@example.com."),
        ({"email": "", "password": PASSWORD}, "email", "An e-mail address, such as you@example.com."),
        ({"email": f"{'x' * 250}@a.bc", "password": PASSWORD}, "email", "At most 254 characters."),
        ({"email": "me@example.com", "password": "too short"}, "password", "At least 10 characters."),
        ({"email": "me@example.com", "password": "x" * 257}, "password", "At most 256 characters."),
        ({"email": "A@example.com", "password": PASSWORD}, "email", "There is already an account for A@example.com."),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(
    stranger: Person, fields: dict[str, str], where: str, complaint: str
) -> None:
    """What was typed stays, but for the password."""
    seen = await stranger.post("/register", **fields)
    assert (seen.status, seen.complaint(where)) == (422, complaint)
    assert f'value="{fields["email"]}"' in seen.text
    assert not fields["password"] or fields["password"] not in seen.text
    assert stranger.cookies == {}


async def test_a_closed_house_makes_no_accounts(tmp_path: Path) -> None:
    """`registration = "closed"`: neither the page nor the form does."""
    async with running(tmp_path, f'[accounts]\nregistration = "closed"\n{ECHO}') as haze:
        async with aiohttp.ClientSession() as session:
            person = Person(haze, session)
            assert (await person.get("/register")).status == 403
            seen = await person.register()
            assert (seen.status, "made by the owner" in seen.words) == (403, True)
            assert 'href="/register"' not in (await person.get("/")).text
            assert (await person.get(invitation(haze))).status == 200
        assert [row["email"] for row in haze.rows("SELECT email FROM accounts")] == ["a@example.com"]


async def test_the_link_makes_one_administrator(house: Haze, come: Come) -> None:
    """No default password, and no stranger wins the race: of many who open it at once, one does."""
    people = [await come() for _ in range(5)]
    assert "Become the administrator" in (await people[0].get(invitation(house))).words
    token = house.app[SITE].invitation
    assert token not in repr(house.app[SITE])
    sent = [person.register(f"admin{number}@example.com", invitation=token) for number, person in enumerate(people)]
    statuses = sorted(seen.status for seen in await asyncio.gather(*sent))
    assert statuses == [303, 403, 403, 403, 403]
    assert len(house.rows("SELECT id FROM accounts WHERE is_admin = 1")) == 1
    seen = await people[0].get(invitation(house))
    assert seen.status in (303, 403)
    late = await (await come()).get(invitation(house))
    assert (late.status, "somebody administers this Haze" in late.words) == (403, True)


async def test_a_wrong_link_is_no_link(house: Haze, stranger: Person) -> None:
    """Neither does it make an account without a word: the owner would wonder why it administers nothing."""
    for token in ("x", "x" * 32, "ü"):
        assert (await stranger.register(invitation=token)).status == 403
    assert house.rows("SELECT id FROM accounts WHERE is_admin = 1") == []
    assert len(house.rows("SELECT id FROM accounts")) == 1


async def test_accounts_from_one_place_are_counted(house: Haze, come: Come) -> None:
    """A signup credit must not be a spring of money. An hour later it goes on."""
    for number in range(20):
        assert (await (await come()).register(f"{number}@example.com")).status == 303
    person = await come()
    seen = await person.register("one-more@example.com")
    assert (seen.status, seen.headers["Retry-After"]) == (429, "60")
    house.clock[0] += 3601
    assert (await person.register("one-more@example.com")).status == 303


async def test_who_is_logged_in_has_an_account(me: Person) -> None:
    """The forms of strangers are not for them."""
    assert (await me.get("/register")).location == "/dashboard"
    assert (await me.get("/login")).location == "/dashboard"
