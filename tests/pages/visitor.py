"""Somebody with a browser: what they fill in, what they see, and what the browser had to fetch for it."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from house import PASSWORD, House
from playwright.sync_api import Browser, Page

Scheme = Literal["light", "dark"]
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SHOTS = os.environ.get("HAZE_PAGES_SHOTS", "")
AXE = (Path(__file__).parent / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
PLACES = itertools.cycle(range(256))
SERIOUS = ("moderate", "serious", "critical")


@dataclass
class Visitor:
    """A browser window on a Haze. `fetched` are the addresses and sizes of what it loaded since `open`."""

    page: Page
    house: House
    has_scripts: bool = True
    fetched: list[tuple[str, int]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("requestfinished", lambda request: self.fetched.append((request.url, _size(request))))
        self.page.on("console", lambda said: self.troubles.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))

    def open(self, path: str) -> int:
        """Go to a page; its status."""
        self.fetched.clear()
        answer = self.page.goto(self.house.url + path if path.startswith("/") else path)
        assert answer is not None
        return answer.status

    @property
    def path(self) -> str:
        """Where the window is."""
        return self.page.url.removeprefix(self.house.url)

    def fill(self, **values: str) -> None:
        """Type into fields by their names."""
        for name, value in values.items():
            self.page.locator(f"[name={name}]").fill(value)

    def press(self, button: str) -> None:
        """Press the button of that name, and wait for what comes."""
        self.page.locator("main").get_by_role("button", name=button, exact=True).click()

    def sees(self, text: str) -> None:
        """The page says something."""
        self.page.get_by_text(text).first.wait_for()

    def register(self, email: str, path: str = "/register") -> None:
        """Make an account; it is logged in then."""
        self.open(path)
        self.fill(email=email, password=PASSWORD)
        self.press("Create account")
        assert self.path == "/dashboard"

    def make_key(self, name: str, **fields: str) -> str:
        """Make a key on its page; the secret that is shown once."""
        self.open("/dashboard/keys/new")
        self.fill(name=name, **fields)
        self.press("Make the key")
        return self.page.locator("[data-copy]").first.inner_text()

    def obstacles(self) -> list[str]:
        """What axe-core finds, but for trifles. Evaluated from outside: the page lets no foreign script in."""
        self.page.evaluate(AXE)
        found: list[dict[str, Any]] = self.page.evaluate("axe.run().then(result => result.violations)")
        return [
            f"{each['id']}: {node['target']} {node['failureSummary']}"
            for each in found
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]

    def overflow(self) -> int:
        """How many pixels of the page lie beside the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def shoot(self, name: str) -> None:
        """Write pictures of what is seen, by size and scheme, where HAZE_PAGES_SHOTS names a folder."""
        if not SHOTS:
            return
        for size, box in SIZES.items():
            self.page.set_viewport_size(box)  # type: ignore[arg-type]
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme)
                self.page.screenshot(path=f"{SHOTS}/{name}-{size}-{scheme}.png", full_page=True, animations="disabled")
        self.page.emulate_media(color_scheme="light")


@contextmanager
def visitor(browser: Browser, house: House, **options: Any) -> Iterator[Visitor]:
    """A window of its own, with cookies of its own. A page that the browser complains of fails the test."""
    # Each comes from an address of its own, as people do: accounts from one place are counted.
    here = {"X-Forwarded-For": f"198.18.{next(PLACES)}.1"}
    context = browser.new_context(extra_http_headers=here, **options)
    context.set_default_timeout(15_000)
    try:
        came = Visitor(context.new_page(), house, options.get("java_script_enabled", True))
        yield came
        assert came.troubles == []
    finally:
        context.close()


def _size(request: Any) -> int:
    sizes = request.sizes()
    return int(sizes["responseBodySize"]) + int(sizes["responseHeadersSize"])
