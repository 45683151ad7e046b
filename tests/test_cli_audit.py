"""What the owner does by commands is in the audit log, too."""

import pytest
from desk import ISO, Desk, fails

from haze_proxy.store import keys

# A command -> its line of the log.
DEEDS = {
    "account add d@e.f --admin --credit 2.5": ("account.add", "d@e.f", "administrator, credit 2.5 USD"),
    "account disable a@b.c": ("account.disable", "a@b.c", ""),
    "account enable a@b.c": ("account.enable", "a@b.c", ""),
    "credit a@b.c 1.5 --memo thanks": ("account.credit", "a@b.c", "1.5 USD, thanks"),
    "code add 5 --memo spring": ("code.add", "PREFIX", "5 USD, spring"),
    "code add 5 --count 2": ("code.add", "2 codes", "PREFIX…, PREFIX…: 5 USD"),
}


@pytest.mark.parametrize(("words", "line"), DEEDS.items(), ids=DEEDS)
def test_a_command_is_written_down(desk: Desk, words: str, line: tuple[str, str, str]) -> None:
    """Money that came by command is asked for one day, as money that came by a page is."""
    printed = desk.says(*words.split()).splitlines()
    [shown] = desk.json("audit", "list", "--last", "1")
    for code in printed:
        line = (line[0], line[1].replace("PREFIX", code[:9]), line[2].replace("PREFIX", code[:9], 1))
    assert (shown["act"], shown["target"], shown["detail"]) == line
    assert ISO.fullmatch(shown["at"])
    assert shown["actor"] is None


def test_keys_are_written_down_without_their_secret(desk: Desk) -> None:
    """Which key was made and revoked can be told; what it is cannot."""
    secret = desk.says("key", "add", "a@b.c")
    desk.says("key", "revoke", secret)
    called = f"key 1, {secret[: keys.SHOWN]}…"
    shown = [(row["act"], row["target"], row["detail"]) for row in desk.json("audit", "list", "--last", "2")]
    assert shown == [("key.revoke", "a@b.c", called), ("key.add", "a@b.c", called)]
    assert secret not in desk.says("audit", "list")


def test_a_code_that_is_redeemed_for_somebody_is_written_down(desk: Desk) -> None:
    """Never the code itself."""
    code = desk.says("code", "add", "1.5")
    desk.says("code", "redeem", "a@b.c", code)
    [shown] = desk.json("audit", "list", "--last", "1")
    assert (shown["act"], shown["target"], shown["detail"]) == ("code.redeem", "a@b.c", "1.5 USD")
    assert code not in desk.says("audit", "list")


def test_the_same_credit_again_is_one_line(desk: Desk) -> None:
    """It moved nothing the second time."""
    for _ in range(2):
        desk.says("credit", "a@b.c", "1", "--id", "invoice-7")
    assert [row["act"] for row in desk.json("audit", "list")].count("account.credit") == 1


def test_what_failed_is_not_in_the_log(desk: Desk) -> None:
    """Only what was done."""
    before = desk.json("audit", "list")
    fails(desk("credit", "nobody@b.c", "1"))
    fails(desk("refund", "req_1"))
    fails(desk("audit", "list", "--last", "0"))
    assert desk.json("audit", "list") == before
