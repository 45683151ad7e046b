"""Long tables as CSV: sent while they are read, and with nothing in them that a spreadsheet would run."""

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from aiohttp import web

from haze_proxy.web.render import HEADERS

# What spreadsheets take for a formula: https://owasp.org/www-community/attacks/CSV_Injection.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBER: Final = re.compile(r"-?\d+(\.\d+)?", re.ASCII)

Row = Sequence[str]


async def send(request: web.Request, name: str, head: Row, parts: AsyncIterator[Iterable[Row]]) -> web.StreamResponse:
    """Answer with a file of that name. Each part goes out before the next is read."""
    response = web.StreamResponse(headers={**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'})
    response.content_type, response.charset = "text/csv", "utf-8"
    await response.prepare(request)
    if request.method != "HEAD":
        await response.write(_text([head]))
        async for rows in parts:
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
