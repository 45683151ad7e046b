"""What was spent on what, and when: found by links alone, read with the eyes, a screen reader, or on paper."""

import re

import pytest
from conftest import Come
from house import House
from test_first_visit import SCRIPTS, answer
from visitor import SIZES, Visitor

# The administrator of `settled` comes first: what house.EXAMPLES names is the first account's.
pytestmark = pytest.mark.usefixtures("settled")
MODELS = ("openai/gpt-5.2", "openai/gpt-5.2", "anthropic/claude-sonnet-4.5")


@pytest.fixture
def spender(come: Come, house: House, settled: object, request: pytest.FixtureRequest) -> Visitor:
    """Somebody with two keys who has asked three things."""
    person = come(java_script_enabled=request.param)
    person.register(f"{re.sub('[^a-z]', '', request.node.name.lower())}@example.com")
    for name in ("Laptop", "Nightly summaries"):
        key = person.make_key(name)
        for model in MODELS:
            answer(house, key, model)
    return person


def choose(person: Visitor, link: str) -> None:
    """Follow one of the links above the chart; it says that it is chosen."""
    person.page.locator(".choices").get_by_role("link", name=link, exact=True).click()
    assert link in person.page.locator(".choices [aria-current=true]").all_inner_texts()


@pytest.mark.parametrize("spender", [True, False], indirect=True, ids=["javascript", "no javascript"])
def test_a_person_finds_what_was_spent_on_what(spender: Visitor) -> None:
    """Three clicks, no script: and the numbers in the table are those of the legend."""
    spender.open("/dashboard")
    spender.sees("Spend by model, the last 24 hours")
    for link in ("Month", "Requests", "By key"):
        choose(spender, link)
    assert spender.path == "/dashboard?range=month&show=requests&by=key#use"
    chart = spender.page.get_by_role("img", name="Requests by key, the last 30 days: 6 in all")
    assert chart.locator("path.band").count() == 2
    assert "Laptop 3" in (chart.locator("title").last.text_content() or "")
    spender.page.get_by_text("Show as a table").click()
    day = spender.page.get_by_role("table", name="Requests by key by time").get_by_role("row").nth(1)
    assert day.get_by_role("cell").all_inner_texts() == ["6", "3", "3"]
    spender.shoot("dashboard-charts")


@pytest.mark.parametrize("spender", [True], indirect=True)
@pytest.mark.parametrize("query", ["?range=hour", "?range=month&by=key", "?show=tokens"])
def test_a_chart_is_no_obstacle_and_has_room(spender: Visitor, query: str) -> None:
    """With its table open, on a phone as well; on paper without the links that paper cannot follow."""
    spender.open(f"/dashboard{query}")
    spender.page.get_by_text("Show as a table").click()
    assert spender.obstacles() == []
    for size in SIZES.values():
        spender.page.set_viewport_size(size)  # type: ignore[arg-type]
        assert spender.overflow() == 0
    spender.page.emulate_media(media="print")
    assert not spender.page.locator(".choices").is_visible()
    assert spender.page.locator(".plot svg").is_visible()


@SCRIPTS
def test_somebody_without_requests_is_told_what_to_do(come: Come, scripts: bool) -> None:
    """An empty chart would be the first thing a new person sees."""
    person = come(java_script_enabled=scripts)
    person.register(f"empty-{scripts}@example.com".lower())
    person.sees("Make your first key")
    assert person.page.locator(".plot").count() == 0
