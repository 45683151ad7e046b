"""How one request's price came about: usage x price, rounded once, up, here.

A line's `numerator` is tokens x nano-dollars per million, so a million times the nano-dollars it stands for; only the
sum of the lines is divided. Rounding each line would charge up to one nano-dollar per class too much.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from operator import mul

from haze_proxy.money.prices import CLASSES, INPUT_CLASSES, NANO_PER_USD, Price, exact_nano
from haze_proxy.money.usage import Usage

MILLION = 1_000_000
UPSTREAM_COST = "upstream_cost"

_AMOUNT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a receipt: `tokens` of a class at a rate.

    For "request" and server tools they are calls; for UPSTREAM_COST nano-dollars, and the rate is a markup.
    """

    cls: str
    tokens: int
    nano_per_million: int
    numerator: int


@dataclass(frozen=True, slots=True)
class Charge:
    """What a request costs in nano-dollars, how that came about, and what was remarkable about it."""

    cost: int
    lines: tuple[Line, ...] = ()
    flags: tuple[str, ...] = ()


def cost(usage: Usage, price: Price, upstream_cost: int | None = None) -> int:
    """What `charge` says it costs, in nano-dollars, without the receipt."""
    if price.free or usage.server_tools or price.markup is not None:
        return charge(usage, price, upstream_cost).cost
    effective = price.at(usage.total_input) if price.tiers else price
    read, write_5m, write_1h = usage.cache_read, usage.cache_write_5m, usage.cache_write_1h
    tokens = (usage.input, read, write_5m, write_1h, usage.output)  # in the order of CLASSES
    return _rounded_up(sum(map(mul, tokens, effective.rates))) + effective.request


def saved(usage: Usage, price: Price, upstream_cost: int | None = None) -> int:
    """What caching took off the cost, in nano-dollars: what the same tokens would cost if all input were plain, less
    what they do cost. Below zero where writing to the cache was dearer than reading from it saved.

    0 where the upstream's own cost is the price: nobody knows what it would have been.
    """
    read, write_5m, write_1h = usage.cache_read, usage.cache_write_5m, usage.cache_write_1h
    if not (read or write_5m or write_1h) or price.free or (price.markup is not None and upstream_cost is not None):
        return 0
    # The tier goes by all input, however it is classed; fees are whole nano-dollars and the same in both.
    effective = price.at(usage.total_input) if price.tiers else price
    rates, tokens = effective.rates, (usage.input, read, write_5m, write_1h, usage.output)  # in the order of CLASSES
    plain = usage.total_input * rates[0] + usage.output * rates[-1]
    return _rounded_up(plain) - _rounded_up(sum(map(mul, tokens, rates)))


def charge(usage: Usage, price: Price, upstream_cost: int | None = None) -> Charge:
    """Price a usage. The tier goes by all input tokens; a class without a price is billed at its side's dearest.

    A price with a markup is the upstream's own cost (nano-dollars) times it, where that was reported.
    """
    if price.free:
        return Charge(cost=0)
    if price.markup is not None and upstream_cost is not None:
        line = _line(UPSTREAM_COST, upstream_cost, price.markup)
        return Charge(_rounded_up(line.numerator), (line,), price.flags)
    effective = price.at(usage.total_input)
    used = [(name, tokens) for name in CLASSES if (tokens := getattr(usage, name))]
    rates = [_rate(effective, name) for name, _ in used]
    lines = [_line(name, tokens, rate) for (name, tokens), (rate, _) in zip(used, rates, strict=True)]
    flags = list(price.flags)
    flags += [f"{name} priced as {cls}" for (name, _), (_, cls) in zip(used, rates, strict=True) if cls != name]
    fees = dict(effective.server_tools)
    lines += [_line(name, calls, fees[name] * MILLION) for name, calls in usage.server_tools if name in fees]
    flags += [f"{name} has no price" for name, _ in usage.server_tools if name not in fees and name not in FREE_CALLS]
    if effective.request:
        lines.append(_line("request", 1, effective.request * MILLION))
    return Charge(_rounded_up(sum(line.numerator for line in lines)), tuple(lines), tuple(flags))


# Server tools that cost the tokens they bring in and nothing per call.
FREE_CALLS = frozenset({"web_fetch", "tool_search"})


def most(price: Price, input_tokens: int, output_tokens: int, calls: tuple[tuple[str, int], ...] = ()) -> int:
    """Nano-dollars that no usage of at most this many tokens and server tool calls can exceed: a hold."""
    if price.free:
        return 0
    fees = dict(price.server_tools)
    tools = sum(fees.get(name, 0) * count for name, count in calls)
    tokens = _rounded_up(input_tokens * price.dearest_input + output_tokens * price.dearest_output)
    return tokens + tools + price.request


def affordable_output(price: Price, nano_usd: int, input_tokens: int, calls: tuple[tuple[str, int], ...] = ()) -> int:
    """The most output tokens that `nano_usd` still pays for beside this input and these calls, as `most` counts."""
    left = nano_usd - most(price, input_tokens, 0, calls)
    if left < 0 or not price.dearest_output:
        return 0
    return left * MILLION // price.dearest_output


def _rate(price: Price, name: str) -> tuple[int, str]:
    """The rate of a class, and the class it is priced as: its own, else the dearest known one of its side."""
    rate = price.rates[CLASSES.index(name)]
    if getattr(price, name) is not None:
        return rate, name
    side = sorted(CLASSES, key=lambda each: (each in INPUT_CLASSES) != (name in INPUT_CLASSES))
    return rate, next(each for each in side if getattr(price, each) == rate)


def _line(name: str, tokens: int, rate: int) -> Line:
    return Line(cls=name, tokens=tokens, nano_per_million=rate, numerator=tokens * rate)


def _rounded_up(numerator: int) -> int:
    return -(-numerator // MILLION)


def usd(nano_usd: int) -> str:
    """Nano-dollars as an exact decimal string in USD: 123456 is "0.000123456", 1500000000 is "1.5", 0 is "0"."""
    whole, rest = divmod(abs(nano_usd), NANO_PER_USD)
    digits = f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
    return f"-{digits}" if nano_usd < 0 else digits


def usd_of(numerator: int) -> str:
    """A line's numerator, or a sum of them, as an exact decimal string in USD (up to 15 decimals)."""
    whole, rest = divmod(abs(numerator), NANO_PER_USD * MILLION)
    digits = f"{whole}.{rest:015d}".rstrip("0").rstrip(".")
    return f"-{digits}" if numerator < 0 else digits


def nano(amount: Decimal | str) -> int:
    """USD as whole nano-dollars. ValueError when it is no plain decimal number or has more than 9 decimals."""
    if isinstance(amount, str):
        # Decimal() also reads "1e3", "1_000" and other alphabets' digits: nobody who types those means money.
        if not _AMOUNT.fullmatch(amount.strip()):
            raise ValueError(f"{amount!r} is not an amount of money")
        amount = Decimal(amount.strip())
    return exact_nano(amount)
