"""The administrator at his channels: switched, tested, added by a row that is pasted, with nothing but a browser."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import pytest
from harness import ROOT, Server, free_port
from house import CONFIG, House
from playwright.sync_api import Browser
from visitor import Visitor, visitor

CHANNELS = """
[[channels]]
name = "near"
kind = "openai"
api_key = "sk-the-owners-own-key"
base_url = "http://127.0.0.1:{provider}/v1"
models = ["gpt-4o"]
[[channels]]
name = "far"
kind = "openrouter"
api_key = "env:HAZE_PAGES_UNSET"
models = ["*"]
[[channels]]
name = "broke"
kind = "anthropic"
api_key = "sk-another-key"
base_url = "http://127.0.0.1:{refusing}/v1"
models = ["claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5", "claude-3-5-haiku", "claude-fable"]
aliases = {{ "small" = "claude-haiku-4-5" }}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Haze with a provider, one that refuses everybody, and one without a key."""
    folder = tmp_path_factory.mktemp("shop")
    ports = {"provider": free_port(), "refusing": free_port()}
    more = {"provider": [], "refusing": ["--fail", "402"]}
    with ExitStack() as stack:
        for name, port in ports.items():
            words = [str(ROOT / "tests/provider.py"), "--port", str(port), *more[name]]
            stack.callback(Server(words, port, folder / f"{name}.log").stop)
        started = House(folder / "haze", CONFIG + CHANNELS.format(**ports))
        stack.callback(started.stop)
        yield started


@pytest.fixture(scope="module")
def key(shop: House, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The administrator's key, and the state of his browser."""
    state = tmp_path_factory.mktemp("browser") / "state.json"
    with visitor(browser, shop) as owner:
        owner.register("owner@example.com", shop.invitation().removeprefix(shop.url))
        shop.command("credit", "owner@example.com", "25")
        secret = owner.make_key("Laptop")
        owner.page.context.storage_state(path=state)
    return secret, state


@pytest.fixture
def owner(shop: House, browser: Browser, key: tuple[str, Path]) -> Iterator[Callable[..., Visitor]]:
    """Open the administrator's window."""
    with ExitStack() as windows:

        def come(**options: Any) -> Visitor:
            return windows.enter_context(visitor(browser, shop, storage_state=key[1], **options))

        yield come


def ask(shop: House, key: str, model: str = "gpt-4o") -> str:
    """What the real SDK gets."""
    with openai.OpenAI(api_key=key, base_url=f"{shop.url}/v1", max_retries=0) as client:
        done = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
        return done.choices[0].message.content or ""


@pytest.mark.parametrize("scripts", [True, False], ids=["javascript", "no javascript"])
def test_a_channel_is_switched_off_and_on_and_tested(
    owner: Callable[..., Visitor], shop: House, key: tuple[str, Path], scripts: bool
) -> None:
    """The SDK's next call is refused, and the one after the switch is answered."""
    window = owner(java_script_enabled=scripts)
    assert ask(shop, key[0])
    window.open("/admin/channels")
    window.page.locator("main").get_by_role("link", name="near", exact=True).click()
    window.press("Test")
    window.sees("ok: 200 to")
    window.press("Switch off")
    window.sees("config.toml: active; off here since")
    with pytest.raises(openai.InternalServerError, match="No available upstream channel"):
        ask(shop, key[0])
    window.shoot("admin-channel-off")
    window.press("Switch on")
    assert ask(shop, key[0])
    assert "off here since" not in window.page.content()


def test_a_provider_that_wants_money_is_seen_tested_and_forgiven(
    owner: Callable[..., Visitor], shop: House, key: tuple[str, Path]
) -> None:
    """The owner sees at a glance which channel needs him, and what it says."""
    window = owner()
    with pytest.raises(openai.InternalServerError):
        ask(shop, key[0], "small")
    window.open("/admin/channels")
    window.sees("needs you")
    window.shoot("admin-channels-trouble")
    window.page.locator("main").get_by_role("link", name="broke", exact=True).click()
    window.press("Test")
    window.sees("failed: 402")
    assert "sk-another-key" not in window.page.content()
    window.shoot("admin-channel-trouble")
    window.press("Forgive")
    window.sees("active")
    assert window.page.get_by_role("button", name="Forgive").count() == 0
    window.open("/admin/explain?model=small")
    window.sees("is asked at broke first")
    window.shoot("admin-explain-told")
    window.open("/admin/models?q=broke")
    window.shoot("admin-models-found")


def test_a_row_is_pasted_and_serves_without_a_restart(
    owner: Callable[..., Visitor], shop: House, key: tuple[str, Path]
) -> None:
    """The page gives the row, and the button takes it over; a wrong one changes nothing."""
    window = owner()
    window.open("/admin/channels")
    window.page.get_by_text("Echo, without a provider").click()
    row = window.page.locator("details[open] [data-copy]").inner_text()
    right = shop.config.read_text()
    shop.config.write_text(f"{right}\n{row}\nnonsense = 1\n")
    window.open("/admin/config")
    window.press("Read config.toml again")
    window.sees("The file was not taken over")
    window.shoot("admin-config-refused")
    shop.config.write_text(f"{right}\n{row}")
    window.press("Read config.toml again")
    assert "not taken over" not in window.page.content()
    assert ask(shop, key[0], "echo-test") == "You said: Hello"


def test_somebody_else_finds_none_of_it(shop: House, browser: Browser) -> None:
    """With a browser as without."""
    with visitor(browser, shop) as other:
        other.register("other@example.com")
        for path in ("/admin/channels", "/admin/channels/near", "/admin/models", "/admin/config", "/admin/explain"):
            assert other.open(path) == 404
        other.troubles.clear()
