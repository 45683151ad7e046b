"""Lists without an end, a page at a time: the next page begins where this one stopped, however much there is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from aiohttp import web

from haze_proxy.web import typed
from haze_proxy.web.paging import with_query

R = TypeVar("R")

# A full page stays light: the wide ones of the administration take 1 KiB a row.
ROWS: Final = 25
# Where the list goes on stands in the query under this name.
CURSOR: Final = "from"
NUMBER_MAX: Final = 2**62


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """Some rows, and the addresses of the list's beginning and of what follows ("": there is nothing)."""

    rows: Sequence[R]
    before: str
    after: str


def number(request: web.Request) -> int:
    """Below which id the list goes on; above all of them where nothing (or nonsense) is said."""
    below = typed.plain(cursor(request))
    return NUMBER_MAX if below is None else below


def cursor(request: web.Request) -> str:
    """Where the list goes on, as it was said; "": at its beginning."""
    return request.query.get(CURSOR, "")


def part(request: web.Request, rows: Sequence[R], place: Callable[[R], object]) -> Part[R]:
    """A page of `rows`, of which there is one more than fits if there are so many; `place` is a row's cursor."""
    shown = rows[:ROWS]
    return Part(shown, back(request), on(request, place(shown[-1])) if len(rows) > ROWS else "")


def back(request: web.Request) -> str:
    """The address of the list's beginning; "" where this is it."""
    return with_query(request, **{CURSOR: ""}) if cursor(request) else ""


def on(request: web.Request, place: object) -> str:
    """The address at which the list goes on from a cursor."""
    return with_query(request, **{CURSOR: str(place)})
