"""The owner's commands about money: what is given, charged, explained and proved."""

import csv
import io
import json
import re
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from desk import ISO, Desk, fails

from haze_proxy.money.prices import FREE, Price
from haze_proxy.store import card_payments, database, requests, transfers
from haze_proxy.store.card_payments import Payment, Reversal
from haze_proxy.store.requests import Ended, Opened
from haze_proxy.store.transfers import Transfer


def test_a_credit_prints_the_new_balance(desk: Desk) -> None:
    """Exact to the last nano-dollar."""
    assert desk.says("credit", "a@b.c", "0.000000001", "--memo", "a trifle") == "5.000000001"
    assert desk.rows("SELECT memo FROM transfers ORDER BY id DESC")[0][0] == "a trifle"


def test_the_same_id_credits_once(desk: Desk) -> None:
    """A script that is run again after a power cut gives nobody anything twice."""
    for _ in range(2):
        assert desk.says("credit", "a@b.c", "1.5", "--id", "invoice-7") == "6.5"
    assert desk.rows("SELECT idempotency_key FROM transfers WHERE id = 2")[0][0] == "manual:invoice-7"


@pytest.mark.parametrize(("email", "usd"), [("a@b.c", "2"), ("d@e.f", "1.5")], ids=["amount", "account"])
def test_the_same_id_for_something_else_is_an_error(desk: Desk, email: str, usd: str) -> None:
    """One of the two was a mistake, and only the owner knows which."""
    desk.says("account", "add", "d@e.f")
    desk.says("credit", "a@b.c", "1.5", "--id", "invoice-7")
    assert "invoice-7" in fails(desk("credit", email, usd, "--id", "invoice-7"))
    assert [each["balance_usd"] for each in desk.json("account", "list")] == ["6.5", "0"]


@pytest.mark.parametrize(
    "usd",
    [
        "0",
        "-1",
        "1e3",
        "1,5",
        "$5",
        "",
        "nan",
        "inf",
        "0.0000000001",
        "1000000.000000001",
        "1_000",
        "\u0665",
        "9" * 400,
    ],
)
def test_what_is_no_amount_is_refused(desk: Desk, usd: str) -> None:
    """Money that was not clearly meant is not moved."""
    fails(desk("credit", "a@b.c", usd))
    fails(desk("account", "add", "d@e.f", "--credit", usd))
    fails(desk("key", "add", "a@b.c", "--budget", usd))
    assert desk.says("ledger", "check") == "clean: 1 transfers, 0 requests, sum 0"


def test_the_books_are_proved(desk: Desk) -> None:
    """The words are a contract with scripts."""
    desk.says("credit", "a@b.c", "1")
    assert desk.says("ledger", "check") == "clean: 2 transfers, 0 requests, sum 0"


def test_broken_books_are_told_line_by_line(desk: Desk) -> None:
    """A monitor goes by the exit status, a person by the lines."""
    desk.rows("UPDATE ledger SET balance = balance + 1 WHERE name = 'account:1'")
    result = desk("ledger", "check")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "The balances add up to 1, not to zero.",
        "account:1 stands at 5000000001, but its transfers add up to 5000000000.",
    ]
    assert result.stderr == "The books do not add up: 2 complaints.\n"


def test_the_export_is_a_table_any_program_reads(desk: Desk) -> None:
    """Bookkeepers get every transfer, with whatever people wrote into the memo."""
    desk.says("credit", "a@b.c", "1.25", "--id", "x", "--memo", 'rent, "May"\nand June')
    header, first, second = csv.reader(io.StringIO(desk.says("ledger", "export", "--csv")))
    assert header == [
        "id", "created_at", "kind", "debit", "credit", "amount_usd", "request_id", "idempotency_key", "memo"
    ]  # fmt: skip
    assert first[2:] == ["credit", "external:manual", "account:1", "5", "", "", ""]
    assert second[2:] == [
        "credit", "external:manual", "account:1", "1.25", "", "manual:x", 'rent, "May"\nand June'
    ]  # fmt: skip
    assert (first[0], second[0]) == ("1", "2")
    assert ISO.fullmatch(first[1])


# Receipts and refunds


SEARCHED = Price(
    input=1_000_000_000, cache_read=100_000_001, output=10_000_000_000, server_tools=(("web_search", 10_000_000),)
)
ATTEMPTS = [
    {
        "channel": "one", "model": "um", "began_at": 1_700_000_000_000, "first_byte_at": None, "status": 503,
        "upstream_id": None, "error": "503 overloaded_error",
    },
    {
        "channel": "two", "model": "um", "began_at": 1_700_000_000_500, "first_byte_at": 1_700_000_001_000,
        "status": 200, "upstream_id": "up-1", "error": None, "upstream_cost": 10_030_000,
    },
]  # fmt: skip


@pytest.fixture
def charged(desk: Desk) -> Desk:
    """One request was served, by the second channel that was asked."""
    desk.says("key", "add", "a@b.c")
    serve(desk, "r1")
    return desk


def serve(desk: Desk, request_id: str, **facts: Any) -> None:
    """A server comes, serves one request of the first key, and goes."""
    known = {
        "state": "settled", "ended": "completed", "ended_at": 1_700_000_002_000, "held": 30_000_000,
        "cost": 10_041_001, "payable": 10_041_001, "channel": "two", "upstream_model": "um", "upstream_id": "up-1",
        "status": 200, "first_byte_at": 1_700_000_001_000, "tokens": (11, 100, 0, 0, 2, 1), "price": SEARCHED.facts,
        "server_tools": '{"web_search":1}', "attempts": json.dumps(ATTEMPTS), "upstream_cost": 10_030_000,
        "service_tier": "standard", **facts,
    }  # fmt: skip
    path = str(desk.folder / "data" / "haze.db")
    with closing(database.connect(path)) as connection, database.transaction(connection):
        epoch = requests.begin_epoch(connection, 1, 1).id
        opened = Opened(request_id, epoch, 1, 1, "chat", True, "m", 1_700_000_000_000, 20_000_000)
        requests.begin(connection, opened)
        if known["state"] != "open":
            requests.end(connection, Ended(opened, **known))
        requests.end_epoch(connection, epoch, 2)


def test_a_receipt_says_why_it_cost_what_it_cost(charged: Desk) -> None:
    """Each class times its price, the way of the money, and who was asked: enough to end an argument."""
    shown = charged.json("receipt", "r1")
    lines = [(each["class"], each["count"], each["price"], each["amount_usd"]) for each in shown["lines"]]
    assert lines == [
        ("input", 11, "1", "0.000011"),
        ("cache_read", 100, "0.100000001", "0.0000100000001"),
        ("output", 2, "10", "0.00002"),
        ("web_search", 1, "0.01", "0.01"),
        ("rounding", None, None, "0.0000000009999"),
    ]
    money = ("held", "extended", "cost", "settled", "shortfall", "returned", "refunded", "upstream_cost")
    assert [shown[f"{name}_usd"] for name in money] == [
        "0.02", "0.01", "0.010041001", "0.010041001", "0", "0.019958999", "0", "0.01003"
    ]  # fmt: skip
    assert (shown["usage"], shown["ended"], shown["service_tier"]) == ("reported", "completed", "standard")
    assert (shown["price_source"], shown["price_version"], shown["reasoning_tokens"]) == ("config", None, 1)
    first, second = shown["attempts"]
    assert (first["channel"], first["status"], first["error"]) == ("one", 503, "503 overloaded_error")
    assert (second["channel"], second["upstream_id"], second["upstream_cost_usd"]) == ("two", "up-1", "0.01003")
    assert second["began_at"] == "2023-11-14T22:13:20.500Z"


def test_the_lines_of_a_receipt_add_up_to_its_transfers(charged: Desk) -> None:
    """To the last nano-dollar, rounding shown."""
    serve(charged, "r2", payable=5_000_000)
    for request_id in ("r1", "r2"):
        shown = charged.json("receipt", request_id)
        moved = sum(Decimal(each["amount_usd"]) for each in shown["transfers"])
        assert sum(Decimal(each["amount_usd"]) for each in shown["lines"]) == moved == Decimal(shown["cost_usd"])
    assert [each["kind"] for each in shown["transfers"]] == ["charge", "shortfall"]
    assert (shown["settled_usd"], shown["shortfall_usd"]) == ("0.005", "0.005041001")


def test_a_receipt_is_readable(charged: Desk) -> None:
    """People read it, too: facts, then tables."""
    text = charged.says("receipt", "r1")
    assert re.search(r"^upstream_cost_usd +0\.01003$", text, re.MULTILINE)
    assert re.search(r"^stream +yes$", text, re.MULTILINE)
    assert re.search(r"^cache_read +100 +0\.100000001 +USD per million tokens +0\.0000100000001$", text, re.MULTILINE)
    assert re.search(r"^one +um +503 ", text, re.MULTILINE)
    assert [line for line in text.splitlines() if line in ("lines", "attempts", "transfers")] == [
        "lines", "attempts", "transfers"
    ]  # fmt: skip


MARKED_UP = {"price": Price(input=1, markup=1_100_000).facts, "cost": 11_033_000, "payable": 11_033_000}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "counted": ({"estimated": True}, {"usage": "estimated"}),
    "void": (
        {"state": "void", "cost": 0, "ended": "failed upstream", "price": None},
        {"usage": None, "lines": [], "transfers": [], "returned_usd": "0.03", "price_source": None},
    ),
    "interrupted": ({"state": "open"}, {"state": "interrupted", "ended": "process died", "lines": []}),
    "free": (
        {"cost": 0, "price": FREE.facts},
        {"state": "settled", "lines": [], "transfers": [], "returned_usd": "0.03"},
    ),
    "a class without a price": (
        {"tokens": (0, 0, 5, 0, 0, 0), "cost": 10_005_000, "price": SEARCHED.facts},
        {"flags": ["cache_write_5m priced as input"]},
    ),
    "the provider's own cost": (
        MARKED_UP,
        {
            "lines": [
                {
                    "class": "upstream_cost",
                    "count": "0.01003",
                    "price": "1.1",
                    "unit": "times the provider's own cost in USD",
                    "amount_usd": "0.011033",
                }
            ]
        },
    ),
}


@pytest.mark.parametrize(("facts", "said"), KINDS.values(), ids=KINDS)
def test_every_ending_has_a_receipt(charged: Desk, facts: dict[str, Any], said: dict[str, Any]) -> None:
    """What was not charged is asked about most."""
    serve(charged, "r2", **facts)
    serve(charged, "r3")
    shown = charged.json("receipt", "r2")
    assert {name: shown[name] for name in said} == said


def test_a_receipt_of_nothing_is_an_error(charged: Desk) -> None:
    """One line, and the exit status says so."""
    assert fails(charged("receipt", "r9")) == "There is no request r9."


def test_a_refund_prints_the_new_balance(charged: Desk) -> None:
    """What was paid is back, the receipt shows it, and the books add up."""
    assert charged.says("account", "show", "a@b.c", "--json").count("4.989958999") == 1
    assert charged.says("refund", "r1", "--memo", "wrong answer") == "5"
    shown = charged.json("receipt", "r1")
    assert (shown["settled_usd"], shown["refunded_usd"]) == ("0.010041001", "0.010041001")
    assert (shown["transfers"][1]["kind"], shown["transfers"][1]["memo"]) == ("refund", "wrong answer")
    assert charged.json("account", "show", "a@b.c")["spent_usd"] == "0"
    assert charged.json("key", "list", "a@b.c")[0]["spent_usd"] == "0"
    assert charged.says("ledger", "check") == "clean: 3 transfers, 1 requests, sum 0"


def test_what_cannot_be_refunded_is_one_line(charged: Desk) -> None:
    """Unknown, not settled, or refunded before: nothing moves."""
    serve(charged, "r2", state="void", cost=0)
    charged.says("refund", "r1")
    assert fails(charged("refund", "r9")) == "r9: There is no such request."
    assert fails(charged("refund", "r2")) == "r2: This request is void: nothing was charged."
    assert fails(charged("refund", "r1")) == "r1: This request was already refunded."
    assert charged.json("account", "show", "a@b.c")["balance_usd"] == "5"


def test_shortfalls_are_listed_below_clean_books(charged: Desk) -> None:
    """They are a loss to look into, and no reason for an alarm."""
    serve(charged, "r2", payable=5_000_000)
    clean, shortfall = charged.says("ledger", "check").splitlines()
    assert clean == "clean: 4 transfers, 2 requests, sum 0"
    assert shortfall == (
        "shortfall, the house's loss: 0.005041001 USD of r2, 2023-11-14T22:13:22.000Z, a@b.c, m on two"
    )


def test_of_many_shortfalls_the_newest_are_listed_below_their_sum(charged: Desk) -> None:
    """A house of a million requests has thousands: the line that says that the books are clean must stay in sight."""
    for number in range(2, 25):
        serve(charged, f"r{number}", payable=0)
    clean, lost, *listed = charged.says("ledger", "check").splitlines()
    assert clean.startswith("clean: ")
    assert lost == "shortfalls, the house's loss: 0.230943023 USD in 23, of which these are the newest"
    assert [line.split(" of ")[1].split(",")[0] for line in listed] == [f"r{number}" for number in range(5, 25)]


def test_what_stripe_took_back_of_spent_money_is_listed_as_well(desk: Desk) -> None:
    """The house bears it: the owner reads whose it was, and which refund or dispute."""
    taken = Reversal("pi_1", "dp_1", "card_dispute", 10**10)
    path = str(desk.folder / "data" / "haze.db")
    with closing(database.connect(path)) as connection, database.transaction(connection):
        card_payments.begin(connection, Payment("cs_1", 1, 10**10, "open"), 0)
        card_payments.pay(connection, "cs_1", 1000, "usd", "pi_1", 0)
        transfers.move(connection, Transfer("account:1", transfers.REVENUE, 12 * 10**9, "spent"), 0)
        card_payments.take_back(connection, taken, 0)
    clean, shortfall = desk.says("ledger", "check").splitlines()
    assert clean == "clean: 5 transfers, 0 requests, sum 0"
    assert shortfall == (
        "shortfall, the house's loss: 7 USD that Stripe took back, 1970-01-01T00:00:00.000Z, a@b.c, dp_1"
    )


def test_receipts_are_reconciled_with_the_providers_figures(charged: Desk) -> None:
    """Where the two drift apart a price is wrong; the owner sees the day, the channel and the model."""
    serve(charged, "r2", upstream_cost=None)
    [shown] = charged.json("reconcile")
    assert shown == {
        "day": "2023-11-14",
        "channel": "two",
        "model": "um",
        "requests_with_upstream_cost": 1,
        "cost_usd": "0.010041001",
        "upstream_cost_usd": "0.01003",
        "difference_usd": "0.000011001",
        "requests_without_upstream_cost": 1,
        "uncompared_cost_usd": "0.010041001",
    }
    assert charged.json("reconcile", "--day", "2023-11-14") == [shown]
    assert charged.json("reconcile", "--day", "2023-11-15") == []


@pytest.mark.parametrize("day", ["yesterday", "2023-02-30", "14.11.2023", ""])
def test_what_is_no_day_is_refused(charged: Desk, day: str) -> None:
    """An empty listing of a mistyped day would look like a day without drift."""
    assert "--day" in fails(charged("reconcile", "--day", day))
