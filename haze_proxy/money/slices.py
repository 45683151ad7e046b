"""A stream's hold grows slice by slice, ahead of what the answer has become.

A coding agent allows 32,000 to 128,000 output tokens and uses a few hundred: holding all of it would refuse customers
who can pay. What was delivered is counted; because reasoning can be invisible, time counts as well.
"""

import math
import sys
from dataclasses import dataclass
from typing import Any, Final

from haze_proxy.money.prices import Price
from haze_proxy.money.wallet import Hold

TOKENS_PER_SECOND: Final = 200
MILLION: Final = 1_000_000


@dataclass(slots=True)
class Slices:
    """`held_tokens` of output are paid for by the hold; it never grows beyond `limit_tokens`."""

    hold: Hold[Any, Any]
    slice_tokens: int
    limit_tokens: int
    nano_per_million: int
    held_tokens: int

    @classmethod
    def of(cls, hold: Hold[Any, Any], price: Price, slice_tokens: int, limit_tokens: int) -> "Slices":
        """The first slice is in the hold already."""
        held = min(slice_tokens, limit_tokens)
        return cls(hold, slice_tokens, limit_tokens, price.dearest_output, held)

    def reach(self, delivered_tokens: int, seconds: float) -> bool:
        """Keep a slice ahead of the answer. False once the answer has used up what the account could pay for."""
        reached = max(delivered_tokens, int(seconds * TOKENS_PER_SECOND))
        while self.held_tokens < min(reached + self.slice_tokens, self.limit_tokens):
            more = min(self.slice_tokens, self.limit_tokens - self.held_tokens)
            if not self.hold.extend(-(-more * self.nano_per_million // MILLION)):
                return reached < self.held_tokens
            self.held_tokens += more
        return True

    def enough(self) -> tuple[int, float]:
        """Up to how many delivered tokens, and how many seconds, nothing need be asked of `reach`."""
        if self.held_tokens >= self.limit_tokens:
            return sys.maxsize, math.inf
        tokens = self.held_tokens - self.slice_tokens
        return tokens, tokens / TOKENS_PER_SECOND
