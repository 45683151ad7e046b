"""Long tables as CSV: sent while they are read, and with nothing in them that a spreadsheet would run.

Each row costs time of the loop that relays everybody's streams, so an account downloads one at a time, in small parts.
"""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from haze_proxy.errors import RateLimited
from haze_proxy.web.context import SESSION
from haze_proxy.web.render import HEADERS
from haze_proxy.web.site import SITE

# A reader who takes nothing for so long has left: the place is another download's.
STALLED_S: Final = 120
RETRY_AFTER_S: Final = 5
BUSY: Final = "A download of this account is running. Begin this one when it has ended."
# What spreadsheets take for a formula: https://owasp.org/www-community/attacks/CSV_Injection.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBER: Final = re.compile(r"-?\d+(\.\d+)?", re.ASCII)

Row = Sequence[str]


async def send(request: web.Request, name: str, head: Row, parts: AsyncIterator[Iterable[Row]]) -> web.StreamResponse:
    """Answer with a file of that name. Each part goes out before the next is read.

    Raises RateLimited (429) while another one of the account is sent.
    """
    with _alone(request):
        return await _send(request, name, head, parts)


@contextmanager
def _alone(request: web.Request) -> Iterator[None]:
    downloading, account_id = request.app[SITE].downloading, request[SESSION].account_id
    if account_id in downloading:
        raise RateLimited(BUSY, retry_after_s=RETRY_AFTER_S)
    downloading.add(account_id)
    try:
        yield
    finally:
        downloading.discard(account_id)


async def _send(request: web.Request, name: str, head: Row, parts: AsyncIterator[Iterable[Row]]) -> web.StreamResponse:
    response = web.StreamResponse(headers={**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'})
    response.content_type, response.charset = "text/csv", "utf-8"
    await response.prepare(request)
    if request.method != "HEAD":
        await response.write(_text([head]))
        async for rows in parts:
            async with asyncio.timeout(STALLED_S):
                await response.write(_text(rows))
    await response.write_eof()
    return response


def safe(cell: str) -> str:
    """A cell that is text to a spreadsheet, too; numbers stay as they are."""
    return f"'{cell}" if cell.startswith(FORMULA) and not NUMBER.fullmatch(cell) else cell


def _text(rows: Iterable[Row]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue().encode()
