"""How a hold becomes a row: opened in the store without waiting, ended by one synchronous step, released on commit."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Any

import orjson
from aiohttp import web

from haze_proxy.channels.directory import Candidate
from haze_proxy.errors import Unavailable
from haze_proxy.gate.claims import Claim
from haze_proxy.money import endings, receipt
from haze_proxy.money.endings import Ending
from haze_proxy.money.prices import Price
from haze_proxy.money.usage import Usage
from haze_proxy.money.wallet import Hold, Wallet
from haze_proxy.store import requests
from haze_proxy.store.keys import Key
from haze_proxy.store.requests import Ended, Opened, Standing
from haze_proxy.store.writer import Entry, Writer
from haze_proxy.wire.ask import Ask


@dataclass(slots=True)
class Attempt:
    """One call to one channel: what came of it. Times are ms since 1970; no `first_byte_at`: nothing came.

    `upstream_cost` is what the upstream itself says it costs, in nano-dollars.
    """

    candidate: Candidate
    began_at: int
    status: int | None = None
    upstream_id: str | None = None
    first_byte_at: int | None = None
    error: str | None = None
    upstream_cost: int | None = None

    def facts(self) -> dict[str, Any]:
        """What a receipt says of it."""
        return {
            "channel": self.candidate.channel.name,
            "model": self.candidate.upstream_model,
            "began_at": self.began_at,
            "first_byte_at": self.first_byte_at,
            "status": self.status,
            "upstream_id": self.upstream_id,
            "error": self.error,
            "upstream_cost": self.upstream_cost,
        }


@dataclass(slots=True)
class Outcome:
    """How a request ended; and if it is charged, its usage at a price. No usage: nothing is charged.

    The last of its attempts is the one that answered, if one did. `service_tier` is the one the upstream reported.
    `cost` (nano-dollars) is filled in when the hold is finished.
    """

    ended: Ending
    attempts: Sequence[Attempt] = ()
    usage: Usage | None = None
    price: Price | None = None
    estimated: bool = False
    service_tier: str | None = None
    cost: int = 0


RequestHold = Hold[Outcome, asyncio.Future[Standing]]
HOLD = web.RequestKey[RequestHold]("hold", Hold)


class Books:
    """The one way from a hold to the store and back."""

    def __init__(self, wallet: Wallet, clock: Callable[[], float] = time.time) -> None:
        self.wallet = wallet
        self._clock = clock
        self._writer: Writer | None = None
        self._epoch = 0

    def begin(self, writer: Writer, epoch: int) -> None:
        """The store is open: requests can be admitted."""
        self._writer, self._epoch = writer, epoch

    @property
    def writer(self) -> Writer:
        """The store's writer. Raises Unavailable before it is open."""
        if self._writer is None:
            raise Unavailable("Haze is starting. Try again in a moment.", retry_after_s=1)
        return self._writer

    def open(self, request_id: str, key: Key, ask: Ask, amount: int, claim: Claim | None = None) -> RequestHold:
        """Set `amount` nano-dollars aside and queue the opening row. A `claim` is told how it ends.

        Raises ShortError when they are not there, Unavailable when nothing can be written.
        """
        self.writer.reserve()
        opened = Opened(
            request_id,
            self._epoch,
            key.account_id,
            key.id,
            ask.protocol,
            ask.stream,
            ask.model,
            int(self._clock() * 1000),
            amount,
            None if claim is None else claim.keyed,
        )
        try:
            settle = partial(self._settle, opened, key, claim)
            hold: RequestHold = self.wallet.place(key.account_id, key.id, amount, settle)
        except BaseException:
            self.writer.give_back()
            raise
        if claim is not None:
            claim.held = True
        settle.keywords["opening"] = self.writer.submit(partial(requests.begin, opened=opened), urgent=False)
        return hold

    def _settle(
        self, opened: Opened, key: Key, claim: Claim | None, hold: RequestHold, outcome: Outcome, *, opening: Entry
    ) -> asyncio.Future[Standing]:
        # If the opening row is still waiting, the ending one says all of it.
        opening.cancelled = True
        ended = self._ended(opened, hold, outcome)
        if not ended.cost:
            # Nothing is taken, so nothing has to come back first: whoever was refused may ask again at once.
            hold.release()
        if claim is not None and ended.state == "void":
            claim.ends(charged=False)
        work, then = partial(requests.end, ended=ended), partial(self._committed, key, claim, hold, ended)
        # Nobody waits for a void to be written.
        return self.writer.submit(work, then, urgent=ended.state == "settled").done

    def _ended(self, opened: Opened, hold: RequestHold, outcome: Outcome) -> Ended:
        ended = Ended(opened, "void", outcome.ended.word, int(self._clock() * 1000), hold.amount)
        if outcome.attempts:
            attempt = outcome.attempts[-1]
            ended.attempts = orjson.dumps([each.facts() for each in outcome.attempts]).decode()
            ended.channel, ended.upstream_model = attempt.candidate.channel.name, attempt.candidate.upstream_model
            ended.upstream_id, ended.status = attempt.upstream_id, attempt.status
            ended.first_byte_at, ended.upstream_cost = attempt.first_byte_at, attempt.upstream_cost
        usage, price = outcome.usage, outcome.price
        if usage is None or price is None:
            return ended
        cost = outcome.cost = receipt.cost(usage, price, ended.upstream_cost)
        ended.state, ended.cost, ended.payable, ended.held = "settled", cost, hold.cover(cost), hold.amount
        ended.tokens = TOKENS(usage)
        ended.estimated, ended.price = outcome.estimated, price.facts
        ended.service_tier = outcome.service_tier
        if usage.server_tools:
            ended.server_tools = orjson.dumps(dict(usage.server_tools)).decode()
        return ended

    def _committed(self, key: Key, claim: Claim | None, hold: RequestHold, ended: Ended, result: Any) -> None:
        if claim is not None:
            claim.ends(charged=isinstance(result, Standing))
        if isinstance(result, Standing):
            self.wallet.set_balance(key.account_id, result.balance)
            spent = result.spent
            self.wallet.set_spent(key.id, spent.total, spent.in_period, spent.period_started)
        hold.release()
        if isinstance(result, Unavailable):
            # Whoever waited was told so and pays nothing. The row will say it, and keeps its place until it can.
            unpaid = _unpaid(ended)
            self.writer.later(partial(requests.end, ended=unpaid), partial(self._committed, key, claim, hold, unpaid))
        else:
            self.writer.give_back()


TOKENS = attrgetter("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")


def _unpaid(ended: Ended) -> Ended:
    """What becomes of a charge that could not be written; an end without one stays as it is."""
    if ended.state == "void":
        return ended
    return replace(ended, state="void", ended=endings.NOT_WRITTEN.word, cost=0, payable=0)
