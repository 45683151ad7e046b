"""GET /dashboard/billing/transfers.csv: every transfer of the account, the newest first."""

from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from haze_proxy.context import STORE
from haze_proxy.money import receipt
from haze_proxy.store import statement
from haze_proxy.store.statement import NEWEST, Line
from haze_proxy.web import csv_stream
from haze_proxy.web.billing.statement import shown
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.words import iso

HEAD: Final = ("id", "time", "kind", "amount_usd", "balance_usd", "memo", "request_id")
CHUNK: Final = 200


async def send(request: web.Request) -> web.StreamResponse:
    """`show` leaves out what the page leaves out."""
    return await csv_stream.send(request, "transfers.csv", HEAD, _chunks(request))


async def _chunks(request: web.Request) -> AsyncIterator[list[tuple[str, ...]]]:
    # A transfer is never changed, and new ones are above: what is read in pieces is of one moment all the same.
    store, account_id, show, before = request.app[STORE], request[SESSION].account_id, shown(request), NEWEST
    while lines := await store.read(statement.older, account_id, show, before, CHUNK):
        yield [_row(line) for line in lines]
        before = lines[-1].id


def _row(line: Line) -> tuple[str, ...]:
    amounts = receipt.usd(line.amount), receipt.usd(line.balance)
    return (str(line.id), iso(line.created_at), line.kind, *amounts, line.memo or "", line.request_id or "")


ROUTES: Final = (Page("GET", "/dashboard/billing/transfers.csv", Who.ACCOUNT, send),)
