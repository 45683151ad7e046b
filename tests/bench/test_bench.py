"""The benchmark itself works: its provider, its relay and its driver, in one tiny round without Haze."""

import json
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from haze_proxy.store import database, proof
from haze_proxy.web.pages import table

from . import calls, crowd, growth, haze, pages, servers, settlement, visits
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


@pytest.fixture(scope="module")
def page_lines(tmp_path_factory: pytest.TempPathFactory) -> Sequence[pages.Line]:
    """All pages, once each, on a store of a thousand requests; `ledger check` has found nothing wrong with it."""
    return pages.run(tmp_path_factory.mktemp("pages"), requests=1000, rounds=1)


def test_every_page_is_measured(page_lines: Sequence[pages.Line]) -> None:
    """A page that is left out of the table may become slow without a sign of it."""
    there = {page.path for page in table() if page.method == "GET"}
    assert there <= {line.page for line in page_lines}
    assert all(line.p50 > 0 and line.p50_few > 0 and line.cpu > 0 and line.kilobytes > 0 for line in page_lines)


def test_a_list_is_measured_far_from_its_beginning(page_lines: Sequence[pages.Line]) -> None:
    """A page that counts its way to its rows is quick at first: only its links lead to where it is not."""
    first, further = (
        next(line for line in page_lines if line.page == page) for page in ("/models", "/models, 1 further")
    )
    assert first.kilobytes != further.kilobytes


def test_a_page_with_an_unknown_parameter_is_named() -> None:
    """A new page must not be left out quietly because nobody said what stands for a part of its address."""
    assert visits.address("/x/{id:[0-9]{1,15}}?m={model:.+}", {"id": "7", "model": "a b/c"}) == "/x/7?m=a%20b/c"
    with pytest.raises(visits.UnknownParameterError, match=r"/x/\{colour\}: .*\{colour\}"):
        visits.address("/x/{colour}", {"id": "1"})


def test_a_query_whose_page_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that moves must take its queries along: one that is not asked for any more is never slow."""
    monkeypatch.setattr(visits, "QUERIES", ("/models?q=a", "/moved?by=key"))
    with pytest.raises(visits.UnknownPageError, match=r"/moved\?by=key"):
        visits.queries()


@pytest.mark.parametrize(
    ("p50", "p50_few", "verdict"), [(49.0, 20.0, "ok"), (49.0, 10.0, "ok, grows"), (51.0, 51.0, "MISS")]
)
def test_a_slow_page_is_said_to_be_one(p50: float, p50_few: float, verdict: str) -> None:
    """Fifty milliseconds are promised; growth is told, because the next million will come."""
    line = pages.Line("/slow", p50, 60.0, 1.0, 1.0, p50_few)
    assert line.verdict == verdict
    assert pages.markdown([line]).endswith(f"| {verdict} |")


def test_a_store_of_a_busy_house_holds_every_kind_of_request(tmp_path: Path) -> None:
    """Pages are quick where there is nothing: each state and each account must be there, and the heavy one the most."""
    home = haze.Home(tmp_path / "home", "normal", 1, 1, list(crowd.MODELS))
    crowd.fill(home.database, 1000, 1_800_000_000_000)
    with closing(database.connect(str(home.database))) as store:
        of = dict(store.execute("SELECT account_id, count(*) FROM requests GROUP BY account_id").fetchall())
        assert (of[crowd.HEAVY], sum(of.values()), len(of)) == (500, 1000, 3)
        states = {row[0] for row in store.execute("SELECT DISTINCT state FROM requests")}
        assert states == {"settled", "void", "interrupted"}
        assert proof.check(store) == []
