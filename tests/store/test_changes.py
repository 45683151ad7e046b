"""What a running server hears of the owner's commands."""

import pytest

from haze_proxy.store import accounts, database, keys, own_keys, transfers
from haze_proxy.store.changes import Changes, Watch
from haze_proxy.store.transfers import Transfer

NOW = 1_800_000_000_000


@pytest.fixture
def watch(books) -> Watch:
    """The server's watch, which has seen an account with two keys."""
    account = books.account(100)
    books.key(account, "sk-rr-one")
    books.key(account, "sk-rr-two")
    watch = Watch()
    watch.look(books.connection)
    return watch


def _credit(program, account: int, amount: int) -> None:
    with database.transaction(program.connection):
        how = Transfer(transfers.MANUAL, "", amount, "credit")
        accounts.credit(program.connection, account, amount, how, NOW)


def _summary(changes: Changes | None):
    assert changes is not None
    return [change.key.id for change in changes.keys], changes.balances


def test_the_first_look_is_everything(books) -> None:
    """A server starts by learning all keys and balances, by the same code that keeps them current."""
    account = books.account(100)
    books.key(account, "sk-rr-one")
    changes = Watch().look(books.connection)
    assert _summary(changes) == ([1], [(account, 100)])
    assert changes.keys[0].digest == keys.digest("sk-rr-one")
    assert changes.keys[0].account_disabled is False


def test_an_empty_store_is_looked_at_too(books) -> None:
    """Nothing is an answer; None would mean that there was no need to look."""
    assert _summary(Watch().look(books.connection)) == ([], [])


def test_without_news_nothing_is_read(books, watch: Watch) -> None:
    """It is asked four times a second."""
    assert watch.look(books.connection) is None


def test_the_servers_own_commits_are_no_news(books, watch: Watch) -> None:
    """They are known already; taken for news they would be read again after every charge."""
    _credit(books, 1, 5)
    assert watch.look(books.connection) is None


def test_a_foreign_credit_brings_that_balance_and_nothing_else(books, other, watch: Watch) -> None:
    """Money an owner gives is spendable a moment later."""
    other.account(email="x@y.z")
    watch.look(books.connection)
    _credit(other, 1, 5)
    assert _summary(watch.look(books.connection)) == ([], [(1, 105)])
    assert watch.look(books.connection) is None


def test_a_revoked_key_is_heard_of(books, other, watch: Watch) -> None:
    """Revocation takes effect at once, also from another program."""
    with database.transaction(other.connection):
        own_keys.revoke(other.connection, 1, 2, NOW)
    changes = watch.look(books.connection)
    assert _summary(changes) == ([2], [])
    assert changes.keys[0].key.revoked_at == NOW


def test_a_new_key_is_heard_of(books, other, watch: Watch) -> None:
    """`key add` prints a key that works."""
    other.key(1, "sk-rr-new", name="new")
    changes = watch.look(books.connection)
    assert [(change.digest, change.key.name) for change in changes.keys] == [(keys.digest("sk-rr-new"), "new")]


def test_a_disabled_account_changes_all_of_its_keys(books, other, watch: Watch) -> None:
    """The gate knows keys, not accounts: each key must hear it."""
    other.key(other.account(email="x@y.z"))
    watch.look(books.connection)
    with database.transaction(other.connection):
        accounts.disable(other.connection, 1, NOW)
    changes = watch.look(books.connection)
    assert sorted(change.key.id for change in changes.keys) == [1, 2]
    assert all(change.account_disabled for change in changes.keys)


def test_own_and_foreign_changes_come_together(books, other, watch: Watch) -> None:
    """Rows are read by revision, whoever wrote them: an own change between two foreign ones is not lost."""
    _credit(books, 1, 5)
    other.account(3, email="x@y.z")
    assert _summary(watch.look(books.connection)) == ([], [(1, 105), (2, 3)])


def test_a_charge_says_nothing_of_its_key(books, other, open_request, watch: Watch) -> None:
    """A key is not read again for every request it pays: its spending comes back with the charge itself."""
    books.end(open_request(books, 1, key_id=1), 30)
    other.account(email="x@y.z")
    assert _summary(watch.look(books.connection)) == ([], [(1, 70), (2, 0)])


def test_what_is_rolled_back_was_never_there(books, other, watch: Watch) -> None:
    """Only commits count."""
    other.connection.execute("BEGIN IMMEDIATE")
    accounts.disable(other.connection, 1, NOW)
    other.connection.execute("ROLLBACK")
    assert watch.look(books.connection) is None


def test_a_look_leaves_no_transaction_open(books, other, watch: Watch) -> None:
    """It is the write connection: a reading left open would stop every charge after it."""
    _credit(other, 1, 5)
    watch.look(books.connection)
    assert not books.connection.in_transaction
    _credit(books, 1, 5)
    assert books.balance(1) == 110
