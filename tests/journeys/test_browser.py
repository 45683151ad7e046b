"""Both vendors' SDKs on a page of another origin, in a real Chromium: it asks for permission before it sends."""

from collections.abc import Iterator
from typing import Any

import pytest
from browser import application, chromium
from front import Front
from harness import README, UNKNOWN_KEY, Caller, readme_block
from playwright.sync_api import Browser, Page

MODELS = {"openai": ("hekiu", "gpt-4o"), "anthropic": ("hekiu", "claude-opus-5-5")}

OPENAI = """
const { default: OpenAI } = await import('openai')
const client = new OpenAI({ apiKey: key, baseURL: url + '/v1', dangerouslyAllowBrowser: true })
const messages = [{ role: 'user', content: 'Hello!' }]
const whole = await client.chat.completions.create({ model, messages })
let streamed = ''
for await (const chunk of await client.chat.completions.create({ model, messages, stream: true }))
  streamed += chunk.choices[0]?.delta?.content ?? ''
const responded = await client.responses.stream({ model, input: 'Hello!' }).finalResponse()
return { whole: whole.choices[0].message.content, streamed, responded: responded.output_text, id: whole._request_id }
"""
ANTHROPIC = """
const { default: Anthropic } = await import('@anthropic-ai/sdk')
const client = new Anthropic({ apiKey: key, baseURL: url, dangerouslyAllowBrowser: true })
const messages = [{ role: 'user', content: 'Hello!' }]
const whole = await client.messages.create({ model, max_tokens: 64, messages })
const streamed = await client.messages.stream({ model, max_tokens: 64, messages }).finalMessage()
return { whole: whole.content[0].text, streamed: streamed.content[0].text, id: whole._request_id }
"""
IN_PAGE = """async ([url, key, model]) => {
  try { SCRIPT } catch (error) {
    return { name: error.constructor.name, status: error.status, message: error.message, id: error.requestID }
  }
}"""
SCRIPTS = {"openai": OPENAI, "anthropic": ANTHROPIC}


# Not for longer: Playwright keeps an event loop running meanwhile, and other journeys run their own.
@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all of these journeys."""
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def page(opened: Browser) -> Iterator[Page]:
    """A page of an application that is served elsewhere, in a profile that knows nothing yet."""
    with application() as url, opened.new_context() as context:
        page = context.new_page()
        page.goto(url)
        yield page


def run(page: Page, script: str, front: Front, key: str, model: str) -> dict[str, Any]:
    """Run an SDK in the page; returns what it made of the answers, or of the error."""
    caught = (
        "return { name: error.constructor.name, status: error.status, message: error.message, id: error.requestID }"
    )
    code = f"async ([url, key, model]) => {{ try {{ {script} }} catch (error) {{ {caught} }} }}"
    seen: dict[str, Any] = page.evaluate(code, [front.url, key, model])
    return seen


@pytest.mark.parametrize("sdk", SCRIPTS)
@pytest.mark.parametrize("which", [0, 1], ids=["echo", "provider"])
def test_a_page_calls_from_another_origin(sdk: str, which: int, page: Page, front: Front, paid: Caller) -> None:
    """The browser asks first, with all the headers the SDK wants to send, and shows the page nothing it may not see."""
    seen = run(page, SCRIPTS[sdk], front, paid.key, MODELS[sdk][which])
    assert "message" not in seen, seen
    request_id = seen.pop("id")
    assert request_id.startswith("req_")  # a header the page may read
    assert len({*seen.values()}) == 1
    asked, sent = ([each for each in front.requests if each.method == method] for method in ("OPTIONS", "POST"))
    assert {each.target for each in asked} == {each.target for each in sent}
    assert all(each.status in (200, 204) for each in asked)
    assert {each.status for each in sent} == {200}
    assert front.requests[0].method == "OPTIONS"
    assert "authorization" in (asked[0].header("access-control-request-headers") or "")


@pytest.mark.parametrize("sdk", SCRIPTS)
def test_a_page_can_read_why_it_is_refused(sdk: str, page: Page, front: Front) -> None:
    """Without permission on the error, too, people would see "Connection error." for a mistyped key."""
    seen = run(page, SCRIPTS[sdk], front, UNKNOWN_KEY, "hekiu")
    assert (seen["status"], seen["name"]) == (401, "AuthenticationError")
    assert seen["id"].startswith("req_")
    assert [(each.method, each.status // 100) for each in front.requests] == [("OPTIONS", 2), ("POST", 4)]


def test_the_readmes_example_runs_in_a_page_as_the_readme_says(page: Page, front: Front, paid: Caller) -> None:
    """The same lines, with the one option more."""
    printed = readme_block("OpenAI SDKs", "typescript").replace("127.0.0.1:8080", f"127.0.0.1:{front.port}")
    assert "`dangerouslyAllowBrowser: true`" in README
    script = printed.replace("process.env.HAZE_KEY", f"'{paid.key}', dangerouslyAllowBrowser: true")
    with page.expect_console_message() as said:
        page.add_script_tag(content=script, type="module")
    assert "Hello!" in said.value.text
