"""From the first page to a model and the lines for it, as somebody without an account goes."""

import pytest
from conftest import Come

SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["javascript", "no javascript"])


@SCRIPTS
def test_a_stranger_finds_a_model_and_how_to_use_it(come: Come, settled: object, scripts: bool) -> None:
    """Whoever looks before he registers must find the price, the limits and the lines; by links and one form."""
    person = come(java_script_enabled=scripts)
    person.open("/")
    person.page.locator("main").get_by_role("link", name="documentation").click()
    assert person.path == "/docs"
    person.page.get_by_role("navigation", name="On this page").get_by_role("link", name="Supported models").click()
    assert person.path == "/docs#models"
    person.page.get_by_role("link", name="All live models with their prices").click()
    assert person.path == "/models"
    person.fill(q="sonnet")
    person.page.get_by_label("Protocol").select_option("messages")
    person.page.get_by_label("Untranslated").check()
    person.press("Search")
    person.sees("1 of 5")
    person.page.get_by_role("navigation", name="Sort by").get_by_role("link", name="input price").click()
    assert "sort=input" in person.path
    assert person.page.get_by_label("Search", exact=True).input_value() == "sonnet"
    person.page.locator("main").get_by_role("link", name="anthropic/claude-sonnet-4.5").click()
    assert person.path == "/models/anthropic/claude-sonnet-4.5"
    person.sees("What 1,000 requests cost")
    person.page.get_by_text("Claude Code", exact=False).first.click()
    person.sees("ANTHROPIC_BASE_URL")


def test_a_search_that_finds_nothing_meets_no_obstacle(come: Come, settled: object) -> None:
    """The states that no table of pages visits: nothing found, nothing there."""
    person = come()
    person.open("/models?q=nobody&provider=OpenAI&free=1&sort=context")
    person.sees("No model fits")
    assert person.obstacles() == []
    person.shoot("models-none")
    person.open("/models/nobody")
    person.sees("No model of that name is served here now.")
    person.troubles.clear()  # the browser writes down each answer of 4xx
