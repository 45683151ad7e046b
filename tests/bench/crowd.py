"""A store as a busy house has it after two months: one account with half of all requests, a thousand with the rest.

Plain SQL in one transaction, with the store's own triggers at work: afterwards `ledger check` has nothing to say.
Requests come in sessions, as agents send them: so many in a row of an account are of one key and one model.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haze_proxy.money import endings, receipt
from haze_proxy.money.endings import Ending
from haze_proxy.money.prices import Price
from haze_proxy.money.usage import Usage
from haze_proxy.store import (
    accounts,
    audit,
    codes,
    database,
    keys,
    overview,
    receipts,
    refusals,
    transfers,
    usage_proof,
    usage_sums,
)
from haze_proxy.store.audit import Act
from haze_proxy.store.keys import NewKey
from haze_proxy.store.transfers import Transfer

from .calls import Call

DAYS = 60
HEAVY = 1  # the account with half of all requests: the one that a Home makes first
HEAVY_KEYS = 20
OTHERS_MAX = 1000
OTHERS_SHARE = 500  # an account more for so many requests
SESSION = 40  # requests in a row: one half the heavy account's, one half another's
CREDIT = 10**15
CODES_MAX, ACTS_MAX, REFUSALS_MAX = 2_000, 5_000, 30_000
REFUSED_DAYS = 21
REASONS = ("429 rate_limit_error", "402 insufficient_quota", "404 model_not_found")
REFUNDED_EVERY = 1_000
RARE_EVERY = 100_000
# The last one is asked for once in RARE_EVERY requests.
MODELS = tuple(Call("chat" if number < 40 else "messages", f"bench/model-{number:02}", b"") for number in range(60))
RARE = MODELS[-1].model
CHANNELS = {"chat": "pretend-openai", "messages": "pretend-anthropic"}
# What the config of the benchmark says of all its models, as the rows keep it.
PRICE = Price(input=1_750_000_000, output=14_000_000_000, cache_read=175_000_000)


@dataclass(frozen=True, slots=True)
class Lot:
    """So many of PATTERNS end in a way. `held`: what was held, by the cost; below 1 the rest is a shortfall."""

    many: int
    ending: Ending
    state: str = "settled"
    status: int = 200
    estimated: bool = False
    held: float = 2.0


LOTS = (
    Lot(190, endings.COMPLETED),
    Lot(2, endings.COMPLETED, estimated=True),
    Lot(1, endings.COMPLETED, held=0.5),
    Lot(4, endings.CLIENT_LEFT, estimated=True),
    Lot(1, endings.BALANCE_RAN_OUT, estimated=True),
    Lot(2, endings.LEFT_BEFORE, "void"),
    Lot(3, endings.REFUSED_UPSTREAM, "void", 400),
    Lot(3, endings.FAILED_UPSTREAM, "void", 502),
    Lot(2, endings.BROKE_OFF, "void"),
    Lot(1, endings.SERVER_STOPPED, "void"),
    Lot(2, endings.PROCESS_DIED, "interrupted"),
)
PATTERNS = sum(lot.many for lot in LOTS)  # a prime: whatever else goes round meets every pattern


def fill(path: Path, requests: int, now_ms: int) -> None:
    """Give a store, whose account HEAVY has one key, so many requests and what belongs to them, up to a minute ago."""
    with closing(database.connect(str(path))) as connection:
        # Nobody else reads it yet, and one that is not filled is made anew.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -400000")
        with database.transaction(connection):
            _Filling(connection, requests, now_ms - overview.MINUTE_MS).run()
        connection.execute("PRAGMA journal_mode = WAL")


def open_some(path: Path, count: int, now_ms: int) -> None:
    """Let the server that runs on a store have so many requests of the account HEAVY open."""
    with closing(database.connect(str(path))) as connection, database.transaction(connection):
        connection.executemany(
            "INSERT INTO requests (id, epoch, account_id, key_id, state, protocol, stream, model, opened_at, held)"
            " VALUES (?, (SELECT max(id) FROM epochs), ?, 1, 'open', 'chat', 1, ?, ?, 1000000)",
            [(f"{overview.first_id(now_ms)}f{number:015}", HEAVY, MODELS[0].model, now_ms) for number in range(count)],
        )


class _Filling:
    """One store that is being filled. `end` is when its last request came in, in ms."""

    def __init__(self, connection: sqlite3.Connection, requests: int, end: int) -> None:
        self._store, self._requests, self._end = connection, requests, end
        self._begin = end - DAYS * overview.DAY_MS
        self._others = max(1, min(OTHERS_MAX, requests // OTHERS_SHARE))

    def run(self) -> None:
        """Everything, in the order in which it would come about."""
        self._people()
        self._tables()
        self._store.execute(REQUESTS, self._values)
        for moved in (CHARGES, SHORTFALLS, REFUNDS):
            self._store.execute(moved, self._values)
        self._store.execute(SPENT)
        self._codes()
        self._refusals()
        self._acts()
        self._sums()

    @property
    def _values(self) -> dict[str, Any]:
        return {
            "requests": self._requests, "begin": self._begin, "span": DAYS * overview.DAY_MS, "others": self._others,
            "heavy_keys": HEAVY_KEYS, "price": PRICE.facts, "now": self._end, "account": f"account:{HEAVY}",
        }  # fmt: skip

    def _people(self) -> None:
        """HEAVY's further keys, and the others, each with money and a key; their ids follow each other."""
        for number in range(1, HEAVY_KEYS):
            self._key(HEAVY, f"Machine {number}")
        for number in range(self._others):
            person = accounts.add(
                self._store, f"person-{number:04}@example.com", password_hash=None, is_admin=False, now_ms=self._begin
            )
            gift = Transfer(transfers.MANUAL, "", CREDIT, "credit", memo=f"Invoice {number}")
            accounts.credit(self._store, person, CREDIT, gift, self._begin)
            self._key(person, "Laptop")

    def _key(self, account_id: int, name: str) -> None:
        keys.add(self._store, account_id, NewKey(name, 120, 2_000_000, 32), keys.make_secret(), self._begin)

    def _tables(self) -> None:
        """What the requests are put together from."""
        self._store.execute("CREATE TEMP TABLE models (n INTEGER PRIMARY KEY, id TEXT, protocol TEXT, channel TEXT)")
        models = [(n, call.model, call.protocol, CHANNELS[call.protocol]) for n, call in enumerate(MODELS)]
        self._store.executemany("INSERT INTO models VALUES (?, ?, ?, ?)", models)
        first, *others = rows = list(_patterns())
        assert all(row.keys() == first.keys() for row in others)
        self._store.execute(f"CREATE TEMP TABLE patterns (n INTEGER PRIMARY KEY, {', '.join(first)})")
        marks = ", ".join("?" * (1 + len(first)))
        numbered = [(n, *row.values()) for n, row in enumerate(rows)]
        self._store.executemany(f"INSERT INTO patterns VALUES ({marks})", numbered)
        self._store.execute("INSERT INTO epochs (pid, started_at, ended_at) VALUES (1, ?, ?)", (self._begin, self._end))

    def _codes(self) -> None:
        for number in range(min(CODES_MAX, self._requests)):
            code = codes.make()
            codes.add(self._store, code, 10**9, f"Batch {number // 100}", None, self._begin)
            if number % 2:
                codes.redeem(self._store, HEAVY, code, self._end)

    def _refusals(self) -> None:
        """One minute after the other, each of another key."""
        count = min(REFUSALS_MAX, self._requests)
        last, span = self._end // overview.MINUTE_MS, REFUSED_DAYS * overview.DAY_MS // overview.MINUTE_MS
        for number in range(count):
            counts = {(number % HEAVY_KEYS, REASONS[number % len(REASONS)]): 1 + number % 30}
            refusals.add(self._store, last - number * span // count, counts)

    def _sums(self) -> None:
        """What charts read, as an upgrade makes it from the requests."""
        receipts.teach(self._store)
        self._store.execute(f"INSERT INTO usage_recent SELECT * FROM ({usage_proof.AGAIN})")
        while usage_sums.fold(self._store, self._end):
            pass

    def _acts(self) -> None:
        for number in range(min(ACTS_MAX, self._requests)):
            act = Act(HEAVY, "account.credit", f"person-{number % self._others:04}@example.com", "$5.00")
            audit.record(self._store, act, self._begin + number * 1000)


def _patterns() -> Iterator[dict[str, Any]]:
    """What requests are copied from: all that does not follow from when they came and whose they are."""
    ends = [lot for lot in LOTS for _ in range(lot.many)]
    for number, lot in enumerate(ends):
        is_settled = lot.state == "settled"
        used = Usage(
            input=200 + 137 * number % 9000, cache_read=911 * number % 40_000, output=20 + 53 * number % 1500,
            reasoning=number % 20,
        )  # fmt: skip
        cost = receipt.cost(used, PRICE)
        held = int(cost * lot.held)
        yield {
            "state": lot.state, "ended": lot.ending.word, "status": lot.status, "stream": number % 4 > 0,
            "first_ms": 200 + 37 * number % 3000, "took_ms": 3200 + 91 * number % 20_000,
            "input": used.input if is_settled else 0, "cache_read": used.cache_read if is_settled else 0,
            "output": used.output if is_settled else 0, "reasoning": used.reasoning if is_settled else 0,
            "estimated": lot.estimated, "held": held, "cost": cost if is_settled else 0,
            "shortfall": max(0, cost - held) if is_settled else 0,
            "error": "" if is_settled else lot.ending.word, "price": PRICE.facts if is_settled else None,
        }  # fmt: skip


def parameters(path: Path) -> dict[str, str]:
    """What stands for each parameter of an address (a page's, or of visits.QUERIES) on a store that was filled."""
    with closing(database.connect(str(path))) as connection:
        return {name: str(connection.execute(question).fetchone()[0]) for name, question in EXAMPLES.items()}


# A request's place in time, whose session it belongs to, and what it is copied from.
PLACED = (
    "WITH RECURSIVE numbers (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < :requests),"
    " placed AS (SELECT i, :begin + i * :span / :requests AS at, i % 2 AS is_other,"
    f" i / {SESSION} AS session, i * 97 % {PATTERNS} AS pattern FROM numbers)"
)
REQUESTS = (
    "INSERT INTO requests (id, epoch, account_id, key_id, state, ended, protocol, stream, model, channel,"
    " upstream_model, upstream_id, status, opened_at, first_byte_at, ended_at, input, cache_read, output, reasoning,"
    " estimated, held, cost, shortfall, price, attempts)"
    f" {PLACED} SELECT printf('req_%012x%016d', at, i), 1,"
    f" iif(is_other, {HEAVY + 1} + session % :others, {HEAVY}),"
    " iif(is_other, :heavy_keys + 1 + session % :others, 1 + session % :heavy_keys),"
    " state, ended, protocol, stream, models.id, channel, models.id, 'up-' || i, status, at, at + first_ms,"
    " at + took_ms, input, cache_read, output, reasoning, estimated, held, cost, shortfall, price,"
    " json_array(json_object('channel', channel, 'model', models.id, 'status', status, 'began_at', at,"
    " 'first_byte_at', at + first_ms, 'upstream_id', 'up-' || i, 'upstream_cost', NULL, 'error', error))"
    " FROM placed CROSS JOIN patterns ON patterns.n = pattern CROSS JOIN models"
    f" ON models.n = iif(i % {RARE_EVERY} = 8, {len(MODELS) - 1}, session * 31 % {len(MODELS) - 1})"
)
MOVED = "INSERT INTO transfers (debit, credit, amount, kind, request_id, created_at, memo) SELECT"
CHARGES = (
    f"{MOVED} 'account:' || account_id, 'house:revenue', cost - shortfall, 'charge', id, ended_at, NULL FROM requests"
    " WHERE cost > shortfall"
)
SHORTFALLS = (
    f"{MOVED} 'house:shortfall', 'house:revenue', shortfall, 'shortfall', id, ended_at, NULL FROM requests"
    " WHERE shortfall > 0"
)
REFUNDS = (
    f"{MOVED} credit, debit, amount, 'refund', request_id, :now, 'Asked for' FROM transfers"
    f" WHERE kind = 'charge' AND id % {REFUNDED_EVERY} = 0"
)
SPENT = (
    "UPDATE keys SET spent = total, period_spent = total, last_used_at = last FROM ("
    " SELECT key_id, sum(cost - coalesce(amount, 0)) AS total, max(ended_at) AS last FROM requests"
    " LEFT JOIN transfers ON request_id = requests.id AND kind = 'refund' GROUP BY key_id"
    ") AS sums WHERE keys.id = sums.key_id"
)
LATEST = f"FROM requests WHERE account_id = {HEAVY} AND state = 'settled'"
# The name of a parameter -> what stands for it.
EXAMPLES = {
    "id": f"SELECT {HEAVY}",
    "key": "SELECT 1",
    "session": "SELECT lower(hex(digest)) FROM sessions LIMIT 1",
    "request": f"SELECT max(id) {LATEST}",
    "channel": f"SELECT channel {LATEST} ORDER BY id DESC LIMIT 1",
    "model": f"SELECT model {LATEST} ORDER BY id DESC LIMIT 1",
    "rare_model": f"SELECT '{RARE}'",
    "long_ago": f"SELECT date('now', '-{DAYS - 5} days')",
    "long_ago_too": f"SELECT date('now', '-{DAYS - 8} days')",
}
