"""Names may be as long as Haze lets them, and are still read: nothing lies beside the window or a table."""

from collections.abc import Iterator

import pytest
from house import House
from playwright.sync_api import Browser
from visitor import SIZES, Visitor, visitor

EMAIL = "somebody.with.a.mailbox.that.has.a.very.long.name@a.department.of.a.company.example.com"
NAME = "Summaries of everything that was said in all of the meetings of the last month 1"
PATHS = (
    "/dashboard",
    "/dashboard/keys",
    "/dashboard/keys/{key}",
    "/dashboard/usage",
    "/dashboard/account",
    "/dashboard/billing",
)
BESIDE = "all => all.filter(each => each.scrollWidth > each.clientWidth).map(each => each.getAttribute('aria-label'))"


@pytest.fixture(scope="module")
def talkative(browser: Browser, house: House, settled: object) -> Iterator[Visitor]:
    """Somebody with a long address, whose key has a long name and has been used."""
    with visitor(browser, house) as person:
        person.register(EMAIL)
        key = person.make_key(NAME)
        assert len(NAME) == 80
        assert house.ask(key, "anthropic/claude-sonnet-4.5", max_tokens=5) == 200
        yield person


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", PATHS)
def test_a_long_name_hides_nothing(talkative: Visitor, path: str, size: str) -> None:
    """What a request cost is at the right end of its row: it is what the page is opened for."""
    page = talkative.page
    page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
    if "{key}" in path:
        talkative.open("/dashboard/keys")
        page.locator("main td a").first.click()
    else:
        talkative.open(path)
    assert talkative.overflow() == 0
    assert page.locator(".table").evaluate_all(BESIDE) == []
