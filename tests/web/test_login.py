"""Log in and out: what a guesser learns, what a thief of the store finds, and how long a login lasts."""

import hashlib
from pathlib import Path

import aiohttp
import pytest
from argon2 import PasswordHasher
from gateway import ECHO, Haze, apart, running
from people import PASSWORD, Come, Person

from haze_proxy.context import STORE
from haze_proxy.store import accounts, database, sessions
from haze_proxy.web.site import SITE

DAY_MS = 86_400_000
# A wrong password that is counted like any other, and found wrong before the slow hash.
TOO_LONG = "x" * 300


def disable(haze: Haze, email: str) -> None:
    """What the owner's command does."""

    def work() -> None:
        connection = database.connect(str(haze.path))
        accounts.disable(connection, accounts.find(connection, email).id, 1)
        connection.close()

    apart(work)


async def test_a_login_leads_to_the_dashboard_and_a_logout_ends_it(house: Haze, me: Person) -> None:
    """Logging out ends the session itself, not only the cookie."""
    [(name, token)] = me.cookies.items()
    assert (await me.post("/logout")).location == "/"
    assert me.cookies == {}
    assert house.rows("SELECT * FROM sessions") == []
    assert (await me.get("/dashboard", Cookie=f"{name}={token}")).location == "/login?next=/dashboard"
    assert (await me.log_in("ME@example.com")).location == "/dashboard"
    assert (await me.get("/dashboard")).status == 200


WRONG = {
    "unknown e-mail address": ("nobody@example.com", PASSWORD),
    "wrong password": ("me@example.com", "wrong horse battery"),
    "password far too long": ("me@example.com", "x" * 5000),
    "no password": ("me@example.com", ""),
    "an account that has no password": ("a@example.com", ""),
    "nothing at all": ("", ""),
}


@pytest.mark.parametrize(("email", "password"), WRONG.values(), ids=WRONG)
async def test_every_wrong_login_gets_the_same_answer(me: Person, come: Come, email: str, password: str) -> None:
    """Whoever collects addresses learns nothing here."""
    person = await come()
    seen = await person.log_in(email, password)
    assert seen.status == 403
    assert "The e-mail address or the password is wrong." in seen.words
    known = await person.log_in("me@example.com", "another wrong one")
    assert seen.text.replace(f'value="{email}"', "") == known.text.replace('value="me@example.com"', "")
    assert person.cookies == {}


async def test_an_unknown_address_takes_as_long_as_a_wrong_password(
    me: Person, come: Come, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is that of one argon2: it is spent on a password that nobody has, with the same parameters."""
    spent: list[str] = []
    verify = PasswordHasher.verify

    def watched(self: PasswordHasher, stored: str, password: str) -> bool:
        spent.append(stored.rpartition("$")[0].rpartition("$")[0])
        return bool(verify(self, stored, password))

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    person = await come()
    for email in ("me@example.com", "nobody@example.com", "a@example.com"):
        await person.log_in(email, "wrong horse battery")
    assert spent == ["$argon2id$v=19$m=19456,t=2,p=1"] * 3


async def test_guesses_at_one_address_are_counted(house: Haze, me: Person, come: Come) -> None:
    """The right password is refused meanwhile, and a quarter of an hour later it goes on."""
    person = await come()
    for _ in range(10):
        assert (await person.log_in("me@example.com", "wrong horse battery")).status == 403
    seen = await person.log_in("Me@Example.com", PASSWORD)
    assert (seen.status, seen.headers["Retry-After"]) == (429, "60")
    assert "Try again in 15 minutes." in seen.words
    house.clock[0] += 901
    assert (await person.log_in("me@example.com", PASSWORD)).status == 303


async def test_a_strangers_guesses_keep_nobody_out(tmp_path: Path) -> None:
    """Whoever knows an administrator's address could lock the door with ten wrong passwords. From many places, no."""
    believed = '[server]\ntrusted_proxies = ["127.0.0.1"]\n'
    async with running(tmp_path, believed + ECHO) as haze, aiohttp.ClientSession() as session:
        person = Person(haze, session)
        await person.register()
        await person.post("/logout")

        async def attempt(number: int, password: str) -> int:
            fields = {"email": "me@example.com", "password": password}
            place = {"X-Forwarded-For": f"192.0.2.{number}", "Sec-Fetch-Site": "same-origin"}
            return (await person.send("POST", "/login", fields, place)).status

        for _ in range(10):
            assert await attempt(1, TOO_LONG) == 403
        assert await attempt(1, PASSWORD) == 429
        assert await attempt(2, PASSWORD) == 303
        for number in range(190):
            assert await attempt(3 + number, TOO_LONG) == 403
        assert await attempt(250, PASSWORD) == 429


async def test_guesses_from_one_place_are_counted(house: Haze, me: Person, come: Come) -> None:
    """One guess at each of many addresses is guessing all the same. Who logs in rightly is not counted."""
    person = await come()
    for _ in range(55):
        assert (await person.log_in()).status == 303
    for number in range(50):
        assert (await person.log_in(f"{number}@example.com", TOO_LONG)).status == 403
    assert (await person.log_in("fresh@example.com")).status == 429
    house.clock[0] += 901
    assert (await person.log_in("fresh@example.com")).status == 403


MEANWHILE = {
    "another password": ("UPDATE accounts SET password_hash = 'another'", ""),
    "disabled and enabled": ("UPDATE accounts SET disabled_at = 1", "UPDATE accounts SET disabled_at = NULL"),
}


@pytest.mark.parametrize(("meanwhile", "later"), MEANWHILE.values(), ids=MEANWHILE)
async def test_a_login_that_waited_does_not_outlive_its_password(
    house: Haze, me: Person, stranger: Person, monkeypatch: pytest.MonkeyPatch, meanwhile: str, later: str
) -> None:
    """Logins stand in a line. A thief's, sent while the owner changes the password, would last thirty days more."""
    matches = house.app[SITE].passwords.matches

    async def slowly(stored: str | None, password: str) -> bool:
        is_right = await matches(stored, password)
        await house.app[STORE].write(lambda connection: connection.execute(meanwhile).rowcount)
        return is_right

    monkeypatch.setattr(house.app[SITE].passwords, "matches", slowly)
    seen = await stranger.log_in()
    if later:
        house.rows(later)
    assert (seen.status, "is wrong" in seen.words) == (403, True)
    assert (await stranger.get("/dashboard")).status == 303


async def test_an_account_has_a_bounded_number_of_sessions(house: Haze, me: Person, come: Come) -> None:
    """Its page lists them all: with ten thousand it would keep everybody else waiting. The one unseen longest goes."""
    stale, fresh = await come(), await come()
    await stale.log_in()
    house.rows("UPDATE sessions SET seen_at = seen_at - 10000")
    for _ in range(sessions.SESSIONS_MAX + 2):
        fresh.session.cookie_jar.clear()
        await fresh.log_in()
    assert house.rows("SELECT count(*) FROM sessions")[0][0] == sessions.SESSIONS_MAX
    assert (await fresh.get("/dashboard")).status == 200
    assert {(await each.get("/dashboard")).status for each in (me, stale)} == {303}


async def test_guesses_fill_no_memory(house: Haze, stranger: Person) -> None:
    """Each name is remembered for a quarter of an hour: thousands of long ones from one place would take gigabytes."""
    site = house.app[SITE]
    for number in range(60):
        email = f"{number}@{'x' * 50_000}" if number % 2 else f"{number}@example.com"
        assert (await stranger.log_in(email)).status == (403 if number < 50 else 429)
    for throttle in (site.guesses, site.by_email):
        assert len(throttle._counts) == 25
        assert max(map(len, throttle._counts)) < 400


async def test_a_disabled_account_is_logged_out_and_stays_out(house: Haze, me: Person) -> None:
    """Its sessions end with it, and do not come back when it is enabled again."""
    disable(house, "me@example.com")
    assert (await me.get("/dashboard")).location == "/login?next=/dashboard"
    seen = await me.log_in()
    assert (seen.status, "This account is disabled" in seen.words) == (403, True)
    wrong = await me.log_in(password="wrong horse battery")
    assert "This account is disabled" not in wrong.words
    assert house.rows("SELECT * FROM sessions") == []
    house.rows("UPDATE accounts SET disabled_at = NULL")
    assert (await me.get("/dashboard")).status == 303
    assert (await me.log_in()).status == 303


async def test_the_store_holds_no_token(house: Haze, me: Person) -> None:
    """A stolen copy of the store logs nobody in."""
    [token] = me.cookies.values()
    [row] = house.rows("SELECT * FROM sessions")
    assert row["digest"] == hashlib.sha256(token.encode()).digest()
    assert token.encode() not in house.path.read_bytes()


async def test_a_login_makes_a_new_token(house: Haze, me: Person, stranger: Person) -> None:
    """One that was planted in a browser before is worth nothing afterwards."""
    before = me.cookies
    await me.log_in()
    assert me.cookies != before
    assert len(house.rows("SELECT * FROM sessions")) == 1
    planted = "; ".join(f"{name}=planted" for name in before)
    assert (await stranger.get("/dashboard", Cookie=planted)).status == 303


async def test_a_session_ends_after_thirty_days(house: Haze, me: Person) -> None:
    """Whoever is away for a month logs in again."""
    house.rows("UPDATE sessions SET expires_at = expires_at - ?", 30 * DAY_MS)
    assert (await me.get("/dashboard")).location == "/login?next=/dashboard"


@pytest.mark.parametrize("is_secure", [False, True])
async def test_the_cookie_cannot_be_read_or_sent_by_others(tmp_path: Path, is_secure: bool) -> None:
    """Over TLS no neighbouring subdomain can set it, either."""
    url = "https://haze.example" if is_secure else "http://127.0.0.1:8080"
    async with running(tmp_path, f'[server]\npublic_url = "{url}"\n{ECHO}') as haze, aiohttp.ClientSession() as session:
        seen = await Person(haze, session).register()
        name, _, rest = seen.headers["Set-Cookie"].partition("=")
        said = {part.strip().lower() for part in rest.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/", "max-age=2592000"} <= said
        assert not any(part.startswith("domain") for part in said)
        assert ("secure" in said, name) == (is_secure, "__Host-haze" if is_secure else "haze")


HERE = ["/dashboard/keys", "/dashboard/keys?page=2"]
ELSEWHERE = [
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    "x",
    "",
    "/a\r\nSet-Cookie: x=y",
    "/\t/evil.example",
    "/dashboard\\..\\evil",
    "/ü",
    "/" + "x" * 2000,
]
NEXT = [*((path, path) for path in HERE), *((path, "/dashboard") for path in ELSEWHERE)]


@pytest.mark.parametrize(("wanted", "reached"), NEXT)
async def test_a_login_goes_on_where_it_was_wanted_and_never_elsewhere(
    me: Person, come: Come, wanted: str, reached: str
) -> None:
    """A link to the login must not lead to somebody's copy of it."""
    person = await come()
    assert (await person.log_in(next=wanted)).location == reached
    page = await (await come()).get("/login?next=" + "".join(f"%{byte:02x}" for byte in wanted.encode()))
    assert (f'name="next" value="{wanted}"' in page.text) == (reached == wanted)
