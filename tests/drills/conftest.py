"""What every drill has: chance that can be repeated, enough open files, a slow provider, a place for its figures."""

import os
import random
import resource
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from drills.callers import dripping
from provider import Provider

FIGURES = pytest.StashKey[list[str]]()
OPEN_FILES = 8192


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """HAZE_SEED, or a new one; it is printed with the figures, and repeats what was by chance."""
    chosen = int(os.environ.get("HAZE_SEED") or random.SystemRandom().randrange(10**6))
    pytestconfig.stash.setdefault(FIGURES, []).append(f"seed: HAZE_SEED={chosen}")
    return chosen


@pytest.fixture
def chance(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """This drill's own chance: the same whichever other drills run."""
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture
def figure(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keeps one line of figures, which is printed at the end."""

    def keep(line: str) -> None:
        pytestconfig.stash.setdefault(FIGURES, []).append(f"{request.node.name}: {line}")

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The figures, where a reader of the log finds them."""
    if lines := config.stash.get(FIGURES, []):
        terminalreporter.section("drills")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(autouse=True)
def many_open_files() -> Iterator[None]:
    """Each request needs a socket of the client and one of the provider, both in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
async def slow_provider() -> AsyncIterator[Provider]:
    """A pretend provider that takes its time."""
    async with dripping() as provider:
        yield provider
