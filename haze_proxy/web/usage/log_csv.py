"""GET /dashboard/usage.csv: the filtered log as a file, written while it is read.

A few hundred rows are in memory at a time, each part is read for itself, and nothing more is read before the reader has
taken what was written: a download that takes an hour holds neither memory nor an old state of the store.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from haze_proxy.context import STORE
from haze_proxy.money.receipt import usd
from haze_proxy.store import request_log
from haze_proxy.store.request_log import Row, Wanted
from haze_proxy.web import csv_stream
from haze_proxy.web.context import Page, Who
from haze_proxy.web.paging import with_query
from haze_proxy.web.render import see_other
from haze_proxy.web.usage import log, log_filter
from haze_proxy.web.words import day, now_ms

CHUNK_ROWS: Final = 100


def _text(row: Row, name: str) -> str:
    return str(row[name] or "")


def _number(row: Row, name: str) -> str:
    return str(row[name])


def _money(row: Row, name: str) -> str:
    return usd(row[name])


def _time(row: Row, name: str) -> str:
    return "" if row[name] is None else datetime.fromtimestamp(row[name] / 1000, UTC).isoformat(timespec="milliseconds")


def _ms(row: Row, name: str) -> str:
    return "" if row[name] is None else str(row[name] - row["opened_at"])


def _yes(row: Row, name: str) -> str:
    return "true" if row[name] else "false"


# The columns of the file, in their order: how each is written, and of what. Classes of tokens are disjoint, and
# reasoning is part of output.
COLUMNS: Final[dict[str, tuple[Callable[[Row, str], str], str]]] = {
    "request_id": (_text, "id"),
    "time": (_time, "opened_at"),
    "ended_at": (_time, "ended_at"),
    "model": (_text, "model"),
    "key": (_text, "key_name"),
    "key_prefix": (_text, "prefix"),
    "channel": (_text, "channel"),
    "protocol": (_text, "protocol"),
    "stream": (_yes, "stream"),
    "input_tokens": (_number, "input"),
    "cache_read_tokens": (_number, "cache_read"),
    "cache_write_5m_tokens": (_number, "cache_write_5m"),
    "cache_write_1h_tokens": (_number, "cache_write_1h"),
    "output_tokens": (_number, "output"),
    "reasoning_tokens": (_number, "reasoning"),
    "estimated": (_yes, "estimated"),
    "cost_usd": (_money, "cost"),
    "shortfall_usd": (_money, "shortfall"),
    "state": (_text, "state"),
    "ended": (_text, "ended"),
    "first_byte_ms": (_ms, "first_byte_at"),
    "duration_ms": (_ms, "ended_at"),
}


async def send(request: web.Request) -> web.StreamResponse:
    """Every request that the filters of the query mean, the newest first. A wrong filter leads to its page."""
    form = log_filter.read(request)
    wanted = await log.filtered(request, form)
    if form.errors:
        return see_other(with_query(request).replace(request.path, log.PATH, 1))
    name = f"haze-usage-{day(now_ms())}.csv"
    return await csv_stream.send(request, name, list(COLUMNS), _parts(request, wanted))


async def _parts(request: web.Request, wanted: Wanted) -> AsyncIterator[list[list[str]]]:
    cursor: str | None = ""
    while cursor is not None:
        found = await request.app[STORE].read(request_log.read, wanted, cursor, rows=CHUNK_ROWS)
        yield [[write(row, name) for write, name in COLUMNS.values()] for row in found.rows]
        cursor = found.older or None


ROUTES: Final = (Page("GET", f"{log.PATH}.csv", Who.ACCOUNT, send),)
