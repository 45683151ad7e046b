"""One request on its way: what the gate admitted, what is known of the attempt so far, and each way it can end.

Every ending is one synchronous `hold.finish`; whoever must not go on before the charge is committed awaits its result.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

from haze_proxy.api.fit import fitted, lacks_usage
from haze_proxy.channels import faults, headers
from haze_proxy.channels.client import Answer
from haze_proxy.channels.directory import Candidate, Channel
from haze_proxy.context import DIRECTORY, REQUEST_ID
from haze_proxy.errors import HazeError, UpstreamFailed
from haze_proxy.gate import rate_limit
from haze_proxy.gate.balance import limit_of
from haze_proxy.gate.body import let_go
from haze_proxy.gate.connection import HttpConnection
from haze_proxy.gate.settlement import HOLD, Attempt, Outcome
from haze_proxy.money import estimate, usage
from haze_proxy.money.prices import Price
from haze_proxy.money.slices import Slices
from haze_proxy.money.usage import Usage
from haze_proxy.store.requests import Standing
from haze_proxy.wire.ask import Ask
from haze_proxy.wire.meter import BYTES_PER_TOKEN, Meter, text_tokens

NANOSECONDS_PER_MS: Final = 1_000_000
# How far a provider's numbers may be from the estimate: a server tool can bring in much that was not asked.
SLACK: Final = 4
SLACK_TOKENS: Final = 1_000_000


class Journey:
    """An admitted request and its one attempt. Money: nano-dollars; times: ms since 1970, or monotonic seconds."""

    def __init__(self, request: web.Request, ask: Ask, candidate: Candidate) -> None:
        self.request = request
        self.ask = ask
        self.candidate = candidate
        self.hides_usage = lacks_usage(ask)
        self.body = fitted(ask, candidate)
        self.answer_headers: Mapping[str, str] = {}
        self._hold = request[HOLD]
        self._directory = request.app[DIRECTORY].value
        self._started = time.monotonic()
        # Under another server than ours, a caller who left is noticed by the next write to him.
        self._connection = request.protocol if isinstance(request.protocol, HttpConnection) else None
        self._output_limit = limit_of(ask, candidate)
        self._status: int | None = None
        self._upstream_id: str | None = None
        self._first_byte_at: int | None = None
        self.meter = Meter(
            ask.protocol, hide_usage=self.hides_usage, answers=estimate.answers(ask.parsed, ask.protocol)
        )
        self._slices: Slices | None = None
        self._enough_bytes, self._enough_s = 0, 0.0

    @property
    def request_id(self) -> str:
        """The receipt's id."""
        return self.request[REQUEST_ID]

    @contextmanager
    def cancelled_when_left(self) -> Iterator[None]:
        """Inside, the task is cancelled when the caller goes away, and its upstream with it."""
        connection = self._connection
        if connection is not None:
            connection.cancel_when_left(asyncio.current_task())
        try:
            yield
        finally:
            if connection is not None:
                connection.cancel_when_left(None)

    @property
    def caller_is_gone(self) -> bool:
        """Whether the caller's connection is lost, or closed by him."""
        transport = self.request.transport
        lost = self._connection is not None and self._connection.lost
        return lost or transport is None or transport.is_closing()

    @property
    def is_over(self) -> bool:
        """Whether one of the endings has been written."""
        return self._hold.result is not None

    def seen(self, answer: Answer) -> None:
        """The upstream's headers are here."""
        self._status = answer.status
        self._upstream_id = headers.request_id(answer.headers)
        self.answer_headers = answer.headers

    def failed(self, error: HazeError) -> None:
        """The attempt ended before its first event: nothing is charged."""
        ended = "refused upstream" if isinstance(error, faults.PassedOn) else "failed upstream"
        self._nothing(ended)

    def answering(self) -> None:
        """The first event is here: from now on the hold grows with the answer."""
        self._first_byte_at = time.time_ns() // NANOSECONDS_PER_MS
        slice_tokens = self._directory.config.billing.output_slice_tokens
        self._slices = Slices.of(self._hold, self._price(), slice_tokens, self._output_limit)
        # A stream lasts for minutes, and nobody reads its request again.
        let_go(self.request)
        self.body = b""

    def delivered(self) -> None:
        """Keep the hold ahead of the answer. Every chunk asks, so first whether there is anything to do."""
        seconds = time.monotonic() - self._started
        if self.meter.delivered_bytes <= self._enough_bytes and seconds <= self._enough_s:
            return
        assert self._slices is not None  # noqa: S101 - set by answering()
        # What cannot be paid for becomes a shortfall of the house at the end.
        self._slices.reach(self.meter.delivered_tokens, seconds)
        tokens, self._enough_s = self._slices.enough()
        self._enough_bytes = tokens * BYTES_PER_TOKEN

    async def settle_whole(self, body: bytes) -> None:
        """Charge an answer that was not streamed, and wait until it is committed.

        Raises UpstreamFailed when it is not an answer at all (nothing is charged), Unavailable when nothing could be
        written.
        """
        try:
            parsed = _answer(self.candidate.channel, self.ask.protocol, body)
        except HazeError as error:
            self.failed(error)
            raise
        self._upstream_id = self._upstream_id or _text(parsed.get("id"))
        self._first_byte_at = time.time_ns() // NANOSECONDS_PER_MS
        reported = parsed.get("usage")
        used = usage.read(self.ask.protocol, reported)
        estimated = not self._credible(used)
        if estimated:
            used = usage.estimated(self.ask.input_estimate, text_tokens(self.ask.protocol, body))
        await self._settle("completed", used, _text(parsed.get("model")), estimated=estimated)

    async def settle_stream(self) -> None:
        """Charge a stream that came to its end, or to the upstream's own error, and wait until it is committed."""
        meter = self.meter
        used = usage.read(self.ask.protocol, meter.usage)
        if meter.state == "error":
            await self.break_off("upstream error")
        elif meter.state == "complete" and not (meter.end_reason or meter.delivered_bytes or meter.usage):
            self._nothing("empty answer")
        elif meter.reported_final and self._credible(used):
            await self._settle("completed", used, meter.model)
        else:
            await self._settle("completed", self._counted(), meter.model, estimated=True)

    async def break_off(self, ended: str = "upstream broke off") -> None:
        """The upstream failed in mid-stream: charged only what it had reported as final."""
        if not self.is_over and self.meter.reported_final:
            await self._settle(ended, usage.read(self.ask.protocol, self.meter.usage), self.meter.model)
        else:
            self._nothing(ended)

    def stopped(self) -> None:
        """The server stops before the end: charged only what the upstream had reported as final. Synchronous."""
        if self.is_over:
            return
        if self.meter.reported_final:
            used = usage.read(self.ask.protocol, self.meter.usage)
            self._finish(Outcome("server stopped", self._attempt(), used, self._price(self.meter.model)))
        else:
            self._nothing("server stopped")

    def left(self) -> None:
        """The caller left, or cannot be written to. Synchronous: nobody waits for this any more."""
        if self.is_over:
            return
        if self._status is None or self._status >= HTTPStatus.BAD_REQUEST:
            self._nothing("client left before the answer")
            return
        self._finish(Outcome("client left", self._attempt(), self._counted(), self._price(self.meter.model), True))

    def _counted(self) -> Usage:
        """What was reported of the input (else the estimate), and the larger of delivered and reported output."""
        reported = usage.read(self.ask.protocol, self.meter.usage)
        if not self._credible(reported):
            return usage.estimated(self.ask.input_estimate, self.meter.delivered_tokens)
        output = max(self.meter.delivered_tokens, reported.output)
        if not reported.total_input:
            return usage.estimated(self.ask.input_estimate, output)
        return replace(reported, output=output)

    def _credible(self, used: Usage) -> bool:
        """Whether reported numbers can be those of this answer: missing or all zero they are none, and far beyond what
        was asked they are a provider's mistake, which must not empty an account.
        """
        most_input = SLACK * self.ask.input_estimate + SLACK_TOKENS
        most_output = SLACK * self._output_limit + SLACK_TOKENS
        return used.total_input + used.output > 0 and used.total_input <= most_input and used.output <= most_output

    def _nothing(self, ended: str) -> None:
        self._hold.finish(Outcome(ended, self._attempt()))
        rate_limit.correct(self.request, 0)

    async def _settle(self, ended: str, used: Usage, model: str | None, *, estimated: bool = False) -> None:
        await self._finish(Outcome(ended, self._attempt(), used, self._price(model), estimated))

    def _finish(self, outcome: Outcome) -> asyncio.Future[Standing]:
        if outcome.usage is not None:
            rate_limit.correct(self.request, outcome.usage.total_input + outcome.usage.output)
        return self._hold.finish(outcome)

    def _price(self, named: str | None = None) -> Price:
        """What the answer costs: by the model it names, where that one has a price of its own."""
        price = self.candidate.price
        assert price is not None  # noqa: S101 - candidates are those with a price
        if named is None or named in (self.candidate.upstream_model, self.ask.model):
            return price
        return self._directory.price_of_answer(self.candidate, named) or price

    def _attempt(self) -> Attempt:
        upstream_id = self._upstream_id or self.meter.upstream_id
        return Attempt(self.candidate, self._status, upstream_id, self._first_byte_at)


# Where a protocol's answers have what was asked for.
CONTENT: Final = {"chat": "choices", "messages": "content"}


def _answer(channel: Channel, protocol: str, body: bytes) -> dict[str, Any]:
    """A whole answer as JSON. Raises what its error means, if it is one: OpenRouter sends some with status 200."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UpstreamFailed(
            f"The provider behind channel {channel.name} sent an answer that cannot be read."
        ) from error
    if not isinstance(parsed, dict):
        raise UpstreamFailed(f"The provider behind channel {channel.name} sent an answer that cannot be read.")
    if not parsed.get(CONTENT[protocol]):
        if parsed.get("error"):
            raise faults.judge_event(channel, faults.error_object(body) or {})
        if not parsed.get("usage"):
            raise UpstreamFailed(f"The provider behind channel {channel.name} sent an answer that answers nothing.")
    return parsed


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
