"""The connect page in a browser: it turns green by itself, and names what a client does wrong."""

import json
import re
from typing import Any

import pytest
from conftest import Come
from harness import raw_request
from house import House
from recording import FOLDER
from visitor import Visitor

# What Claude Code 2.1.330 really sent, its vendor's prose left out.
RECORDED = FOLDER / "claude-code-a-bash-tool-goes-round-on-the-echo-channel-hekiu-anthropic-api-key-1.json"
OWN = {"x-api-key", "authorization", "content-length", "host"}


def claude_code(house: House, path: str = "/v1/messages?beta=true", model: str = "hekiu", **credentials: str) -> int:
    """A call of Claude Code's with other credentials; its status."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    data = json.dumps({**json.loads(recorded["body"]), "model": model}).encode()
    kept = [(name, value) for name, value in recorded["headers"] if name.lower() not in OWN]
    more = {"Host": "127.0.0.1", "Content-Length": str(len(data))}
    return int(raw_request(house.port, "POST", path, [*kept, *credentials.items(), *more.items()], data)[0])


def sees(person: Visitor, text: str) -> None:
    """The page says so: by itself with scripts, else after another look."""
    if not person.has_scripts:
        person.page.get_by_role("link", name="Look again").click()
    person.sees(text)


@pytest.fixture(params=[True, False], ids=["javascript", "no javascript"])
def person(request: Any, come: Come) -> Visitor:
    """Somebody with a new account."""
    visitor: Visitor = come(java_script_enabled=request.param)
    visitor.register(f"connect-{re.sub('[^a-z0-9]+', '-', request.node.name)}@example.com")
    return visitor


def test_the_page_turns_green_when_claude_code_calls(person: Visitor, house: House) -> None:
    """From the new key's page, over the lines, to the first call."""
    key = person.make_key("Laptop")
    person.page.get_by_role("link", name="Connect Claude Code").click()
    person.sees("Waiting for the first call")
    person.sees(f"export ANTHROPIC_BASE_URL={house.url}")
    person.shoot("connect-waiting")
    assert claude_code(house, **{"x-api-key": key}) == 200
    sees(person, "Connected.")
    person.sees("claude-cli/2.1.330")
    assert not person.has_scripts or person.obstacles() == []
    person.shoot("connect-green")


MISTAKES: dict[str, tuple[dict[str, str], bool, int, str]] = {
    "a base URL with /v1": ({"path": "/v1/v1/messages?beta=true"}, False, 200, "The base URL has a /v1 too much"),
    "a wrong base URL": ({"path": "/anthropic/v1/messages"}, False, 404, "asks for an address that is not here"),
    "both variables": ({}, True, 200, "Two different credentials come with each request"),
    "an unknown model": ({"model": "claude-opus-5-5"}, False, 503, "claude-opus-5-5 is not served here"),
}


@pytest.mark.parametrize(("sent", "both", "status", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named(
    person: Visitor, house: House, sent: dict[str, str], both: bool, status: int, told: str
) -> None:
    """What Claude Code calls an issue with the selected model."""
    key = person.make_key("Laptop")
    person.open("/dashboard/connect")
    credentials = {"x-api-key": key, **({"Authorization": "Bearer sk-ant-another"} if both else {})}
    assert claude_code(house, **sent, **credentials) == status
    sees(person, told)
    assert key not in person.page.content()
    assert person.overflow() == 0
    person.shoot(f"connect-{told.split()[-1].lower()}")
