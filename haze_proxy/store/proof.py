"""The proof that the books add up, from the rows on the disk alone.

Everything is read as a stream: a million requests take as much memory as one, but for a sum for each key.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator

from haze_proxy.money import prices
from haze_proxy.store import receipts, transfers, usage_proof


def complaints(connection: sqlite3.Connection) -> Iterator[str]:
    """What is wrong with the books, one line each; none at all is the proof that they add up."""
    for question, text in QUESTIONS:
        for row in connection.execute(question):
            yield text.format(**dict(row))
    keys = connection.execute("SELECT id, spent, period_spent, period_started FROM keys").fetchall()
    spent, in_period = Counter[int](), Counter[int]()
    started = {key["id"]: key["period_started"] for key in keys}
    for row in connection.execute(REQUESTS):
        yield from _request(row)
        key_id, cost = row["key_id"], row["cost"] - row["refunded"]
        spent[key_id] += cost
        if row["ended_at"] is None or row["ended_at"] >= started[key_id]:
            in_period[key_id] += cost
    yield from _spent(keys, spent, in_period)
    yield from usage_proof.complaints(connection)
    yield from _standing(connection)


def check(connection: sqlite3.Connection) -> list[str]:
    """All complaints at once."""
    return list(complaints(connection))


def size(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many transfers and how many requests there are."""
    question = "SELECT (SELECT count(*) FROM transfers), (SELECT count(*) FROM requests)"
    moved, requests = connection.execute(question).fetchone()
    return moved, requests


def lost(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many shortfalls there are, of requests and of cards, and what they come to in nano-dollars."""
    count, amount = connection.execute(
        "SELECT count(*), coalesce(sum(amount), 0) FROM transfers WHERE kind IN ('shortfall', 'card_shortfall')"
    ).fetchone()
    return count, amount


def shortfalls(connection: sqlite3.Connection, most: int) -> list[sqlite3.Row]:
    """Costs that no hold covered and no account paid: nothing is wrong with the books, but with an estimate.

    The newest `most`, oldest first.
    """
    rows = connection.execute(
        "SELECT requests.id, ended_at, email, model, channel, cost, shortfall FROM transfers"
        " JOIN requests ON requests.id = request_id JOIN accounts ON accounts.id = account_id"
        " WHERE kind = 'shortfall' ORDER BY transfers.id DESC LIMIT ?",
        (most,),
    )
    return rows.fetchall()[::-1]


def card_shortfalls(connection: sqlite3.Connection, most: int) -> list[sqlite3.Row]:
    """What Stripe took back of card payments whose money their accounts had spent; the newest `most`, oldest first."""
    rows = connection.execute(
        "SELECT transfers.id, transfers.created_at AS at, email, transfers.amount, memo FROM transfers"
        " JOIN card_payments ON idempotency_key > 'stripe:' || session_id || ':'"
        "  AND idempotency_key < 'stripe:' || session_id || ';'"
        " JOIN accounts ON accounts.id = account_id WHERE kind = 'card_shortfall' ORDER BY transfers.id DESC LIMIT ?",
        (most,),
    )
    return rows.fetchall()[::-1]


# Each question answers with the rows that should not be there.
QUESTIONS = (
    ("SELECT sum(balance) AS total FROM ledger HAVING total <> 0", "The balances add up to {total}, not to zero."),
    (
        "SELECT ledger.name, balance, coalesce(moved, 0) AS moved FROM ledger LEFT JOIN ("
        " SELECT name, sum(amount) AS moved FROM ("
        "  SELECT credit AS name, amount FROM transfers UNION ALL SELECT debit, -amount FROM transfers"
        " ) GROUP BY name) AS sums ON sums.name = ledger.name WHERE balance <> coalesce(moved, 0)",
        "{name} stands at {balance}, but its transfers add up to {moved}.",
    ),
    (
        "SELECT name, balance FROM ledger WHERE name GLOB 'account:*' AND balance < 0",
        "{name} is below zero: {balance}.",
    ),
    (
        "SELECT id, kind, debit, credit FROM transfers WHERE CASE kind"
        " WHEN 'charge' THEN NOT (debit GLOB 'account:*' AND credit = 'house:revenue')"
        " WHEN 'shortfall' THEN NOT (debit = 'house:shortfall' AND credit = 'house:revenue')"
        " WHEN 'refund' THEN NOT (debit = 'house:revenue' AND credit GLOB 'account:*')"
        " WHEN 'card' THEN NOT (debit = 'external:stripe' AND credit GLOB 'account:*')"
        " WHEN 'card_refund' THEN NOT (debit GLOB 'account:*' AND credit = 'external:stripe')"
        " WHEN 'card_dispute' THEN NOT (debit GLOB 'account:*' AND credit = 'external:stripe')"
        " WHEN 'card_shortfall' THEN NOT (debit = 'house:shortfall' AND credit = 'external:stripe')"
        " WHEN 'correction' THEN NOT (debit GLOB 'account:*' AND credit = 'external:manual') ELSE 0 END",
        "Transfer {id} is a {kind} from {debit} to {credit}.",
    ),
    (
        "SELECT id, kind FROM transfers WHERE request_id IS NULL AND kind IN ('charge', 'shortfall', 'refund')",
        "Transfer {id} is a {kind} of no request.",
    ),
    (
        "SELECT transfers.id, request_id FROM transfers LEFT JOIN requests ON requests.id = request_id"
        " WHERE request_id IS NOT NULL AND requests.id IS NULL",
        "Transfer {id} names request {request_id}, which does not exist.",
    ),
    (
        "SELECT requests.id, requests.epoch FROM requests WHERE state = 'open'"
        " AND epoch <> (SELECT max(id) FROM epochs)",
        "Request {id} is open, but its server (epoch {epoch}) is gone.",
    ),
    (
        "SELECT codes.id FROM codes LEFT JOIN transfers ON idempotency_key = 'code:' || codes.id AND kind = 'code'"
        " AND debit = 'house:promotion' AND credit = 'account:' || account_id AND transfers.amount = codes.amount"
        " WHERE redeemed_at IS NOT NULL AND transfers.id IS NULL",
        "Code {id} was redeemed, but its account did not get what it is worth.",
    ),
    (
        "SELECT transfers.id FROM transfers LEFT JOIN codes"
        " ON codes.id = CAST(substr(idempotency_key, 6) AS INTEGER) AND redeemed_at IS NOT NULL"
        " WHERE kind = 'code' AND codes.id IS NULL",
        "Transfer {id} is of a code that nobody redeemed.",
    ),
    (
        "SELECT session_id, state FROM card_payments LEFT JOIN transfers ON idempotency_key = 'stripe:' || session_id"
        " AND kind = 'card' AND credit = 'account:' || account_id AND transfers.amount = card_payments.amount"
        " WHERE (state = 'paid') <> (transfers.id IS NOT NULL)",
        "Card payment {session_id} is {state}, but the money of its account says otherwise.",
    ),
    (
        "SELECT transfers.id FROM transfers LEFT JOIN card_payments ON session_id = substr(idempotency_key, 8)"
        " WHERE kind = 'card' AND session_id IS NULL",
        "Transfer {id} is of a card payment that is not there.",
    ),
    (
        "SELECT * FROM (SELECT session_id, min(amount, (SELECT coalesce(sum(amount), 0) FROM card_reversals"
        "  WHERE session_id = card_payments.session_id)) AS due, (SELECT coalesce(sum(amount), 0) FROM transfers"
        "  WHERE idempotency_key > 'stripe:' || session_id || ':' AND idempotency_key < 'stripe:' || session_id || ';')"
        " AS taken FROM card_payments) WHERE due <> taken",
        "Of card payment {session_id} Stripe took back {due}, but {taken} were moved.",
    ),
)
REQUESTS = (
    "SELECT requests.id, account_id, key_id, state, ended_at, cost, shortfall, price, server_tools, upstream_cost,"
    f" {', '.join(receipts.TOKENS)}, charge.amount AS charged, charge.debit AS payer, short.amount AS short,"
    " coalesce(back.amount, 0) AS refunded, back.credit AS payee FROM requests"
    " LEFT JOIN transfers AS charge ON charge.request_id = requests.id AND charge.kind = 'charge'"
    " LEFT JOIN transfers AS short ON short.request_id = requests.id AND short.kind = 'shortfall'"
    " LEFT JOIN transfers AS back ON back.request_id = requests.id AND back.kind = 'refund'"
)


def _spent(keys: list[sqlite3.Row], spent: Counter[int], in_period: Counter[int]) -> Iterator[str]:
    for key in keys:
        costs, since = spent[key["id"]], in_period[key["id"]]
        if key["spent"] != costs:
            yield f"Key {key['id']} has spent {key['spent']}, but its requests cost {costs}."
        elif key["period_spent"] != since:
            yield f"Key {key['id']} has spent {key['period_spent']} in its period, but its requests cost {since}."


def _standing(connection: sqlite3.Connection) -> Iterator[str]:
    """Whether each transfer says what its accounts had afterwards."""
    has = Counter[str]()
    for row in connection.execute("SELECT id, debit, credit, amount, debit_after, credit_after FROM transfers"):
        for side, change in (("debit", -row["amount"]), ("credit", row["amount"])):
            name, said = row[side], row[f"{side}_after"]
            if not name.startswith("account:"):
                continue
            has[name] += change
            if said != has[name]:
                yield f"After transfer {row['id']} {name} had {has[name]}, but it says {said}."


def _request(row: sqlite3.Row) -> Iterator[str]:
    """One hold, one outcome, and the transfers that belong to it."""
    name, state, cost = f"Request {row['id']}", row["state"], row["cost"]
    charged, short = row["charged"] or 0, row["short"] or 0
    if charged + short != cost:
        yield f"{name} cost {cost}, but {charged + short} were charged."
    elif short != row["shortfall"]:
        yield f"{name} names a shortfall of {row['shortfall']}, but {short} were moved."
    if state == "settled":
        yield from _recomputed(name, row)
    elif cost:
        yield f"{name} is {state} and cost {cost}."
    if (state == "open") != (row["ended_at"] is None):
        yield f"{name} is {state}, but its end says otherwise."
    if row["refunded"] > charged:
        yield f"{name} was refunded {row['refunded']}, but {charged} were paid for it."
    own = transfers.account(row["account_id"])
    for other in {row["payer"], row["payee"]} - {own, None}:
        yield f"{name} is {own}'s, but its money is {other}'s."


def _recomputed(name: str, row: sqlite3.Row) -> Iterator[str]:
    """Whether tokens times price, both as the row keeps them, is what the row says it cost."""
    if row["price"] is None:
        yield f"{name} is settled without a price."
        return
    try:
        own = receipts.cost(row)
    except ValueError:
        yield f"{name} has a price that cannot be read."
        return
    if own != row["cost"] and prices.is_whole(row["price"]):
        yield f"{name} cost {row['cost']}, but its tokens and its price add up to {own}."
