"""What is charged for one attempt's answer: which of its provider's numbers can be believed, and at which price."""

from dataclasses import dataclass, replace
from typing import Final

from haze_proxy.api.passage import Passage
from haze_proxy.channels.directory import Directory
from haze_proxy.gate.settlement import Attempt, Outcome
from haze_proxy.gate.terms import Terms
from haze_proxy.money import usage
from haze_proxy.money.endings import Ending
from haze_proxy.money.usage import Usage
from haze_proxy.wire import bill
from haze_proxy.wire.ask import Ask
from haze_proxy.wire.bill import Bill
from haze_proxy.wire.meter import Meter

# How far a provider's numbers may be from the estimate: a server tool can bring in much that was not asked.
SLACK: Final = 4
SLACK_TOKENS: Final = 1_000_000
CALLS_MAX: Final = 1_000
# How many times what is held an upstream's own cost may be, where it is the price.
SLACK_COST: Final = 10
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Reckoning:
    """One attempt's answer; `output_limit` in tokens."""

    ask: Ask
    directory: Directory
    terms: Terms
    passage: Passage
    output_limit: int

    @property
    def meter(self) -> Meter:
        """What reads along with the channel's stream."""
        return self.passage.meter

    def reported(self) -> Usage:
        """What a stream has reported up to now."""
        return usage.read(self.passage.spoken, self.meter.usage)

    def final(self) -> Usage | None:
        """What a stream has reported as its final usage, if it has and that can be believed."""
        reported = self.reported() if self.meter.reported_final else None
        return reported if reported and self.is_credible(reported) else None

    def counted(self) -> Usage:
        """What was reported of the input (else the estimate), and the larger of delivered and reported output."""
        reported = self.reported()
        if not self.is_credible(reported):
            return usage.estimated(self.ask.input_estimate, self.meter.delivered_tokens)
        output = max(self.meter.delivered_tokens, reported.output)
        if not reported.total_input:
            return usage.estimated(self.ask.input_estimate, output)
        return replace(reported, output=output)

    def is_credible(self, used: Usage) -> bool:
        """Whether reported numbers can be those of this answer: missing or all zero they are none, and far beyond what
        was asked they are a provider's mistake, which must not empty an account.
        """
        most_input = SLACK * self.ask.input_estimate + SLACK_TOKENS
        most_output = SLACK * self.output_limit + SLACK_TOKENS
        if sum(calls for _, calls in used.server_tools) > CALLS_MAX:
            return False
        return used.total_input + used.output > 0 and used.total_input <= most_input and used.output <= most_output

    def told(self) -> Bill:
        """What a stream has said of its price up to now."""
        return bill.of_stream(self.meter)

    def outcome(
        self, ended: Ending, attempts: list[Attempt], used: Usage, told: Bill, held: int, *, estimated: bool
    ) -> Outcome:
        """How an answer ended, and its usage at the price of the model and of the modes that it names.

        The last attempt is told what the upstream says it cost, if that can be believed. `held` is nano-dollars.
        """
        price = self.terms.charged(self.directory, told.model, told.modes)
        cost, tier = told.cost, told.modes.get("service_tier")
        if price.markup is not None and cost is not None and cost * price.markup > SLACK_COST * held * MILLION:
            cost = None
        attempts[-1].upstream_cost = cost
        if price.markup is not None and cost is not None:
            # Whatever ran, and whether it was counted or not, is part of it.
            return Outcome(ended, attempts, used, price, estimated, tier)
        counted = self.terms.counted(used, told.usage)
        estimated = estimated or counted is not used or price.markup is not None
        return Outcome(ended, attempts, counted, price, estimated, tier)
