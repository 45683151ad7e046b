"""The table of all that was seen, printed at the end."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

SEEN = pytest.StashKey[list[tuple[str, ...]]]()
HEAD = ("fault", "protocol", "form", "channels", "the caller saw", "charged", "the first channel")


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> list[tuple[str, ...]]:
    """Rows of what was seen, for the table."""
    return request.config.stash.setdefault(SEEN, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was seen."""
    rows = [HEAD, *config.stash.get(SEEN, [])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    terminalreporter.section(f"{len(rows) - 1} faults and what came of them")
    for row in rows:
        terminalreporter.write_line(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


@pytest.fixture
def unknown() -> str:
    """A name that nobody has: RFC 6761 keeps .invalid for that."""
    return "http://nobody.invalid/v1"


@pytest.fixture
def unanswering() -> Iterator[str]:
    """An address whose backlog is full: the operating system lets a new caller wait."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
