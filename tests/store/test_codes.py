"""A code gives its money once, to one account, and tells strangers nothing."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from haze_proxy.store import codes, database, transfers
from haze_proxy.store.codes import CodeError, Redeemed

NOW = 1_800_000_000_000
REFUSED = "This code cannot be redeemed: it is unknown, was used before, or has expired."


def _add(books, amount: int = 5, expires_at: int | None = None) -> str:
    code = codes.make()
    with database.transaction(books.connection):
        codes.add(books.connection, code, amount, "spring", expires_at, NOW)
    return code


def _redeem(books, account: int, code: str, now: int = NOW) -> Redeemed:
    with database.transaction(books.connection):
        return codes.redeem(books.connection, account, code, now)


def test_a_code_is_unlike_any_other_and_easy_to_copy() -> None:
    """100 bits, 80 of them never shown again, in letters and digits that nobody misreads."""
    made = {codes.make() for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"haze(-[0-9A-HJKMNP-TV-Z]{4}){5}", each) for each in made)
    assert len(set("".join(each.removeprefix("haze-") for each in made))) == 33


def test_a_code_moves_money_when_it_is_redeemed(books) -> None:
    """A code that nobody uses costs the house nothing; what it gives is a gift and not income."""
    account = books.account(100)
    code = _add(books)
    assert transfers.balance(books.connection, transfers.PROMOTION) == 0
    assert _redeem(books, account, code) == Redeemed(5, 105)
    assert transfers.balance(books.connection, transfers.PROMOTION) == -5
    [found] = codes.every(books.connection)
    assert (found.email, found.redeemed_at, found.memo, found.prefix) == ("a@b.c", NOW, "spring", code[:9])
    assert books.check() == []


def test_only_a_digest_is_stored(books) -> None:
    """Who steals the database cannot redeem what is open in it."""
    code = _add(books)
    secret = code.replace("-", "").removeprefix("haze").encode()
    assert secret not in b"".join(bytes(str(tuple(row)), "utf-8") for row in books.connection.iterdump())
    [row] = books.connection.execute("SELECT * FROM codes")
    assert code[10:] not in str(tuple(row))


TYPED: dict[str, Callable[[str], str]] = {
    "as it was shown": lambda code: code,
    "in small letters": str.lower,
    "without hyphens": lambda code: code.replace("-", ""),
    "with spaces": lambda code: f" {code.replace('-', ' ')} ",
    "without its beginning": lambda code: code.removeprefix("haze-"),
    "misread": lambda code: code.replace("0", "o").replace("1", "l"),
}


@pytest.mark.parametrize("typed", TYPED.values(), ids=TYPED)
@pytest.mark.parametrize("code", ["haze-0O1I-ABCD-HAZE-0000-1111", "haze-HAZE-ABCD-0101-ZZZZ-1010"])
def test_a_code_is_known_however_it_is_typed(code: str, typed: Callable[[str], str]) -> None:
    """It was read from a card, over a telephone, or out of a mail that broke the line."""
    assert codes.digest(typed(code)) == codes.digest(code)


def test_what_gives_nothing_says_one_thing(books) -> None:
    """Unknown, used or expired: whoever tries codes out learns nothing from the answer."""
    account = books.account()
    used, expired = _add(books), _add(books, expires_at=NOW)
    _redeem(books, account, used)
    for code in (used, expired, "", "haze-", codes.make(), "\udcff", "ß" * 25):
        with pytest.raises(CodeError, match=re.escape(REFUSED)):
            _redeem(books, account, code)
    assert books.balance(account) == 5
    assert books.check() == []


def test_a_code_ends_when_it_says(books) -> None:
    """The millisecond before counts, the one itself does not."""
    account = books.account()
    first, second = _add(books, expires_at=NOW + 10), _add(books, expires_at=NOW + 10)
    assert _redeem(books, account, first, NOW + 9).amount == 5
    with pytest.raises(CodeError):
        _redeem(books, account, second, NOW + 10)


def test_of_many_who_come_at_once_one_gets_it(books) -> None:
    """A code that was posted in public is tried by everybody in the same second."""
    accounts = [books.account(email=f"{n}@b.c") for n in range(6)]
    code = _add(books)

    def race(account: int) -> bool:
        with closing(database.connect(str(books.path), "normal")) as connection:
            try:
                with database.transaction(connection):
                    codes.redeem(connection, account, code, NOW)
            except CodeError:
                return False
            return True

    with ThreadPoolExecutor(len(accounts)) as pool:
        assert sum(pool.map(race, accounts)) == 1
    assert sorted(books.balance(account) for account in accounts) == [0, 0, 0, 0, 0, 5]
    assert books.check() == []


def test_a_redemption_that_breaks_leaves_the_code_open(books) -> None:
    """Code and money are one transaction."""
    account, code = books.account(), _add(books)

    def half() -> None:
        with database.transaction(books.connection):
            codes.redeem(books.connection, account, code, NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert _redeem(books, account, code) == Redeemed(5, 5)
