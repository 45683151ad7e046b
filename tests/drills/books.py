"""The books worked out anew from the rows on the disk, by other arithmetic than Haze's."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from sqlite3 import Row

from drills.callers import Heard
from drills.house import House

# Numbers of the request's states after a look at the books.
States = Counter[str]


def check(house: House, heard: Iterable[Heard], account_id: int = 1) -> States:
    """Prove that the books are right for everybody, and for each answer that a client saw end.

    Returns how many requests are in which state.
    """
    requests = {row["id"]: row for row in house.rows("SELECT * FROM requests")}
    transfers = house.rows("SELECT * FROM transfers ORDER BY id")
    moved = [(row["request_id"], row["debit"], row["amount"]) for row in transfers if row["kind"] == "charge"]
    charges = {request_id: (debit, amount) for request_id, debit, amount in moved}
    assert len(charges) == len(moved), "a request is charged twice"
    for each in heard:
        if each.saw_the_end:
            row = requests.get(each.id)
            assert row is not None, f"{each} ended and nothing is written of it"
            assert (row["state"], row["cost"]) == ("settled", each.ask.cost), f"{dict(row)} is not what {each} ended as"
            assert charges.get(each.id) == (f"account:{account_id}", each.ask.cost), f"{each} is not charged"
    for request_id, row in requests.items():
        paid = charges.get(request_id, (None, 0))[1]
        assert paid == row["cost"] - row["shortfall"], f"{dict(row)} was charged {paid}"
        assert row["state"] == "settled" or row["cost"] == 0, f"{dict(row)} costs something"
    assert charges.keys() <= requests.keys(), "a charge for a request that does not exist"
    _balances(house)
    refunds = {row["request_id"]: row["amount"] for row in transfers if row["kind"] == "refund"}
    _sums(house, requests.values(), refunds)
    return Counter(row["state"] for row in requests.values())


def _balances(house: House) -> None:
    """Each balance is the sum of what was moved, was never below zero after any transfer, and all add up to zero."""
    standing: defaultdict[str, int] = defaultdict(int)
    for row in house.rows("SELECT * FROM transfers ORDER BY id"):
        standing[row["debit"]] -= row["amount"]
        standing[row["credit"]] += row["amount"]
        if row["debit"].startswith("account:"):
            assert standing[row["debit"]] >= 0, f"below zero after transfer {row['id']}"
    written = {row["name"]: row["balance"] for row in house.rows("SELECT name, balance FROM ledger")}
    assert {name: amount for name, amount in written.items() if amount} == {n: a for n, a in standing.items() if a}
    assert sum(written.values()) == 0


def _sums(house: House, requests: Iterable[Row], refunds: Mapping[str, int]) -> None:
    """What the charts are drawn from is what the requests came to, by account and by how they ended."""
    wanted: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in requests:
        if row["ended_at"] is not None:
            sums = wanted[row["account_id"], row["ended"]]
            sums[:] = sums[0] + 1, sums[1] + row["output"], sums[2] + row["cost"] - refunds.get(row["id"], 0)
    found: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in house.rows(
        "SELECT account_id, name, settled + void, output, cost FROM usage_sums"
        " WHERE by = 'ended' AND grain = 86400000 AND account_id > 0"
        " UNION ALL SELECT account_id, ended, settled + void, output, cost FROM usage_recent"
    ):
        sums = found[row[0], row[1]]
        sums[:] = [before + more for before, more in zip(sums, row[2:], strict=True)]
    assert found == wanted, f"{dict(found)} instead of {dict(wanted)}"


def charged(house: House) -> int:
    """How many charges there are."""
    return int(house.rows("SELECT count(*) FROM transfers WHERE kind = 'charge'")[0][0])


def balance(house: House, account_id: int = 1) -> int:
    """The balance on the disk, in nano-dollars."""
    return int(house.rows("SELECT balance FROM ledger WHERE name = ?", f"account:{account_id}")[0][0])


async def clean(house: House) -> None:
    """`ledger check` says so, too."""
    said = await house.say("ledger", "check")
    assert said.startswith("clean"), said
