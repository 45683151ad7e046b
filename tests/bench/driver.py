"""Sends requests over plain sockets and checks every answer: cheap, so that the load is never what is measured."""

import contextlib
import re
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .calls import Call
from .processes import quiet_cpu_ns

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
SILENCE_SECONDS_MAX = 30


class WrongAnswer(Exception):
    """A server answered something else than it must: its figures would mean nothing."""


@dataclass(slots=True)
class Target:
    """A server under load: its name in the table, its process, its port, and the header lines it wants.

    `answered` counts the requests it has answered or begun to.
    """

    name: str
    pid: int
    port: int
    headers: str = ""
    answered: int = 0
    costs_us: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def connections(self, count: int) -> Iterator[list[socket.socket]]:
        """Open keep-alive connections to it."""
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(self.connect()) for _ in range(count)]

    def connect(self) -> socket.socket:
        """One connection, without Nagle's delay."""
        sock = socket.create_connection(("127.0.0.1", self.port), SILENCE_SECONDS_MAX)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def burst(self, call: Call, sockets: Sequence[socket.socket], times: int) -> int:
        """One request on every connection at once, so many times over: the CPU nanoseconds it took the server."""
        request = call.request(self.headers)
        before = quiet_cpu_ns(self.pid)
        for _ in range(times):
            for sock in sockets:
                sock.sendall(request)
            for sock in sockets:
                self.check(call, *read_answer(sock))
        return quiet_cpu_ns(self.pid) - before

    def timed(self, call: Call, sock: socket.socket) -> float:
        """One request; seconds from the first byte out to the last byte in."""
        request = call.request(self.headers)
        began = time.perf_counter()
        sock.sendall(request)
        status, body = read_answer(sock)
        took = time.perf_counter() - began
        self.check(call, status, body)
        return took

    def check(self, call: Call, status: int, body: bytes) -> None:
        """Count an answer; WrongAnswer if it is not right."""
        if fault := call.fault(status, body):
            raise WrongAnswer(f"{self.name}, {call.model}: {fault}: {body[:300]!r} … {body[-300:]!r}")
        self.answered += 1

    def hold(self, call: Call) -> socket.socket:
        """Open a stream and wait for its first chunk; the stream stays open."""
        sock = self.connect()
        sock.sendall(call.request(self.headers))
        data = b""
        while b"relayed" not in data:
            piece = sock.recv(1 << 16)
            data += piece
            if not piece or not data.startswith(b"HTTP/1.1 200"[: len(data)]):
                raise WrongAnswer(f"{self.name}, {call.model}: the stream did not open: {data[:300]!r}")
        self.answered += 1
        return sock


def read_answer(sock: socket.socket) -> tuple[int, bytes]:
    """Status and body of one response; WrongAnswer if the connection closes first."""
    data, done = b"", False
    while not done:
        piece = sock.recv(1 << 18)
        if not piece:
            raise WrongAnswer(f"the connection was closed after {data[-300:]!r}")
        data = data + piece if data else piece
        done = _complete(data)
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head[9:12]), _unchunked(body) if CHUNKED.search(head) else body


def _complete(data: bytes) -> bool:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    if found := LENGTH.search(data, 0, end + 2):
        return len(data) >= end + 4 + int(found[1])
    return data.endswith(b"0\r\n\r\n") and len(data) > end + 4


def _unchunked(data: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        line_end = data.index(b"\r\n", at)
        size = int(data[at:line_end], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(data[line_end + 2 : line_end + 2 + size])
        at = line_end + 2 + size + 2
