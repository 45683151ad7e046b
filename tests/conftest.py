"""What every test has: a guard over the loop, and, for those that ask, a running Haze and a pretend provider."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from desk import CONFIG, Desk
from gateway import ECHO, PAID, Haze, channel, running
from hypothesis import settings
from provider import Provider

from haze_proxy.money.prices import load_table

# The name under which a test's report carries its figures.
FIGURE = "figure"

# `pytest --hypothesis-profile thorough --hypothesis-show-statistics tests/wire` looks further than every run should.
settings.register_profile("thorough", max_examples=5000, deadline=None)


@pytest.fixture(scope="session", autouse=True)
def prices_are_read() -> None:
    """As a server does before its loop begins."""
    load_table()


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> Iterator[BlockBuster]:
    """A call that blocks inside haze_proxy fails the test: one slow file would stop every stream."""
    with blockbuster_ctx("haze_proxy") as guard:
        yield guard


@pytest.fixture
async def haze(tmp_path: Path) -> AsyncIterator[Haze]:
    """Haze with the echo channel."""
    async with running(tmp_path) as server:
        yield server


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """A pretend provider."""
    async with Provider() as server:
        yield server


@pytest.fixture
async def chained(tmp_path: Path, provider: Provider) -> AsyncIterator[Haze]:
    """Haze before the pretend provider: `paid` on chat through an OpenAI channel, on messages through Anthropic."""
    # Each answers for its own protocols only: what a translated channel would do is tested apart.
    only = {"translate": "false"}
    text = ECHO + PAID + channel("openai", provider.url, **only) + channel("anthropic", provider.url, **only)
    async with running(tmp_path, text) as server:
        yield server


@pytest.fixture
def haze_cli(tmp_path: Path) -> Desk:
    """The commands of an owner who has just written a configuration."""
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    return Desk(tmp_path)


@pytest.fixture
def desk(haze_cli: Desk) -> Desk:
    """And has made the account a@b.c with 5 USD."""
    haze_cli.says("account", "add", "a@b.c", "--credit", "5")
    return haze_cli


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keeps one line of figures, which is printed at the end, also where another process runs the test."""

    def keep(line: str) -> None:
        request.node.user_properties.append((FIGURE, f"{request.node.name}: {line}"))

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures, where a reader of the log finds them."""
    kept = [
        line
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
        for name, line in report.user_properties
        if name == FIGURE
    ]
    if kept:
        terminalreporter.section("figures")
        for line in dict.fromkeys(kept):
            terminalreporter.line(line)
