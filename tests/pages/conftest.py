"""A Haze, its administrator who has done a little of everything, and a browser."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from house import House, settled_at_last
from playwright.sync_api import Browser
from visitor import Visitor, visitor

Come = Callable[..., Visitor]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Debian's Chromium."""
    with chromium(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Haze on which nobody has an account yet."""
    with settled_at_last(House(tmp_path_factory.mktemp("haze"))) as started:
        yield started


@pytest.fixture
def come(browser: Browser, house: House) -> Iterator[Come]:
    """Open a window on the Haze; `java_script_enabled=False` for one without scripts."""
    with ExitStack() as windows:

        def come(**options: Any) -> Visitor:
            return windows.enter_context(visitor(browser, house, **options))

        yield come


@pytest.fixture(scope="session")
def settled(browser: Browser, house: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a browser in which the administrator is logged in: keys, requests, refusals and a budget are there.

    Every row that house.EXAMPLES names is this account's.
    """
    path = tmp_path_factory.mktemp("browser") / "state.json"
    with visitor(browser, house) as admin:
        admin.register("owner@example.com", house.invitation().removeprefix(house.url))
        first = admin.make_key("Laptop")
        limits = {"budget": "5", "models": "hekiu\nopenai/gpt-5.2", "expires": "2099-01-31"}
        second = admin.make_key("Nightly summaries", **limits)
        house.command("credit", "owner@example.com", "25", "--memo", "Welcome")
        for model in ("openai/gpt-5.2", "hekiu", "anthropic/claude-sonnet-4.5"):
            assert house.ask(first, model, max_tokens=500) == 200
        house.settle()
        assert house.ask(second, "hekiu") == 200
        assert house.ask(second, "claude-hekiu") == 404
        house.command("code", "add", "5", "--count", "2", "--memo", "Spring", "--expires", "2099-01-31")
        house.command("account", "add", "ada@example.com", "--credit", "12.5")
        admin.page.context.storage_state(path=path)
    return path
