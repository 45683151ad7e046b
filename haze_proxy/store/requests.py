"""One row for each admitted request: opened, and ended in exactly one way."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from haze_proxy.money import endings
from haze_proxy.store import idempotency, keys, receipts, transfers, usage_sums
from haze_proxy.store.idempotency import Keyed
from haze_proxy.store.keys import Spent
from haze_proxy.store.transfers import Transfer


@dataclass(slots=True)
class Opened:
    """What is known of a request when it is admitted. `held` is nano-dollars, times are ms; `keyed` if it has a key."""

    id: str
    epoch: int
    account_id: int
    key_id: int
    protocol: str
    stream: bool
    model: str
    opened_at: int
    held: int
    keyed: Keyed | None = None


@dataclass(slots=True)
class Ended:
    """How a request ended. `payable` is the most its account can pay of `cost`; the rest is a shortfall of the house.

    `state` is `settled` or `void`; `ended` says how, a word of money/endings.py; price, attempts and server
    tools are JSON texts. `upstream_cost` is what the upstream says it cost, in nano-dollars.
    """

    opened: Opened
    state: str
    ended: str
    ended_at: int
    held: int
    cost: int = 0
    payable: int = 0
    channel: str | None = None
    upstream_model: str | None = None
    upstream_id: str | None = None
    status: int | None = None
    first_byte_at: int | None = None
    tokens: tuple[int, int, int, int, int, int] = (0, 0, 0, 0, 0, 0)
    estimated: bool = False
    price: str | None = None
    attempts: str | None = None
    server_tools: str | None = None
    service_tier: str | None = None
    upstream_cost: int | None = None


@dataclass(slots=True)
class Standing:
    """What an end left behind, read inside its transaction: the account's balance and what the key has spent."""

    balance: int
    spent: Spent


class AlreadyEndedError(Exception):
    """A request that has its one outcome was ended again."""


class Epoch(NamedTuple):
    """A server's time, and what those before it left open: how many requests, which held `held` nano-dollars."""

    id: int
    interrupted: int
    held: int


def begin_epoch(connection: sqlite3.Connection, pid: int, now_ms: int) -> Epoch:
    """Start a server's time, and close what servers before it left open."""
    left = connection.execute("SELECT count(*), coalesce(sum(held), 0) FROM requests WHERE state = 'open'").fetchone()
    usage_sums.interrupt(connection, now_ms, endings.PROCESS_DIED.word)
    connection.execute(
        "UPDATE requests SET state = 'interrupted', ended = ?, ended_at = ? WHERE state = 'open'",
        (endings.PROCESS_DIED.word, now_ms),
    )
    connection.execute("UPDATE epochs SET ended_at = ? WHERE ended_at IS NULL", (now_ms,))
    epoch = connection.execute("INSERT INTO epochs (pid, started_at) VALUES (?, ?)", (pid, now_ms)).lastrowid
    return Epoch(int(epoch or 0), *left)


def is_served(connection: sqlite3.Connection) -> bool:
    """Whether a server runs on this store now."""
    row = connection.execute("SELECT pid FROM epochs WHERE ended_at IS NULL ORDER BY id DESC LIMIT 1").fetchone()
    return row is not None and Path(f"/proc/{row['pid']}").exists()


def end_epoch(connection: sqlite3.Connection, epoch: int, now_ms: int) -> None:
    """A server stopped in order."""
    connection.execute("UPDATE epochs SET ended_at = ? WHERE id = ?", (now_ms, epoch))


def begin(connection: sqlite3.Connection, opened: Opened) -> None:
    """Write an admitted request down as open."""
    connection.execute(
        "INSERT INTO requests (id, epoch, account_id, key_id, state, protocol, stream, model, opened_at, held)"
        " VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?, ?)",
        (
            opened.id,
            opened.epoch,
            opened.account_id,
            opened.key_id,
            opened.protocol,
            opened.stream,
            opened.model,
            opened.opened_at,
            opened.held,
        ),
    )


def end(connection: sqlite3.Connection, ended: Ended) -> Standing:
    """Write a request's one outcome and move its money, in the caller's transaction.

    Raises AlreadyEndedError, and moves nothing, when the request has an outcome.
    """
    opened = ended.opened
    name = transfers.account(opened.account_id)
    paid = min(ended.cost, ended.payable, transfers.balance(connection, name)) if ended.cost else 0
    _write(connection, ended, ended.cost - paid)
    _sum(connection, ended, ended.cost - paid)
    _charge(connection, ended, name, paid)
    if opened.keyed is not None and ended.state == "settled":
        idempotency.keep(connection, opened.keyed, ended.ended_at)
    spent = keys.spend(connection, opened.key_id, ended.cost, ended.ended_at)
    return Standing(transfers.balance(connection, name), spent)


def _sum(connection: sqlite3.Connection, ended: Ended, shortfall: int) -> None:
    opened, is_settled = ended.opened, ended.state == "settled"
    plain, read, write_5m, write_1h, output, reasoning = ended.tokens
    usage_sums.add(
        connection,
        opened.account_id,
        ended.ended_at,
        (opened.key_id, opened.model, ended.channel or "", ended.ended),
        (
            is_settled,
            not is_settled,
            plain,
            read,
            write_5m + write_1h,
            output,
            reasoning,
            ended.cost,
            shortfall,
            receipts.saved(ended.state, plain, read, write_5m, write_1h, ended.price, ended.upstream_cost),
        ),
    )


def _charge(connection: sqlite3.Connection, ended: Ended, name: str, paid: int) -> None:
    request_id, now_ms = ended.opened.id, ended.ended_at
    if paid:
        transfers.move(connection, Transfer(name, transfers.REVENUE, paid, "charge", request_id), now_ms)
    if ended.cost > paid:
        short = ended.cost - paid
        transfers.move(
            connection, Transfer(transfers.SHORTFALL, transfers.REVENUE, short, "shortfall", request_id), now_ms
        )


def _write(connection: sqlite3.Connection, ended: Ended, shortfall: int) -> None:
    opened = ended.opened
    # The opening row may not be there yet: a request that ends at once is written once.
    cursor = connection.execute(
        END,
        (
            opened.id,
            opened.epoch,
            opened.account_id,
            opened.key_id,
            opened.protocol,
            opened.stream,
            opened.model,
            opened.opened_at,
            ended.state,
            ended.ended,
            ended.channel,
            ended.upstream_model,
            ended.upstream_id,
            ended.status,
            ended.first_byte_at,
            ended.ended_at,
            *ended.tokens,
            ended.estimated,
            ended.held,
            ended.cost,
            shortfall,
            ended.price,
            ended.attempts,
            ended.held - opened.held,
            ended.server_tools,
            ended.service_tier,
            ended.upstream_cost,
        ),
    )
    if not cursor.rowcount:
        raise AlreadyEndedError(f"Request {opened.id} has already ended.")


ADMITTED = ("id", "epoch", "account_id", "key_id", "protocol", "stream", "model", "opened_at")
# In the order of the values in _write.
ENDED = (
    "state", "ended", "channel", "upstream_model", "upstream_id", "status", "first_byte_at", "ended_at",
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "estimated",
    "held", "cost", "shortfall", "price", "attempts", "extended", "server_tools", "service_tier", "upstream_cost",
)  # fmt: skip
END = (
    f"INSERT INTO requests ({', '.join((*ADMITTED, *ENDED))}) VALUES ({', '.join('?' * len((*ADMITTED, *ENDED)))})"
    f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in ENDED)}"
    " WHERE requests.state = 'open'"
)
