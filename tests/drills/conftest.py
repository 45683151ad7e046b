"""What every drill has: chance that can be repeated, enough open files, a slow provider."""

import os
import random
import resource
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from drills.callers import dripping
from provider import Provider

OPEN_FILES = 8192


@pytest.fixture(scope="session")
def seed() -> int:
    """HAZE_SEED, or a new one."""
    return int(os.environ.get("HAZE_SEED") or random.SystemRandom().randrange(10**6))


@pytest.fixture
def chance(seed: int, request: pytest.FixtureRequest, figure: Callable[[str], None]) -> random.Random:
    """This drill's own chance: the same whichever other drills run. What it came from is printed, to repeat it."""
    figure(f"HAZE_SEED={seed}")
    return random.Random(f"{seed} {request.node.name}")


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
