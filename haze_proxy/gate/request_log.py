"""What was refused, and why? Counted in memory by key and reason; one row a minute, no log line for a request.

What was admitted and failed is no refusal: it has a row of its own.
"""

import asyncio
from collections import Counter
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from haze_proxy.context import CALLER
from haze_proxy.errors import HazeError
from haze_proxy.gate import witness
from haze_proxy.gate.settlement import HOLD


class Refusals:
    """Counts by (key id, reason). As large as there are keys and reasons, however many requests are refused."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[int, str]] = Counter()

    def take(self) -> Counter[tuple[int, str]]:
        """What was counted since the last time."""
        counts, self.counts = self.counts, Counter()
        return counts


REFUSALS = web.AppKey("refusals", Refusals)
# As nginx writes it down: no answer was given, because nobody waited for it.
LEFT: Final = 499


def request_log(refusals: Refusals) -> Middleware:
    """A gate that counts what the others refuse, and notes how each request with a key ended."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except HazeError as error:
            if HOLD not in request:
                caller = request.get(CALLER)
                refusals.counts[caller.id if caller else 0, f"{error.status} {error.anthropic_type}"] += 1
            witness.answered(request, error.status, error)
            raise
        except (asyncio.CancelledError, ConnectionError):
            witness.answered(request, LEFT)
            raise
        witness.answered(request, response.status)
        return response

    return gate
