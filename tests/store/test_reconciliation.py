"""Our receipts beside the upstreams' own figures."""

from haze_proxy.store import reconciliation
from haze_proxy.store.reconciliation import DAY_MS, Drift

DAY = 1_799_971_200_000  # 2027-01-15


def test_only_what_can_be_compared_is_compared(books, open_request) -> None:
    """A request without the upstream's figure would look like pure profit."""
    account = books.account(1000)
    for cost, upstream_cost in ((30, 28), (40, 45), (50, None)):
        facts = {"channel": "c", "upstream_model": "m", "upstream_cost": upstream_cost, "ended_at": DAY}
        books.end(open_request(books, account), cost, **facts)
    [drift] = reconciliation.drifts(books.connection)
    assert drift == Drift("2027-01-15", "c", "m", 2, 70, 73, 1, 50)
    assert drift.difference == -3


def test_days_channels_and_models_are_apart(books, open_request) -> None:
    """A day ends at midnight UTC, to the millisecond."""
    account = books.account(1000)
    served = ((0, "a", "m"), (DAY_MS - 1, "b", "m"), (1, "b", "m"), (2, "b", "n"), (DAY_MS, "b", "n"))
    for after, channel, model in served:
        facts = {"channel": channel, "upstream_model": model, "upstream_cost": 1, "ended_at": DAY + after}
        books.end(open_request(books, account), 2, **facts)
    drifts = reconciliation.drifts(books.connection)
    assert [(each.day[-2:], each.channel, each.model, each.cost) for each in drifts] == [
        ("15", "a", "m", 2), ("15", "b", "m", 4), ("15", "b", "n", 2), ("16", "b", "n", 2)
    ]  # fmt: skip
    assert reconciliation.drifts(books.connection, DAY + DAY_MS) == drifts[3:]
    assert reconciliation.drifts(books.connection, DAY) == drifts[:3]


def test_what_was_not_charged_but_cost_something_is_seen(books, open_request) -> None:
    """That is where money is lost; what cost nobody anything, or is still running, is not in the way."""
    account = books.account(1000)
    known = {"channel": "c", "upstream_model": "m", "ended_at": DAY, "state": "void"}
    books.end(open_request(books, account), 0, upstream_cost=7, **known)
    books.end(open_request(books, account), 0, **known)
    books.end(open_request(books, account), 0, state="void")
    open_request(books, account)
    assert reconciliation.drifts(books.connection) == [Drift("2027-01-15", "c", "m", 1, 0, 7, 0, 0)]
