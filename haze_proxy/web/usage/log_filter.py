"""What is looked for in a log of requests, by the query of its page. A wrong value is a complaint, and left out."""

import re
from collections.abc import Iterator
from typing import Any, Final

from aiohttp import web

from haze_proxy.store import request_log
from haze_proxy.store.request_log import Found
from haze_proxy.web import typed
from haze_proxy.web.forms import Form
from haze_proxy.web.paging import with_query
from haze_proxy.web.words import DAY_MS, day, now_ms

REQUEST_ID: Final = re.compile(r"req_[0-9a-f]{28}")
CURSOR: Final = re.compile(rf"{REQUEST_ID.pattern}{request_log.JUST_ABOVE}?")
MODEL_MAX: Final = 256
# What a row's end is called where it is chosen; the words of money/endings.py stand for themselves.
STATUSES: Final = [
    ("", "All"),
    *((name, name.capitalize()) for name in request_log.STATUSES),
]
# Days that are looked at most: how they are called, and how many days before today they begin (None: at the first).
QUICK: Final = (("Today", 0), ("7 days", 6), ("30 days", 29), ("Everything", None))
FILTERS: Final = ("from", "to", "model", "key", "status")


def read(request: web.Request) -> Form:
    """The query as a form."""
    return Form(list(request.query.items()))


def period(form: Form) -> tuple[int | None, int | None]:
    """From when (ms since 1970) until when (not included); `to` is the last day. Days are in UTC."""
    since = form.parsed("from", typed.day, None)
    last = form.parsed("to", typed.day, None)
    if since is not None and last is not None and last < since:
        form.wrong("to", "This day is before the first one.")
        last = None
    return since, None if last is None else last + DAY_MS


def status(form: Form) -> str | None:
    """How the requests ended; None: in any way."""
    return form.parsed("status", _status, None)


def cursor(form: Form) -> tuple[str, bool]:
    """Where the page begins ("": with the newest), and whether it is the one above."""
    for name, newer in (("before", False), ("after", True)):
        if place := form.parsed(name, _cursor, ""):
            return place, newer
        if name in form.errors:
            form.wrong("", "The address of this page is not whole: these are the newest requests.")
    return "", False


def quick(request: web.Request) -> Iterator[tuple[str, str, bool]]:
    """(name, address, whether it is what is looked at) of days that are looked at most."""
    now = now_ms()
    seen = request.query.get("from", ""), request.query.get("to", "")
    for name, days in QUICK:
        first = "" if days is None else day(now - days * DAY_MS)
        yield name, turned(request, **{"from": first, "to": ""}), seen == (first, "")


def turning(request: web.Request, found: Found, place: str, *, newer: bool) -> dict[str, Any]:
    """What the templates of request_rows.html want: what was found, from a place, and the pages around it.

    `newest`, `newer` and `older` are addresses ("": there is none); `reached` is until when (ms since 1970) was looked
    where the search stopped, else None.
    """
    is_newest = not place or (newer and not found.newer)
    return {
        "found": found,
        "newest": "" if is_newest else turned(request),
        "newer": turned(request, after=found.newer) if found.newer else "",
        "older": turned(request, before=found.older) if found.older else "",
        "reached": request_log.at_ms(found.reached) if found.reached else None,
    }


def turned(request: web.Request, **changes: str) -> str:
    """The address of this page with the same filters, but for the changes, and another place."""
    return with_query(request, **{"before": "", "after": "", "find": "", **changes})


def is_filtered(form: Form) -> bool:
    """Whether not everything is looked for."""
    return any(form.raw(name).strip() for name in FILTERS)


def _status(text: str) -> str:
    if text not in request_log.STATUSES:
        raise ValueError("One of the list.")
    return text


def _cursor(text: str) -> str:
    if not CURSOR.fullmatch(text):
        raise ValueError("No place in the log.")
    return text
