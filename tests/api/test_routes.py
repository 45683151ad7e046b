"""Which paths answer: the table's, under every base URL that people paste, and nothing else."""

import pytest
from checks import refused, untouched
from gateway import HELLO, PATHS, Haze, asking
from provider import Provider

from haze_proxy.api.routes import ROUTES, UNVERSIONED

DOORS = {
    "chat": [
        "/v1/chat/completions",
        "/v1/v1/chat/completions",
        "/chat/completions",
        "/v1/chat/completions/",
        "/chat/completions/",
        "//chat/completions",
        "/v1//chat/completions",
        "//v1/chat/completions",
    ],
    "messages": [
        "/v1/messages",
        "/v1/v1/messages",
        "/messages",
        "/v1/messages/",
        "/messages/",
        "//v1/messages",
        "//v1//messages/",
        "//messages?beta=true",
        "/v1/messages?beta=true",
    ],
    "responses": ["/v1/responses", "/v1/v1/responses", "/responses", "/v1/responses/", "/responses/"],
}
PLACES = [(protocol, path) for protocol, paths in DOORS.items() for path in paths]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("protocol", "path"), PLACES, ids=[path for _, path in PLACES])
async def test_a_base_url_with_v1_twice_or_not_at_all_works(
    chained: Haze, provider: Provider, protocol: str, path: str, stream: bool
) -> None:
    """The seed's two SDKs want different base URLs; whoever mixes them up is served, and charged the same."""
    answer = await chained.post(path, asking(protocol, "paid", max_tokens=9, stream=stream))
    assert answer.status == 200, answer.body
    assert provider.requests[0].path == PATHS[protocol]
    (row,) = await chained.ended()
    assert (row["protocol"], row["cost"]) == (protocol, 41_000)


@pytest.mark.parametrize(
    "path", ["/v1/messages/count_tokens", "/v1/v1/messages/count_tokens", "/messages/count_tokens"]
)
async def test_counting_is_found_there_too(haze: Haze, path: str) -> None:
    """Claude Code asks below the same base URL."""
    answer = await haze.post(path, {"model": "hekiu", "messages": HELLO})
    assert answer.status == 200
    assert answer.json()["input_tokens"] > 0


@pytest.mark.parametrize("path", ["/v1/models", "/v1//models/", "//models", "/models/", "/v1/models/hekiu", "//v1/key"])
async def test_what_is_read_is_found_there_too(haze: Haze, path: str) -> None:
    """A redirect would be a failure to Claude Code's model discovery."""
    assert (await haze.get(path)).status == 200
    refused(await haze.get(path, key=""), "chat", 401)


def test_no_path_without_v1_is_forgotten() -> None:
    """A row added to the table is served below every base URL."""
    assert {f"/{endpoint.path.split('/')[1]}" for endpoint, _ in ROUTES} == set(UNVERSIONED)
    assert {"/chat", "/messages", "/models", "/key"} <= set(UNVERSIONED)


async def test_the_operators_paths_need_no_key(haze: Haze) -> None:
    """A load balancer has none."""
    assert (await haze.get("/healthz", key="")).json() == {"status": "alive"}
    assert (await haze.get("/readyz", key="")).json() == {"status": "ready"}


@pytest.mark.parametrize(
    "path",
    [
        "/healthz/chat/completions",
        "/chat",
        "/v1/chat",
        "/v1/v1/v1/messages",
        "/messages/x/y",
        "///v1/messages",
        "/v1///key",
        "/v1/responses/resp_1",
    ],
)
async def test_nothing_else_is_served(haze: Haze, path: str) -> None:
    """A door that nobody listed would be one that nobody guards."""
    assert (await haze.post(path, {"model": "hekiu", "max_tokens": 9, "messages": HELLO})).status == 404
    untouched(haze)
