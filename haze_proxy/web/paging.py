"""Long lists a page at a time, by links that work without JavaScript."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from haze_proxy.web import typed

R = TypeVar("R")

ROWS: Final = 50
PAGE_DIGITS_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """Some rows of a list of `count`, and the addresses of those before and after them ("": there are none)."""

    rows: Sequence[R]
    count: int
    before: str
    after: str


def part(request: web.Request, rows: Sequence[R], size: int = ROWS) -> Part[R]:
    """The rows of the page that `?page=` names, from 1; of the last one if there are not so many."""
    asked = typed.plain(request.query.get("page", ""), PAGE_DIGITS_MAX) or 1
    last = max(1, -(-len(rows) // size))
    number = min(max(asked, 1), last)
    before = with_query(request, page=str(number - 1)) if number > 1 else ""
    after = with_query(request, page=str(number + 1)) if number < last else ""
    return Part(rows[(number - 1) * size : number * size], len(rows), before, after)


def with_query(request: web.Request, **changes: str) -> str:
    """The address of this page with some values of its query changed ("": left out)."""
    values = {**request.query, **changes}
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{request.path}?{query}" if query else request.path
