"""/admin/accounts: everybody, found quickly; and new accounts where nobody may register."""

import re
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from gateway import ECHO, Haze, running
from people import PASSWORD, Come, Person, Seen

from haze_proxy.web import keyset
from haze_proxy.web.site import SITE

LINK = re.compile(r"/password\?link=[\w-]{43}")
NEW = "battery staple correct"


def log(house: Haze) -> list[tuple[str, str, str]]:
    """What stands in the audit log: act, target, detail."""
    return [tuple(row) for row in house.rows("SELECT act, target, detail FROM audit ORDER BY id")]


def link(seen: Seen) -> str:
    """The link that a page shows."""
    found = LINK.search(seen.text)
    assert found, seen.words
    return found[0]


def listed(seen: Seen) -> list[str]:
    """The addresses in a list, in its order."""
    return re.findall(r'<a href="/admin/accounts/\d+">([^<]+)</a>', seen.text)


async def test_the_newest_stand_first_with_their_money(house: Haze, admin: Person, other: Person) -> None:
    """Exact to the cent, with what runs on top; and who administers, or is disabled."""
    house.rows("UPDATE accounts SET disabled_at = 1 WHERE email = 'other@example.com'")
    seen = await admin.get("/admin/accounts")
    assert listed(seen) == ["other@example.com", "admin@example.com", "a@example.com"]
    assert "a@example.com $10.00 $0.00 $0.00" in seen.words
    assert "active administrator" in seen.words
    assert seen.words.count("disabled") == 1


async def test_many_are_read_a_page_at_a_time(house: Haze, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page begins where the last one stopped, in the list as in what was searched for."""
    monkeypatch.setattr(keyset, "ROWS", 2)
    for number in range(3):
        house.rows("INSERT INTO accounts (email, created_at) VALUES (?, 1)", f"B{number}@example.com")
    for start in ("/admin/accounts", "/admin/accounts?q=b"):
        found, path = [], start
        while path:
            seen = await admin.get(path)
            found += listed(seen)
            after = re.search(r'rel="next" href="([^"]+)"', seen.text)
            path = after[1].replace("&amp;", "&") if after else ""
        names = [f"B{number}@example.com" for number in range(3)]
        others = ["admin@example.com", "a@example.com"]
        assert found == (names if "?q" in start else [*names[::-1], *others])
        assert 'rel="prev"' in seen.text


@pytest.mark.parametrize(("query", "found"), [("A@EX", 1), ("a", 2), ("%", 0), ("x" * 999, 0), ("'\"<b>", 0)])
async def test_an_account_is_found_by_how_its_address_begins(admin: Person, query: str, found: int) -> None:
    """In any case; nothing in it is a pattern or a mark of the page."""
    seen = await admin.get(f"/admin/accounts?q={quote(query)}")
    assert len(listed(seen)) == found
    assert "<b>" not in seen.text
    assert found or "No account here" in seen.words


@pytest.mark.parametrize("place", ["x", "-1", "9" * 99, "\N{SUPERSCRIPT TWO}"])
async def test_a_place_that_makes_no_sense_is_the_beginning(admin: Person, place: str) -> None:
    """Addresses are edited by hand."""
    assert listed(await admin.get(f"/admin/accounts?from={place}")) == ["admin@example.com", "a@example.com"]


async def test_an_account_with_a_password_can_log_in(house: Haze, admin: Person, come: Come) -> None:
    """With the money that it was given, by whom it was given; one line in the log."""
    seen = await admin.post("/admin/accounts", email="New@example.com", password=PASSWORD, credit="2.5", admin="yes")
    assert seen.location == "/admin/accounts/3?done=new"
    person = await come()
    assert (await person.log_in("new@example.com")).status == 303
    assert "$2.50" in (await person.get("/dashboard")).words
    assert (await person.get("/admin")).status == 200
    assert log(house) == [("account.add", "New@example.com", "administrator, credit 2.5 USD")]
    assert house.check() == []


async def test_an_account_without_a_password_gets_a_link(house: Haze, admin: Person, come: Come) -> None:
    """It is shown once; its bearer chooses a password, once, and is in."""
    seen = await admin.post("/admin/accounts", email="new@example.com")
    path = link(seen)
    assert seen.status == 200
    assert "Copy the link now" in seen.words
    assert path not in (await admin.get("/admin/accounts/3")).text
    assert [row[0] for row in log(house)] == ["account.add", "account.password"]
    assert path.partition("=")[2] not in str(log(house))
    person, late = await come(), await come()
    for _ in range(2):
        assert "For new@example.com." in (await person.get(path)).words
    token = path.partition("=")[2]
    short = await person.post("/password", link=token, password="short")
    assert (short.status, short.complaint("password")) == (422, "At least 10 characters.")
    assert (await person.post("/password", link=token, password=NEW)).location == "/dashboard"
    assert (await person.get("/dashboard")).status == 200
    assert (await person.get("/admin")).status == 404
    for seen in (await late.get(path), await late.post("/password", link=token, password=PASSWORD)):
        assert (seen.status, "This link is not valid" in seen.words) == (403, True)
    assert (await late.log_in("new@example.com", NEW)).status == 303


async def test_without_a_link_it_is_said_where_they_come_from(stranger: Person) -> None:
    """Somebody who has forgotten a password looks here first."""
    seen = await stranger.get("/password")
    assert (seen.status, "Ask the owner of this Haze for a link." in seen.words) == (200, True)
    assert "Forgot" in (await stranger.get("/login")).words
    assert (await stranger.post("/password", password=NEW)).status == 403


WRONG = [
    ({"email": "nobody"}, "email", "An e-mail address, such as you@example.com."),
    ({"email": "A@example.com"}, "email", "There is already an account for A@example.com."),
    ({"password": "hunter2"}, "password", "At least 10 characters."),
    ({"password": "x" * 257}, "password", "At most 256 characters."),
    ({"credit": "much"}, "credit", "An amount in USD, such as 5 or 0.25."),
    ({"credit": "0"}, "credit", "More than 0 and at most 1,000,000."),
    ({"credit": "1000000.01"}, "credit", "More than 0 and at most 1,000,000."),
    ({"credit": "0.0000000001"}, "credit", "An amount in USD, such as 5 or 0.25."),
]


@pytest.mark.parametrize(("fields", "field", "complaint"), WRONG)
async def test_what_is_wrong_stands_beside_its_field(
    house: Haze, admin: Person, fields: dict[str, str], field: str, complaint: str
) -> None:
    """What was typed stays, but for a password; nothing is made."""
    typed = {"email": "kept@example.com", "credit": "7.25", "admin": "yes", **fields}
    seen = await admin.post("/admin/accounts", **typed)
    assert (seen.status, seen.complaint(field)) == (422, complaint)
    assert all(f'value="{typed[name]}"' in seen.text for name in ("email", "credit"))
    assert "checked" in seen.text
    assert "password" not in fields or fields["password"] not in seen.text
    assert (len(house.rows("SELECT * FROM accounts")), log(house)) == (2, [])


async def test_accounts_are_made_where_nobody_may_register(tmp_path: Path) -> None:
    """And get what new accounts get."""
    closed = '[accounts]\nregistration = "closed"\nsignup_credit = 1\n'
    async with (
        running(tmp_path, closed + ECHO) as haze,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        person = Person(haze, session)
        haze.rows("UPDATE accounts SET is_admin = 0")
        assert (await person.register()).status == 403
        invitation = haze.app[SITE].invitation
        await person.register(invitation=invitation)
        assert "Beside the welcome gift of $1." in (await person.get("/admin/accounts/new")).words
        await person.post("/admin/accounts", email="new@example.com", password=PASSWORD)
        assert "$1.00" in (await person.get("/admin/accounts/3")).words
        assert log(haze) == [("account.add", "new@example.com", "signup 1 USD")]
