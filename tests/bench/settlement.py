"""What a settlement costs by itself: the real wallet, writer and store on a file, without HTTP around them.

Each request is admitted and ends at once, so that its row is written once, with its charge; requests that run at the
same time share commits.

    python -m tests.bench.settlement --durability full --together 8
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from haze_proxy.store import accounts, database, keys, transfers
from haze_proxy.store.keys import NewKey
from haze_proxy.store.transfers import Transfer
from tests.store.engine import ASK, Engine, used

from .processes import GATEWAY_CORE, ROOT, pinned
from .rows import Row, by_difference
from .servers import Server

TOGETHER = (1, 8, 64)
SECONDS = 3.0
WARM_UP_S = 0.5
CREDIT = 10**18
HELD, COST = 1_000_000, 41_000  # nano-dollars


def settlement(_servers: Sequence[Server]) -> list[Row]:
    """Microseconds of CPU per request, and how long one waits for its commit. A relay settles nothing: it costs 0."""
    rows = []
    for durability in ("full", "normal"):
        for together in TOGETHER:
            took = _measured_apart(durability, together)
            rows += [
                by_difference(f"settlement alone, {together} at once, {what}", f"haze {durability}", "us", 0, figure)
                for what, figure in took.items()
            ]
    return rows


def _measured_apart(durability: str, together: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.settlement", "--durability", durability, "--together", str(together)]
    with pinned(GATEWAY_CORE):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure(folder: Path, durability: str, together: int, seconds: float) -> dict[str, float]:
    """Serve requests for so long; figures in microseconds by what they are."""
    now = int(time.time() * 1000)
    engine = Engine(folder / "haze.db", now, durability)
    outside = engine.outside()
    with database.transaction(outside):
        accounts.add(outside, "a@b.c", password_hash=None, is_admin=False, now_ms=now)
        accounts.credit(outside, 1, CREDIT, Transfer(transfers.MANUAL, "", CREDIT, "credit"), now)
        keys.add(outside, 1, NewKey("", 1, 1, 1), keys.make_secret(), now)
    engine.start()
    engine.run(_serve(engine, together, min(WARM_UP_S, seconds), "warm"))
    before = time.process_time()
    waits = sorted(engine.run(_serve(engine, together, seconds, "r")))
    spent = time.process_time() - before
    engine.stop()
    (charged,) = outside.execute("SELECT count(*) FROM transfers WHERE request_id GLOB 'r*'").fetchone()
    outside.close()
    engine.loop.close()
    assert charged == len(waits), f"{len(waits)} settled, {charged} charged"
    return {
        "CPU": 1e6 * spent / len(waits),
        "p50": 1e6 * waits[len(waits) // 2],
        "p99": 1e6 * waits[len(waits) * 99 // 100],
    }


async def _serve(engine: Engine, together: int, seconds: float, name: str) -> list[float]:
    """Seconds that each request took from its admission to its commit."""
    until, numbers, key = time.perf_counter() + seconds, count(), engine.key(1)
    waits: list[float] = []

    async def client() -> None:
        while (began := time.perf_counter()) < until:
            hold = engine.books.open(f"{name}{next(numbers):09}", key, ASK, HELD)
            await hold.finish(used(COST))
            waits.append(time.perf_counter() - began)

    await asyncio.gather(*(client() for _ in range(together)))
    return waits


def main() -> Any:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--durability", choices=["full", "normal"], required=True)
    parser.add_argument("--together", type=int, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="haze-bench-") as folder:
        print(json.dumps(measure(Path(folder), options.durability, options.together, SECONDS)))


if __name__ == "__main__":
    main()
