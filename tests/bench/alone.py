"""What is measured with the machine to itself: start-up time and memory, what settlement costs, and how stores grow."""

import contextlib
from collections.abc import Callable, Sequence

from . import calls
from .growth import growth
from .processes import resident_mb, wait_idle
from .rows import Row, by_difference, by_turns
from .servers import Server
from .settlement import settlement

STARTS = 5
HELD_STREAMS = 1000
WARM_UP_TIMES = 100
HELD_LIMIT_MB = 40


def start_up(servers: Sequence[Server]) -> list[Row]:
    """Milliseconds from exec to the first 200 on GET /v1/models, each server in turn."""
    took: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(STARTS):
        for server in servers:
            with server.running():
                took[server.name].append(1000 * server.started_in_s)
    relay, *others = took
    return [by_turns("start-up", name, "ms", list(zip(took[relay], took[name], strict=True)), None) for name in others]


def memory(servers: Sequence[Server]) -> list[Row]:
    """Resident MB after a warm-up, and with 1,000 streams open that each had one chunk."""
    relay, *others = servers
    relay_warm, relay_held = _resident(relay)
    rows = []
    for server in others:
        warm, held = _resident(server)
        rows += [
            by_difference("RSS, warm", server.name, "MB", relay_warm, warm),
            by_difference(f"RSS, {HELD_STREAMS} streams", server.name, "MB", relay_held, held, HELD_LIMIT_MB),
        ]
    return rows


def _resident(server: Server) -> tuple[float, float]:
    with server.running() as target, contextlib.ExitStack() as held:
        with target.connections(8) as connections:
            target.burst(calls.chat(), connections, WARM_UP_TIMES)
        warm = resident_mb(target.pid)
        for _ in range(HELD_STREAMS):
            held.enter_context(target.hold(calls.held_stream()))
        wait_idle(target.pid)
        with_streams = resident_mb(target.pid)
        held.close()
        wait_idle(target.pid)  # it must write down a thousand clients that left before it is told to stop
        return warm, with_streams


ALONE: dict[str, Callable[[Sequence[Server]], list[Row]]] = {
    "start-up": start_up,
    "memory": memory,
    "settlement": settlement,
    "rows": growth,
}
