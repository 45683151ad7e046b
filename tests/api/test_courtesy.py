"""Browsers and warm-ups: `OPTIONS` and `HEAD` ask without a key, and a page of any origin may read what it is told."""

from typing import Any

import pytest
from checks import untouched
from gateway import HELLO, PATHS, Answer, Haze
from provider import Provider, Reply, error_body

from haze_proxy.api.routes import ROUTES
from haze_proxy.gate.request_log import REFUSALS

BOTH = pytest.mark.parametrize("protocol", ["chat", "messages"])
ORIGIN = {"Origin": "https://chat.example"}
PLACES = [
    (f"{prefix}{endpoint.path}".replace("{id:.+}", "openai/gpt-5.2"), endpoint.method)
    for endpoint, _ in ROUTES
    for prefix in ("/v1", "/v1/v1", "", "//v1")
]
# What the browser builds of both SDKs ask for.
WANTED = (
    "anthropic-dangerous-direct-browser-access,anthropic-version,authorization,content-type,x-api-key,x-stainless-os"
)


def preflight(method: str = "POST", wanted: str = WANTED) -> dict[str, str]:
    """What a browser asks before it sends a request of its page."""
    return {**ORIGIN, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": wanted}


async def options(haze: Haze, path: str, headers: dict[str, str]) -> Answer:
    """An OPTIONS request without a key."""
    return await haze._send("OPTIONS", path, None, "", headers)


def granted(answer: Answer) -> dict[str, str]:
    """The headers of an answer that concern browsers."""
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control-")}


async def test_a_browser_may_send_what_every_route_takes(haze: Haze) -> None:
    """A preflight never carries the key; refused by the gate it would make every browser SDK fail."""
    for path, method in PLACES:
        answer = await options(haze, path, preflight(method))
        assert (answer.status, answer.body) == (204, b""), path
        rights = granted(answer)
        assert rights["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in rights
        assert method in rights["access-control-allow-methods"].split(", "), path
        assert rights["access-control-allow-headers"] == WANTED
        assert int(rights["access-control-max-age"]) > 600
        assert answer.headers["request-id"].startswith("req_")
    untouched(haze)


ODD: dict[str, str] = {
    "none": "",
    "too many": ",".join(["x-header"] * 2000),
    "no names": "a b",
    "a line break": "a,\tb;",
    "quotes": '"x"',
    "only commas": ",,",
    "not ASCII": "\u00e4",
}


async def test_only_names_of_headers_are_repeated(haze: Haze) -> None:
    """What a stranger writes into a header is not put into an answer unread."""
    for name, wanted in ODD.items():
        answer = await options(haze, "/v1/messages", preflight(wanted=wanted))
        assert answer.status == 204, name
        assert "access-control-allow-headers" not in granted(answer), name


async def test_names_with_spaces_between_them_are_names(haze: Haze) -> None:
    """Old browsers write a space after the comma."""
    answer = await options(haze, "/v1/messages", preflight(wanted="x-api-key, Content-Type"))
    assert granted(answer)["access-control-allow-headers"] == "x-api-key, Content-Type"


@pytest.mark.parametrize("path", ["/v1/nothing", "/messages/nothing", "/v1", "/v1/v1/v1/messages"])
async def test_a_page_can_read_that_a_path_is_not_there(haze: Haze, path: str) -> None:
    """A refused preflight hides the reason: the page's author would see "CORS error" and no 404."""
    assert (await options(haze, path, preflight())).status == 204
    answer = await haze.post(path, {}, headers=ORIGIN)
    assert (answer.status, granted(answer)["access-control-allow-origin"]) == (404, "*")
    untouched(haze)


async def test_options_without_a_browser_names_the_methods(haze: Haze) -> None:
    """Nobody but a browser needs to be told its rights."""
    for headers in ({}, ORIGIN, {"Access-Control-Request-Method": "POST"}):
        answer = await options(haze, "/v1/messages", headers)
        assert (answer.status, answer.headers["Allow"]) == (204, "HEAD, OPTIONS, POST")
        assert "access-control-allow-methods" not in granted(answer)


def exposed(answer: Answer) -> set[str]:
    """The headers that a page of any origin may read."""
    rights = granted(answer)
    assert rights["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in rights
    return {name.lower() for name in rights["access-control-expose-headers"].split(", ")}


LIMITS = {"chat": "x-ratelimit-remaining-tokens", "messages": "anthropic-ratelimit-tokens-remaining"}


@BOTH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_page_reads_an_answer_and_its_headers(
    chained: Haze, provider: Provider, protocol: str, stream: bool
) -> None:
    """The receipt's id, the limits and the provider's id are for the page's author, too."""
    ask = {"model": "paid", "max_tokens": 9, "messages": HELLO, "stream": stream}
    answer = await chained.post(PATHS[protocol], ask, headers=ORIGIN)
    assert answer.status == 200
    assert {"request-id", "x-request-id", LIMITS[protocol]} <= exposed(answer)
    provider.script(
        Reply(
            status=400,
            headers={"x-request-id": "theirs", "Access-Control-Allow-Origin": "https://owner.example"},
            body=error_body(protocol, "invalid_request_error", "no"),
        )
    )
    answer = await chained.post(PATHS[protocol], ask, headers=ORIGIN)
    assert (answer.status, answer.headers["x-upstream-request-id"]) == (400, "theirs")
    assert "x-upstream-request-id" in exposed(answer)


REFUSED: dict[str, tuple[str, dict[str, Any], int, set[str]]] = {
    "no key": ("", {}, 401, {"x-should-retry", "www-authenticate"}),
    "no channel": ("good", {"model": "nobody"}, 503, {"x-should-retry"}),
    "no model": ("good", {"model": None}, 400, set()),
}


@BOTH
@pytest.mark.parametrize(("key", "fields", "status", "names"), REFUSED.values(), ids=REFUSED)
async def test_a_page_reads_a_refusal(
    haze: Haze, protocol: str, key: str, fields: dict[str, Any], status: int, names: set[str]
) -> None:
    """A refusal that a page cannot read is a riddle."""
    ask = {"model": "hekiu", "max_tokens": 9, "messages": HELLO, **fields}
    answer = await haze.post(PATHS[protocol], ask, key=key and haze.key, headers=ORIGIN)
    assert answer.status == status
    assert {"request-id", "x-request-id", *names} <= exposed(answer)


async def test_who_is_no_browser_is_told_nothing_of_it(haze: Haze) -> None:
    """Headers cost bytes on every answer, and only browsers read these."""
    assert granted(await haze.ask("chat")) == {}
    assert granted(await haze.get("/v1/models")) == {}


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/nothing"])
async def test_what_is_no_api_is_not_opened_to_other_pages(haze: Haze, path: str) -> None:
    """Pages for people will know their readers by a cookie."""
    assert granted(await options(haze, path, preflight("GET"))) == {}
    assert granted(await haze.get(path, key="", headers=ORIGIN)) == {}


async def test_head_says_that_a_path_is_there(haze: Haze) -> None:
    """Without a key, a body, or a trace."""
    for path, _ in PLACES:
        answer = await haze._send("HEAD", path, None, "", {})
        assert (answer.status, answer.body) == (200, b""), path
        assert answer.headers["Content-Type"] == "application/json"
    untouched(haze)


async def test_a_warm_up_is_no_failure(haze: Haze) -> None:
    """Claude Code sends HEAD without a key at its start: no redirect, no body, nothing counted."""
    for path in ("/", "/api/hello", "/v1", "/v1/nothing", "/messages/nothing", "/nothing"):
        answer = await haze._send("HEAD", path, None, "", {})
        assert (answer.status, answer.body) == (200 if path == "/" else 404, b""), path
    untouched(haze)
    assert haze.app[REFUSALS].counts == {}


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_load_balancer_may_ask_by_head(haze: Haze, path: str) -> None:
    """Some do by default."""
    answer = await haze._send("HEAD", path, None, "", {})
    assert (answer.status, answer.body) == (200, b"")
