"""The table of all that was seen, printed at the end."""

from collections.abc import Iterator

import provider_places
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
def closed() -> Iterator[str]:
    """An address where nobody listens."""
    with provider_places.closed() as url:
        yield url


@pytest.fixture
def unknown() -> str:
    """A name that nobody has."""
    return provider_places.UNKNOWN


@pytest.fixture
def unanswering() -> Iterator[str]:
    """An address whose backlog is full: the operating system lets a new caller wait."""
    with provider_places.unanswering() as url:
        yield url
