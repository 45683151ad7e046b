"""Keys: what is kept of them, and how they are found again."""

import hashlib
import re
import sqlite3

import pytest

from haze_proxy.money.periods import DAY_MS
from haze_proxy.store import accounts, database, keys, own_keys
from haze_proxy.store.keys import UnknownKeyError

NOW = 1_800_000_000_000
SECRET = "sk-rr-" + "abcdef" + "0" * 37
TWIN = "sk-rr-" + "abcdef" + "1" * 37


def test_a_secret_is_what_the_documentation_shows() -> None:
    """Clients and secret scanners know a key by its shape."""
    made = {keys.make_secret() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"sk-rr-[A-Za-z0-9_-]{43}", secret) for secret in made)


def test_a_secret_is_stored_nowhere(books) -> None:
    """A stolen database must not open anything."""
    secret = keys.make_secret()
    books.key(books.account(), secret)
    files = [path.read_bytes() for path in books.path.parent.glob("haze.db*")]
    assert not any(secret.encode() in content for content in files)
    assert any(hashlib.sha256(secret.encode()).digest() in content for content in files)


def test_bytes_that_are_no_text_have_a_digest() -> None:
    """A header can hold any bytes; a stranger's nonsense must end in 401, not in a crash."""
    assert keys.digest("sk-rr-\udcff") == hashlib.sha256(b"sk-rr-\xff").digest()


def test_a_key_comes_back_as_it_was_made(books) -> None:
    """The gate acts on these facts."""
    account = books.account()
    new = books.key(account, SECRET, name="laptop", budget=5, models=("a", "b"), expires_at=NOW + 1)
    [key] = keys.of_account(books.connection, account)
    assert (key.id, key.account_id, key.name, key.prefix) == (new, account, "laptop", "sk-rr-abcdef")
    assert (key.requests_per_minute, key.tokens_per_minute, key.concurrent_requests) == (60, 1000, 4)
    assert (key.budget, key.spent, key.models, key.expires_at, key.revoked_at) == (5, 0, ("a", "b"), NOW + 1, None)


@pytest.mark.parametrize(
    ("models", "model", "allowed"),
    [(None, "a", True), (("a",), "a", True), (("a",), "b", False), ((), "a", False)],
    ids=["any", "named", "not named", "none at all"],
)
def test_a_key_may_use_what_it_names(books, models, model: str, allowed: bool) -> None:
    """No list means every model; an empty list means none, and must not be taken for no list."""
    books.key(books.account(), SECRET, models=models)
    assert keys.find(books.connection, SECRET).may_use(model) is allowed


@pytest.mark.parametrize("named", [SECRET, "sk-rr-abcdef", "1"], ids=["in full", "prefix", "id"])
def test_a_key_is_found_by_whatever_its_owner_has_at_hand(books, named: str) -> None:
    """Whoever lost a key has its prefix from a listing; whoever found one has it in full."""
    books.key(books.account(), SECRET)
    assert keys.find(books.connection, named).id == 1


@pytest.mark.parametrize(
    "named",
    ["2", "sk-rr-", "sk-rr-abcde", TWIN, "sk-rr-zzzzzz", "", "-1", "9" * 30, "%"],
    ids=["id", "no prefix", "short", "same prefix", "other", "empty", "negative", "huge", "pattern"],
)
def test_a_name_that_fits_no_key_finds_none(books, named: str) -> None:
    """Revoking the wrong key stops somebody's work; a whole secret fits its own key only."""
    books.key(books.account(), SECRET)
    with pytest.raises(UnknownKeyError, match="No such key"):
        keys.find(books.connection, named)


def test_a_prefix_of_two_keys_asks_for_the_id(books) -> None:
    """Guessing between two keys would be wrong half of the time."""
    account = books.account()
    books.key(account, SECRET)
    books.key(account, TWIN)
    with pytest.raises(UnknownKeyError, match="sk-rr-abcdef fits several keys; name one by its id: 1, 2"):
        keys.find(books.connection, "sk-rr-abcdef")
    assert keys.find(books.connection, TWIN).id == 2


def test_a_revoked_key_keeps_the_time_it_was_revoked_at(books) -> None:
    """When a leak was stopped is a fact that a second command must not change."""
    account = books.account()
    books.key(account, SECRET)
    for now in (NOW + 1, NOW + 2):
        with database.transaction(books.connection):
            own_keys.revoke(books.connection, account, 1, now)
    assert keys.of_account(books.connection, account)[0].revoked_at == NOW + 1


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("SELECT 1", None),
        ("UPDATE keys SET revoked_at = 1", "this key is revoked"),
        (f"UPDATE keys SET expires_at = {NOW}", "this key has expired"),
        (f"UPDATE keys SET expires_at = {NOW + 1}", None),
        ("UPDATE accounts SET disabled_at = 1", "this key's account is disabled"),
        ("""UPDATE keys SET models = '["b", "c"]'""", "this key may only use b, c"),
    ],
    ids=["good", "revoked", "expired now", "expires later", "disabled", "other models"],
)
def test_a_refusal_says_why(books, deed: str, reason: str | None) -> None:
    """The owner asks because a caller complains that nothing works."""
    books.key(books.account(), SECRET)
    books.connection.execute(deed)
    assert keys.refusal(books.connection, keys.find(books.connection, "1"), "a", NOW) == reason


@pytest.mark.parametrize(
    "facts",
    [{"requests_per_minute": 0}, {"tokens_per_minute": 0}, {"concurrent_requests": 0}, {"budget": -1}],
    ids=lambda facts: next(iter(facts)),
)
def test_a_limit_that_forbids_everything_is_refused(books, facts) -> None:
    """A rate of zero divides by zero in the limiter; revoking is the way to stop a key."""
    account = books.account()
    with pytest.raises(sqlite3.IntegrityError):
        books.key(account, **facts)


def test_an_address_has_one_account_in_any_case(books) -> None:
    """People do not remember how they typed it."""
    account = books.account(email="Some@One.net")
    assert accounts.find(books.connection, "some@one.NET").id == account
    with pytest.raises(accounts.AccountError, match=r"already an account for SOME@one\.net"):
        books.account(email="SOME@one.net")


def test_an_unknown_address_is_said_plainly(books) -> None:
    """The owner mistyped it."""
    with pytest.raises(accounts.AccountError, match=r"no account for x@y\.z"):
        accounts.find(books.connection, "x@y.z")


def test_an_account_shows_its_money(books, open_request) -> None:
    """Balance, what is set aside, and what was spent are three different things."""
    account = books.account(100)
    books.end(open_request(books, account), 30)
    open_request(books, account, held=7)
    found = accounts.find(books.connection, "a@b.c")
    assert (found.balance, found.spent, accounts.held(books.connection, account)) == (70, 30, 7)


def test_nothing_is_held_once_the_server_has_stopped(books, open_request) -> None:
    """Open rows of a server that is gone hold nobody's money."""
    account = books.account(100)
    open_request(books, account, held=7)
    books.connection.execute("UPDATE epochs SET ended_at = 1")
    assert accounts.held(books.connection, account) == 0


def test_a_disabled_account_keeps_the_time(books) -> None:
    """The first command is the one that counts."""
    account = books.account()
    for now in (NOW + 1, NOW + 2):
        accounts.disable(books.connection, account, now)
    assert [each.disabled_at for each in accounts.every(books.connection)] == [NOW + 1]


NOON = 1_799_971_200_000 + DAY_MS // 2
SETTLED = {
    # (cost, when), ... -> spent, in the period, when that began
    "two in one day": ("day", [(3, NOON), (4, NOON + 1)], (7, 7, NOON - DAY_MS // 2)),
    "a new day": ("day", [(3, NOON), (4, NOON + DAY_MS)], (7, 4, NOON + DAY_MS // 2)),
    "days without any": ("day", [(3, NOON), (4, NOON + 9 * DAY_MS)], (7, 4, NOON + 17 * DAY_MS // 2)),
    "a clock that was set back": ("day", [(3, NOON), (4, NOON - DAY_MS)], (7, 3, NOON - DAY_MS // 2)),
    "nothing in a new day": ("day", [(3, NOON), (0, NOON + DAY_MS)], (3, 0, NOON + DAY_MS // 2)),
    "for good": ("total", [(3, NOON), (4, NOON + 999 * DAY_MS)], (7, 7, 0)),
}


@pytest.mark.parametrize(("period", "costs", "spent"), SETTLED.values(), ids=SETTLED)
def test_what_is_settled_counts_for_the_period_of_that_time(books, period: str, costs, spent) -> None:
    """It is written with the charge, so that a restart knows it."""
    key_id = books.key(books.account(), budget=100, budget_period=period)
    for cost, at in costs:
        told = keys.spend(books.connection, key_id, cost, at)
    [row] = books.connection.execute("SELECT spent, period_spent, period_started FROM keys")
    assert tuple(row) == spent == (told.total, told.in_period, told.period_started)


def test_what_is_left_is_what_is_left_of_the_period_that_is_now(books) -> None:
    """A listing must not show yesterday's rest."""
    key_id = books.key(books.account(), budget=100, budget_period="day")
    keys.spend(books.connection, key_id, 30, NOON)
    [key] = keys.of_account(books.connection, 1)
    assert (key.budget_left(NOON), key.budget_left(NOON + DAY_MS)) == (70, 100)
    books.key(1, budget=None)
    assert keys.of_account(books.connection, 1)[1].budget_left(NOON) is None


def test_a_period_that_is_none_is_refused_by_the_database(books) -> None:
    """A budget that nobody can count must not exist."""
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        books.key(books.account(), budget=1, budget_period="year")
