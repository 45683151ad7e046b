"""Which paths answer: the table's, under every base URL that people paste, and nothing else."""

import pytest
from checks import refused, untouched
from gateway import HELLO, PATHS, Haze, asking
from provider import Provider

from haze_proxy.api.routes import ROUTES

DOORS = {
    "chat": [
        "/v1/chat/completions",
        "/v1/v1/chat/completions",
        "/chat/completions",
        "/v1/chat/completions/",
        "/chat/completions/",
    ],
    "messages": [
        "/v1/messages",
        "/v1/v1/messages",
        "/messages",
        "/v1/messages/",
        "/messages/",
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


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(("endpoint", "path"), [(row, f"/v1{row.path}".replace("{id:.+}", "m")) for row, _ in ROUTES])
async def test_a_wrong_method_is_405_and_names_the_right_one(
    haze: Haze, endpoint: object, path: str, method: str
) -> None:
    """In the envelope of the path, and before anyone is asked for a key."""
    if method == endpoint.method:  # type: ignore[attr-defined]
        return
    answer = await haze._send(method, path, None, "", {})
    if method == "HEAD":
        assert (answer.status, answer.body) == (405, b"")
        return
    protocol = endpoint.protocol  # type: ignore[attr-defined]
    assert method in refused(answer, protocol, 405)
    assert answer.headers["Allow"] == endpoint.method  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/", "/api/hello", "/v1/models"])
async def test_a_client_that_only_warms_up_its_connection_is_no_failure(haze: Haze, path: str) -> None:
    """Claude Code sends HEAD without a key at its start: no redirect, no body, nothing counted."""
    answer = await haze._send("HEAD", path, None, "", {})
    assert answer.status in (404, 405)
    assert answer.body == b""
    untouched(haze)


async def test_the_operators_paths_need_no_key(haze: Haze) -> None:
    """A load balancer has none."""
    assert (await haze.get("/healthz", key="")).json() == {"status": "alive"}
    assert (await haze.get("/readyz", key="")).json() == {"status": "ready"}


@pytest.mark.parametrize(
    "path",
    ["/healthz/chat/completions", "/chat", "/v1/chat", "/v1/v1/v1/messages", "/messages/x/y", "/v1/responses/resp_1"],
)
async def test_nothing_else_is_served(haze: Haze, path: str) -> None:
    """A door that nobody listed would be one that nobody guards."""
    assert (await haze.post(path, {"model": "hekiu", "max_tokens": 9, "messages": HELLO})).status == 404
    untouched(haze)
