"""What a journey starts from: two running Hazes, pretend providers behind fronts, accounts made by the commands."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import recording
from agents import Run, claude_in, codex_in
from front import Front
from harness import (
    ROOT,
    UPSTREAM_KEYS,
    Caller,
    Errand,
    Haze,
    Server,
    clean_environment,
    errand_of,
    free_port,
    without_proxies,
)
from house import HEAD, MODEL, PROVIDERS, config
from unlucky import Unlucky
from unlucky import start as start_unlucky

if TYPE_CHECKING:
    import openai

MODE = os.environ.get("HAZE_JOURNEYS")
# Recordings are not replayed while they are being made.
collect_ignore = ["test_recorded.py"] if MODE == "record" else []


@pytest.fixture(scope="session", autouse=True)
def nothing_but_loopback() -> Iterator[None]:
    """The SDKs read proxies and credentials from the environment: none may lead away from 127.0.0.1."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(without_proxies(os.environ)):
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def provider_fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Front]]:
    """A front before a pretend provider for each channel."""
    folder = tmp_path_factory.mktemp("providers")
    servers: list[Server] = []
    fronts: dict[str, Front] = {}
    for channel, options in PROVIDERS.items():
        port = free_port()
        arguments = [str(ROOT / "tests/provider.py"), "--port", str(port), *options]
        servers.append(Server(arguments, port, folder / f"{channel}.log"))
        fronts[channel] = Front(port)
    yield fronts
    for front in fronts.values():
        front.stop()
    for server in servers:
        server.stop()


@pytest.fixture
def providers(provider_fronts: dict[str, Front]) -> dict[str, Front]:
    """The provider fronts as this journey finds them: nothing seen yet, nothing held back."""
    for front in provider_fronts.values():
        front.requests.clear()
        front.hold_after = None
    return provider_fronts


@pytest.fixture(scope="session")
def haze(tmp_path_factory: pytest.TempPathFactory, provider_fronts: dict[str, Front]) -> Iterator[Haze]:
    """A Haze with an echo channel and a pretend provider for each other channel; every model costs something."""
    ports = {channel: front.port for channel, front in provider_fronts.items()}
    started = Haze(tmp_path_factory.mktemp("haze"), config(ports), UPSTREAM_KEYS)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Haze]:
    """A Haze with the committed config.toml, as a fresh checkout starts it."""
    started = Haze(tmp_path_factory.mktemp("shipped"), (ROOT / "config.toml").read_text())
    yield started
    started.stop()


@pytest.fixture(scope="session")
def unlucky_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unlucky]:
    """A Haze whose channels have one fault each."""
    started = start_unlucky(tmp_path_factory.mktemp("unlucky"), HEAD + MODEL.format(id="hekiu"))
    yield started
    started.stop()


@pytest.fixture
def unlucky(unlucky_house: Unlucky) -> Unlucky:
    """The same as this journey finds it: nothing seen yet."""
    unlucky_house.front.requests.clear()
    unlucky_house.upstream.requests.clear()
    return unlucky_house


TRAVELLED = pytest.StashKey[set[Haze]]()


@pytest.fixture(scope="module", autouse=True)
def the_books_balance(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever the journeys of a file did, the ledgers add up afterwards."""
    travelled = request.config.stash.setdefault(TRAVELLED, set())
    travelled.clear()
    yield
    for each in travelled:
        each.command("ledger", "check")


@pytest.fixture(autouse=True)
def has_travelled(request: pytest.FixtureRequest) -> None:
    """Note which Hazes a journey goes through."""
    used = [request.getfixturevalue(name) for name in ("haze", "shipped") if name in request.fixturenames]
    if "unlucky" in request.fixturenames:
        used.append(request.getfixturevalue("unlucky").haze)
    request.config.stash[TRAVELLED].update(used)


COUNTED = pytest.StashKey[list[tuple[str, str, int, int, int, float]]]()


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Add a row to the table of counts: client, what happened, requests at most, then what passed at a front."""
    rows = request.config.stash.setdefault(COUNTED, [])

    def add(client: str, what: str, most: int, front: Front, reached: int, began: float) -> None:
        rows.append((client, what, most, len(front.requests), reached, time.monotonic() - began))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of counts."""
    if rows := config.stash.get(COUNTED, []):
        terminalreporter.section("requests until a client gives up")
        terminalreporter.write_line(f"{'client':<12} {'what happens':<32} at most   seen  at the provider  seconds")
        for client, what, most, seen, reached, seconds in rows:
            terminalreporter.write_line(f"{client:<12} {what:<32} {most:>7} {seen:>6} {reached:>16} {seconds:>8.1f}")


@pytest.fixture
def front_of(request: pytest.FixtureRequest) -> Iterator[Callable[[Haze], Front]]:
    """Put a front before a Haze; what passed it is saved when this run records."""
    made: list[tuple[Haze, Front]] = []

    def put(target: Haze) -> Front:
        made.append((target, Front(target.port)))
        return made[-1][1]

    yield put
    for target, front in made:
        front.stop()
        if MODE == "record":
            recording.save(f"{request.path.stem}-{request.node.name}", front.requests, target.sorts)


@pytest.fixture
def front(front_of: Callable[[Haze], Front], haze: Haze) -> Front:
    """A front before the Haze with providers."""
    return front_of(haze)


@pytest.fixture(scope="session")
def paid(haze: Haze) -> Caller:
    """A caller with five dollars on the Haze with providers."""
    return haze.caller()


@pytest.fixture(scope="session")
def empty(haze: Haze) -> Caller:
    """A caller without a cent."""
    return haze.caller("0")


@pytest.fixture
def openai_python(front: Front, paid: Caller) -> Iterator["openai.OpenAI"]:
    """OpenAI's SDK as people configure it: retries and all."""
    import openai  # only here: who replays recordings has no SDK

    with openai.OpenAI(api_key=paid.key, base_url=f"{front.url}/v1") as client:
        yield client


@pytest.fixture
def openai_node(front: Front, paid: Caller, home: dict[str, str]) -> Errand:
    """Run one errand of clients/openai.mjs for a caller; return the document it prints."""

    def run(errand: str, model: str, key: str = paid.key) -> dict[str, Any]:
        env = {**home, "JOURNEY_KEY": key, "JOURNEY_BASE_URL": f"{front.url}/v1"}
        return errand_of("openai.mjs", errand, model, env)

    return run


@pytest.fixture
def unlucky_node(unlucky: Unlucky, home: dict[str, str]) -> Errand:
    """Run one errand of clients/openai.mjs, or of another script, on failing channels; it asks once."""

    def run(errand: str, model: str, key: str, script: str = "openai.mjs") -> dict[str, Any]:
        base = unlucky.front.url + ("/v1" if script == "openai.mjs" else "")
        env = {**home, "JOURNEY_KEY": key, "JOURNEY_BASE_URL": base, "JOURNEY_RETRIES": "0"}
        return errand_of(script, errand, model, env)

    return run


@pytest.fixture
def anthropic_node(front: Front, paid: Caller, home: dict[str, str]) -> Errand:
    """The same for clients/anthropic.mjs."""

    def run(errand: str, model: str, key: str = paid.key) -> dict[str, Any]:
        return errand_of("anthropic.mjs", errand, model, {**home, "JOURNEY_KEY": key, "JOURNEY_BASE_URL": front.url})

    return run


@pytest.fixture
def claude(home: dict[str, str]) -> Run:
    """Claude Code, headless."""
    return claude_in(home)


@pytest.fixture
def codex(home: dict[str, str]) -> Run:
    """Codex, headless."""
    return codex_in(home)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The clean environment of one command-line client."""
    return clean_environment(tmp_path / "home")
