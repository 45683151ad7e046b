"""Whatever an administrator does is written down with it, or is not done."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from haze_proxy.store import account_acts, accounts, audit, codes, database, keys, money_acts, transfers
from haze_proxy.store.account_acts import LastAdminError
from haze_proxy.store.accounts import AccountError
from haze_proxy.store.codes import CodeError
from haze_proxy.store.keys import NewKey
from haze_proxy.store.transfers import AlreadyMovedError, Transfer

NOW = 1_800_000_000_000
ADMIN = "admin@example.com"
Did = list[tuple[str, str, str, str]]


@pytest.fixture
def admin(books) -> int:
    """An administrator, who is account 1."""
    return books.account(email=ADMIN)


def do(books, act: Callable[..., Any], *words: Any, **more: Any) -> Any:
    """Do something in a transaction of its own."""
    with database.transaction(books.connection):
        return act(books.connection, *words, **more)


def log(books) -> Did:
    """Who did what, to whom, how; the newest first."""
    found = audit.recent(books.connection, audit.NEWEST, 99)
    return [(each.actor, each.act, each.target, each.detail) for each in found]


def test_an_account_is_made_with_what_it_is_given(books, admin: int) -> None:
    """One line says all of it; what nobody is given is not said."""
    gifts = [Transfer(transfers.PROMOTION, "", 0, "signup"), Transfer(transfers.MANUAL, "", 5 * 10**9, "credit")]
    made = do(books, account_acts.add, admin, "a@b.c", password_hash=None, is_admin=True, gifts=gifts, now_ms=NOW)
    assert books.balance(made) == 5 * 10**9
    assert log(books) == [(ADMIN, "account.add", "a@b.c", "administrator, credit 5 USD")]
    with pytest.raises(AccountError):
        do(books, account_acts.add, None, "A@b.c", password_hash=None, is_admin=False, gifts=[], now_ms=NOW)
    assert len(log(books)) == 1


def test_a_credit_is_told_once_for_each_key(books, admin: int) -> None:
    """A form that is sent twice gives once, and the log does not say twice."""
    account = accounts.get(books.connection, books.account(5))
    how = Transfer(transfers.MANUAL, "", 7, "credit", idempotency_key="admin:x", memo="invoice 7")
    for _ in range(2):
        assert do(books, money_acts.credit, admin, account, 7, how, NOW) == 12
    assert log(books) == [(ADMIN, "account.credit", "a@b.c", "0.000000007 USD, invoice 7")]
    with pytest.raises(AlreadyMovedError):
        do(books, money_acts.credit, admin, account, 8, how, NOW)


def test_a_correction_is_not_spent_money(books, admin: int) -> None:
    """What was given by mistake goes back where it came from; the books know that way."""
    account = accounts.get(books.connection, books.account(100))
    for _ in range(2):
        do(books, money_acts.correct, admin, account, 30, "a slip", "admin:y", NOW)
    found = accounts.get(books.connection, account.id)
    assert (found.balance, found.spent) == (70, 0)
    assert transfers.balance(books.connection, transfers.MANUAL) == -70
    assert books.check() == []
    assert log(books) == [(ADMIN, "account.correct", "a@b.c", "0.00000003 USD, a slip")]


def test_a_correction_takes_no_more_than_there_is(books, admin: int) -> None:
    """And one that failed is not in the log."""
    account = accounts.get(books.connection, books.account(100))
    with pytest.raises(sqlite3.IntegrityError):
        do(books, money_acts.correct, admin, account, 101, "", "admin:y", NOW)
    assert (books.balance(account.id), log(books)) == (100, [])


def test_somebody_always_administers(books, admin: int) -> None:
    """Neither the last one nor two at the same moment lock everybody out; one who is disabled does not count."""
    do(books, lambda c: c.execute("UPDATE accounts SET is_admin = 1"))
    second = accounts.get(books.connection, books.account())
    first = accounts.get(books.connection, admin)
    for act in (account_acts.disable, lambda *w: account_acts.set_admin(*w, is_admin=False)):
        with pytest.raises(LastAdminError):
            do(books, act, second.id, first, NOW)
    do(books, account_acts.set_admin, admin, second, NOW, is_admin=True)
    do(books, account_acts.disable, second.id, first, NOW)
    with pytest.raises(LastAdminError):
        do(books, account_acts.disable, first.id, accounts.get(books.connection, second.id), NOW)
    do(books, account_acts.enable, second.id, first, NOW)
    do(books, account_acts.set_admin, admin, first, NOW, is_admin=False)
    acts = [(actor, act) for actor, act, _, _ in log(books)]
    assert acts == [
        (ADMIN, "account.no_admin"),
        ("a@b.c", "account.enable"),
        ("a@b.c", "account.disable"),
        (ADMIN, "account.admin"),
    ]


def test_the_owners_commands_are_the_owners_own(books) -> None:
    """Whoever has the terminal has the file: there is nobody to lock out, and no address to name."""
    account = accounts.get(books.connection, books.account())
    do(books, lambda c: c.execute("UPDATE accounts SET is_admin = 1"))
    do(books, account_acts.disable, None, accounts.get(books.connection, account.id), NOW)
    assert log(books) == [("", "account.disable", "a@b.c", "")]


def test_a_key_is_named_by_what_is_visible_of_it(books, admin: int) -> None:
    """A log that everybody in the house reads must not hold a secret."""
    account, secret = accounts.get(books.connection, books.account()), keys.make_secret()
    made = do(books, account_acts.add_key, None, account, NewKey("Laptop", 1, 1, 1), secret, NOW)
    do(books, account_acts.revoke_key, admin, keys.find(books.connection, str(made)), NOW)
    assert [(actor, act, target) for actor, act, target, _ in log(books)] == [
        (ADMIN, "key.revoke", "a@b.c"),
        ("", "key.add", "a@b.c"),
    ]
    assert {detail for *_, detail in log(books)} == {f"key {made}, {secret[:12]}…"}


@pytest.mark.parametrize("count", [1, 3, 7])
def test_codes_are_named_by_how_they_begin(books, admin: int, count: int) -> None:
    """One line for one act, whatever it made; never a whole code."""
    made = [codes.make() for _ in range(count)]
    do(books, money_acts.add_codes, admin, made, 5 * 10**9, "spring", None, NOW)
    [(actor, act, target, detail)] = log(books)
    assert (actor, act) == (ADMIN, "code.add")
    assert target == (made[0][:9] if count == 1 else f"{count} codes")
    assert detail.endswith("5 USD, spring")
    named = sum(each[:9] in detail for each in made)
    assert named == (0 if count == 1 else min(count, money_acts.NAMED))
    assert not any(each in detail for each in made)
    do(books, money_acts.withdraw_code, admin, 1, NOW)
    assert codes.newest(books.connection, 2**62, 9)[-1].state(NOW) == "expired"
    assert log(books)[0][1:3] == ("code.withdraw", made[0][:9])
    with pytest.raises(CodeError):
        do(books, money_acts.withdraw_code, admin, 1, NOW)
    with pytest.raises(CodeError):
        do(books, money_acts.redeem_code, accounts.get(books.connection, admin), made[0], NOW)


def test_a_redeemed_code_is_not_withdrawn(books, admin: int) -> None:
    """Its money has moved."""
    code = codes.make()
    do(books, money_acts.add_codes, None, [code], 5, None, None, NOW)
    do(books, money_acts.redeem_code, accounts.get(books.connection, admin), code, NOW)
    with pytest.raises(CodeError):
        do(books, money_acts.withdraw_code, admin, 1, NOW)
    assert log(books)[0] == ("", "code.redeem", ADMIN, "0.000000005 USD")


def test_a_refund_names_its_request(books, admin: int, open_request) -> None:
    """And the account finds it on its receipt."""
    account = books.account(100)
    books.end(open_request(books, account), 30)
    assert do(books, money_acts.refund, admin, "r1", "a bad answer", NOW).amount == 30
    assert log(books) == [(ADMIN, "request.refund", "r1", "0.00000003 USD, a bad answer")]
