"""`make soak`: hours in minutes. Load of every kind, clients that leave included, and then: what has stayed behind?

Prints a line every ten seconds, and at the end what grew. Exit status 1 if a task, a file, a hold or a charge was left,
or if memory grew by more than the limit after the first fifth of the time.

    python -m tests.bench.soak [--minutes 10]
"""

import argparse
import itertools
import json
import os
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from haze_proxy.channels.client import KEEPALIVE_S

from . import calls, servers
from .driver import Target
from .haze import Home
from .lines import all_calls
from .processes import (
    GATEWAY_CORE,
    LOAD_CORE,
    free_port,
    pinned,
    raise_file_limit,
    resident_mb,
    running,
    wait_idle,
    wait_ready,
)

MINUTES = 10.0
SAMPLE_S = 10.0
CONNECTIONS = 16
LEAVERS = 8
GROWTH_MAX_MB = 20.0
SETTLES_S = KEEPALIVE_S + 30.0  # connections to the provider are kept for so long
MIX = (
    calls.chat(),
    calls.chat_stream(50, 2),
    calls.messages_stream(50, 2),
    calls.messages_big(),
    calls.chat_stream_without_usage(50, 2),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a server has at a moment: seconds since the start, requests so far, resident MB, files, tasks."""

    at: float
    requests: int
    resident_mb: float
    files: int
    tasks: int

    def __str__(self) -> str:
        return (
            f"{self.at:6.0f} s  {self.requests:8,} requests  {self.resident_mb:7.1f} MB"
            f"  {self.files:4} files  {self.tasks:4} tasks"
        )


class Soak:
    """One server under watch."""

    def __init__(self, target: Target, counts: Path) -> None:
        self.target, self.counts = target, counts
        self.began, self.left = time.monotonic(), 0

    def load(self, seconds: float) -> Iterator[Sample]:
        """Every kind of request by turns until the time is over, with a look at the server now and then."""
        until, look_at = self.began + seconds, self.began + SAMPLE_S
        with self.target.connections(CONNECTIONS) as connections:
            for call in itertools.cycle(MIX):
                self.target.burst(call, connections, 1)
                self._leave()
                if time.monotonic() >= look_at:
                    look_at += SAMPLE_S
                    yield self.sample()
                if time.monotonic() >= until:
                    return

    def _leave(self) -> None:
        """Open streams, read the first chunk, and be gone."""
        with ExitStack() as held:
            for _ in range(LEAVERS):
                held.enter_context(self.target.hold(calls.held_stream()))
        self.left += LEAVERS

    def sample(self) -> Sample:
        """What the server has now."""
        at = time.monotonic() - self.began
        files = len(list(Path(f"/proc/{self.target.pid}/fd").iterdir()))
        return Sample(at, self.target.answered, resident_mb(self.target.pid), files, self._tasks())

    def _tasks(self) -> int:
        before = self.counts.stat().st_size
        os.kill(self.target.pid, signal.SIGUSR1)
        for _ in range(200):
            if self.counts.stat().st_size > before:
                return int(self.counts.read_text().split()[-1])
            time.sleep(0.01)
        raise RuntimeError("the server does not say how many tasks it has")

    def settled(self, idle: Sample) -> Sample:
        """The server once nothing runs, as soon as it has no more tasks and files than when it was idle before."""
        until = time.monotonic() + SETTLES_S
        while (now := self.sample()) and time.monotonic() < until:
            if now.tasks <= idle.tasks and now.files <= idle.files:
                break
            wait_idle(self.target.pid)
        return now


def held_usd(target: Target, key: str) -> str:
    """What the account's running requests hold."""
    request = urllib.request.Request(f"http://127.0.0.1:{target.port}/v1/key", headers={"x-api-key": key})
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(json.load(response)["data"]["held_usd"])


def faults(home: Home, soak: Soak, idle: Sample, end: Sample, held: str, grown_mb: float) -> list[str]:
    """What stayed behind, and what is wrong with the books."""
    counts, answered = home.counts(), soak.target.answered
    found = {
        f"{end.tasks - idle.tasks} tasks were left": end.tasks > idle.tasks,
        f"{end.files - idle.files} files were left open": end.files > idle.files,
        f"${held} are still held": held != "0",
        f"{answered} requests were answered or left, the store says {counts}": (
            counts.get("settled") != answered or counts["charges"] != answered or counts.get("open", 0) > 0
        ),
        f"memory grew by {grown_mb:.1f} MB": grown_mb > GROWTH_MAX_MB,
    }
    return [text for text, is_so in found.items() if is_so]


def run(folder: Path, minutes: float) -> list[str]:
    """Soak a server in `folder`; returns what is wrong."""
    with servers.upstream(folder) as upstream_port:
        home = Home(folder / "haze", "full", free_port(), upstream_port, all_calls())
        counts, log = folder / "counts", folder / "haze.log"
        counts.touch()
        with running(home.watched(counts), GATEWAY_CORE, log) as process:
            wait_ready(process, home.port, home.headers, log)
            soak = Soak(Target("haze", process.pid, home.port, home.headers), counts)
            wait_idle(process.pid)
            print(f"idle   {(idle := soak.sample())}", flush=True)
            samples = []
            for sample in soak.load(60 * minutes):
                samples.append(sample)
                print(f"loaded {sample}", flush=True)
            wait_idle(process.pid)
            print(f"idle   {(end := soak.settled(idle))}", flush=True)
            held = held_usd(soak.target, home.key)
    warm = samples[len(samples) // 5]
    grown_mb = samples[-1].resident_mb - warm.resident_mb
    per_request = 1024 * grown_mb / max(1, samples[-1].requests - warm.requests)
    print(
        f"{soak.target.answered:,} requests in {minutes:g} min, {soak.left:,} of them left by their clients;"
        f" memory grew by {grown_mb:+.1f} MB after the first fifth ({per_request:+.3f} KB a request);"
        f" held at the end: ${held}"
    )
    return faults(home, soak, idle, end, held, grown_mb)


def main() -> None:
    """Parse the options, soak, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description="What stays behind under load.")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long (default %(default)s)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that no server outlives this process
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="haze-soak-") as folder, pinned(LOAD_CORE), suppress(KeyboardInterrupt):
        if wrong := run(Path(folder), options.minutes):
            sys.exit("FAILED: " + "; ".join(wrong))
        print("Nothing stayed behind, and the books add up.")


if __name__ == "__main__":
    main()
