"""The servers that are compared: how each is started, and what it has answered over all its runs."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .calls import Call
from .driver import Target, WrongAnswer
from .haze import Home
from .processes import GATEWAY_CORE, LOAD_CORE, free_port, running, wait_ready


class Server:
    """One server that can be started again and again; `home` when it is a Haze."""

    def __init__(self, name: str, port: int, command: list[str], log: Path, home: Home | None = None) -> None:
        self.name, self.port, self.command, self.log, self.home = name, port, command, log, home
        self.headers = home.headers if home else ""
        self.answered = 0
        self.started_in_s = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[Target]:
        """The server on the gateways' core, from its first answer to its stop."""
        began = time.perf_counter()
        with running(self.command, GATEWAY_CORE, self.log) as process:
            self.started_in_s = wait_ready(process, self.port, self.headers, self.log) - began
            target = Target(self.name, process.pid, self.port, self.headers)
            try:
                yield target
            finally:
                self.answered += target.answered

    def check_ledger(self) -> str:
        """Prove that every answer was charged once; WrongAnswer if the ledger says otherwise."""
        if not self.home:
            return ""
        counts = self.home.counts()
        if counts != {"settled": self.answered, "charges": self.answered}:
            raise WrongAnswer(f"{self.name}: {self.answered} requests were answered, the database says {counts}")
        return f"{self.name}: ledger check passed; {self.answered} requests answered, settled and charged once each"


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[int]:
    """The pretend provider on the load's core; its port."""
    port, log = free_port(), folder / "upstream.log"
    with running(_module("upstream", "--port", str(port)), LOAD_CORE, log) as process:
        wait_ready(process, port, "", log)
        yield port


def relay(folder: Path, name: str, upstream_port: int) -> Server:
    """The bare relay."""
    port = free_port()
    command = _module("relay", "--port", str(port), "--upstream", f"http://127.0.0.1:{upstream_port}")
    return Server(name, port, command, folder / f"{name}.log")


def haze(
    folder: Path, durability: str, upstream_port: int, calls: list[Call], before: Path | None = None, name: str = ""
) -> Server:
    """A Haze with its own folder, account and key; `before`: the tree of an earlier one."""
    name, port = name or f"haze {durability}{' before' if before else ''}", free_port()
    home = Home(folder / name.replace(" ", "-"), durability, port, upstream_port, calls, before)
    return Server(name, port, home.serve, folder / f"{name}.log", home)


def _module(name: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"tests.bench.{name}", *words]
