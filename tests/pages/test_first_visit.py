"""From nothing to an answer, as a person does it; and what a second person cannot see of it."""

import re
from collections.abc import Iterator

import openai
import pytest
from conftest import Come
from house import PASSWORD, House
from visitor import Visitor

ECHOED = "You said: Hello from a browser"
SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["javascript", "no javascript"])


def answer(house: House, key: str, model: str = "openai/gpt-5.2") -> str:
    """What the real SDK gets with a key."""
    with openai.OpenAI(api_key=key, base_url=f"{house.url}/v1", max_retries=0) as client:
        messages = [{"role": "user", "content": "Hello from a browser"}]
        done = client.chat.completions.create(model=model, messages=messages)  # type: ignore[arg-type]
        return done.choices[0].message.content or ""


@SCRIPTS
def test_a_person_registers_makes_a_key_and_gets_an_answer(come: Come, house: House, scripts: bool) -> None:
    """The way that everybody goes first, and nobody goes twice if it fails."""
    person = come(java_script_enabled=scripts)
    email = f"first-{scripts}@example.com".lower()
    assert person.open("/") == 200
    person.page.locator("main").get_by_role("link", name="Create account").click()
    person.register(email)
    person.sees("Make your first key")
    person.shoot("dashboard-empty")
    key = person.make_key("Laptop")
    assert re.fullmatch(r"sk-rr-[\w-]{43}", key)
    person.shoot("key-shown")
    assert answer(house, key) == ECHOED
    person.open("/dashboard")
    person.page.get_by_role("link", name="openai/gpt-5.2").wait_for()
    person.open("/dashboard/keys")
    assert key not in person.page.content()
    person.page.get_by_role("button", name="Log out").click()
    assert person.path == "/"
    person.open("/dashboard/keys")
    assert person.path.startswith("/login?next=")
    person.fill(email=email, password="not the password")
    person.press("Log in")
    person.sees("The e-mail address or the password is wrong.")
    person.shoot("login-wrong")
    person.troubles.clear()  # the browser writes down each answer of 4xx
    person.fill(password=PASSWORD)
    person.press("Log in")
    assert person.path == "/dashboard/keys"


@SCRIPTS
def test_a_key_is_edited_rotated_and_revoked(come: Come, house: House, scripts: bool) -> None:
    """Each holds for the next request: a key that leaked is not refused tomorrow."""
    person = come(java_script_enabled=scripts)
    person.register(f"editor-{scripts}@example.com".lower())
    key = person.make_key("Laptop")
    person.open("/dashboard/keys")
    person.page.locator("main").get_by_role("link", name="Laptop").first.click()
    place = person.path
    person.fill(models="hekiu", requests_per_minute="many")
    person.press("Save")
    person.sees("A whole number.")
    person.shoot("key-wrong")
    person.troubles.clear()
    person.fill(requests_per_minute="60")
    person.press("Save")
    with pytest.raises(openai.NotFoundError):
        answer(house, key)
    assert answer(house, key, "hekiu") == ECHOED
    person.open(place)
    person.press("Rotate")
    fresh = person.page.locator("[data-copy]").first.inner_text()
    with pytest.raises(openai.AuthenticationError):
        answer(house, key, "hekiu")
    assert answer(house, fresh, "hekiu") == ECHOED
    person.open(place)
    person.press("Revoke")
    with pytest.raises(openai.AuthenticationError):
        answer(house, fresh, "hekiu")


@pytest.fixture
def stranger(come: Come) -> Iterator[Visitor]:
    """Somebody else with an account."""
    visitor = come()
    visitor.register("stranger@example.com")
    yield visitor
    visitor.troubles.clear()  # each 404 is written down by the browser


def test_a_second_account_finds_nothing_of_the_first(come: Come, settled: object, stranger: Visitor) -> None:
    """Numbers in addresses can be guessed: all that are somebody else's are not there, and say so in the same words."""
    owner = come(storage_state=settled)
    owner.open("/dashboard/keys")
    links = owner.page.locator("main a[href^='/dashboard/keys/']").evaluate_all("all => all.map(a => a.pathname)")
    theirs = {path for path in links if re.fullmatch(r"/dashboard/keys/\d+", path)}
    assert len(theirs) >= 2
    for path in sorted(theirs):
        assert stranger.open(path) == 404
        message = stranger.page.locator("main").inner_text().partition("For the owner")[0]
        stranger.open("/dashboard/keys/999999")
        assert stranger.page.locator("main").inner_text().partition("For the owner")[0] == message
        for deed in ("", "/rotate", "/revoke"):
            sent = stranger.page.request.post(stranger.house.url + path + deed, form={"name": "mine"})
            assert sent.status == 404
    owner.open("/dashboard/keys")
    assert owner.page.get_by_text("mine", exact=True).count() == 0
