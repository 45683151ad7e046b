"""Requests that ended some time ago, and what a page says of them."""

import random
import re
from collections import Counter
from dataclasses import dataclass
from html import unescape
from typing import Any

from gateway import Haze, apart

from haze_proxy.money import receipt
from haze_proxy.money.prices import Price
from haze_proxy.money.usage import Usage
from haze_proxy.store import database, refunds, requests, usage_sums
from haze_proxy.store.requests import Ended, Opened
from haze_proxy.web.words import now_ms

PRICE = Price(input=3_000_000_000, output=15_000_000_000, cache_read=300_000_000, cache_write_5m=3_750_000_000)
MODELS = [f"maker/model-{number}" for number in range(8)]
DAY_MS = 86_400_000
USED = Usage(input=1000, cache_read=3000, output=200)


@dataclass(frozen=True)
class Done:
    """One request that has ended, `ago` ms before now; `usage` is None where it came to nothing."""

    ago: int = 0
    key: int = 1
    model: str = MODELS[0]
    channel: str = "openai"
    usage: Usage | None = USED
    ended: str = "completed"
    refunded: bool = False

    @property
    def cost(self) -> int:
        """What it cost when it ended, in nano-dollars."""
        return receipt.cost(self.usage, PRICE) if self.usage else 0


def fund(haze: Haze, account_id: int) -> None:
    """Give an account ten dollars."""
    haze.rows(
        "INSERT INTO transfers (debit, credit, amount, kind, created_at)"
        " VALUES ('external:manual', 'account:' || ?, 10000000000, 'credit', 0)",
        account_id,
    )


def happened(haze: Haze, *done: Done, fold: bool = False) -> int:
    """Let them have ended, in one transaction, by the clock of now, which is returned."""
    now = now_ms()

    def work(connection: Any) -> None:
        before = connection.execute("SELECT count(*) FROM requests").fetchone()[0]
        for number, each in enumerate(done, before):
            _end(connection, number, each, now)
        while fold and usage_sums.fold(connection, now):
            pass

    def run() -> None:
        connection = database.connect(str(haze.path), "normal")
        try:
            with database.transaction(connection):
                work(connection)
        finally:
            connection.close()

    apart(run)
    return now


def _end(connection: Any, number: int, done: Done, now: int) -> None:
    at = now - done.ago
    account = connection.execute("SELECT account_id FROM keys WHERE id = ?", (done.key,)).fetchone()[0]
    opened = Opened(f"req_{at:012x}{number:010}", 1, account, done.key, "chat", False, done.model, at, 0)
    facts: dict[str, Any] = {"state": "void", "ended": done.ended}
    if usage := done.usage:
        tokens = (usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h, usage.output, 0)
        facts = {"state": "settled", "ended": done.ended, "cost": done.cost, "payable": done.cost, "tokens": tokens}
        facts |= {"price": PRICE.facts}
    requests.end(connection, Ended(opened, ended_at=at, held=0, channel=done.channel, **facts))
    if done.refunded:
        refunds.give(connection, opened.id, None, now)


def many(count: int, keys: list[int], seed: int = 1) -> list[Done]:
    """A month of requests, of which most are of today."""
    chance = random.Random(seed)
    return [
        Done(
            ago=int(29 * DAY_MS * chance.random() ** 4),
            key=chance.choice(keys),
            model=chance.choice(MODELS),
            channel=chance.choice(["openai", "spare", ""]),
            usage=(usage := _usage(chance)),
            ended="completed" if usage else chance.choice(["failed upstream", "refused upstream"]),
            refunded=usage is not None and chance.random() < 0.1,
        )
        for _ in range(count)
    ]


def _usage(chance: random.Random) -> Usage | None:
    if chance.random() < 0.1:
        return None
    return Usage(chance.randint(1, 5000), chance.choice([0, 9000]), chance.choice([0, 700]), 0, chance.randint(1, 900))


def cells(text: str, table: str) -> list[list[str]]:
    """The rows of the table of that name, as they are read."""
    found = re.search(rf'aria-label="{re.escape(table)}"[^>]*><table [^>]*>(.*?)</table>', text, re.DOTALL)
    if not found:
        return []
    rows = re.findall(r"<tr>(.*?)</tr>", found[1], re.DOTALL)[1:]
    return [
        [
            " ".join(unescape(re.sub(r"<[^>]+>", "", cell)).split())
            for cell in re.findall(r"<t[dh].*?>(.*?)</t[dh]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def nano(said: str) -> int:
    """An amount or a count as it is shown, as a number; a dash is nothing."""
    if said == "\N{EN DASH}":
        return 0
    whole = said.replace(",", "")
    return receipt.nano(whole.replace("$", "")) if "$" in whole else int(whole)


def added(pairs: list[tuple[str, int]]) -> dict[str, int]:
    """Sums by name, without those that are 0."""
    sums: Counter[str] = Counter()
    for name, number in pairs:
        sums[name] += number
    return {name: number for name, number in sums.items() if number}
