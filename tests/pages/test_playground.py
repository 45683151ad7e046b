"""The playground in a browser: an answer appears while it is made, says what it cost, and stops when it is told to."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Come
from dripping import Dripping, dripping
from house import CONFIG, House, settled_at_last
from playwright.sync_api import Browser, Locator, expect
from visitor import Visitor, visitor

PAGE = "/dashboard/playground"
EVIL = "<img src=x onerror=alert(1)> <b>bold</b>"
CODE = "Look:\n```python\nprint('<hello>')\n```\ndone"


@pytest.fixture(scope="module")
def provider() -> Iterator[Dripping]:
    """A provider whose words are waited for."""
    with dripping("Slowly, ", EVIL, " and on") as server:
        yield server


@pytest.fixture(scope="module")
def slow_house(provider: Dripping, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Haze with that provider."""
    with settled_at_last(House(tmp_path_factory.mktemp("haze"), CONFIG + provider.channel)) as started:
        yield started


@pytest.fixture
def person(browser: Browser, slow_house: House, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """Somebody with a dollar, at the playground."""
    with visitor(browser, slow_house) as came:
        came.register(f"{re.sub('[^a-z0-9]+', '-', request.node.name)}@example.com")
        came.open(PAGE)
        yield came


def say(person: Visitor, text: str, model: str) -> Locator:
    """Send a message; the answer's place."""
    person.page.locator("#model").select_option(model)
    person.fill(message=text)
    person.page.locator("#message").press("Enter")
    return person.page.locator(".turn.theirs").last


def test_an_answer_is_streamed_and_says_what_it_cost(person: Visitor, provider: Dripping) -> None:
    """Word by word; then its tokens, its price and its receipt, and the sum of all."""
    answer = say(person, "Hello", "dripping")
    expect(answer.locator(".said")).to_have_text("Slowly, ")
    expect(person.page.get_by_role("button", name="Stop")).to_be_visible()
    person.shoot("playground-streaming")
    for _ in provider.words:
        provider.more.release()
    expect(answer.locator(".cost")).to_have_text("7 + 3 tokens · $0.000037 · Receipt")
    expect(person.page.locator("#total")).to_have_text("1 answer, 10 tokens, $0.000037")
    receipt = answer.get_by_role("link", name="Receipt").get_attribute("href") or ""
    assert re.fullmatch(r"/dashboard/usage/req_[0-9a-f]{28}", receipt)
    assert person.obstacles() == []
    person.open("/dashboard")
    person.sees("$0.000037")


def test_what_a_model_says_is_text(person: Visitor, provider: Dripping) -> None:
    """Whoever feeds a model a page must not put code into this one."""
    answer = say(person, EVIL, "dripping")
    for _ in provider.words:
        provider.more.release()
    expect(answer.locator(".said")).to_have_text(f"Slowly, {EVIL} and on")
    expect(answer.locator(".cost")).to_contain_text("tokens")
    assert person.page.locator("#talk img, #talk b").count() == 0
    assert person.page.locator(".turn.mine .said").inner_text() == EVIL


def test_stopping_stops_the_provider_and_charges_what_came(person: Visitor, provider: Dripping) -> None:
    """Nobody pays for what he does not want to read; the conversation goes on from there."""
    provider.left.clear()
    answer = say(person, "Tell me everything", "dripping")
    expect(answer.locator(".said")).to_have_text("Slowly, ")
    person.press("Stop")
    expect(answer.locator(".cost")).to_contain_text("stopped · counted by Haze")
    for _ in provider.words:
        provider.more.release()
    assert provider.left.wait(10)
    expect(person.page.get_by_role("button", name="Send")).to_be_visible()
    other = say(person, "And then?", "hekiu")
    expect(other.locator(".said")).to_have_text("You said: And then?")
    expect(person.page.locator("#total")).to_contain_text("2 answers")


def test_a_conversation_goes_on(person: Visitor, provider: Dripping) -> None:
    """Each message brings what was said before, and the settings; a new one begins with nothing."""
    say(person, "First", "hekiu")
    person.sees("You said: First")
    person.page.get_by_text("System text, temperature, length").click()
    person.fill(system="Be brief.", temperature="0.5", most="50")
    answer = say(person, "Second", "dripping")
    for _ in provider.words:
        provider.more.release()
    expect(answer.locator(".cost")).to_contain_text("tokens")
    asked = provider.asked[-1]
    assert (asked["temperature"], asked["max_completion_tokens"]) == (0.5, 50)
    assert [each["content"] for each in asked["messages"]] == ["Be brief.", "First", "You said: First", "Second"]
    person.press("New conversation")
    expect(person.page.locator(".turn")).to_have_count(0)
    say(person, CODE, "hekiu")
    expect(person.page.locator(".turn.theirs pre code")).to_have_text("print('<hello>')\n")
    person.shoot("playground-code")


def test_a_refusal_is_told_in_the_apis_words(person: Visitor, slow_house: House) -> None:
    """The provider's, and Haze's own; what was typed comes back."""
    answer = say(person, "Hello", "failing")
    expect(answer.get_by_role("alert")).to_contain_text("temperature is not supported")
    assert person.page.locator("#message").input_value() == "Hello"
    slow_house.command("key", "revoke", str(key_of(person)))
    answer = say(person, "Hello again", "hekiu")
    expect(answer.get_by_role("alert")).to_contain_text("The playground is switched off")
    person.open(PAGE)
    person.shoot("playground-off")
    person.press("Switch it on")
    say(person, "Hello", "hekiu")
    person.sees("You said: Hello")
    person.troubles.clear()  # the browser writes down each answer of 4xx


def key_of(person: Visitor) -> int:
    """The number of the playground's key."""
    link = person.page.request.get(f"{person.house.url}/dashboard/keys").text()
    found = re.search(r"/dashboard/keys/(\d+)\">Playground", link)
    assert found, link
    return int(found[1])


def test_too_little_money_leads_to_billing(person: Visitor) -> None:
    """In the words that every client gets, and with the way to more of it. Free models go on."""
    expect(say(person, "Hello", "hekiu").locator(".said")).to_have_text("You said: Hello")
    person.open(f"/dashboard/keys/{key_of(person)}")
    person.fill(budget="0.000001")
    person.press("Save")
    answer = say(back(person), "Hello", "dripping")
    expect(answer.get_by_role("alert")).to_contain_text("budget is used up")
    expect(answer.get_by_role("link", name="Billing")).to_have_attribute("href", "/dashboard/billing")
    person.troubles.clear()


def back(person: Visitor) -> Visitor:
    """The same, back at the playground."""
    person.open(PAGE)
    return person


def test_without_javascript_it_says_so(come: Come, settled: Path) -> None:
    """It is the one page that needs it."""
    person = come(storage_state=settled, java_script_enabled=False)
    person.open(PAGE)
    person.sees("The playground needs JavaScript")
    assert not person.page.locator("#message").is_visible()
