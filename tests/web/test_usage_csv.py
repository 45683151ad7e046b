"""The log as a file: all of what the filters mean, exactly, written while it is read, and harmless in a spreadsheet."""

import asyncio
import csv
import io
import re
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from gateway import Haze
from made import NOON, Log
from people import BROWSER, Come, Person, Seen

from haze_proxy.context import STORE
from haze_proxy.store import request_log
from haze_proxy.web import csv_stream
from haze_proxy.web.usage import log_csv

CSV = "/dashboard/usage.csv"


def read(seen: Seen) -> list[dict[str, str]]:
    """The rows of a file by the names of their columns."""
    return list(csv.DictReader(io.StringIO(seen.text, newline="")))


async def test_a_row_has_exact_amounts_and_whole_times(log: Log, me: Person) -> None:
    """Whoever adds the file up gets what the account paid."""
    mine = log.add(
        500, stream=1, cost=1_000_000_041, shortfall=7, cache_write_1h=2, reasoning=1, model='a "quoted", name'
    )
    seen = await me.get(CSV)
    assert seen.status == 200
    assert read(seen) == [
        {
            "request_id": mine, "time": "2026-11-25T12:00:00.500+00:00", "ended_at": "2026-11-25T12:00:12.800+00:00",
            "model": 'a "quoted", name', "key": "Laptop", "key_prefix": read(seen)[0]["key_prefix"],
            "channel": "echo", "protocol": "chat", "stream": "true", "input_tokens": "10", "cache_read_tokens": "4",
            "cache_write_5m_tokens": "0", "cache_write_1h_tokens": "2", "output_tokens": "3", "reasoning_tokens": "1",
            "estimated": "false", "cost_usd": "1.000000041", "shortfall_usd": "0.000000007", "state": "settled",
            "ended": "completed", "first_byte_ms": "420", "duration_ms": "12300",
        }
    ]  # fmt: skip
    assert re.fullmatch(r"sk-rr-.{6}", read(seen)[0]["key_prefix"])


async def test_the_file_has_a_name_and_a_head(me: Person) -> None:
    """Also where nothing has been asked for."""
    seen = await me.get(CSV)
    assert seen.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="haze-usage-\d{4}-\d\d-\d\d\.csv"', seen.headers["Content-Disposition"])
    assert seen.text == ",".join(log_csv.COLUMNS) + "\r\n"
    head = await me.send("HEAD", CSV)
    assert (head.status, head.text) == (200, "")
    assert head.headers["Content-Disposition"] == seen.headers["Content-Disposition"]


async def test_the_file_holds_what_the_page_shows(log: Log, me: Person, other: Person) -> None:
    """The same filters; and nobody else's requests, whatever the filters."""
    log.add(0, ended="client left")
    wanted = log.add(1, model="b", ended="client left", cost=5)
    log.add(2, model="b")
    log.add(3, model="b", ended="client left", account_id=1, key_id=1)
    query = "?model=b&status=client+left&from=2026-11-25&to=2026-11-25"
    assert [row["request_id"] for row in read(await me.get(CSV + query))] == [wanted]
    assert f'href="{CSV}{query}"'.replace("&", "&amp;") in (await me.get("/dashboard/usage" + query)).text
    assert read(await other.get(CSV)) == []
    total = sum(Decimal(row["cost_usd"]) for row in read(await me.get(CSV)))
    assert total == Decimal("0.000000251")


async def test_a_wrong_filter_leads_to_the_page_that_says_so(log: Log, me: Person) -> None:
    """A file of everything, or an empty one, would be taken for the answer."""
    seen = await me.get(f"{CSV}?key=1&from=2026-11-25")
    assert (seen.status, seen.location) == (303, "/dashboard/usage?key=1&from=2026-11-25")


@pytest.mark.parametrize("name", ['=HYPERLINK("http://evil.example")', "+1", "-1+1", "@SUM(A1)", "\tx", "\rx"])
async def test_no_cell_is_a_formula(log: Log, me: Person, name: str) -> None:
    """A model's name is whatever somebody with the key typed; it is opened by whoever keeps the accounts."""
    log.haze.rows("UPDATE keys SET name = ? WHERE id = 2", name)
    log.add(model=name, channel=name)
    [row] = read(await me.get(CSV))
    assert [row[column] for column in ("model", "key", "channel")] == [f"'{name}"] * 3


def many(haze: Haze, count: int) -> None:
    """Requests of the account of `me`, in one stroke."""
    haze.rows(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
        " INSERT INTO requests (id, epoch, account_id, key_id, state, ended, protocol, stream, model, opened_at, held)"
        " SELECT printf('req_%012x%016x', ?, i), 1, 2, 2, 'settled', 'completed', 'chat', 0, hex(zeroblob(500)), ?, 0"
        " FROM n",
        count, NOON, NOON,
    )  # fmt: skip


async def test_a_long_log_comes_in_parts_and_whole(log: Log, me: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row is lost at a seam, and what is new since the download began does not move the others."""
    many(log.haze, 25)
    monkeypatch.setattr(log_csv, "CHUNK_ROWS", 10)
    assert [row["request_id"][-16:] for row in read(await me.get(CSV))] == [f"{i:016x}" for i in range(24, -1, -1)]


async def test_an_account_downloads_one_table_at_a_time(log: Log, me: Person, other: Person, come: Come) -> None:
    """Twenty at once would hold up everybody's streams for seconds. Others, and the pages, are not kept from theirs."""
    many(log.haze, 30_000)
    elsewhere = await come()
    await elsewhere.log_in()
    async with me.session.get(log.haze.url + CSV, headers=BROWSER) as held:
        assert held.status == 200
        for path in (CSV, "/dashboard/billing/transfers.csv"):
            seen = await elsewhere.get(path)
            assert (seen.status, "is running" in seen.words, seen.headers["Retry-After"]) == (429, True, "5")
            assert (await other.get(path)).status == 200
        assert (await elsewhere.get("/dashboard/usage")).status == 200
        held.close()
    async with asyncio.timeout(5):
        while (await elsewhere.get("/dashboard/billing/transfers.csv")).status == 429:
            await asyncio.sleep(0)


async def test_a_reader_who_takes_nothing_gives_up_the_place(
    log: Log, me: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop that is shut keeps its connection for hours."""
    many(log.haze, 30_000)
    monkeypatch.setattr(csv_stream, "STALLED_S", 0.2)
    async with me.session.get(log.haze.url + CSV, headers=BROWSER) as held:
        assert held.status == 200
        async with asyncio.timeout(10):
            while (await me.get("/dashboard/billing/transfers.csv")).status == 429:
                await asyncio.sleep(0.02)
        with pytest.raises(aiohttp.ClientPayloadError):
            await held.read()


async def test_nothing_more_is_read_than_the_reader_takes(
    log: Log, me: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow line holds no memory, and a reader who has left ends the work."""
    many(log.haze, 30_000)
    taken: list[int] = []
    store, begun = log.haze.app[STORE], asyncio.Event()
    original = store.read

    async def counting(function: Any, *args: Any, **kwargs: Any) -> Any:
        found = await original(function, *args, **kwargs)
        if function is request_log.read:
            taken.append(len(found.rows))
            begun.set()
        return found

    async def still() -> int:
        """How many rows have been read once no more are."""
        seen = -1
        while seen != len(taken):
            seen = len(taken)
            await original(request_log.models, 2)
            for _ in range(200):
                await asyncio.sleep(0)
        return sum(taken)

    monkeypatch.setattr(store, "read", counting)
    async with me.session.get(log.haze.url + CSV, headers=BROWSER) as answer:
        assert answer.status == 200
        await begun.wait()
        assert 0 < await still() < 30_000
        answer.close()
    assert await still() < 30_000
