"""A receipt is the row of its request and the transfers of it, and adds up by itself."""

import json

import pytest

from haze_proxy.money.prices import Price, Tier
from haze_proxy.store import receipts
from haze_proxy.store.receipts import UnknownRequestError

DEAR = Price(
    input=2_000_000, output=4_000_000, request=3, server_tools=(("web_search", 5),), tiers=(Tier(10, input=3_000_000),)
)


def test_a_receipt_adds_up_from_its_own_row(books, open_request) -> None:
    """Whatever prices are today: 11 input tokens at the long context's 3, 2 of output at 4, 2 searches, 1 request."""
    opened = open_request(books, books.account(1000), held=40)
    facts = {"tokens": (11, 0, 0, 0, 2, 0), "price": DEAR.facts, "server_tools": json.dumps({"web_search": 2})}
    books.end(opened, 54, held=60, **facts)
    found = receipts.find(books.connection, opened.id)
    lines = [(line.cls, line.tokens, line.numerator) for line in found.charge.lines]
    assert lines == [
        ("input", 11, 33_000_000), ("output", 2, 8_000_000), ("web_search", 2, 10_000_000), ("request", 1, 3_000_000)
    ]  # fmt: skip
    assert (found.charge.cost, found.charged, found.unexplained) == (54, 54, 0)
    assert (found.held_first, found.row["extended"], found.returned) == (40, 20, 6)
    assert (found.row["email"], found.row["prefix"][:6]) == ("a@b.c", "sk-rr-")


def test_what_could_not_be_paid_is_not_what_was_charged(books, open_request) -> None:
    """Three transfers at most, each with its part."""
    opened = open_request(books, books.account(25))
    books.end(opened, 30)
    found = receipts.find(books.connection, opened.id)
    assert [(row["kind"], row["amount"]) for row in found.transfers] == [("charge", 25), ("shortfall", 5)]
    assert (found.charged, found.row["shortfall"], found.refunded) == (25, 5, 0)


@pytest.mark.parametrize("state", ["open", "void", "interrupted"])
def test_what_was_not_settled_has_a_receipt_without_lines(books, open_request, state: str) -> None:
    """ "What became of it?" is asked of those above all."""
    opened = open_request(books, books.account(100))
    if state == "void":
        books.end(opened, 0, state="void", ended="could not be written")
    if state == "interrupted":
        books.epoch()
    found = receipts.find(books.connection, opened.id)
    assert (found.row["state"], found.price, found.charge.lines, found.charged) == (state, None, (), 0)
    assert found.returned == (None if state == "open" else 20)


def test_a_row_with_an_incomplete_price_says_how_much_it_cannot_explain(books, open_request) -> None:
    """The first version wrote prices without their tiers: better an honest rest than a wrong sum."""
    opened = open_request(books, books.account(100))
    books.end(opened, 50, tokens=(11, 0, 0, 0, 0, 0), price='{"input":2000000,"free":false}')
    assert receipts.find(books.connection, opened.id).unexplained == 28


def test_a_request_that_nobody_made_has_no_receipt(books) -> None:
    """A mistyped id is said to be one."""
    with pytest.raises(UnknownRequestError, match="There is no request r9"):
        receipts.find(books.connection, "r9")


def test_a_receipt_is_found_by_its_own_account_alone(books, open_request) -> None:
    """Somebody else's id is answered like one that nobody has."""
    account = books.account(100)
    opened = open_request(books, account)
    assert receipts.find(books.connection, opened.id, account).row["key_name"] == ""
    with pytest.raises(UnknownRequestError, match=f"There is no request {opened.id}"):
        receipts.find(books.connection, opened.id, account + 1)
