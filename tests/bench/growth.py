"""What a request costs when the store has grown: the same server before 10, 10,000 and 1,000,000 rows of requests."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from haze_proxy.store import receipts, usage_sums

from . import servers
from .haze import Home
from .lines import LINES, all_calls
from .rows import Row, by_difference
from .servers import Server

COUNTS = (10, 10_000, 1_000_000)
ROUNDS = 100
RATIO_MAX = 1.1  # of the smallest store: what is looked up must be found by an index
LINE = LINES["chat-8"]


def growth(compared: Sequence[Server]) -> list[Row]:
    """CPU per request, seconds to start, and seconds of `ledger check`, beside the smallest store's."""
    home = compared[-1].home
    assert home is not None
    grown = [_grown(home, count) for count in COUNTS]
    limits = {server.name: RATIO_MAX for server in grown}
    line = replace(LINE, title=f"{LINE.title}, beside {grown[0].name}", limits=limits)
    with ExitStack() as stack:
        targets = [stack.enter_context(server.running()) for server in grown]
        rows = line.measure(line, targets, ROUNDS)
    first, *others = [(server, 1000 * server.started_in_s, _checked_in_ms(server)) for server in grown]
    for server, started, checked in others:
        rows.append(by_difference(f"start-up, beside {first[0].name}", server.name, "ms", first[1], started))
        rows.append(by_difference(f"ledger check, beside {first[0].name}", server.name, "ms", first[2], checked))
    return rows


def _grown(beside: Home, count: int) -> Server:
    """A Haze with so many requests in its store, each a copy of one that it has served."""
    name = f"{count:,} rows"
    server = servers.haze(beside.folder.parent, "full", beside.upstream_port, all_calls(), name=name)
    with server.running() as target, target.connections(1) as connections:
        target.burst(LINE.call, connections, 1)
    assert server.home is not None
    multiply(server.home.database, count)
    return server


def _checked_in_ms(server: Server) -> float:
    assert server.home is not None
    began = time.perf_counter()
    server.home.command("ledger", "check")
    return 1000 * (time.perf_counter() - began)


def multiply(path: Path, count: int) -> None:
    """Copy the last request of a store, its charge and what its key has spent, until there are `count` of it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        names = [row[1] for row in connection.execute("PRAGMA table_info(requests)") if row[1] != "id"]
        (last,) = connection.execute("SELECT max(id) FROM requests").fetchone()
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1})"
        connection.execute(
            f"INSERT INTO requests (id, {', '.join(names)}) {numbers}"
            f" SELECT 'req_00' || printf('%022d', i), {', '.join(names)} FROM n, requests WHERE requests.id = ?",
            (last,),
        )
        connection.execute(
            "INSERT INTO transfers (debit, credit, amount, kind, request_id, created_at)"
            " SELECT 'account:' || account_id, 'house:revenue', cost, 'charge', id, ended_at FROM requests"
            " WHERE id GLOB 'req_00*'"
        )
        connection.execute(
            "UPDATE keys SET spent = spent + more, period_spent = period_spent + more"
            " FROM (SELECT ? * cost AS more FROM requests WHERE id = ?)",
            (count - 1, last),
        )
        _sum(connection, last, count - 1)
        connection.execute("COMMIT")


def _sum(connection: sqlite3.Connection, request_id: str, count: int) -> None:
    """Add a request to the sums behind the charts, so many times."""
    receipts.teach(connection)
    account_id, ended_at, key_id, model, channel, ended, *sums = connection.execute(
        "SELECT account_id, ended_at, key_id, model, coalesce(channel, ''), ended, 1, 0, input, cache_read,"
        " cache_write_5m + cache_write_1h, output, reasoning, cost, shortfall,"
        " saved(state, input, cache_read, cache_write_5m, cache_write_1h, price, upstream_cost)"
        " FROM requests WHERE id = ?",
        (request_id,),
    ).fetchone()
    usage_sums.add(
        connection, account_id, ended_at, (key_id, model, channel, ended), tuple(count * each for each in sums)
    )
