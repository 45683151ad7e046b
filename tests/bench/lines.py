"""The lines that are taken in turns: how each is measured, and the table of them all at the end.

All targets run at once and take turns of a few milliseconds, in a changing order. On a shared machine whole runs
wander by a third; figures of the same round do not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from socket import socket

from . import calls
from .calls import Call
from .driver import Target
from .rows import Row, by_turns, percentile_difference

CHUNKS, CHUNKS_FEW, CHUNK_DELAY_MS, STREAMS = 50, 5, 2, 8
WARM_UP_ROUNDS = 3
ROUNDS_PER_CHUNK_ROUND = 4  # one takes a third of a second, and is itself a mean over hundreds of chunks
ROUNDS_PER_TRANSLATED_ROUND = 10  # one takes a second
LATENCY_REQUESTS_PER_ROUND = 5

Figures = list[dict[str, tuple[float, ...]]]  # for each round: what each target took, by its name
Connections = dict[str, list[socket]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: how it is measured, and the most that each target may take compared to the relay, by target's name.

    `times`: requests on each connection in one turn. `few`: the same stream with fewer chunks.
    `native` and `native_few`: the same where nothing is translated, for lines that compare with that.
    """

    title: str
    measure: Callable[["Line", Sequence[Target], int], list[Row]]
    call: Call
    connections: int
    times: int = 1
    few: Call | None = None
    native: Call | None = None
    native_few: Call | None = None
    limits: Mapping[str, float] = field(default_factory=dict)


def requests(line: Line, targets: Sequence[Target], rounds: int) -> list[Row]:
    """CPU microseconds per request, from bursts on all connections at once."""
    with connected(targets, line.connections) as connections:

        def turn(target: Target) -> tuple[float, ...]:
            return (_per_request(line, target, connections, line.call),)

        return compare(line.title, line.limits, take_turns(targets, turn, rounds))


def chunks(line: Line, targets: Sequence[Target], rounds: int) -> list[Row]:
    """CPU microseconds per relayed chunk: long streams less short ones, then the plain quotient of the long ones."""
    with connected(targets, line.connections) as connections:

        def turn(target: Target) -> tuple[float, ...]:
            return _per_chunk(line, target, connections, line.call, line.few or line.call)

        figures = take_turns(targets, turn, max(1, rounds // ROUNDS_PER_CHUNK_ROUND))
    return [*compare(line.title, line.limits, figures), *compare(f"{line.title}, request included", {}, figures, 1)]


def translated_requests(line: Line, targets: Sequence[Target], rounds: int) -> list[Row]:
    """CPU microseconds per translated request, each target beside itself where it translates nothing."""
    with connected(targets, line.connections) as connections:

        def turn(target: Target) -> tuple[float, ...]:
            both = line.native or line.call, line.call
            return tuple(_per_request(line, target, connections, call) for call in both)

        return beside_native(line, take_turns(targets, turn, max(1, rounds // ROUNDS_PER_TRANSLATED_ROUND)))


def translated_chunks(line: Line, targets: Sequence[Target], rounds: int) -> list[Row]:
    """The same per chunk."""
    native, few = line.native or line.call, line.few or line.call
    both = (native, line.native_few or few), (line.call, few)
    with connected(targets, line.connections) as connections:

        def turn(target: Target) -> tuple[float, ...]:
            return tuple(_per_chunk(line, target, connections, *pair)[0] for pair in both)

        return beside_native(line, take_turns(targets, turn, max(1, rounds // ROUNDS_PER_TRANSLATED_ROUND)))


def beside_native(line: Line, figures: Figures) -> list[Row]:
    """Every target but the first, beside what the same costs it natively."""
    _, *others = figures[0]
    pairs = {name: [(of_round[name][0], of_round[name][1]) for of_round in figures] for name in others}
    return [by_turns(line.title, name, "us", pairs[name], line.limits.get(name)) for name in others]


def _per_request(line: Line, target: Target, connections: Connections, call: Call) -> float:
    return target.burst(call, connections[target.name], line.times) / line.connections / line.times / 1000


def _per_chunk(line: Line, target: Target, connections: Connections, many: Call, few: Call) -> tuple[float, float]:
    """Of long streams less short ones, and the plain quotient of the long ones."""
    long, short = (target.burst(call, connections[target.name], 1) for call in (many, few))
    streams_ns = 1000 * line.connections
    return (long - short) / streams_ns / (many.chunks - few.chunks), long / streams_ns / many.chunks


def latency(line: Line, targets: Sequence[Target], rounds: int) -> list[Row]:
    """Microseconds that a request takes longer than through the relay, one request at a time."""
    with connected(targets, line.connections) as connections:

        def turn(target: Target) -> tuple[float, ...]:
            return (1e6 * target.timed(line.call, connections[target.name][0]),)

        figures = take_turns(targets, turn, rounds * LATENCY_REQUESTS_PER_ROUND)
    relay, *others = figures[0]
    took = {name: [of_round[name][0] for of_round in figures] for name in (relay, *others)}
    return [
        percentile_difference(f"{line.title}, p{percent}", name, "us", took[relay], took[name], percent)
        for name in others
        for percent in (50, 99)
    ]


@contextmanager
def connected(targets: Sequence[Target], count: int) -> Iterator[Connections]:
    """So many keep-alive connections to each target."""
    with ExitStack() as stack:
        yield {target.name: stack.enter_context(target.connections(count)) for target in targets}


def take_turns(targets: Sequence[Target], turn: Callable[[Target], tuple[float, ...]], rounds: int) -> Figures:
    """Let each target have its turn in each round; what the warm-up rounds took is thrown away."""
    figures = []
    for number in range(-min(WARM_UP_ROUNDS, rounds), rounds):
        # Turned on by one place each round: nobody has two turns in a row, which would find its caches warm.
        first = number % len(targets)
        took = {target.name: turn(target) for target in (*targets[first:], *targets[:first])}
        if number >= 0:
            figures.append({target.name: took[target.name] for target in targets})
    return figures


def compare(title: str, limits: Mapping[str, float], figures: Figures, which: int = 0) -> list[Row]:
    """Every target beside the first, by the ratios within each round."""
    relay, *others = figures[0]
    return [
        by_turns(title, name, "us", [(of_round[relay][which], of_round[name][which]) for of_round in figures],
                 limits.get(name))
        for name in others
    ]  # fmt: skip


def _stream_line(title: str, stream: Callable[[int, int], Call]) -> Line:
    many, few = stream(CHUNKS, CHUNK_DELAY_MS), stream(CHUNKS_FEW, CHUNK_DELAY_MS)
    return Line(f"per chunk, {title}", chunks, many, STREAMS, few=few, limits={"haze full": 1.2, "haze normal": 1.2})


def _translated_stream_line(title: str, stream: Callable[[int, int], Call], spoken: str) -> Line:
    many, few = stream(CHUNKS, CHUNK_DELAY_MS), stream(CHUNKS_FEW, CHUNK_DELAY_MS)
    return Line(
        f"per chunk, {title} (relay: native)", translated_chunks, calls.elsewhere(many, spoken), STREAMS,
        few=calls.elsewhere(few, spoken), native=many, native_few=few,
        limits={"haze full": 2.5, "haze normal": 2.5},
    )  # fmt: skip


CHAT_LIMITS = {"haze full": 1.5, "haze normal": 1.4}
LINES = {
    "chat-8": Line("chat 1.5 KB, 8 connections", requests, calls.chat(), 8, 10, limits=CHAT_LIMITS),
    "chat-1": Line("chat 1.5 KB, 1 connection", requests, calls.chat(), 1, 40),
    "chat-64": Line("chat 1.5 KB, 64 connections", requests, calls.chat(), 64, 2),
    "messages-big": Line(
        "messages 150 KB, 8 connections", requests, calls.messages_big(), 8, 4,
        limits={"haze full": 1.7, "haze normal": 1.7},
    ),
    "chunks-chat": _stream_line("chat", calls.chat_stream),
    "chunks-chat-no-usage": _stream_line("chat without include_usage", calls.chat_stream_without_usage),
    "chunks-messages": _stream_line("messages", calls.messages_stream),
    "translated-big": Line(
        "messages 150 KB on a chat channel (relay: native)", translated_requests,
        calls.elsewhere(calls.messages_big(), "chat"), 8, 4, native=calls.messages_big(),
        limits={"haze full": 3, "haze normal": 3},
    ),
    "translated-chunks-messages": _translated_stream_line("messages on a chat channel", calls.messages_stream, "chat"),
    "translated-chunks-chat": _translated_stream_line("chat on a messages channel", calls.chat_stream, "messages"),
    "latency": Line("added latency, chat 1.5 KB, 1 connection", latency, calls.chat(), 1),
}  # fmt: skip


def all_calls() -> list[Call]:
    """Every request any line sends, the held streams included: what a gateway must have models for."""
    sent = ((line.call, line.few, line.native, line.native_few) for line in LINES.values())
    return [*(call for of_line in sent for call in of_line if call), calls.held_stream()]
