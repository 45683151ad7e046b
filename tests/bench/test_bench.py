"""The benchmark itself works: its provider, its relay and its driver, in one tiny round without Haze."""

import json
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from haze_proxy.store import database, proof

from . import calls, growth, haze, servers, settlement
from .driver import Target, WrongAnswer
from .lines import LINES, Line
from .rows import by_difference, by_turns, markdown


@pytest.fixture(scope="module")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Target]]:
    """Two bare relays before the pretend provider."""
    folder = tmp_path_factory.mktemp("bench")
    with servers.upstream(folder) as port, ExitStack() as stack:
        yield [stack.enter_context(servers.relay(folder, name, port).running()) for name in ("relay", "again")]


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_every_line_can_be_measured(line: Line, relays: Sequence[Target]) -> None:
    """A benchmark that nobody runs rots; every line is run once here, with all its checks of the answers."""
    rows = line.measure(line, relays, 1)
    assert {row.target for row in rows} == {"again"}
    assert all(row.relay > 0 for row in rows)


def test_a_translated_line_asks_a_channel_of_another_protocol() -> None:
    """Otherwise it would measure the native way twice, and look very good."""
    native = calls.messages_stream(3, 1)
    there = calls.elsewhere(native, "chat")
    read = tomllib.loads(haze.config("full", 1, 2, [native, there]))
    assert {row["kind"]: row["models"] for row in read["channels"]} == {
        "openai": [there.model],
        "anthropic": [native.model],
    }
    assert there.protocol == "messages"
    assert json.loads(there.body) == {**json.loads(native.body), "model": there.model}


def test_a_stream_can_be_held_open(relays: Sequence[Target]) -> None:
    """The memory line opens a thousand of these."""
    with relays[0].hold(calls.held_stream()) as sock:
        sock.settimeout(0.02)
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_a_wrong_answer_fails_loudly(relays: Sequence[Target]) -> None:
    """Figures of a server that answers wrongly would look very good."""
    wrong = calls.Call("chat", "bench", calls.chat_stream(3, 0).body, chunks=4)
    with relays[0].connections(1) as connections, pytest.raises(WrongAnswer, match="3 chunks instead of 4"):
        relays[0].burst(wrong, connections, 1)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"prompt_tokens":1}', "the terminal event is missing"),
        (b"data: [DONE]\n\n", "no usage"),
        (b'{"prompt_tokens":1} relayed data: [DONE]\n\n', "1 chunks instead of 2"),
        (b'{"prompt_tokens":1} relayed relayed data: [DONE]\n\n', ""),
    ],
)
def test_an_answer_is_checked_to_its_end(body: bytes, fault: str) -> None:
    """A stream cut short costs little: it must not count as fast."""
    assert calls.chat_stream(2, 0).fault(200, body) == fault
    assert calls.chat_stream(2, 0).fault(500, body) == "status 500"


def test_a_miss_is_said() -> None:
    """The ratio is the median of the ratios within the rounds, and the limit is judged by it."""
    row = by_turns("chat", "haze full", "us", [(100, 160), (200, 320), (50, 200)], limit=1.5)
    assert (row.compared, row.verdict) == (1.6, "MISS")
    assert "| 1.600x |" in markdown([row])
    assert by_difference("RSS", "haze full", "MB", 60, 90, 40).verdict == "ok"


def test_what_settlement_costs_is_measured_on_right_books(tmp_path: Path) -> None:
    """The line drives the real store; a request that was not charged would look cheap, and is a failure."""
    figures = settlement.measure(tmp_path, "normal", 8, 0.1)
    assert figures.keys() == {"CPU", "p50", "p99"}
    assert 0 < figures["p50"] <= figures["p99"]


def test_a_store_that_was_made_large_is_a_right_one(tmp_path: Path) -> None:
    """Copied requests are paid for like real ones; else the line would measure a store that cannot be."""
    settlement.measure(tmp_path, "normal", 1, 0.02)
    with closing(database.connect(str(tmp_path / "haze.db"))) as store:
        (before,) = store.execute("SELECT count(*) FROM requests").fetchone()
        growth.multiply(tmp_path / "haze.db", 50)
        (after,) = store.execute("SELECT count(*) FROM requests").fetchone()
        assert (after - before, proof.check(store)) == (49, [])
