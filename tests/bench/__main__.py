"""`make bench`: what Haze costs beside a bare relay, by turns, on this machine. Prints one Markdown table.

Figures are not assertions: a missed limit prints MISS and the exit code stays 0. A wrong answer or a ledger that does
not add up ends the run with exit code 1, because then the figures mean nothing.

    python -m tests.bench [--only chat-8,memory] [--rounds 200] [--json FILE] [--control] [--before REVISION]
    python -m tests.bench --profile chat-8
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from . import servers
from .alone import ALONE
from .driver import WrongAnswer
from .haze import CommandFailed, earlier
from .lines import LINES, all_calls
from .processes import LOAD_CORE, NeverReady, pinned, raise_file_limit
from .profile import profile
from .rows import Row, as_json, markdown
from .servers import Server

ROUNDS = 200
LOG_SHOWN = 1500  # characters of each server's log that are shown when something went wrong
DURABILITIES = ("full", "normal")


def main() -> None:
    """Parse the options, measure, print."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that no server outlives this process
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="haze-bench-") as folder, pinned(LOAD_CORE):
        try:
            rows = run(Path(folder), options)
        except (WrongAnswer, CommandFailed, NeverReady) as fault:
            sys.exit(f"{said_by_servers(Path(folder))}\nFAILED: {fault}")
    if rows:
        print(markdown(rows))
    if options.json:
        options.json.write_text(json.dumps(as_json(rows), indent=1))


def run(folder: Path, options: argparse.Namespace) -> list[Row]:
    """Measure the lines that were asked for, then check the ledgers."""
    wanted = options.only or [*LINES, *ALONE]
    with servers.upstream(folder) as upstream_port:
        compared = compared_servers(folder, upstream_port, options)
        if options.profile:
            profile(compared[-len(DURABILITIES)], options.profile)
            return []
        rows = take_lines(compared, [name for name in LINES if name in wanted], options.rounds)
        for name in ALONE:
            if name in wanted:
                _say(name)
                rows += ALONE[name](compared)
    for server in compared:
        _say(server.check_ledger())
    return rows


def compared_servers(folder: Path, upstream_port: int, options: argparse.Namespace) -> list[Server]:
    """The relay, then those compared with it. The control is a second relay: how far it strays from 1 is the noise."""
    relays = ["relay", "relay again"] if options.control else ["relay"]
    before = earlier(folder, options.before) if options.before else None
    return [
        *(servers.relay(folder, name, upstream_port) for name in relays),
        *(
            servers.haze(folder, durability, upstream_port, all_calls(), before)
            for durability in DURABILITIES
            if before
        ),
        *(servers.haze(folder, durability, upstream_port, all_calls()) for durability in DURABILITIES),
    ]


def take_lines(compared: Sequence[Server], names: Sequence[str], rounds: int) -> list[Row]:
    """Measure these lines with all servers running at once."""
    rows: list[Row] = []
    if not names:
        return rows
    with ExitStack() as stack:
        targets = [stack.enter_context(server.running()) for server in compared]
        for name in names:
            began = time.monotonic()
            rows += LINES[name].measure(LINES[name], targets, rounds)
            _say(f"{name}: {time.monotonic() - began:.0f} s")
    return rows


def said_by_servers(folder: Path) -> str:
    """The end of what each server printed."""
    return "\n".join(f"{log.name}: …{log.read_text(errors='replace')[-LOG_SHOWN:]}" for log in folder.glob("*.log"))


def _options() -> argparse.Namespace:
    names = [*LINES, *ALONE]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What Haze costs beside a bare relay.")
    parser.add_argument("--only", type=lambda text: text.split(","), help=f"lines, comma-separated: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each target (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--control", action="store_true", help="add a second relay: how far it is from 1 is noise")
    parser.add_argument("--before", metavar="REVISION", help="add the program as it was then, in the same turns")
    parser.add_argument("--profile", choices=LINES, help="only: py-spy on Haze while it serves this line")
    options = parser.parse_args()
    if unknown := set(options.only or []) - set(names):
        parser.error(f"no such line: {', '.join(sorted(unknown))}")
    return options


def _say(text: str) -> None:
    if text:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
