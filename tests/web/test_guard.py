"""What holds for every page of the table, whoever adds one."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from gateway import ECHO, Haze, running
from people import BROWSER, Come, Person, filled, rows

from haze_proxy.web import pages
from haze_proxy.web.context import Page, Who

GETS = [page for page in rows("GET") if page.path != "/"]
POSTS = [page for page in rows() if page.method != "GET"]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)


def named(page: Page) -> str:
    """A row as a test's name."""
    return f"{page.method} {page.path}"


FOREIGN = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "a neighbouring subdomain": {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.haze.example"},
    "typed or bookmarked": {"Sec-Fetch-Site": "none"},
    "an old browser": {"Origin": "https://evil.example"},
    "a sandboxed frame": {"Origin": "null"},
    "no address at all": {"Origin": "http://["},
    "another port": {"Origin": "http://127.0.0.1:1"},
}


@pytest.mark.parametrize("page", POSTS, ids=named)
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
async def test_a_form_of_another_site_is_refused(me: Person, page: Page, headers: dict[str, str]) -> None:
    """It would be sent with the cookie of whoever looks at that site."""
    seen = await me.send(page.method, filled(page.path), {"name": "theirs"}, headers)
    assert (seen.status, "came from another site" in seen.words) == (403, True)


@pytest.mark.parametrize("headers", [{}, {"Origin": "HERE"}, {"Origin": "http://127.0.0.1:8080"}])
async def test_a_form_of_ones_own_is_taken(house: Haze, me: Person, headers: dict[str, str]) -> None:
    """By the address that was typed, or the public one; who sends neither header is a program."""
    said = {name: value.replace("HERE", house.url) for name, value in headers.items()}
    seen = await me.send("POST", "/dashboard/keys", {"name": "mine"}, said)
    assert seen.status == 200


@pytest.mark.parametrize("page", [page for page in rows() if page.who is Who.ACCOUNT], ids=named)
async def test_who_is_not_logged_in_is_sent_to_log_in(stranger: Person, page: Page) -> None:
    """And comes back afterwards, where there was something to look at."""
    seen = await stranger.send(page.method, filled(page.path), None if page.method == "GET" else {})
    back = f"?next={filled(page.path)}" if page.method == "GET" else ""
    assert (seen.status, seen.location) == (303, f"/login{back}")


@pytest.mark.parametrize("page", rows(), ids=named)
async def test_every_answer_has_the_headers_of_a_page(me: Person, page: Page) -> None:
    """Nothing is kept, framed, or taken from elsewhere; nothing on it is code."""
    if page.path == "/logout":
        return
    seen = await (me.get(filled(page.path)) if page.method == "GET" else me.post(filled(page.path)))
    assert seen.headers["Content-Security-Policy"] == POLICY
    assert seen.headers["Cache-Control"] == "no-store"
    assert seen.headers["X-Frame-Options"] == "DENY"
    assert seen.headers["X-Content-Type-Options"] == "nosniff"
    assert seen.headers["Referrer-Policy"] == "same-origin"
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src=\"/static/)", seen.text)


@pytest.mark.parametrize("page", GETS, ids=named)
async def test_another_method_is_told_in_a_page(me: Person, page: Page) -> None:
    """A person who reloads in the wrong place reads a sentence."""
    seen = await me.send("DELETE", filled(page.path), None, {"Sec-Fetch-Site": "same-origin"})
    assert seen.status == 405
    assert "GET" in seen.headers["Allow"]


async def test_a_path_without_a_page_is_told_in_the_readers_own_way(house: Haze, me: Person) -> None:
    """A browser gets a page, a program JSON. Nobody looked whose cookie it is, so the page asks nobody to log in."""
    seen = await me.get("/nothing/here")
    assert (seen.status, "There is no such page" in seen.words) == (404, True)
    assert seen.headers["Content-Security-Policy"] == POLICY
    assert 'href="/login"' not in seen.text
    program = await house.get("/nothing/here", key="")
    assert (program.status, program.error()["type"]) == (404, "not_found_error")
    for path in ("/v1/nothing", "/v1/models", "/messages"):
        below = await house.get(path, key="", headers=BROWSER)
        assert below.headers["Content-Type"].startswith("application/json"), path


@pytest.fixture
async def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Haze]:
    """A Haze with a page for administrators, and one that breaks."""

    async def shown(_: web.Request) -> web.Response:
        return web.Response(text="for administrators")

    async def broken(_: web.Request) -> web.Response:
        raise RuntimeError("the owner's password is hunter2")

    more = (Page("GET", "/hall", Who.ADMIN, shown), Page("POST", "/hall", Who.ADMIN, shown))
    table = (*pages.table(), *more, Page("GET", "/broken", Who.ACCOUNT, broken))
    monkeypatch.setattr(pages, "table", lambda: table)
    async with running(tmp_path, ECHO) as haze:
        yield haze


async def test_a_page_for_administrators_is_not_there_for_others(hall: Haze) -> None:
    """Not 403: that would say where it is."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        person = Person(hall, session)
        for seen in (await person.get("/hall"), await person.post("/hall")):
            assert (seen.status, "There is no such page" in seen.words) == (404, True)
        await person.register()
        for seen in (await person.get("/hall"), await person.post("/hall")):
            assert (seen.status, "There is no such page" in seen.words) == (404, True)
        hall.rows("UPDATE accounts SET is_admin = 1")
        for seen in (await person.get("/hall"), await person.post("/hall")):
            assert (seen.status, seen.text) == (200, "for administrators")
            assert seen.headers["Content-Security-Policy"] == POLICY


async def test_a_mistake_is_told_without_its_words(hall: Haze) -> None:
    """They go to the owner's log, by the id that the page names."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        person = Person(hall, session)
        await person.register()
        seen = await person.get("/broken")
        assert (seen.status, "hunter2" in seen.text) == (500, False)
        assert seen.headers["request-id"] in seen.words


WRONG = {
    "no form": ({"Content-Type": "application/json"}, {"a": "b"}, 400),
    "too large": (FORM, {"name": "x" * 65_536}, 413),
    "too many fields": (FORM, {f"f{number}": "x" for number in range(201)}, 400),
}


@pytest.mark.parametrize(("headers", "fields", "status"), WRONG.values(), ids=WRONG)
async def test_what_is_no_form_is_refused(
    me: Person, headers: dict[str, str], fields: dict[str, str], status: int
) -> None:
    """A form is small; what is not is an attempt."""
    seen = await me.send("POST", "/dashboard/keys", fields, {"Sec-Fetch-Site": "same-origin", **headers})
    assert seen.status == status


async def test_files_are_kept_for_ever_by_what_is_in_them(stranger: Person) -> None:
    """A new version has another address, so nobody sees yesterday's colours."""
    page = await stranger.get("/")
    files = re.findall(r'"(/static/[^"]+)"', page.text)
    assert {name.rpartition("/")[2] for name in files} == {"style.css", "copy.js", "icon.svg"}
    for path in set(files):
        seen = await stranger.get(path)
        assert (seen.status, seen.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        old = await stranger.get(re.sub(r"/static/\w+", "/static/000000000000", path))
        assert (old.text, old.headers["Cache-Control"]) == (seen.text, "no-store")
    for path in ("/static/x/nothing.css", "/static/x/..%2fpages.py", "/static/x/base.css"):
        assert (await stranger.get(path)).status == 404


async def test_every_page_answers_head(come: Come) -> None:
    """Link checkers ask so."""
    person = await come()
    for path in ("/", "/login", "/register"):
        seen = await person.send("HEAD", path)
        assert (seen.status, seen.text) == (200, "")
