"""Haze as it is, which on SIGUSR1 prints how many tasks its loop has: `python -m tests.bench.watched COUNTS …`.

COUNTS is the file that each count is added to, a line each; the other words are haze-proxy's.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from haze_proxy.cli import main


def watch(counts: Path) -> None:
    """Count when told to. Python runs the handler between two steps of the loop, in the loop's thread."""

    def count(*_: Any) -> None:
        with counts.open("a") as out:
            out.write(f"{len(asyncio.all_tasks(asyncio.get_running_loop()))}\n")

    signal.signal(signal.SIGUSR1, count)


if __name__ == "__main__":
    watch(Path(sys.argv.pop(1)))
    main(prog_name="haze-proxy")
