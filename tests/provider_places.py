"""Addresses where no provider answers: everything that can go wrong before a request has been sent."""

import contextlib
import socket
from collections.abc import Iterator

# Longer than a name can be, so that no resolver of any machine is asked.
UNKNOWN = f"http://{'.'.join(['nobody'] * 40)}/v1"
BACKLOG_CALLERS = 4


@contextlib.contextmanager
def closed() -> Iterator[str]:
    """The base URL of a port where nobody listens: connecting is refused. It is kept from others meanwhile."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield _url(kept)


@contextlib.contextmanager
def unanswering() -> Iterator[str]:
    """The base URL of a listener whose backlog is full: the operating system lets whoever connects wait."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(BACKLOG_CALLERS):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listening.getsockname())
        yield _url(listening)


def _url(bound: socket.socket) -> str:
    return f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
