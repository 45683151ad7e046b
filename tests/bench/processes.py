"""Start processes on a chosen core, and read from /proc what they used. Linux only."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE, LOAD_CORE = CORES[0], CORES[-1]
STOP_SECONDS_MAX = 20
READY_SECONDS_MAX = 30


class NeverReady(Exception):
    """A server did not answer in time; the text names its log."""


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep this process, and what it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def running(command: Sequence[str], core: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child process on one core, from start to stop; what it prints is added to `log`."""
    with log.open("ab") as out, pinned(core):
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_ready(process: subprocess.Popen[bytes], port: int, headers: str, log: Path) -> float:
    """Wait for the first 200 on GET /v1/models; the time (time.perf_counter) at which it came."""
    request = f"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}\r\n".encode()
    until = time.perf_counter() + READY_SECONDS_MAX
    while time.perf_counter() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(request)
            if sock.recv(64).startswith(b"HTTP/1.1 200"):
                return time.perf_counter()
        time.sleep(0.005)
    raise NeverReady(f"nothing answers on port {port}, see {log.name}")


def cpu_ns(pid: int) -> int:
    """Nanoseconds on the CPU so far, over all threads of a process (the scheduler's own account)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # the thread ended just now
            total += int((task / "schedstat").read_bytes().split()[0])
    return total


def quiet_cpu_ns(pid: int) -> int:
    """The same, once the process has finished what it was at.

    The account of a running thread is brought up to date only at the next timer tick (4 ms), and a server still tidies
    up after the last byte of an answer: both would be missed.
    """
    before = -1
    for _ in range(20):
        now = cpu_ns(pid)
        if now == before:
            break
        before = now
        time.sleep(0.0007)
    return before


def wait_idle(pid: int) -> None:
    """Wait, at most 20 s, until a process uses less than a tenth of its core."""
    for _ in range(100):
        before = cpu_ns(pid)
        time.sleep(0.2)
        if cpu_ns(pid) - before < 20_000_000:
            return


def resident_mb(pid: int) -> float:
    """Resident memory in MB (2**20 bytes)."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def raise_file_limit() -> None:
    """Allow this process and its children as many sockets as the system lets them have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
