"""A charge's lines as people read them: exact decimals in USD that add up to the cost, the rounding included."""

from dataclasses import dataclass
from typing import Final

from haze_proxy.money.receipt import MILLION, UPSTREAM_COST, Charge, Line, usd, usd_of
from haze_proxy.money.usage import Usage

PER_MILLION: Final = "USD per million tokens"
PER_CALL: Final = "USD per call"
TIMES_COST: Final = "times the provider's own cost in USD"
# What is left between the lines and the cost: rounded up is only their sum, and some old rows keep half a price.
ROUNDING, NOT_EXPLAINED = "rounding", "not explained"


@dataclass(frozen=True, slots=True)
class Shown:
    """A line. `count` is tokens, calls, or as text the provider's own cost in USD; a rest has none, nor a price.

    `price` and `amount` are decimals in USD.
    """

    cls: str
    count: int | str | None
    price: str | None
    unit: str | None
    amount: str


def shown(charge: Charge, unexplained: int = 0) -> list[Shown]:
    """Every line of a charge, and what is left to its cost and `unexplained` (nano-dollars)."""
    exact = sum(line.numerator for line in charge.lines)
    rests = {ROUNDING: charge.cost * MILLION - exact, NOT_EXPLAINED: unexplained * MILLION}
    return [
        *map(_line, charge.lines),
        *(Shown(name, None, None, None, usd_of(numerator)) for name, numerator in rests.items() if numerator),
    ]


def _line(line: Line) -> Shown:
    amount = usd_of(line.numerator)
    if line.cls == UPSTREAM_COST:
        return Shown(line.cls, usd(line.tokens), usd_of(line.nano_per_million * 10**9), TIMES_COST, amount)
    if line.cls in Usage.__dataclass_fields__:
        return Shown(line.cls, line.tokens, usd(line.nano_per_million), PER_MILLION, amount)
    return Shown(line.cls, line.tokens, usd_of(line.nano_per_million), PER_CALL, amount)
