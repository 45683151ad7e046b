"""Where Haze's time goes while it serves one line, by py-spy (which must be installed and may need root)."""

import collections
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .lines import LINES, connected
from .servers import Server

SECONDS, SAMPLES_PER_SECOND = 12, 500
FUNCTIONS_SHOWN = 60


def profile(server: Server, name: str) -> None:
    """Print the functions that are most often on the stack, and how often each is on its top, in percent."""
    program = shutil.which("py-spy") or sys.exit("--profile needs py-spy on the PATH")
    line = LINES[name]
    samples = server.log.with_suffix(".samples")
    with server.running() as target, connected([target], line.connections) as connections:
        target.burst(line.call, connections[target.name], 20)
        command = [program, "record", "--pid", str(target.pid), "--duration", str(SECONDS), "--format", "raw",
                   "--rate", str(SAMPLES_PER_SECOND), "--threads", "--output", str(samples)]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as recorder:
            while recorder.poll() is None:
                target.burst(line.call, connections[target.name], max(1, line.times))
                time.sleep(0)
    print(shares(samples))


def shares(samples: Path) -> str:
    """The table of a py-spy raw file: each line is a stack, frames parted by `;`, and a count."""
    on_stack: collections.Counter[str] = collections.Counter()
    on_top: collections.Counter[str] = collections.Counter()
    for record in samples.read_text().splitlines():
        stack, _, count = record.rpartition(" ")
        frames = [frame.rsplit(":", 1)[0] for frame in stack.split(";")]
        on_stack.update(dict.fromkeys(set(frames), int(count)))
        on_top[frames[-1]] += int(count)
    total = sum(on_top.values()) / 100
    rows = [
        f"{on_stack[name] / total:6.1f} {on_top[name] / total:6.1f}  {name}"
        for name, _ in on_stack.most_common(FUNCTIONS_SHOWN)
    ]
    return "\n".join(["on stack    own  function (percent of all samples)", *rows])
