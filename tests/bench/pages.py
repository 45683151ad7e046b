"""How long each page takes when the store holds a million requests, by turns with a store of ten.

Looks at every GET page of the page table, at what its "More" links lead to, and at the queries in visits.py. Figures
are not assertions: a page over the limit prints MISS and the exit code stays 0. A page that is not there, or whose
address has a parameter without an example, ends the run with exit code 1.

    python -m tests.bench.pages [--requests 1000000] [--rounds 40] [--only /dashboard] [--json FILE]
"""

import argparse
import dataclasses
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import crowd, servers, visits
from .driver import WrongAnswer
from .haze import CommandFailed
from .processes import LOAD_CORE, NeverReady, pinned, quiet_cpu_ns
from .servers import Server
from .visits import CSV, Browser, Seen, UnknownPageError, UnknownParameterError

REQUESTS, REQUESTS_FEW = 1_000_000, 10
ROUNDS = 40
SECONDS_MAX, TURNS_MIN = 4.0, 3  # a slow page has fewer rounds
FILE_SECONDS_MAX = 8.0
MORE_TIMES = 20
OPEN_NOW = 5
LIMIT_MS = 50.0
GROWTH_MAX = 3.0
NO_UPSTREAM = 1  # nobody asks for an answer here
OK, SEE_OTHER = 200, 303
HEAD = ["page", "p50 ms", "p95 ms", "CPU ms", "KB", "p50, few rows", "grows", "rows/s", "limit", ""]


@dataclass(frozen=True, slots=True)
class Line:
    """One page's figures on the large store: ms, KB (1000 bytes), and how often it takes as long as on the small one.

    What is measured of a file is its beginning, and `rows_per_second`.
    """

    page: str
    p50: float
    p95: float
    cpu: float
    kilobytes: float
    p50_few: float
    rows_per_second: float = 0.0

    @property
    def growth(self) -> float:
        """How many times as long as with few rows."""
        return self.p50 / self.p50_few

    @property
    def verdict(self) -> str:
        """MISS over the limit; what is within it, but grows, is told apart."""
        if self.p50 > LIMIT_MS:
            return "MISS"
        return "ok, grows" if self.growth > GROWTH_MAX else "ok"


@dataclass(frozen=True, slots=True)
class House:
    """A store's running server, and who looks at its pages. `examples` stand for parameters."""

    pid: int
    me: Browser
    stranger: Browser
    examples: dict[str, str]

    def visit(self, page: str) -> "Visit":
        """How to look at a page: as a stranger where who is logged in is sent away. WrongAnswer if it is not 200."""
        place = visits.address(page, self.examples)
        browser = self.stranger if self.me.begin(place).status == SEE_OTHER else self.me
        seen = browser.begin(place)
        if seen.status != OK:
            raise WrongAnswer(f"GET {place}: status {seen.status}: {browser.get(place).body[-1500:].decode()}")
        return Visit(browser, place, seen.kind == CSV)


@dataclass(frozen=True, slots=True)
class Visit:
    """An address, and the browser that looks at it. `is_file`: at its beginning."""

    browser: Browser
    place: str
    is_file: bool

    def look(self) -> Seen:
        """Once."""
        return self.browser.begin(self.place) if self.is_file else self.browser.get(self.place)

    def further(self, times: int) -> list["Visit"]:
        """The places that the links "More" lead to, at most so many."""
        links = () if self.is_file else visits.followed(self.browser, self.place, times)
        return [dataclasses.replace(self, place=place) for place in links]


def main() -> None:
    """Parse the options, measure, print."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that no server outlives this process
    with tempfile.TemporaryDirectory(prefix="haze-bench-") as folder, pinned(LOAD_CORE):
        try:
            lines = run(Path(folder), options.requests, options.rounds, options.only)
        except (WrongAnswer, CommandFailed, NeverReady, UnknownPageError, UnknownParameterError) as fault:
            sys.exit(f"FAILED: {fault}")
    print(markdown(lines))
    if options.json:
        figures = [{**dataclasses.asdict(line), "verdict": line.verdict} for line in lines]
        options.json.write_text(json.dumps(figures, indent=1))


def run(folder: Path, requests: int, rounds: int, only: str = "") -> list[Line]:
    """Make the two stores, check the books of both, and look at all pages whose address begins with `only`."""
    wanted = _wanted(only)
    stores = [_store(folder, count) for count in (REQUESTS_FEW, requests)]
    with ExitStack() as stack:
        few, many = (stack.enter_context(_house(server)) for server in stores)
        return [line for page in wanted for line in _lines(page, few, many, rounds)]


def _wanted(only: str) -> list[str]:
    """The pages and queries. UnknownPageError and UnknownParameterError before any store is made."""
    wanted = [page for page in (*visits.pages(), *visits.queries()) if page.startswith(only)]
    for page in wanted:
        visits.address(page, crowd.EXAMPLES)
    return wanted


def _store(folder: Path, requests: int) -> Server:
    """A Haze that has had so many requests; its books are right."""
    name, models = f"{requests:,} requests", list(crowd.MODELS)
    server = servers.haze(folder, "full", NO_UPSTREAM, models, name=name)
    assert server.home is not None
    began = time.monotonic()
    crowd.fill(server.home.database, requests, int(1000 * time.time()))
    filled = time.monotonic()
    server.home.command("ledger", "check")
    _say(f"{name}: {filled - began:.0f} s to make, {time.monotonic() - filled:.0f} s to prove that they add up")
    return server


@contextmanager
def _house(server: Server) -> Iterator[House]:
    assert server.home is not None
    database = server.home.database
    with server.running() as target:
        crowd.open_some(database, OPEN_NOW, int(1000 * time.time()))
        browsers = visits.log_in(target.port), Browser(target.port)
        try:
            yield House(target.pid, *browsers, crowd.parameters(database))
        finally:
            for browser in browsers:
                browser.leave()


def markdown(lines: Sequence[Line]) -> str:
    """All lines as one table."""
    table = [HEAD, ["---", *["--:"] * (len(HEAD) - 2), "---"], *map(_cells, lines)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def _lines(page: str, few: House, many: House, rounds: int) -> Iterator[Line]:
    """The page itself; and, if it has more rows than it shows, the place to which many of its links lead."""
    pair = few.visit(page), many.visit(page)
    yield _measured(page, pair, many.pid, rounds)
    fewer, more = (visit.further(MORE_TIMES) for visit in pair)
    if more:
        far = [pair[0], *fewer][-1], more[-1]
        yield _measured(f"{page}, {len(more)} further", far, many.pid, rounds)


def _measured(page: str, pair: tuple[Visit, Visit], pid: int, rounds: int) -> Line:
    """Look by turns, at the small store's page first; what the first turn took is thrown away."""
    few, many = pair
    took: list[tuple[float, float]] = []
    cpu: list[int] = []
    until = time.monotonic() + SECONDS_MAX
    while len(took) <= rounds and (time.monotonic() < until or len(took) < TURNS_MIN):
        seen_few, before = few.look(), quiet_cpu_ns(pid)
        seen = many.look()
        cpu.append(quiet_cpu_ns(pid) - before)
        took.append((seen_few.all_ms, seen.all_ms))
    of_few, of_many = (sorted(times) for times in zip(*took[1:], strict=True))
    return Line(
        page,
        p50=statistics.median(of_many),
        p95=of_many[len(of_many) * 95 // 100],
        cpu=statistics.mean(cpu[1:]) / 1e6,
        kilobytes=len(seen.body) / 1000,
        p50_few=statistics.median(of_few),
        rows_per_second=many.browser.rows_per_second(many.place, FILE_SECONDS_MAX) if many.is_file else 0.0,
    )


def _cells(line: Line) -> list[str]:
    figures = [f"{figure:.1f}" for figure in (line.p50, line.p95, line.cpu, line.kilobytes, line.p50_few)]
    rows = f"{line.rows_per_second:,.0f}" if line.rows_per_second else ""
    return [line.page, *figures, f"{line.growth:.1f}x", rows, f"{LIMIT_MS:g}", line.verdict]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description="How long each page takes.")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="in the store (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="looks at each page (default %(default)s)")
    parser.add_argument("--only", metavar="PREFIX", default="", help="pages whose address begins so")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    if not options.requests > 0:
        parser.error("--requests: at least one")
    return options


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
