"""An administrator in front of a Haze of any configuration, and everybody else who must not see what he sees."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from gateway import Haze, running
from people import Come, Person, filled, listen, rows, slow

EMAIL = "owner@example.com"


@asynccontextmanager
async def owned(
    folder: Path, text: str, environ: Mapping[str, str] | None = None, key: str = ""
) -> AsyncIterator[Person]:
    """Its administrator, logged in; whatever pages ask the store meanwhile is quick."""
    async with running(folder, text, environ, key) as haze, aiohttp.ClientSession(cookie_jar=jar()) as session:
        asked = await listen(haze)
        person = Person(haze, session)
        if not key:
            await person.register(EMAIL)
            haze.rows("UPDATE accounts SET is_admin = 1 WHERE email = ?", EMAIL)
        else:
            await person.log_in(EMAIL)
        yield person
        assert slow(haze, asked) == []


def jar() -> aiohttp.CookieJar:
    """Cookies also for an address without a name."""
    return aiohttp.CookieJar(unsafe=True)


async def hidden(come: Come, prefix: str) -> None:
    """Every page and form below a path is 404 to strangers and to other accounts, in the words of what never was."""
    other, stranger = await come(), await come()
    await other.register("somebody@example.com")
    found = [page for page in rows() if page.path.startswith(prefix)]
    assert found
    for page in found:
        for person in (other, stranger):
            seen = await (person.get if page.method == "GET" else person.post)(filled(page.path))
            assert (seen.status, "There is no such page." in seen.words) == (404, True), page
            assert "echo" not in seen.words


def acts(haze: Haze) -> list[tuple[str, str, str]]:
    """What the audit log holds: who, what, of whom."""
    found = haze.rows(
        "SELECT coalesce(email, ''), act, target FROM audit"
        " LEFT JOIN accounts ON accounts.id = actor_id ORDER BY audit.id"
    )
    return [tuple(row) for row in found]
