"""People with browsers: cookies, the headers that browsers send, and what they see."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urlencode

import aiohttp
from gateway import Haze

from haze_proxy.context import STORE
from haze_proxy.web.pages import table

PASSWORD = "correct horse battery"
BROWSER = {"Accept": "text/html,application/xhtml+xml", "User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"}
SECRET = re.compile(r"sk-rr-[\w-]{43}")
# Tables with a row for each person, key or start, and not for each thing that they did: they may be read whole.
# Or what is emptied each minute.
SMALL = {"accounts", "keys", "codes", "epochs", "clock", "ledger", "channel_health", "usage_recent"}
# A parameter of a path -> what stands for it in tests of every page.
EXAMPLES = {
    "id": "1",
    "key": "1",
    "session": "0" * 64,
    "channel": "echo",
    "model": "hekiu",
    "request": f"req_{1_795_608_000_000:012x}{0:016x}",
}


@dataclass(frozen=True)
class Seen:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def words(self) -> str:
        """What is read on the page, without its marks."""
        body = re.sub(r"<(script|style).*?</\1>", "", self.text.partition("<main")[2], flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())

    @property
    def location(self) -> str:
        """Where a redirect leads."""
        return self.headers["Location"]

    def complaint(self, field: str) -> str:
        """What is said beside a field."""
        found = re.search(rf'id="{field}-error">(.*?)</p>', self.text)
        return unescape(found[1]) if found else ""

    def secret(self) -> str:
        """The key that this page shows."""
        found = SECRET.search(self.text)
        assert found, self.words
        return found[0]


class Person:
    """A browser of one person."""

    def __init__(self, haze: Haze, session: aiohttp.ClientSession) -> None:
        self.haze = haze
        self.session = session

    async def get(self, path: str, **headers: str) -> Seen:
        """Look at a page; redirects are not followed."""
        return await self.send("GET", path, headers=headers)

    async def post(self, path: str, **fields: str) -> Seen:
        """Send a form of this site."""
        return await self.send("POST", path, fields, {"Origin": self.haze.url, "Sec-Fetch-Site": "same-origin"})

    async def send(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Seen:
        """Send a request as a browser does; `fields` are a form."""
        typed = {"Content-Type": "application/x-www-form-urlencoded"} if fields is not None else {}
        data = urlencode(fields).encode() if fields is not None else None
        sent = {**BROWSER, **typed, **(headers or {})}
        async with self.session.request(
            method, self.haze.url + path, data=data, headers=sent, allow_redirects=False
        ) as answer:
            return Seen(answer.status, answer.headers, await answer.text())

    async def register(self, email: str = "me@example.com", **fields: str) -> Seen:
        """Make an account, and be logged in."""
        return await self.post("/register", email=email, password=PASSWORD, **fields)

    async def log_in(self, email: str = "me@example.com", password: str = PASSWORD, **fields: str) -> Seen:
        """Log in."""
        return await self.post("/login", email=email, password=password, **fields)

    async def make_key(self, **fields: str) -> str:
        """Make a key; its secret."""
        seen = await self.post("/dashboard/keys", **fields)
        assert seen.status == 200, seen.words
        return seen.secret()

    @property
    def cookies(self) -> dict[str, str]:
        """What the browser keeps."""
        return {cookie.key: cookie.value for cookie in self.session.cookie_jar}


# Opens a browser with cookies of its own.
Come = Callable[[], Awaitable[Person]]


async def owner(haze: Haze, session: aiohttp.ClientSession) -> Person:
    """Somebody logged in as a@example.com, whose key and ten dollars the tests have."""
    person = Person(haze, session)
    await person.register("helper@example.com")
    haze.rows("UPDATE accounts SET password_hash = (SELECT password_hash FROM accounts WHERE id = 2) WHERE id = 1")
    assert (await person.log_in("a@example.com")).status == 303
    return person


def filled(path: str) -> str:
    """The path of a page with an example for each parameter."""
    return re.sub(r"\{(\w+)(?:[^{}]|\{[^{}]*\})*\}", lambda found: EXAMPLES[found[1]], path)


def rows(method: str = "") -> list[Any]:
    """Every page of the table, or those of a method."""
    return [page for page in table() if method in ("", page.method)]


async def listen(haze: Haze) -> set[str]:
    """Collect what pages ask the store from now on; as it is asked, values and all."""
    asked: set[str] = set()
    reader = haze.app[STORE]._reader
    assert reader is not None
    await reader.run(lambda connection: connection.set_trace_callback(asked.add))
    return asked


def slow(haze: Haze, asked: set[str]) -> list[str]:
    """What is wrong with the plans of queries: a table that grows with use is read whole, or rows are sorted aside."""
    found = []
    for sql in sorted(asked):
        if not sql.lstrip("( ").upper().startswith(("SELECT", "WITH")):
            continue
        for row in haze.rows(f"EXPLAIN QUERY PLAN {sql}"):
            scan = re.match(r"SCAN (\w+)", row["detail"])
            if (scan and scan[1] not in SMALL) or "TEMP B-TREE" in row["detail"]:
                found.append(f"{row['detail']}: {sql}")
    return found
