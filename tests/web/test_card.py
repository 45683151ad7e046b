"""Top-ups by card as people meet them: an amount, Stripe's page, and the way back."""

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gateway import ECHO, Haze, running
from people import Person, Seen
from till import CONFIG, ENVIRON, KEY, Till, Trouble, deliver, event

PAGE = "/dashboard/billing"
CENT = 10**7


async def begin(payer: Person, amount: str = "25") -> str:
    """Begin a payment; the path to come back to."""
    seen = await payer.post(f"{PAGE}/card", amount=amount)
    assert seen.status == 303, seen.words
    return f"{PAGE}?card={seen.location.rpartition('/')[2]}"


async def test_an_amount_leads_to_stripe(shop: Haze, till: Till, payer: Person) -> None:
    """With who pays, how much, and where to come back to; nothing is credited by that."""
    seen = await payer.post(f"{PAGE}/card", amount="$12.34")
    assert (seen.status, seen.location) == (303, f"{till.url}/pay/cs_test_1")
    [(method, path, sent, headers)] = till.calls
    assert (method, path, headers["Authorization"]) == ("POST", "/v1/checkout/sessions", f"Bearer {KEY}")
    assert headers["Idempotency-Key"]
    wanted = {
        "mode": "payment",
        "client_reference_id": "2",
        "customer_email": "payer@example.com",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "1234",
        "metadata[account]": "2",
        "payment_intent_data[metadata][account]": "2",
        "success_url": "http://127.0.0.1:8080/dashboard/billing?card={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://127.0.0.1:8080/dashboard/billing?done=cancelled",
    }
    assert {name: sent[name] for name in wanted} == wanted
    [row] = shop.rows("SELECT * FROM card_payments")
    assert (row["session_id"], row["account_id"], row["amount"], row["state"]) == ("cs_test_1", 2, 1234 * CENT, "open")
    assert shop.balance(2) == 0


@pytest.mark.parametrize("amount", ["", "4.99", "500.01", "-5", "5.001", "much", "1e2", "0", "9" * 30])
async def test_an_amount_that_is_not_taken_is_shown_again(till: Till, payer: Person, amount: str) -> None:
    """With what was typed, and what would do; Stripe hears nothing of it."""
    seen = await payer.post(f"{PAGE}/card", amount=amount)
    assert seen.status == 422
    assert seen.complaint("amount")
    assert f'value="{amount}"' in seen.text
    assert till.calls == []


async def test_an_address_that_stripe_does_not_take_is_left_out(till: Till, payer: Person) -> None:
    """Stripe asks for one then; a whole payment must not fail because of it."""
    error = {"type": "invalid_request_error", "message": "Invalid email", "param": "customer_email"}
    till.troubles.append(Trouble(status=400, body={"error": error}))
    await begin(payer)
    assert ["customer_email" in sent for _, _, sent, _ in till.calls] == [True, False]


@pytest.mark.parametrize("url", ["https://evil.example/pay", "javascript:alert(1)", "", "http://checkout.stripe.com/x",
                                 "https://checkout.stripe.com.evil.example/", "https://checkout.stripe.com@evil.example/",
                                 "//evil.example", "https://checkout.stripe.com:444/c"])  # fmt: skip
async def test_nobody_is_sent_anywhere_else(till: Till, payer: Person, url: str) -> None:
    """Whatever answers in Stripe's place."""
    till.troubles.append(Trouble(body=session(url=url)))
    seen = await payer.post(f"{PAGE}/card", amount="5")
    assert (seen.status, "could not be begun" in seen.complaint("amount")) == (503, True)


async def test_stripes_own_page_is_where_one_is_sent(till: Till, payer: Person) -> None:
    """As it is without a base_url."""
    till.troubles.append(Trouble(body=session(url="https://checkout.stripe.com/c/pay/cs_test_9#x")))
    seen = await payer.post(f"{PAGE}/card", amount="5")
    assert (seen.status, seen.location) == (303, "https://checkout.stripe.com/c/pay/cs_test_9#x")


def session(**facts: Any) -> dict[str, Any]:
    """A session of five dollars."""
    known = {
        "id": "cs_test_9",
        "object": "checkout.session",
        "amount_subtotal": 500,
        "currency": "usd",
        "livemode": False,
    }
    return {**known, "payment_status": "unpaid", "status": "open", "url": "https://checkout.stripe.com/c", **facts}


STRANGE = {
    "no session": [],
    "no JSON": "<html>",
    "half a session": {"id": "cs_test_9", "object": "checkout.session"},
    "another amount": session(amount_subtotal=400),
    "the other mode": session(livemode=True),
}


@pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE)
async def test_a_strange_answer_begins_nothing(shop: Haze, till: Till, payer: Person, body: Any) -> None:
    """And the form is there again."""
    till.troubles.append(Trouble(body=body))
    assert (await payer.post(f"{PAGE}/card", amount="5")).status == 503
    assert shop.rows("SELECT * FROM card_payments") == []


async def test_a_call_that_is_cut_is_repeated_as_the_same(
    shop: Haze, till: Till, payer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own retries, bounded, under one key: one checkout, however often the line breaks."""
    monkeypatch.setattr("stripe.HTTPClient.INITIAL_DELAY", 0.001)
    monkeypatch.setattr("stripe.HTTPClient.MAX_DELAY", 0.001)
    till.troubles += [Trouble(cut=True), Trouble(status=500, body={})]
    await begin(payer)
    assert len({headers["Idempotency-Key"] for *_, headers in till.calls}) == 1
    assert (len(till.calls), len(till.sessions)) == (3, 1)
    till.troubles += [Trouble(cut=True)] * 9
    assert (await payer.post(f"{PAGE}/card", amount="5")).status == 503
    assert len(till.calls) == 6


async def test_a_refusal_says_nothing_of_the_key(till: Till, payer: Person, caplog: pytest.LogCaptureFixture) -> None:
    """Not to the person, not in the log, not even where Stripe repeats what was sent."""
    caplog.set_level(logging.DEBUG)
    error = {"type": "invalid_request_error", "message": f"Not with {KEY}", "code": "resource_missing", "param": "mode"}
    till.troubles.append(Trouble(status=400, body={"error": error}))
    seen = await payer.post(f"{PAGE}/card", amount="5")
    assert (seen.status, seen.complaint("amount")) == (
        503,
        "The card payment could not be begun. Try again in a moment.",
    )
    assert "InvalidRequestError, status 400, code resource_missing, field mode" in caplog.text
    assert KEY not in seen.text + caplog.text


async def test_a_slow_stripe_is_not_waited_for_long(till: Till, payer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does anybody else wait meanwhile."""
    monkeypatch.setattr("haze_proxy.payments.cards.BEGIN_S", 0.05)
    till.troubles.append(Trouble(gate=asyncio.Event()))
    waiting = asyncio.create_task(payer.post(f"{PAGE}/card", amount="5"))
    assert (await payer.get("/healthz")).status == 200
    assert (await waiting).status == 503


async def test_who_comes_back_is_told_the_truth(shop: Haze, till: Till, payer: Person) -> None:
    """First open, then paid; Stripe is asked, for its own call may be late, and the money is credited once."""
    back = await begin(payer)
    words = (await payer.get(back)).words
    assert "Your card payment of $25.00 is being confirmed." in words
    assert "Balance $0.00" in words
    paid = till.paid()
    words = (await payer.get(back)).words
    assert "Your card payment of $25.00 is credited." in words
    assert "Balance $25.00" in words
    assert "Card payment +$25.00 $25.00" in words.replace("just now ", "").replace(stamp(words), "").replace("  ", " ")
    calls = len(till.calls)
    assert "is credited" in (await payer.get(back)).words
    assert len(till.calls) == calls
    assert await deliver(shop.session, shop.url, event("checkout.session.completed", paid)) == 200
    assert shop.balance(2) == 2500 * CENT
    assert "Spent $0.00" in (await payer.get(PAGE)).words


def stamp(words: str) -> str:
    """The first time on a page."""
    found = re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", words)
    return found[0] if found else ""


STATES = {
    "left": ({}, "is being confirmed"),
    "expired": ({"status": "expired"}, "was not made in time. Nothing was paid."),
    "on its way": ({"status": "complete"}, "is being confirmed"),
}


@pytest.mark.parametrize(("facts", "told"), STATES.values(), ids=STATES)
async def test_what_is_not_paid_is_not_credited(
    shop: Haze, till: Till, payer: Person, facts: dict[str, str], told: str
) -> None:
    """Coming back is no proof of anything."""
    back = await begin(payer)
    till.change(facts)
    assert told in (await payer.get(back)).words
    assert shop.balance(2) == 0


@pytest.mark.parametrize("trouble", [Trouble(status=404, body={}), Trouble(cut=True), Trouble(body="<html>")])
async def test_a_stripe_that_cannot_be_asked_leaves_it_open(
    shop: Haze, till: Till, payer: Person, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is shown all the same, and the next look asks again."""
    monkeypatch.setattr("stripe.HTTPClient.INITIAL_DELAY", 0.001)
    monkeypatch.setattr("stripe.HTTPClient.MAX_DELAY", 0.001)
    back = await begin(payer)
    till.paid()
    till.troubles += [trouble] * 9
    seen = await payer.get(back)
    assert (seen.status, "is being confirmed" in seen.words) == (200, True)
    till.troubles.clear()
    assert "is credited" in (await payer.get(back)).words


async def test_stripe_is_not_asked_without_end(till: Till, payer: Person) -> None:
    """A page that is reloaded for ever does not use up the owner's account at Stripe; nor do checkouts."""
    back = await begin(payer)
    for _ in range(40):
        assert (await payer.get(back)).status == 200
    assert len(till.calls) == 31
    for _ in range(19):
        await begin(payer)
    assert (await payer.post(f"{PAGE}/card", amount="5")).status == 429


async def test_nobody_elses_payment_is_seen(shop: Haze, till: Till, payer: Person) -> None:
    """Nor is Stripe asked for it."""
    back = await begin(payer)
    till.paid()
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        other = Person(shop, browser)
        await other.register("other@example.com")
        for path in (back, f"{PAGE}?card=cs_test_77", f"{PAGE}?card=x", f"{PAGE}?card=cs_../../v1/charges"):
            seen = await other.get(path)
            assert (seen.status, "card payment of" in seen.words) == (200, False)
    assert [path for method, path, *_ in till.calls if method == "GET"] == []


async def test_who_left_stripe_is_told_that_nothing_was_paid(payer: Person) -> None:
    """The way back from Stripe's page without paying."""
    assert "Nothing was paid." in (await payer.get(f"{PAGE}?done=cancelled")).words


async def test_browsers_may_be_led_to_stripe_from_this_page_alone(till: Till, payer: Person) -> None:
    """Browsers ask a page's policy also where its form leads on to; all other pages keep the narrow one."""
    for seen in (await payer.get(PAGE), await payer.post(f"{PAGE}/card", amount="x")):
        policy = seen.headers["Content-Security-Policy"]
        assert f"form-action 'self' https://checkout.stripe.com {till.url};" in policy
    assert "form-action 'self';" in (await payer.get("/dashboard")).headers["Content-Security-Policy"]


INACTIVE: dict[str, tuple[str, dict[str, str]]] = {
    "not set up": ("", {}),
    "no variable": (CONFIG, {}),
    "another kind of key": (CONFIG, {"STRIPE_SECRET_KEY": "pk_test_public"}),
}


@pytest.mark.parametrize(("text", "environ"), INACTIVE.values(), ids=INACTIVE)
async def test_without_a_key_there_are_no_cards(tmp_path: Path, text: str, environ: dict[str, str]) -> None:
    """Neither the form nor its address, nor the webhook."""
    jar = aiohttp.CookieJar(unsafe=True)
    config = ECHO + text.format(url="http://127.0.0.1:1")
    async with running(tmp_path, config, environ) as haze, aiohttp.ClientSession(cookie_jar=jar) as browser:
        person = Person(haze, browser)
        await person.register()
        assert "by card" not in (seen := await person.get(PAGE)).words
        assert "form-action 'self';" in seen.headers["Content-Security-Policy"]
        refused: Seen = await person.post(f"{PAGE}/card", amount="5")
        assert (refused.status, "Nobody can pay by card here." in refused.words) == (404, True)
        assert await deliver(haze.session, haze.url, event("checkout.session.completed", {})) == 404


async def test_without_a_webhook_secret_whoever_comes_back_is_credited(tmp_path: Path, till: Till) -> None:
    """Payments work; only Stripe's own calls are not taken."""
    jar = aiohttp.CookieJar(unsafe=True)
    environ = {name: value for name, value in ENVIRON.items() if name == "STRIPE_SECRET_KEY"}
    config = ECHO + CONFIG.format(url=till.url)
    async with running(tmp_path, config, environ) as haze, aiohttp.ClientSession(cookie_jar=jar) as browser:
        person = Person(haze, browser)
        await person.register()
        back = await begin(person)
        paid = till.paid()
        assert await deliver(haze.session, haze.url, event("checkout.session.completed", paid)) == 404
        assert "is credited" in (await person.get(back)).words
        assert haze.check() == []
