"""What Stripe tells becomes money once, in whatever order and however often it is told; nobody else is heard."""

import asyncio
import json
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gateway import ECHO, Haze, running
from people import Person
from till import CONFIG, ENVIRON, SECRET, Json, Till, Trouble, charge, deliver, dispute, event, signed

from haze_proxy.context import WALLET
from haze_proxy.store import card_payments

PAGE = "/dashboard/billing"
CENT = 10**7
COMPLETED = "checkout.session.completed"


async def begun(payer: Person, amount: str = "25") -> None:
    """A checkout that waits to be paid."""
    assert (await payer.post(f"{PAGE}/card", amount=amount)).status == 303


async def tell(haze: Haze, kind: str, what: Json, **how: Any) -> int:
    """Stripe calls; the status of the answer."""
    return await deliver(haze.session, haze.url, event(kind, what), **how)


async def test_a_payment_is_credited_before_stripe_is_answered(shop: Haze, till: Till, payer: Person) -> None:
    """Exactly, and known to memory: the next request can be paid at once."""
    await begun(payer, "25.37")
    assert await tell(shop, COMPLETED, till.paid()) == 200
    assert shop.app[WALLET].of_account(2) == (2537 * CENT, 0)
    [row] = shop.rows("SELECT * FROM transfers WHERE kind = 'card'")
    assert (row["debit"], row["credit"], row["idempotency_key"]) == ("external:stripe", "account:2", "stripe:cs_test_1")


async def test_a_hundred_deliveries_at_once_credit_once(shop: Haze, till: Till, payer: Person) -> None:
    """Stripe promises to tell it at least once, not once; and whoever paid comes back at the same moment."""
    await begun(payer)
    paid = till.paid()
    calls = [tell(shop, COMPLETED, paid) for _ in range(50)]
    calls += [tell(shop, "checkout.session.async_payment_succeeded", paid) for _ in range(50)]
    back = payer.get(f"{PAGE}?card=cs_test_1")
    statuses = await asyncio.gather(*calls)
    assert "is credited" in (await back).words
    assert set(statuses) == {200}
    assert shop.balance(2) == 2500 * CENT
    assert len(shop.rows("SELECT * FROM transfers WHERE kind = 'card'")) == 1


ORDERS = {
    "paid late": ["completed unpaid", "succeeded"],
    "paid, then told again": ["succeeded", "completed unpaid", "completed"],
    "expired after all": ["expired", "completed"],
    "failed, then paid": ["failed", "completed"],
    "paid, then nonsense": ["completed", "expired", "failed"],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
async def test_the_order_does_not_matter(shop: Haze, till: Till, payer: Person, order: list[str]) -> None:
    """That it is paid is the last word, wherever it comes."""
    await begun(payer)
    unpaid = dict(till.last)
    kinds = {
        "completed": (COMPLETED, dict(till.paid())),
        "completed unpaid": (COMPLETED, {**unpaid, "status": "complete"}),
        "succeeded": ("checkout.session.async_payment_succeeded", dict(till.last)),
        "failed": ("checkout.session.async_payment_failed", {**unpaid, "status": "complete"}),
        "expired": ("checkout.session.expired", {**unpaid, "status": "expired"}),
    }
    for each in order:
        assert await tell(shop, *kinds[each]) == 200
    assert shop.balance(2) == 2500 * CENT
    assert shop.rows("SELECT state FROM card_payments")[0]["state"] == "paid"


@pytest.mark.parametrize(
    ("kind", "told"), [("expired", "was not made in time"), ("async_payment_failed", "did not come about")]
)
async def test_a_payment_that_comes_to_nothing_is_told_so(
    shop: Haze, till: Till, payer: Person, kind: str, told: str
) -> None:
    """And credits nothing."""
    await begun(payer)
    assert await tell(shop, f"checkout.session.{kind}", {**till.last, "status": "expired"}) == 200
    assert told in (await payer.get(f"{PAGE}?card=cs_test_1")).words
    assert shop.balance(2) == 0


FORGED: dict[str, dict[str, Any]] = {
    "another secret": {"secret": "whsec_Guess"},
    "an old one": {"at": time.time() - 301},
    "from 1970": {"at": 0},
}


@pytest.mark.parametrize("how", FORGED.values(), ids=FORGED)
async def test_what_stripe_did_not_just_sign_is_refused(
    shop: Haze, till: Till, payer: Person, how: dict[str, Any]
) -> None:
    """Anybody can call the address, and a call that was overheard can be sent again."""
    await begun(payer)
    assert await tell(shop, COMPLETED, till.paid(), **how) == 400
    assert shop.balance(2) == 0


HEADERS = ["", "t=1", "v1=00", "t=4000000000,v1=", "t=x,v1=y", "t=1,v1=\u00e9", "," * 100, "t=" + "9" * 5000]


@pytest.mark.parametrize("header", HEADERS)
async def test_a_header_that_is_none_is_refused(shop: Haze, header: str) -> None:
    """And never a mistake of ours."""
    async with shop.session.post(
        f"{shop.url}/webhooks/stripe", data=b"{}", headers={"Stripe-Signature": header}
    ) as answer:
        assert answer.status == 400
    async with shop.session.post(f"{shop.url}/webhooks/stripe", data=b"{}") as answer:
        assert answer.status == 400


async def test_calls_of_strangers_do_not_fill_the_log(shop: Haze, till: Till, caplog: pytest.LogCaptureFixture) -> None:
    """The address is open to everybody, and a disk that is full of refusals takes no payment. The owner is told."""
    for _ in range(30):
        assert await tell(shop, COMPLETED, {}, secret="whsec_guess") == 400
    assert caplog.text.count("was refused") == 10
    shop.clock[0] += 901
    assert await tell(shop, COMPLETED, {}, secret="whsec_guess") == 400
    assert caplog.text.count("was refused") == 11


async def test_a_body_that_was_changed_is_refused(shop: Haze, till: Till, payer: Person) -> None:
    """The signature is of every byte."""
    await begun(payer)
    body = json.dumps(event(COMPLETED, till.paid()))
    for sent in (body + " ", body.replace("paid", "Paid"), body.encode() + b"\xff"):
        async with shop.session.post(f"{shop.url}/webhooks/stripe", data=sent, headers=signed(body)) as answer:
            assert answer.status == 400
    assert shop.balance(2) == 0


BODIES = {
    "no JSON": "{",
    "a list": "[]",
    "nothing": "",
    "no type": "{}",
    "no object": json.dumps({"type": COMPLETED}),
    "half a session": json.dumps(event(COMPLETED, {"id": "cs_test_1"})),
    "an amount that is none": json.dumps(event("charge.refunded", {"amount_refunded": "x", "payment_intent": "pi_1"})),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_signed_event_that_cannot_be_read_is_refused(shop: Haze, body: str) -> None:
    """With 400, so that the owner sees it at Stripe, and not with a mistake of ours."""
    async with shop.session.post(f"{shop.url}/webhooks/stripe", data=body.encode(), headers=signed(body)) as answer:
        assert answer.status == 400


async def test_a_body_is_small(shop: Haze) -> None:
    """Before anything is verified, little is read."""
    for size, status in ((65_536, 400), (65_537, 413)):
        async with shop.session.post(f"{shop.url}/webhooks/stripe", data=b"x" * size) as answer:
            assert answer.status == status


async def test_a_slow_body_is_not_waited_for(shop: Haze, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever never ends holds a line and nothing else."""
    monkeypatch.setattr("haze_proxy.web.billing.webhook.ARRIVES_S", 0.05)
    never = asyncio.Event()

    async def drips() -> Any:
        yield b"{"
        await never.wait()

    async with shop.session.post(f"{shop.url}/webhooks/stripe", data=drips()) as answer:
        assert answer.status == 400
    never.set()


async def test_a_browser_of_another_site_means_nothing_here(shop: Haze, till: Till, payer: Person) -> None:
    """It is no page: no session, no same origin, no policy; another method is not taken."""
    await begun(payer)
    body = json.dumps(event(COMPLETED, till.paid()))
    headers = {**signed(body), "Origin": "https://stripe.com", "Sec-Fetch-Site": "cross-site"}
    async with shop.session.post(f"{shop.url}/webhooks/stripe", data=body, headers=headers) as answer:
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers
    async with shop.session.get(f"{shop.url}/webhooks/stripe") as answer:
        assert answer.status == 405


async def test_the_other_mode_is_refused(
    shop: Haze, till: Till, payer: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """A test payment must not become live money, nor the other way round."""
    await begun(payer)
    assert await tell(shop, COMPLETED, {**till.paid(), "livemode": True}) == 400
    assert "It is of Stripe's live mode, the key is not." in caplog.text
    assert shop.balance(2) == 0


NOT_OURS: dict[str, Json] = {
    "another's checkout": {"id": "cs_test_of_another_shop"},
    "another's without an amount": {"id": "cs_test_of_a_setup", "amount_subtotal": None, "currency": None},
    "another amount": {"amount_subtotal": 9_999_999},
    "another currency": {"currency": "jpy"},
}


@pytest.mark.parametrize("facts", NOT_OURS.values(), ids=NOT_OURS)
async def test_what_did_not_begin_here_is_not_credited(
    shop: Haze, till: Till, payer: Person, facts: Json, caplog: pytest.LogCaptureFixture
) -> None:
    """Several programs may share an account at Stripe. It is logged, and Stripe need not say it again."""
    await begun(payer)
    assert await tell(shop, COMPLETED, {**till.paid(), **facts}) == 200
    assert "Nothing was credited." in caplog.text
    assert shop.balance(2) == 0


async def test_taxes_are_not_credited(shop: Haze, till: Till, payer: Person) -> None:
    """Where Stripe adds them, the total is more than what was bought."""
    await begun(payer)
    assert await tell(shop, COMPLETED, {**till.paid(), "amount_total": 2975}) == 200
    assert shop.balance(2) == 2500 * CENT


async def test_events_of_other_kinds_are_taken_and_left(shop: Haze) -> None:
    """Whoever has Stripe send everything gets no errors."""
    assert await tell(shop, "customer.created", {"id": "cus_1"}) == 200


async def test_nothing_of_a_body_or_a_secret_is_logged(
    shop: Haze, till: Till, payer: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """Events hold names and addresses of people."""
    caplog.set_level(logging.DEBUG)
    await begun(payer)
    paid = {**till.paid(), "customer_details": {"name": "Ada Lovelace"}}
    await tell(shop, COMPLETED, paid)
    await tell(shop, COMPLETED, paid, secret="whsec_other")
    await tell(shop, COMPLETED, {**paid, "id": "cs_test_unknown"})
    await tell(shop, COMPLETED, {"customer_details": "Ada Lovelace"})
    for hidden in ("Ada", SECRET, ENVIRON["STRIPE_SECRET_KEY"], "payer@example.com"):
        assert hidden not in caplog.text


async def test_a_store_that_cannot_be_written_makes_stripe_say_it_again(
    shop: Haze, till: Till, payer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payment that was made is never lost to a full disk."""
    await begun(payer)
    paid = till.paid()

    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(card_payments, "pay", full)
        assert await tell(shop, COMPLETED, paid) == 503
    async with asyncio.timeout(5):
        while await tell(shop, COMPLETED, paid) != 200:
            await asyncio.sleep(0.05)
    assert shop.balance(2) == 2500 * CENT


async def test_a_refund_at_stripe_is_taken_back(shop: Haze, till: Till, payer: Person) -> None:
    """In parts, as they come, each once; what an account has spent is not changed by it."""
    await begun(payer)
    paid = till.paid()
    await tell(shop, COMPLETED, paid)
    for refunded in (1000, 1000, 700, 2500, 2500):
        assert await tell(shop, "charge.refunded", charge(paid, refunded)) == 200
        if refunded == 700:
            assert shop.app[WALLET].of_account(2) == (1500 * CENT, 0)
    assert shop.balance(2) == 0
    amounts = [row["amount"] // CENT for row in shop.rows("SELECT * FROM transfers WHERE kind = 'card_refund'")]
    assert amounts == [1000, 1500]
    acts = [(row["actor_id"], row["act"], row["target"]) for row in shop.rows("SELECT * FROM audit")]
    assert acts == [(None, "card.refund", "payer@example.com")] * 2
    words = (await payer.get(PAGE)).words
    assert "Spent $0.00" in words
    assert "Refund to the card ch_1" in words


async def test_what_was_spent_meanwhile_is_the_houses_loss(shop: Haze, till: Till, payer: Person) -> None:
    """A balance never goes below zero; the rest is written down where the owner sees it."""
    await begun(payer)
    paid = till.paid()
    await tell(shop, COMPLETED, paid)
    key = await shop.known(await payer.make_key())
    await shop.ask("chat", key=key, max_tokens=100)
    [row] = await shop.ended()
    assert await tell(shop, "charge.dispute.created", dispute(paid, 2500)) == 200
    assert shop.balance(2) == 0
    [short] = shop.rows("SELECT * FROM transfers WHERE kind = 'card_shortfall'")
    assert (short["debit"], short["amount"], short["memo"]) == ("house:shortfall", row["cost"], "dp_1")
    assert "$0.000" in shop.rows("SELECT detail FROM audit")[0]["detail"]
    assert (await shop.ask("chat", key=key, max_tokens=100)).status == 402


async def test_an_inquiry_takes_nothing_before_it_becomes_a_dispute(shop: Haze, till: Till, payer: Person) -> None:
    """A bank that only asks leaves the money where it is; what it then withdraws is told of apart, and taken once."""
    await begun(payer)
    paid = till.paid()
    await tell(shop, COMPLETED, paid)
    asked, withdrawn = (dispute(paid, 2500, status=word) for word in ("warning_needs_response", "needs_response"))
    assert await tell(shop, "charge.dispute.created", asked) == 200
    assert shop.balance(2) == 25 * 10**9
    for _ in range(2):
        assert await tell(shop, "charge.dispute.funds_withdrawn", withdrawn) == 200
    assert shop.balance(2) == 0
    [back] = shop.rows("SELECT amount FROM transfers WHERE kind = 'card_dispute'")
    assert back["amount"] == 25 * 10**9


async def test_no_more_is_taken_than_was_credited(shop: Haze, till: Till, payer: Person) -> None:
    """A refunded charge that is disputed as well: the account gives its money back once."""
    await begun(payer)
    paid = till.paid()
    await tell(shop, COMPLETED, paid)
    shop.rows(
        "INSERT INTO transfers (debit, credit, amount, kind, created_at)"
        " VALUES ('external:manual', 'account:2', ?, 'credit', 1)",
        10**12,
    )
    await tell(shop, "charge.refunded", charge(paid, 2000))
    await tell(shop, "charge.dispute.created", dispute(paid, 2500))
    await tell(shop, "charge.dispute.created", dispute(paid, 9999, id="dp_2"))
    assert shop.balance(2) == 10**12


async def test_a_refund_that_comes_first_waits_for_nothing(shop: Haze, till: Till, payer: Person) -> None:
    """Its payment was never told of: Stripe is asked, and both are written down, in their order."""
    await begun(payer)
    paid = till.paid()
    till.troubles.append(Trouble(status=400, body={"error": {"type": "invalid_request_error"}}))
    assert await tell(shop, "charge.refunded", charge(paid, 500)) == 503
    assert await tell(shop, "charge.refunded", charge(paid, 500)) == 200
    assert shop.balance(2) == 2000 * CENT
    assert await tell(shop, COMPLETED, paid) == 200
    assert shop.balance(2) == 2000 * CENT


OTHERS: dict[str, Json] = {
    "another's": {"payment_intent": "pi_of_another_shop"},
    "no checkout's": {"payment_intent": None},
    "another currency": {"currency": "eur"},
    "nothing": {"amount_refunded": 0},
}


@pytest.mark.parametrize("facts", OTHERS.values(), ids=OTHERS)
async def test_a_refund_of_something_else_takes_nothing(shop: Haze, till: Till, payer: Person, facts: Json) -> None:
    """What is not ours, or not in dollars, is for the owner to look at."""
    await begun(payer)
    paid = till.paid()
    await tell(shop, COMPLETED, paid)
    assert await tell(shop, "charge.refunded", charge(paid, 500, **facts)) == 200
    assert shop.balance(2) == 2500 * CENT


async def test_a_kill_between_payment_and_credit_loses_nothing(tmp_path: Path, till: Till) -> None:
    """It is written down before anybody can pay it; after a restart Stripe says it again, or its payer asks."""
    text, jar = ECHO + CONFIG.format(url=till.url), aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        async with running(tmp_path, text, ENVIRON) as haze:
            person, key = Person(haze, browser), haze.key
            await person.register()
            await begun(person)
        paid = till.paid()
        async with running(tmp_path, text, ENVIRON, key) as haze:
            assert await tell(haze, COMPLETED, paid) == 200
        async with running(tmp_path, text, ENVIRON, key) as haze:
            assert await tell(haze, COMPLETED, paid) == 200
            assert haze.balance(2) == 2500 * CENT
            person.haze = haze
            assert "is credited" in (await person.get(f"{PAGE}?card=cs_test_1")).words
            assert haze.check() == []
