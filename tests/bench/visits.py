"""Which pages are looked at, and the browser that looks: every GET page of the page table, and queries that matter."""

import http.client
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from urllib.parse import quote, urlencode, urljoin

from haze_proxy.web.pages import table

from .driver import SILENCE_SECONDS_MAX, WrongAnswer
from .haze import EMAIL, PASSWORD

PARAMETER = re.compile(r"\{(\w+)(?:[^{}]|\{[^{}]*\})*\}")
NEXT = re.compile(r'<a\b[^>]*\brel="next"[^>]*>')
ADDRESS = re.compile(r'\bhref="([^"]*)"')
CSV = "text/csv"
PIECE = 1 << 16
# Queries that find little, much, or what is far back. Names in braces stand for what crowd.EXAMPLES names.
QUERIES = (
    "/models?q=model-59",
    "/dashboard?range=month&by=key",
    "/dashboard/usage?model={rare_model}",
    "/dashboard/usage?model={rare_model}&status=estimated",
    "/dashboard/usage?status=refused+upstream",
    "/dashboard/usage?status=interrupted",
    "/dashboard/usage?key={key}&status=completed",
    "/dashboard/usage?from={long_ago}&to={long_ago_too}",
    "/dashboard/usage.csv?model={rare_model}",
    "/dashboard/billing?show=in",
    "/admin/usage?range=month&by=account",
    "/admin/accounts?q=person-09",
    "/admin/audit?act=account.disable",
    "/admin/requests?model={rare_model}",
    "/admin/requests?status=refused+upstream",
    "/admin/requests?from={long_ago}&to={long_ago_too}",
)


class UnknownPageError(Exception):
    """A query is of a page that is not there; the text names it."""


class UnknownParameterError(Exception):
    """A page's address has a parameter that nothing stands for yet; the text names both."""


def pages() -> list[str]:
    """The address of every GET page, as the table has it."""
    return [page.path for page in table() if page.method == "GET"]


def queries() -> list[str]:
    """QUERIES. UnknownPageError where one's page is not in the table."""
    there = set(pages())
    missing = [query for query in QUERIES if query.partition("?")[0] not in there]
    if missing:
        raise UnknownPageError(f"not in the page table: {', '.join(missing)}")
    return list(QUERIES)


def address(path: str, examples: Mapping[str, str]) -> str:
    """A path or a query with an example for each parameter. UnknownParameterError if there is none for one."""

    def example(found: re.Match[str]) -> str:
        if found[1] not in examples:
            raise UnknownParameterError(f"{path}: tests/bench/crowd.py has no example for the parameter {{{found[1]}}}")
        return quote(examples[found[1]], safe="/")

    return PARAMETER.sub(example, path)


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer; ms until its head, and until its last byte."""

    status: int
    kind: str
    body: bytes
    head_ms: float
    all_ms: float

    @property
    def next(self) -> str:
        """Where its "More" link leads; "" if it has none."""
        link = NEXT.search(self.body.decode())
        found = ADDRESS.search(link[0]) if link else None
        return unescape(found[1]) if found else ""


class Browser:
    """A browser of one person, on one connection. `cookie` is the header it sends; "" for a stranger."""

    def __init__(self, port: int, cookie: str = "") -> None:
        self.port, self.headers = port, {"Cookie": cookie} if cookie else {}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SILENCE_SECONDS_MAX)

    def get(self, path: str) -> Seen:
        """Look at a page; redirects are not followed."""
        began = time.perf_counter()
        with self._asked(path) as answer:
            head = time.perf_counter()
            body = answer.read()
            done = time.perf_counter()
            kind = answer.headers.get_content_type()
            return Seen(answer.status, kind, body, 1000 * (head - began), 1000 * (done - began))

    def begin(self, path: str) -> Seen:
        """Look at the first byte of a page, and leave."""
        began = time.perf_counter()
        with self._asked(path) as answer:
            head, first = time.perf_counter(), answer.read(1)
            done = time.perf_counter()
            kind = answer.headers.get_content_type()
        self.leave()
        return Seen(answer.status, kind, first, 1000 * (head - began), 1000 * (done - began))

    def rows_per_second(self, path: str, seconds_max: float) -> float:
        """How fast the lines of a file come, all of them or those that come in so many seconds."""
        began, took, lines = time.perf_counter(), 0.0, 0
        with self._asked(path) as answer:
            while took < seconds_max and (piece := answer.read(PIECE)):
                lines += piece.count(b"\n")
                took = time.perf_counter() - began
        self.leave()
        return lines / took

    def leave(self) -> None:
        """Close the connection; the next page opens another."""
        self._connection.close()

    def _asked(self, path: str) -> http.client.HTTPResponse:
        self._connection.request("GET", path, headers=self.headers)
        return self._connection.getresponse()


def log_in(port: int) -> Browser:
    """A browser of the account that owns the benchmark's key, an administrator."""
    form = urlencode({"email": EMAIL, "password": PASSWORD})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{port}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SILENCE_SECONDS_MAX)
    connection.request("POST", "/login", form, headers)
    answer = connection.getresponse()
    cookie = answer.headers.get("Set-Cookie", "")
    connection.close()
    if answer.status != http.client.SEE_OTHER or not cookie:
        raise WrongAnswer(f"{EMAIL} cannot log in: status {answer.status}")
    return Browser(port, cookie.partition(";")[0])


def followed(browser: Browser, path: str, times: int) -> Iterator[str]:
    """The addresses that a page's "More" links lead to, one after the other, at most so many."""
    while times and (link := browser.get(path).next):
        path, times = urljoin(path, link), times - 1
        yield path
