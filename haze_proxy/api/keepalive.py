"""One ticker for the process: a stream that has been silent for a while gets its protocol's sign of life.

Clients and proxies on the way close lines that say nothing for some minutes (Claude Code after 300 s), and ask again.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from aiohttp import web

from haze_proxy.api.journey import Journey
from haze_proxy.wire.keepalive import KEEPALIVE

SILENCE_S: Final = 15
TICK_S: Final = 1


class KeepAlives:
    """The streams that are open now. Whoever writes to one tells its journey when he did."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[Journey, web.StreamResponse] = {}

    @contextmanager
    def on(self, journey: Journey, response: web.StreamResponse) -> Iterator[None]:
        """Watch over a stream whose answer has begun."""
        self._open[journey] = response
        try:
            yield
        finally:
            del self._open[journey]

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)  # one ticker for all streams: a timer for each would be a task for each
            await self.tick()

    async def tick(self) -> None:
        """Write to each stream that is silent and stands between two events."""
        now = self._clock()
        for journey, response in tuple(self._open.items()):
            if now - journey.wrote_at >= SILENCE_S and journey in self._open and _may_write(journey):
                journey.wrote_at = now
                with suppress(ConnectionError):  # its own task hears of it, too
                    await response.write(KEEPALIVE[journey.wants])


def _may_write(journey: Journey) -> bool:
    """Whether nothing is half written, and nobody waits for a slow client: a write to him would hold the ticker up."""
    transport = journey.request.transport
    if transport is None or journey.meter.state != "open" or not journey.passage.stream.between_events:
        return False
    return not transport.is_closing() and transport.get_write_buffer_size() == 0


KEEPALIVES = web.AppKey("keepalives", KeepAlives)
