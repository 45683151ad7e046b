"""An account's transfers: in order, its own, and with a balance beside each that is exact wherever one looks."""

import sqlite3
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haze_proxy.store import database, migrations, statement, transfers
from haze_proxy.store.migrations import migrate
from haze_proxy.store.statement import NEWEST, Line
from haze_proxy.store.transfers import MANUAL, REVENUE, SHORTFALL, Transfer

NOW = 1_800_000_000_000
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["credit", "charge", "refund", "gift", "shortfall"]), st.integers(0, 1), st.integers(1, 99)
    ),
    max_size=30,
)


def moved(connection: sqlite3.Connection, kind: str, who: str, other: str, amount: int) -> bool:
    """One transfer, if the account can pay it."""
    debit, credit = {"charge": (who, REVENUE), "gift": (who, other), "shortfall": (SHORTFALL, REVENUE)}.get(
        kind, (MANUAL, who)
    )
    try:
        with database.transaction(connection):
            transfers.move(connection, Transfer(debit, credit, amount, kind, memo=f"{kind} {amount}"), NOW)
    except sqlite3.IntegrityError:
        return False
    return True


def pages(connection: sqlite3.Connection, account: int, show: statement.Show, size: int) -> list[Line]:
    """All of a list, read a page at a time."""
    lines: list[Line] = []
    while part := statement.older(connection, account, show, lines[-1].id if lines else NEWEST, size):
        lines += part
    return lines


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(MOVES, st.integers(1, 7))
def test_the_balance_beside_each_transfer_is_the_sum_up_to_it(books, sequence, size: int) -> None:
    """Against plain sums, whatever happens in whatever order, also between accounts, in pages of any size."""
    ids = [books.account(email=f"{number}@{books.connection.total_changes}") for number in (0, 1)]
    names = [transfers.account(each) for each in ids]
    changes: dict[str, list[int]] = {name: [] for name in names}
    for kind, who, amount in sequence:
        name, other = names[who], names[1 - who]
        if moved(books.connection, kind, name, other, amount) and kind != "shortfall":
            changes[name].append(-amount if kind in ("charge", "gift") else amount)
            if kind == "gift":
                changes[other].append(amount)
    for account, name in zip(ids, names, strict=True):
        lines = pages(books.connection, account, "", size)
        assert [line.amount for line in reversed(lines)] == changes[name]
        assert [line.balance for line in reversed(lines)] == list(accumulate(changes[name]))
        assert not lines or lines[0].balance == books.balance(account)
        for show in ("in", "charges"):
            wanted = [line for line in lines if (line.amount > 0 if show == "in" else line.kind == "charge")]
            assert pages(books.connection, account, show, size) == wanted
    # Charges without requests are complained of here; a balance that is not the sum would be, too.
    assert not [line for line in books.check() if line.startswith("After")]


def test_one_goes_back_as_one_came(books) -> None:
    """The page above a page is the one it was reached from."""
    account = books.account()
    for amount in range(1, 10):
        moved(books.connection, "credit", transfers.account(account), "", amount)
    first = statement.older(books.connection, account, "", NEWEST, 4)
    second = statement.older(books.connection, account, "", first[-1].id, 4)
    assert [line.amount for line in first + second] == [9, 8, 7, 6, 5, 4, 3, 2]
    assert statement.newer(books.connection, account, "", second[0].id, 4) == first
    assert statement.newer(books.connection, account, "", first[0].id, 4) == []


@pytest.mark.parametrize("show", ["", "in", "charges"])
def test_a_page_reads_a_bounded_number_of_rows(books, show: statement.Show) -> None:
    """However many there are: in the order of an index, and nothing sorted aside."""
    account = books.account(10**6)
    for _ in range(300):
        moved(books.connection, "credit", transfers.account(account), "", 1)
        moved(books.connection, "charge", transfers.account(account), "", 1)
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    asked: list[str] = []
    books.connection.set_trace_callback(asked.append)
    books.connection.set_progress_handler(step, 1)
    assert len(statement.older(books.connection, account, show, 200, 5)) == 5
    books.connection.set_progress_handler(None, 1)
    books.connection.set_trace_callback(None)
    plan = [row["detail"] for row in books.connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}")]
    assert not [line for line in plan if "SCAN" in line or "TEMP" in line], plan
    # Rows cost some ten steps each; all of the account's would be thousands.
    assert steps < 500


ATTEMPTS = (
    "UPDATE transfers SET debit_after = 1",
    "UPDATE transfers SET debit_after = NULL, credit_after = NULL",
    "UPDATE transfers SET credit_after = 1 WHERE kind = 'shortfall'",
    "UPDATE transfers SET amount = 1, debit_after = 1",
    "UPDATE transfers SET rowid = 77 WHERE id = 3",
    "DELETE FROM transfers",
    "INSERT OR REPLACE INTO transfers (id, debit, credit, amount, kind, created_at)"
    " VALUES (1, 'external:manual', 'account:1', 5, 'credit', 0)",
)  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_what_is_written_down_stays(books, attempt: str) -> None:
    """That the balance is filled in as a transfer is written opens no door to change one."""
    account = transfers.account(books.account(10))
    moved(books.connection, "charge", account, "", 3)
    moved(books.connection, "shortfall", account, "", 2)
    before = [tuple(row) for row in books.connection.execute("SELECT * FROM transfers")]
    with pytest.raises(sqlite3.IntegrityError, match="never"):
        books.connection.execute(attempt)
    assert [tuple(row) for row in books.connection.execute("SELECT * FROM transfers")] == before


def test_a_store_of_before_is_added_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who upgrades sees the balance beside old transfers, too, and the books still add up."""
    scripts = migrations._scripts()
    monkeypatch.setattr(migrations, "_scripts", lambda: {n: text for n, text in scripts.items() if n < 11})
    connection = database.connect(str(tmp_path / "old.db"), "normal")
    migrate(connection)
    names = ["account:1", "account:2"]
    for name in names:
        connection.execute("INSERT INTO accounts (email, created_at) VALUES (?, 0)", (name,))
    for kind, who, amount in [("credit", 0, 100), ("charge", 0, 30), ("credit", 1, 50), ("gift", 0, 20),
                              ("shortfall", 0, 7), ("charge", 1, 70), ("refund", 0, 30)]:  # fmt: skip
        assert moved(connection, kind, names[who], names[1 - who], amount)
    monkeypatch.setattr(migrations, "_scripts", lambda: scripts)
    migrate(connection)
    assert [line.balance for line in statement.older(connection, 1, "", NEWEST, 9)] == [80, 50, 70, 100]
    assert [line.balance for line in statement.older(connection, 2, "", NEWEST, 9)] == [0, 70, 50]
    moved(connection, "credit", names[0], "", 1)
    assert statement.older(connection, 1, "", NEWEST, 1)[0].balance == 81
    connection.close()
