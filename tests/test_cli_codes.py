"""The owner's commands about codes."""

import re

import pytest
from desk import ISO, Desk, fails

CODE = re.compile(r"haze(-[0-9A-Z]{4}){5}")


def test_codes_are_printed_once_and_alone(desk: Desk) -> None:
    """`code add 5 --count 3 > codes.txt` is how it is used."""
    result = desk("code", "add", "5", "--count", "3", "--memo", "spring", "--expires", "2999-01-31")
    made = result.stdout.splitlines()
    assert (len(set(made)), result.stderr) == (3, "")
    assert all(CODE.fullmatch(each) for each in made)
    listed = desk.json("code", "list")
    assert not any(each in str(listed) for each in made)
    assert ISO.fullmatch(listed[0].pop("created_at"))
    assert listed[0] == {
        "id": 1,
        "prefix": made[0][:9],
        "amount_usd": "5",
        "state": "open",
        "expires_at": "2999-01-31T00:00:00.000Z",
        "redeemed_at": None,
        "redeemed_by": None,
        "memo": "spring",
    }


def test_a_code_is_redeemed_for_an_account(desk: Desk) -> None:
    """The new balance alone on stdout; the list says who had it, and the books add up."""
    code = desk.says("code", "add", "1.5")
    assert desk.says("code", "redeem", "a@b.c", code) == "6.5"
    [listed] = desk.json("code", "list")
    assert (listed["state"], listed["redeemed_by"]) == ("redeemed", "a@b.c")
    assert desk.says("ledger", "check") == "clean: 2 transfers, 0 requests, sum 0"


def test_a_code_that_gives_nothing_is_one_line(desk: Desk) -> None:
    """The same for unknown, used and expired ones."""
    used, expired = desk.says("code", "add", "1", "--count", "2").splitlines()
    desk.says("code", "redeem", "a@b.c", used)
    desk.rows("UPDATE codes SET expires_at = 1 WHERE id = 2")
    lines = {fails(desk("code", "redeem", "a@b.c", code)) for code in (used, expired, "haze-0000")}
    assert lines == {"This code cannot be redeemed: it is unknown, was used before, or has expired."}
    assert [each["state"] for each in desk.json("code", "list")] == ["redeemed", "expired"]
    assert desk.json("account", "show", "a@b.c")["balance_usd"] == "6"


@pytest.mark.parametrize(
    "words",
    [("0",), ("-1",), ("1", "--count", "0"), ("1", "--count", "10001"), ("1", "--expires", "2020-01-01")],
    ids=" ".join,
)
def test_codes_that_make_no_sense_are_not_made(desk: Desk, words: tuple[str, ...]) -> None:
    """A slip of the finger must not print money."""
    fails(desk("code", "add", *words))
    assert desk.json("code", "list") == []
