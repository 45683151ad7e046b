"""The recorded requests of every client, replayed over raw HTTP: what is left where no client can be installed."""

from typing import Any

import pytest
import recording
from harness import UNKNOWN_KEY, Haze, raw_request

RECORDINGS = dict(recording.recorded())
# A client names itself in its User-Agent.
CLIENTS = (
    "OpenAI/Python",
    "OpenAI/JS",
    "Anthropic/Python",
    "Anthropic/JS",
    "claude-cli",
    "codex_exec",
    "curl",
    "Mozilla",
)
TERMINAL = (b"data: [DONE]\n\n", b"event: message_stop", b"event: response.completed")


@pytest.fixture(scope="session")
def keys(haze: Haze) -> dict[str, str]:
    """Keys of the sorts already made for a replay."""
    return {"unknown": UNKNOWN_KEY, "paid": haze.caller().key, "empty": haze.caller("0").key}


def with_key(value: str, haze: Haze, keys: dict[str, str]) -> str:
    """Return a header's value with a live key for its `<sort>`; other sorts are options of `key add`."""
    before, mark, sort = value.partition("<")
    if not mark:
        return value
    sort = sort.removesuffix(">")
    if sort not in keys:
        keys[sort] = haze.caller("5", *sort.split()).key
    return before + keys[sort]


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recorded_request_meets_the_status_it_met(name: str, haze: Haze, keys: dict[str, str]) -> None:
    """Same bytes, same kind of answer: what a client once sent here and got through must get through for ever."""
    kept: dict[str, Any] = RECORDINGS[name]
    body = kept["body"].encode()
    credentials = recording.CREDENTIALS
    headers = [(n, with_key(value, haze, keys) if n.lower() in credentials else value) for n, value in kept["headers"]]
    headers += [("Host", "127.0.0.1")] + [("Content-Length", str(len(body)))] * bool(body)
    target = "?".join(filter(None, (kept["path"], kept["query"])))
    status, answer = raw_request(haze.port, kept["method"], target, headers, body)
    assert status == kept["status"], answer[:500]
    assert b'"stream":true' not in body or status != 200 or any(end in answer for end in TERMINAL)


def test_every_client_has_been_recorded() -> None:
    """An empty folder would replay nothing and look green."""
    agents = [value for kept in RECORDINGS.values() for name, value in kept["headers"] if name.lower() == "user-agent"]
    missing = [client for client in CLIENTS if not any(agent.startswith(client) for agent in agents)]
    assert not missing
