"""One request on its way: what the gate admitted, what is known of its attempts so far, and each way it can end.

Every ending is one synchronous `hold.finish`; whoever must not go on before the charge is committed awaits its result.
"""

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from haze_proxy.api.passage import Passage, passage
from haze_proxy.api.reckoning import Reckoning
from haze_proxy.api.transform import transform_for
from haze_proxy.channels import faults, headers
from haze_proxy.channels.client import Answer
from haze_proxy.channels.directory import Candidate
from haze_proxy.channels.record import Flight
from haze_proxy.context import CALLER, CANDIDATES, CLOCK, DIRECTORY, ENDPOINT, HEALTH, RECORDS, REQUEST_ID, InFlight
from haze_proxy.errors import HazeError, UpstreamFailed
from haze_proxy.gate import rate_limit
from haze_proxy.gate.balance import TERMS
from haze_proxy.gate.body import let_go
from haze_proxy.gate.connection import HttpConnection
from haze_proxy.gate.settlement import HOLD, Attempt, Outcome
from haze_proxy.gate.terms import Terms
from haze_proxy.money import endings, usage
from haze_proxy.money.endings import Ending
from haze_proxy.money.slices import Slices
from haze_proxy.money.usage import Usage
from haze_proxy.store.requests import Standing
from haze_proxy.wire import bill
from haze_proxy.wire.ask import Ask
from haze_proxy.wire.bill import Bill
from haze_proxy.wire.meter import BYTES_PER_TOKEN, Meter, text_tokens

NANOSECONDS_PER_MS: Final = 1_000_000
# An upstream that breaks off because a reader let it wait so long is not to blame; so soon after it is taken for that.
BLOCKED_S: Final = 10


class Journey:
    """An admitted request and its attempts. Money: nano-dollars; times: ms since 1970, or monotonic seconds."""

    # Set by turn_to, for the attempt that is under way.
    candidate: Candidate
    terms: Terms
    passage: Passage
    meter: Meter
    _reckoning: Reckoning

    def __init__(self, request: web.Request, ask: Ask) -> None:
        self.request = request
        self.ask = ask
        self.candidates = request[CANDIDATES]
        self.transform = transform_for(ask)
        # Cursor writes one protocol and reads another; everybody else reads what he writes.
        self.wants = request[ENDPOINT].protocol
        self.attempts: list[Attempt] = []
        self._answer_headers: Mapping[str, str] = {}
        self._hold = request[HOLD]
        self._health = request.app[HEALTH]
        self._records = request.app[RECORDS]
        self._flight: Flight | None = None
        self._directory = request.app[DIRECTORY].value
        self._clock = request.app[CLOCK]
        self._started = self._clock()
        # When the stream was last written to.
        self.wrote_at = self._read_at = self._started
        # When the caller last read on after he had let a write wait for long.
        self._unblocked_at: float | None = None
        # Under another server than ours, a caller who left is noticed by the next write to him.
        self._connection = request.protocol if isinstance(request.protocol, HttpConnection) else None
        self._began = 0.0
        self._output_limit = 0
        self._slices: Slices | None = None
        self._enough_bytes, self._enough_s = 0, 0.0

    @property
    def request_id(self) -> str:
        """The receipt's id."""
        return self.request[REQUEST_ID]

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

    def in_flight(self) -> InFlight:
        """How it stands now, for an administrator who looks at what runs."""
        last = self.attempts[-1] if self.attempts else None
        return InFlight(
            id=self.request_id,
            key=self.request[CALLER],
            protocol=self.wants,
            model=self.ask.model,
            channel=last.candidate.channel.name if last else "",
            tries=len(self.attempts),
            has_begun=last is not None and last.first_byte_at is not None,
            seconds=self._clock() - self._started,
            held=self._hold.amount,
        )

    # ---- attempts ----

    def turn_to(self, candidate: Candidate) -> None:
        """The next attempt goes to this candidate. Raises BadRequest where it cannot be asked this at all."""
        self.candidate = candidate
        self.terms = next(each for each in self.request[TERMS] if each.candidates[0] is candidate)
        self._answer_headers = {}
        self._began = self._clock()
        self._output_limit = self.terms.output_limit(self.ask)
        self.attempts.append(Attempt(candidate, _now_ms()))
        self.passage = passage(self.ask, self.terms, self.wants, self.request_id)
        self.meter = self.passage.meter
        self._reckoning = Reckoning(self.ask, self._directory, self.terms, self.passage, self._output_limit)
        self._flight = self._records.begin(candidate.channel.name, candidate.upstream_model, self._began)

    def is_worth_asking(self, candidate: Candidate) -> bool:
        """Whether a candidate may still be asked: others may have found out meanwhile that it must not."""
        return not self.attempts or not self._health.is_barred(candidate)

    def seen(self, answer: Answer) -> None:
        """The upstream's headers are here."""
        self._attempt.status = answer.status
        self._attempt.upstream_id = headers.request_id(answer.headers)
        self._answer_headers = answer.headers

    def attempt_failed(self, error: HazeError) -> None:
        """The attempt came to nothing before anything was told to the caller."""
        self._blame(error)
        self.close()

    def failed(self, error: HazeError) -> None:
        """No attempt succeeded: nothing is charged."""
        self._nothing(endings.REFUSED_UPSTREAM if isinstance(error, faults.PassedOn) else endings.FAILED_UPSTREAM)

    def answering(self) -> None:
        """Something can be told to the caller. A stream's hold grows with the answer from now on."""
        self._attempt.first_byte_at = _now_ms()
        if self._flight is not None:
            self._flight.answers(self._clock())
        # Nobody is asked again, so nobody reads the request again.
        let_go(self.request)
        self.passage.body = b""
        if self.ask.stream:
            slice_tokens = self._directory.config.billing.output_slice_tokens
            self._slices = Slices.of(self._hold, self.terms.dearest_output, slice_tokens, self._output_limit)

    def received(self) -> None:
        """A chunk has come; now it is written."""
        self._read_at = self._clock()

    def delivered(self, passed: bytes) -> bool:
        """A chunk was dealt with, and `passed` was written: keep the hold ahead. False once the account cannot pay for
        what comes next.

        Every chunk asks, so first whether there is anything to do.
        """
        now = self._clock()
        if passed:
            self.wrote_at = now
        if now - self._read_at > BLOCKED_S:
            self._unblocked_at = now
        seconds = now - self._started
        if self.meter.delivered_bytes <= self._enough_bytes and seconds <= self._enough_s:
            return True
        assert self._slices is not None  # noqa: S101 - set by answering()
        is_paid = self._slices.reach(self.meter.delivered_tokens, seconds)
        tokens, self._enough_s = self._slices.enough()
        self._enough_bytes = tokens * BYTES_PER_TOKEN
        return is_paid

    def close(self) -> None:
        """The attempt that is under way, if one is, is over for its channel."""
        if self._flight is not None:
            self._flight.end()
            self._flight = None

    # ---- endings ----

    async def settle_whole(self, body: bytes, parsed: dict[str, Any]) -> int:
        """Charge an answer that was not streamed, and wait until it is committed. Returns nano-dollars.

        Raises Unavailable when nothing could be written.
        """
        self._attempt.upstream_id = self._attempt.upstream_id or _text(parsed.get("id"))
        spoken = self.passage.spoken
        told = bill.of_whole(spoken, body, parsed)
        used = usage.read(spoken, told.usage)
        estimated = not self._reckoning.is_credible(used)
        if estimated:
            used = usage.estimated(self.ask.input_estimate, text_tokens(spoken, body))
        self._health.worked(self.candidate, began=self._began)
        outcome = self._outcome(endings.COMPLETED, used, told, estimated=estimated)
        await self._finish(outcome)
        return outcome.cost

    async def settle_stream(self) -> None:
        """Charge a stream that came to its end, or to the upstream's own error, and wait until it is committed."""
        meter = self.meter
        used = self._reckoning.reported()
        if meter.state == "error":
            self._blame(faults.judge_event(self.candidate.channel, meter.error or {}, None))
            await self.break_off(endings.UPSTREAM_ERROR)
            return
        self._health.worked(self.candidate, began=self._began)
        if meter.state == "complete" and not (meter.end_reason or meter.delivered_bytes or meter.usage):
            self._nothing(endings.EMPTY_ANSWER)
        elif meter.reported_final and self._reckoning.is_credible(used):
            await self._finish(self._outcome(endings.COMPLETED, used))
        else:
            await self._finish(self._outcome(endings.COMPLETED, self._reckoning.counted(), estimated=True))

    async def run_out(self) -> bytes:
        """The balance is used up in mid-stream: what was delivered is charged, and the channel is not to blame.

        Returns the events that end the stream properly, once that is committed. Raises Unavailable when it cannot be.
        """
        used = self._reckoning.counted()
        ending = self.passage.cut(used)
        await self._finish(self._outcome(endings.BALANCE_RAN_OUT, used, estimated=True))
        return ending

    async def broken(self, error: HazeError) -> None:
        """The stream cannot go on: charged is what was reported as final. The channel is blamed for its own fault.

        Not where it gave up because the caller would not read.
        """
        if self._unblocked_at is not None and self._clock() - self._unblocked_at <= BLOCKED_S:
            self.left()
            return
        if isinstance(error, UpstreamFailed):
            self._blame(error)
        await self.break_off()

    async def break_off(self, ended: Ending = endings.BROKE_OFF) -> None:
        """The upstream failed in mid-stream: charged only what it had reported as final."""
        if not self.is_over and (used := self._reckoning.final()):
            await self._finish(self._outcome(ended, used))
        else:
            self._nothing(ended)

    def stopped(self) -> None:
        """The server stops before the end: charged only what the upstream had reported as final. Synchronous."""
        if self.is_over:
            return
        if self._attempted and (used := self._reckoning.final()):
            self._finish(self._outcome(endings.SERVER_STOPPED, used))
        else:
            self._nothing(endings.SERVER_STOPPED)

    def left(self) -> None:
        """The caller left, or cannot be written to. Synchronous: nobody waits for this any more."""
        if self.is_over:
            return
        if not self._attempted or (self._attempt.status or 0) >= HTTPStatus.BAD_REQUEST:
            self._nothing(endings.LEFT_BEFORE)
            return
        self._finish(self._outcome(endings.CLIENT_LEFT, self._reckoning.counted(), estimated=True))

    def _blame(self, error: HazeError) -> None:
        """Write the attempt's failure down, and remember it of the channel if it is its fault."""
        self._attempt.error = f"{error.status} {error.anthropic_type}"
        own_wait_s = headers.retry_after_s(self._answer_headers)
        self._health.failed(self.candidate, error, began=self._began, own_wait_s=own_wait_s)
        if self._flight is not None and faults.blames_the_channel(error):
            self._flight.failed = faults.for_owner(error)

    def _nothing(self, ended: Ending) -> None:
        if self._attempted:
            self._attempt.upstream_cost = self._reckoning.told().cost
        self._hold.finish(Outcome(ended, self.attempts))
        rate_limit.correct(self.request, 0)

    def _outcome(self, ended: Ending, used: Usage, told: Bill | None = None, *, estimated: bool = False) -> Outcome:
        reckoning, held = self._reckoning, self._hold.amount
        return reckoning.outcome(ended, self.attempts, used, told or reckoning.told(), held, estimated=estimated)

    def _finish(self, outcome: Outcome) -> asyncio.Future[Standing]:
        self._attempt.upstream_id = self._attempt.upstream_id or self.meter.upstream_id
        if outcome.usage is not None:
            rate_limit.correct(self.request, outcome.usage.total_input + outcome.usage.output)
        return self._hold.finish(outcome)

    @property
    def _attempt(self) -> Attempt:
        return self.attempts[-1]

    @property
    def _attempted(self) -> bool:
        """Whether the last attempt's upstream has answered at all."""
        return bool(self.attempts) and self._attempt.status is not None


def _now_ms() -> int:
    return time.time_ns() // NANOSECONDS_PER_MS


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
