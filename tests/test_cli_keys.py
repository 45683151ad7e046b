"""The owner's commands for keys."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from desk import ISO, Desk, fails

from haze_proxy.store import keys


def test_a_new_key_is_printed_once_and_alone(desk: Desk) -> None:
    """`KEY=$(haze-proxy key add …)` is how it is used; afterwards nobody can show it again."""
    result = desk("key", "add", "a@b.c")
    assert re.fullmatch(r"sk-rr-[\w-]{43}\n", result.stdout)
    assert result.stderr == ""
    assert result.stdout.strip() not in desk.says("key", "list", "a@b.c")
    [row] = desk.rows("SELECT digest FROM keys")
    assert row["digest"] == keys.digest(result.stdout.strip())


def test_a_new_key_gets_the_configured_limits(desk: Desk) -> None:
    """What is not said comes from [limits]."""
    desk.says("key", "add", "a@b.c")
    [shown] = desk.json("key", "list", "a@b.c")
    assert ISO.fullmatch(shown.pop("created_at"))
    assert re.fullmatch(r"sk-rr-[\w-]{6}", shown.pop("prefix"))
    assert shown == {
        "id": 1,
        "name": "",
        "requests_per_minute": 7,
        "tokens_per_minute": 70,
        "concurrent_requests": 3,
        "budget_usd": None,
        "budget_period": None,
        "budget_left_usd": None,
        "budget_resets_at": None,
        "spent_usd": "0",
        "models": None,
        "expires_at": None,
        "revoked_at": None,
    }


def test_a_new_key_gets_what_is_said(desk: Desk) -> None:
    """Each option goes to its own column."""
    desk.says(
        "key", "add", "a@b.c", "--name", "laptop", "--rpm", "1", "--tpm", "2", "--concurrent", "4",
        "--budget", "2.5", "--models", " a, b ,", "--expires", "2999-01-31",
    )  # fmt: skip
    [shown] = desk.json("key", "list", "a@b.c")
    limits = ("name", "requests_per_minute", "tokens_per_minute", "concurrent_requests", "budget_usd", "models")
    assert [shown[name] for name in limits] == ["laptop", 1, 2, 4, "2.5", ["a", "b"]]
    assert shown["expires_at"] == "2999-01-31T00:00:00.000Z"


@pytest.mark.parametrize(
    ("words", "span"),
    [("30d", timedelta(days=30)), ("12h", timedelta(hours=12)), ("1h", timedelta(hours=1))],
    ids=["days", "hours", "one"],
)
def test_a_key_can_end_some_time_from_now(desk: Desk, words: str, span: timedelta) -> None:
    """Counted from now, not from midnight."""
    before = datetime.now(UTC)
    desk.says("key", "add", "a@b.c", "--expires", words)
    [shown] = desk.json("key", "list", "a@b.c")
    assert before - timedelta(seconds=1) < datetime.fromisoformat(shown["expires_at"]) - span <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("words", "period", "resets"),
    [((), "total", None), (("--budget-period", "day"), "day", "T00:00:00.000Z"),
     (("--budget-period", "month"), "month", "-01T00:00:00.000Z"), (("--budget-period", "total"), "total", None)],
    ids=["not said", "day", "month", "total"],
)  # fmt: skip
def test_a_budget_can_begin_anew(desk: Desk, words: tuple[str, ...], period: str, resets: str | None) -> None:
    """Five dollars a day, or five for good: the listing says which, what is left, and when it begins anew."""
    desk.says("key", "add", "a@b.c", "--budget", "5", *words)
    [shown] = desk.json("key", "list", "a@b.c")
    assert (shown["budget_usd"], shown["budget_period"], shown["budget_left_usd"]) == ("5", period, "5")
    assert (shown["budget_resets_at"] or "").endswith(resets or "")


REFUSED_KEYS = {
    "--expires": ["2020-01-01", "0d", "30", "30m", "soon", "2027-02-30", "9999999d", "", "-1d"],
    "--rpm": ["0", "-1", "many", "1.5", "1000000000001"],
    "--tpm": ["0"],
    "--concurrent": ["0"],
    "--models": ["", ",", " "],
    "--budget-period": ["day", "year", ""],
}


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in REFUSED_KEYS.items() for value in values]
)
def test_a_limit_that_makes_no_sense_makes_no_key(desk: Desk, option: str, value: str) -> None:
    """A key that can never be used, or never ends by mistake, is worse than a line that says so."""
    line = fails(desk("key", "add", "a@b.c", option, value))
    assert option in line
    assert desk.json("key", "list", "a@b.c") == []


@pytest.mark.parametrize("by", ["id", "prefix", "in full"])
def test_a_key_is_revoked_by_what_is_at_hand(desk: Desk, by: str) -> None:
    """A leak is stopped in one command."""
    secret = desk.says("key", "add", "a@b.c")
    named = {"id": "1", "prefix": secret[:12], "in full": secret}[by]
    assert desk.says("key", "revoke", named) == f"Key 1 ({secret[:12]}…) is revoked."
    [shown] = desk.json("key", "list", "a@b.c")
    assert ISO.fullmatch(shown["revoked_at"])


def test_a_key_that_is_none_cannot_be_revoked(desk: Desk) -> None:
    """ "Revoked" must not be said of a key that goes on working."""
    assert fails(desk("key", "revoke", "sk-rr-zzzzzz")) == "No such key."
