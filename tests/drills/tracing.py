"""What the kernel was asked for, in its order: strace on a running server, also to make its writes fail."""

import asyncio
import contextlib
import re
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is missing (Debian: apt install strace)"
)
WRITES = "write,writev,sendto,sendmsg"
# Enough to show a page of SQLite's (4,096 bytes), and an answer of a drill.
SHOWN = 16_384
# `5 fdatasync(7</data/haze.db-wal>) = 0`, `5 fdatasync(7</data/haze.db-wal> <unfinished ...>`,
# `5 <... fdatasync resumed>) = 0`: the thread, the call, its file and what was written.
BEGUN = re.compile(r"(?P<thread>\d+) +(?P<call>\w+)\(\d+<(?P<file>(?:->|[^>])*)>(?P<rest>.*)")
RESUMED = re.compile(r"(?P<thread>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)")
RESULT = re.compile(r"\) += (-?\d+)[^)\"]*$")


@dataclass
class Call:
    """A system call; `begun` and `ended` are its places in the order of all. `result` is None where it never ended."""

    name: str
    file: str
    text: str
    begun: int
    ended: int = -1
    result: int | None = None

    def end(self, place: int, rest: str) -> None:
        """It has returned."""
        found = RESULT.search(rest)
        self.ended, self.result = place, int(found[1]) if found else None


@contextlib.asynccontextmanager
async def strace(pid: int, *options: str) -> AsyncIterator[None]:
    """Trace all threads of a process meanwhile."""
    pipe = asyncio.subprocess.PIPE
    tracer = await asyncio.create_subprocess_exec("strace", "-f", "-p", str(pid), *options, stdout=pipe, stderr=pipe)
    try:
        assert tracer.stderr is not None
        said = (await asyncio.wait_for(tracer.stderr.readline(), 20)).decode()
        if "not permitted" in said:
            pytest.skip(f"strace may not look into another process here: {said.strip()}")
        assert "attached" in said, said
        yield
    finally:
        if tracer.returncode is None:
            tracer.send_signal(signal.SIGTERM)  # it lets go of the process first
        await tracer.communicate()


def calls(output: Path) -> Iterator[Call]:
    """The calls on files and sockets, in the order they began in.

    strace writes one line for a call during which no other thread did anything that is traced, else one for its
    beginning and one for its end: the order of the lines is the order of what happened.
    """
    found: list[Call] = []
    running: dict[str, Call] = {}
    for place, line in enumerate(output.read_text(errors="replace").splitlines()):
        if match := BEGUN.match(line):
            call = Call(match["call"], match["file"], match["rest"], place)
            found.append(call)
            if line.endswith("<unfinished ...>"):
                running[match["thread"]] = call
            else:
                call.end(place, match["rest"])
        elif (match := RESUMED.match(line)) and (resumed := running.pop(match["thread"], None)):
            resumed.end(place, match["rest"])
    yield from found
