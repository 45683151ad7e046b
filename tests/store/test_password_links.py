"""A link lets its bearer choose one password, once, within a day."""

import pytest

from haze_proxy.store import accounts, database, password_links, sessions
from haze_proxy.store.password_links import LIFETIME_MS, LinkError, make_token

NOW = 1_800_000_000_000


def linked(books, account_id: int) -> str:
    """A new link of an account."""
    token = make_token()
    with database.transaction(books.connection):
        password_links.add(books.connection, account_id, token, NOW)
    return token


def test_a_link_is_used_once(books) -> None:
    """And whoever was logged in with the old password is not any more."""
    account = books.account()
    token = linked(books, account)
    sessions.begin(books.connection, account, "t", user_agent="", address="", now_ms=NOW)
    assert password_links.find(books.connection, token, NOW) == (account, "a@b.c")
    assert password_links.use(books.connection, token, "hash", NOW) == account
    login = accounts.login(books.connection, "a@b.c")
    assert login is not None
    assert login.password_hash == "hash"
    assert sessions.find(books.connection, "t", NOW) is None
    with pytest.raises(LinkError):
        password_links.use(books.connection, token, "other", NOW)


def test_a_link_that_was_replaced_is_over(books) -> None:
    """An administrator who is asked twice leaves one link behind, not two."""
    account = books.account()
    first, second = linked(books, account), linked(books, account)
    with pytest.raises(LinkError):
        password_links.find(books.connection, first, NOW)
    assert password_links.find(books.connection, second, NOW)[0] == account


def test_a_link_lasts_a_day(books) -> None:
    """What lies in a mailbox for years opens nothing."""
    token = linked(books, books.account())
    assert password_links.find(books.connection, token, NOW + LIFETIME_MS - 1)
    for wrong in (token + "x", "", "\udcff"):
        with pytest.raises(LinkError):
            password_links.find(books.connection, wrong, NOW)
    with pytest.raises(LinkError):
        password_links.find(books.connection, token, NOW + LIFETIME_MS)


def test_a_disabled_account_has_no_link(books) -> None:
    """It is told the same as a wrong link."""
    account = books.account()
    token = linked(books, account)
    accounts.disable(books.connection, account, NOW)
    with pytest.raises(LinkError):
        password_links.find(books.connection, token, NOW)


def test_the_token_is_not_in_the_store(books) -> None:
    """A copy of the file opens no account."""
    token = linked(books, books.account())
    [row] = books.connection.execute("SELECT * FROM password_links")
    assert token.encode() not in bytes(str(dict(row)), "utf-8")
