"""How often Claude Code and Codex ask before they give up: repetitions may be paid for, and people wait meanwhile.

The most that is allowed is what they do without Haze. A table of what was counted is printed at the end.
"""

import subprocess
import time
from collections.abc import Callable

import pytest
from agents import Run
from front import Front
from harness import HELLO, UNKNOWN_KEY, Caller, Haze, raw_request
from unlucky import Unlucky

ECHO = "hekiu"
NOBODY = "nobody/lists-this"
PATIENCE = {"CLAUDE_CODE_MAX_RETRIES": "2"}
SETTINGS = {"request_max_retries": 1, "stream_max_retries": 1}
BURST = 10  # what a key of few requests a minute may send at once

Client = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clients(claude: Run, codex: Run) -> dict[str, Client]:
    """Each client by its name, called with a front, a key and a model; `bounded`: with few repetitions of its own."""

    def run_claude(front: Front, key: str, model: str, *, bounded: bool = False) -> subprocess.CompletedProcess[str]:
        return claude(front, key, "--model", model, env=PATIENCE if bounded else {})

    def run_codex(front: Front, key: str, model: str, *, bounded: bool = False) -> subprocess.CompletedProcess[str]:
        return codex(front, key, model, **(SETTINGS if bounded else {}), searches=not bounded)

    return {"Claude Code": run_claude, "Codex": run_codex}


# ---- Haze itself refuses, the client is as patient as it comes: (client, key, model, status, requests at most, told)

WHY = {401: "a key nobody issued", 402: "an empty account", 503: "a model nobody serves"}
REFUSALS = {
    f"Claude Code, {WHY[401]}": ("Claude Code", "unknown", ECHO, 401, 1, "Failed to authenticate"),
    f"Claude Code, {WHY[402]}": ("Claude Code", "empty", ECHO, 402, 1, "API Error: 402"),
    f"Claude Code, {WHY[503]}": ("Claude Code", "paid", NOBODY, 503, 1, NOBODY),
    f"Codex, {WHY[401]}": ("Codex", "unknown", ECHO, 401, 6, "API key"),
    f"Codex, {WHY[402]}": ("Codex", "empty", ECHO, 402, 6, "Insufficient balance"),
    f"Codex, {WHY[503]}": ("Codex", "paid", NOBODY, 503, 30, NOBODY),
}


@pytest.mark.parametrize(("client", "sort", "model", "status", "most", "told"), REFUSALS.values(), ids=REFUSALS)
def test_a_final_refusal_is_repeated_no_more_than_the_client_insists_on(
    client: str, sort: str, model: str, status: int, most: int, told: str,
    clients: dict[str, Client], front: Front, paid: Caller, empty: Caller, counted: Callable[..., None],
) -> None:  # fmt: skip
    """`x-should-retry: false` stops Claude Code at once; Codex does not read it. Both show what Haze says."""
    key = {"unknown": UNKNOWN_KEY, "paid": paid.key, "empty": empty.key}[sort]
    began = time.monotonic()
    done = clients[client](front, key, model)
    counted(client, f"Haze: {status}, {WHY[status]}", most, front, 0, began)
    assert done.returncode != 0
    assert told in done.stdout + done.stderr
    assert {seen.status for seen in front.requests} == {status}
    assert len(front.requests) <= most


@pytest.mark.parametrize("client", ["Claude Code", "Codex"])
def test_a_keys_limit_is_waited_out(
    client: str, clients: dict[str, Client], haze: Haze, front: Front, counted: Callable[..., None]
) -> None:
    """Retry-After is obeyed: each of the two requests of a tool's round trip is refused once at most, then served."""
    caller = haze.caller("5", "--rpm", "12")
    headers = [("Host", "127.0.0.1"), ("x-api-key", caller.key), ("Content-Length", str(len(HELLO)))]
    for _ in range(BURST):
        assert raw_request(haze.port, "POST", "/v1/chat/completions", headers, HELLO)[0] == 200
    began = time.monotonic()
    done = clients[client](front, caller.key, ECHO)
    counted(client, "Haze: 429, the key's limit", 4, front, 0, began)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [seen.status for seen in front.requests if seen.status != 429] == [200, 200]
    assert 3 <= len(front.requests) <= 4


# ---- the only channel fails, the client may repeat once or twice: (client, fault, requests at most, ends well)

FAILURES = {
    "Claude Code, 429": ("Claude Code", "429", 3, False),
    "Claude Code, 503": ("Claude Code", "503", 3, False),
    "Claude Code, 529": ("Claude Code", "529", 3, False),
    "Claude Code, error event": ("Claude Code", "error-event", 2, True),  # asked again without a stream
    "Claude Code, cut": ("Claude Code", "cut", 2, True),  # Haze tells a cut with an error event
    "Codex, 429": ("Codex", "429", 2, False),
    "Codex, 503": ("Codex", "503", 4, False),
    "Codex, 529": ("Codex", "529", 4, False),
    "Codex, error event": ("Codex", "error-event", 2, False),
    "Codex, failed response": ("Codex", "failed-event", 2, False),
    "Codex, cut": ("Codex", "cut", 2, False),
}
NATIVE = {"Claude Code": "anthropic", "Codex": "openai"}

# ---- the same where Haze translates: requests at most, and whether it ends well

OF_CLAUDE_CODE = {
    "400": (6, False),  # it takes one thing after the other out of its request
    "401": (1, False),
    "402": (1, False),
    "429": (3, False),
    "503": (3, False),
    "529": (3, False),
    "error-event": (2, True),
    "early-error-event": (3, False),
    "cut": (2, True),
}
OF_CODEX = {
    "400": (1, False),
    "401": (4, False),
    "402": (4, False),
    "429": (2, False),
    "503": (4, False),
    "529": (4, False),
    "error-event": (2, False),
    "early-error-event": (4, False),
    "cut": (2, False),
}
TRANSLATED = {
    ("Claude Code", "openai"): OF_CLAUDE_CODE,
    ("Codex", "gemini"): OF_CODEX,
    ("Codex", "anthropic"): OF_CODEX,
}

CASES = {
    **{f"{name}": (client, NATIVE[client], fault, *rest) for name, (client, fault, *rest) in FAILURES.items()},
    **{
        f"{client} on {kind}, {fault}": (client, kind, fault, *rest)
        for (client, kind), faults in TRANSLATED.items()
        for fault, rest in faults.items()
    },
}


@pytest.mark.parametrize(("client", "kind", "fault", "most", "ends_well"), CASES.values(), ids=CASES)
def test_a_failing_channel_is_asked_no_more_often_than_without_haze(
    client: str, kind: str, fault: str, most: int, ends_well: bool,
    clients: dict[str, Client], unlucky: Unlucky, counted: Callable[..., None],
) -> None:  # fmt: skip
    """Between the client's repetitions and Haze's own none must multiply the other."""
    front, key = unlucky.front, unlucky.key
    began = time.monotonic()
    done = clients[client](front, key, f"{kind}/{fault}", bounded=True)
    counted(client, f"{kind}: {fault}", most, front, unlucky.reached(fault), began)
    assert (done.returncode == 0) == ends_well, done.stdout + done.stderr
    assert 1 <= len(front.requests) <= most
    # Who refused Haze itself is left alone for a minute, whoever asks.
    assert (fault not in ("401", "402")) <= unlucky.reached(fault) <= len(front.requests)
