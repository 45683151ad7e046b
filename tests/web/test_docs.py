"""The documentation is a promise: what it names exists, what exists is named, and its tables are the code's own."""

import re
from pathlib import Path

import aiohttp
import pytest
from gateway import ECHO, Haze, running
from people import Person, Seen
from reading import cells, examples, links, marks
from readme import README, ROOT, keys, rows

from haze_proxy import config, errors, published
from haze_proxy.api import journey, openapi
from haze_proxy.api.keepalive import SILENCE_S
from haze_proxy.api.routes import ROUTES
from haze_proxy.gate import balance, claims, idempotency, limiter, terms
from haze_proxy.money import endings, fields
from haze_proxy.store import idempotency as keyed
from haze_proxy.web.docs import MODELS_MAX, SECTIONS
from haze_proxy.web.words import HOUR_MS

# Table on the page -> the same one in the README: its section, and how its head begins.
SHARED = {
    "Errors": ("Errors", "| status"),
    "How it ended": ("What a request costs", "| how it ended"),
    "Fields that change the price": ("What a request costs", "| field"),
    "Idempotency": ("Asking again without paying again", "| the first"),
}
NUMERALS = {10: "ten"}
# Fields that cost nothing for being there, and are refused where they would: they have no price to be told.
UNPRICED = {"tools", "modalities", "audio"}
PROMISED = (
    "/register",
    "API Keys",
    "Keys start with sk-rr-",
    "attribution headers are optional",
    "exponential backoff that starts at 1 second",
    "Retry-After , which is the shortest wait in seconds",
    "402 Payment Required",
    "429 Too Many Requests",
    "503 Service Unavailable",
    "Verify",
    "Programs ask GET /v1/models",
)
# Numbers that stand in sentences: as the code has them, so the page and the README must.
NUMBERS = (
    f"1 to {idempotency.CHARACTERS_MAX} printable ASCII",
    f"was answered in the last {claims.ANSWER_S // 60} minutes",
    f"{keyed.DAY_MS // HOUR_MS} hours",
    f"wait for over {journey.BLOCKED_S} s",
    f"{balance.LIMITED_TOKENS_MIN:,} tokens",
    f"{NUMERALS[terms.TOOL_CALLS_HELD]} calls of each are held",
    f"silent for {SILENCE_S} s",
)
OWN = """
[server]
public_url = "https://haze.example/"
max_body_mib = 7
[accounts]
registration = "closed"
[limits]
requests_per_minute = 6000
tokens_per_minute = 123_456
concurrent_requests = 9
[billing]
output_slice_tokens = 1024
"""
WAITING = """
[[models]]
id = "later"
name = "Later <b>"
notes = "Works after a channel is configured"
input = 1
output = 2
"""


@pytest.fixture
async def page(stranger: Person) -> Seen:
    """The page as a stranger sees it."""
    seen = await stranger.get("/docs")
    assert seen.status == 200
    return seen


async def look(folder: Path, settings: str) -> Seen:
    """The page of a Haze of another configuration."""
    async with running(folder, settings) as haze, aiohttp.ClientSession() as session:
        return await Person(haze, session).get("/docs")


def test_every_route_is_named_and_no_other(page: Seen) -> None:
    """A path that nobody knows of is as good as none, and one that is not there is a lie."""
    named = marks(page.text, "route")
    served = {f"{each.method} /v1{each.path.replace(':.+', '')}" for each, _ in ROUTES}
    assert len(named) == len(set(named))
    assert set(named) == served | {route.name for route in published.OPEN}
    assert [row[:2] for row in cells(page.text, "Endpoints")] == rows("Endpoints")


async def test_every_route_that_is_named_answers(house: Haze, page: Seen) -> None:
    """With its method, and with or without a key as it is said."""
    needs = dict(zip(marks(page.text, "route"), [row[2] for row in cells(page.text, "Endpoints")], strict=True))
    for name, key in needs.items():
        method, path = name.split(" ")
        if key == "no":
            assert (await house.get(path, key="")).status == 200
        else:
            answer = await house._send("OPTIONS", path.replace("{id}", "hekiu"), None, "", {})
            assert method in answer.headers["Allow"].split(", "), name


def test_every_error_is_named_and_no_other(page: Seen) -> None:
    """Each class of the tree is a row, and each row a class."""
    assert marks(page.text, "error") == [row.__name__ for row in errors.TABLE]


def test_every_ending_is_named_and_no_other(page: Seen) -> None:
    """Whatever word a receipt says, here is what it means and what it costs."""
    assert marks(page.text, "ended") == [ending.word for ending in endings.TABLE]


@pytest.mark.parametrize("label", SHARED)
def test_a_table_says_what_the_readme_says(page: Seen, label: str) -> None:
    """Two tables of the same thing are one, or one of them is wrong."""
    assert cells(page.text, label) == rows(*SHARED[label])


def test_every_field_that_changes_the_price_is_named(page: Seen) -> None:
    """A field that costs and is not told of is found on the bill."""
    told = {name for row in cells(page.text, "Fields that change the price") for name in re.findall(r"`(\w+)`", row[0])}
    assert told == fields.CHANGING - UNPRICED | {"n", "best_of"}


def test_every_key_of_the_configuration_that_is_named_exists(page: Seen) -> None:
    """The numbers are the owner's, and he must find where they are set."""
    named = set(marks(page.text, "config"))
    assert named == {*(f"limits.{name}" for name in config.Limits.__struct_fields__), "billing.output_slice_tokens"}
    assert named <= set(dict(keys(config.Config, "")))


def test_every_header_is_named_and_no_other(page: Seen) -> None:
    """Each that the API's own description knows, and each of Haze's making that stands anywhere in its code."""
    named = marks(page.text, "header")
    assert sorted(named) == sorted(openapi.HEADERS)
    source = "".join(path.read_text() for path in (ROOT / "haze_proxy").rglob("*.py"))
    assert set(re.findall(r'"(x-haze-[a-z-]+)"', source)) <= set(named)


def test_the_contents_lead_to_every_section(page: Seen) -> None:
    """In its order; and every heading can be linked to."""
    contents = re.search(r'class="toc".*?</nav>', page.text, re.DOTALL)
    assert contents
    assert re.findall(r'href="#([^"]+)"', contents[0]) == list(SECTIONS)
    assert re.findall(r'<h2 id="([^"]+)"', page.text) == [*SECTIONS, "ready"]


async def test_every_link_leads_somewhere(stranger: Person, page: Seen) -> None:
    """To a page, or to a place on this one; what needs a session asks for one first."""
    for to in links(page.text):
        if to.startswith("#"):
            assert f'id="{to[1:]}"' in page.text, to
        else:
            assert to.startswith("/"), to
            assert (await stranger.get(to)).status in (200, 303), to


@pytest.mark.parametrize("words", PROMISED)
def test_what_was_promised_stands_here(page: Seen, words: str) -> None:
    """The public documentation of the product says it; so does this one."""
    assert words in page.words


@pytest.mark.parametrize("words", NUMBERS)
def test_a_number_in_a_sentence_is_the_codes_own(page: Seen, words: str) -> None:
    """Here and in the README: a sentence does not change with the constant."""
    assert words in page.words
    assert words in " ".join(README.split())


async def test_addresses_and_numbers_are_this_deployments_own(tmp_path: Path) -> None:
    """Whoever copies a line from here reaches this Haze, within the limits that hold here."""
    seen = await look(tmp_path, OWN + ECHO)
    lines = examples(seen.text)
    assert lines["Base URL"] == "https://haze.example/v1"
    assert not any("127.0.0.1" in text for text in lines.values())
    assert "export ANTHROPIC_BASE_URL=https://haze.example\n" in lines["Claude Code"]
    for words in ("6,000 requests a minute", "123,456 tokens a minute", "9 requests at the same time", "7 MiB"):
        assert words in seen.words
    assert f"that is {limiter.request_burst(6000):,}; then" in seen.words
    assert "a first slice of 1,024 output tokens" in seen.words
    assert f"{limiter.COUNTS_PER_MINUTE} a minute, {limiter.COUNTS_AT_ONCE} at once" in seen.words
    assert "Get an account from the owner" in seen.words
    assert 'href="/register"' not in seen.text


async def test_the_table_of_models_marks_what_is_live(tmp_path: Path) -> None:
    """What waits for its channel is there as well, and says so; names are text."""
    seen = await look(tmp_path, ECHO + WAITING)
    assert marks(seen.text, "model") == ["hekiu", "later"]
    assert [row[-1] for row in cells(seen.text, "Supported models")] == ["live", "not live"]
    assert "<b>" not in seen.text
    assert {to for to in links(seen.text) if to.startswith("/models/")} == {"/models/hekiu"}


async def test_a_long_list_of_models_goes_on_at_their_own_page(tmp_path: Path) -> None:
    """A documentation is read, a catalogue searched."""
    ids = [f"m-{number}" for number in range(MODELS_MAX + 10)]
    channel = f'[[channels]]\nname = "echo"\nkind = "echo"\nmodels = {ids}\n'
    seen = await look(tmp_path, channel + "".join(f'[[models]]\nid = "{each}"\nfree = true\n' for each in ids))
    assert marks(seen.text, "model") == ids[:MODELS_MAX]
    assert f"The first {MODELS_MAX}; all models" in seen.words


async def test_an_empty_haze_has_a_documentation_too(tmp_path: Path) -> None:
    """Its examples name what the product's documentation names."""
    seen = await look(tmp_path, "")
    assert '"model": "hekiu"' in examples(seen.text)["OpenRouter-style chat"]
    assert "No model is configured yet." in seen.words


async def test_examples_name_a_model_that_the_visitors_own_key_may_use(tmp_path: Path) -> None:
    """Pasted with that key they work; the key itself is shown on no page again."""
    other = '[[models]]\nid = "other"\nfree = true\n'
    async with (
        running(tmp_path, ECHO.replace('["hekiu"]', '["hekiu", "other"]') + other) as haze,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        person = Person(haze, session)
        await person.register()
        assert '"model": "hekiu"' in examples((await person.get("/docs")).text)["OpenRouter-style chat"]
        secret = await person.make_key(models="other")
        seen = await person.get("/docs")
        assert '"model": "other"' in examples(seen.text)["OpenRouter-style chat"]
        assert secret[:12] not in seen.text
        assert "sk-rr-your-key-here" in seen.text
