"""/admin/accounts/{id}: what an administrator does to an account holds at once, happens once, and is written down."""

import asyncio
import re
import sqlite3
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from gateway import Haze
from people import PASSWORD, Come, Person

from haze_proxy.context import STORE, WALLET
from haze_proxy.store import account_acts, accounts, money_acts
from haze_proxy.store.account_acts import LastAdminError

HERE = "/admin/accounts/1"
CENT = 10_000_000


def log(house: Haze) -> list[tuple[str, str, str]]:
    """What stands in the audit log: act, target, detail."""
    return [tuple(row) for row in house.rows("SELECT act, target, detail FROM audit ORDER BY id")]


async def once(admin: Person, path: str = HERE) -> str:
    """The token of the form for money on an account's page."""
    found = re.search(r'name="once" value="([\w-]+)"', (await admin.get(path)).text)
    assert found
    return found[1]


async def told(admin: Person, what: str, path: str = HERE) -> tuple[int, str]:
    """Press a button of the page; the status, and what the page says then."""
    seen = await admin.post(f"{path}/{what}")
    if seen.status == 303:
        seen = await admin.get(seen.location)
    notice = re.search(r'<div class="notice[^>]*>(.*?)</div>', seen.text)
    return seen.status, notice[1] if notice else ""


async def test_a_page_says_what_there_is(house: Haze, admin: Person) -> None:
    """Money to the last nano-dollar, keys by what is visible of them, the last requests and transfers."""
    assert (await house.ask("chat")).status == 200
    [row] = await house.ended()
    seen = await admin.get(HERE)
    left = 10 * 10**9 - row["cost"]
    assert house.balance() == left
    assert f"Spent < $0.01 $0.{row['cost']:09d}".rstrip("0") in seen.words
    assert "Password none: it cannot log in" in seen.words
    assert f"test {house.key[:12]}…" in seen.words
    assert house.key not in seen.text
    assert f"/admin/requests/{row['id']}" in seen.text
    assert re.search(r"Request just now -\$0\.\d+ A request", seen.words)
    assert "Credit from the owner just now +$10.00" in seen.words
    assert "Where it is logged in Nowhere." in seen.words


async def test_a_credit_is_there_at_once_and_once(house: Haze, admin: Person) -> None:
    """A double click, or a page that is loaded again, gives nothing twice; another form gives again."""
    token = await once(admin)
    fields = {"kind": "credit", "amount": "2.50", "memo": "invoice 7", "once": token}
    sent = await asyncio.gather(*[admin.post(f"{HERE}/money", **fields) for _ in range(3)])
    assert [seen.location for seen in sent] == [f"{HERE}?done=credit"] * 3
    seen = await admin.get(sent[0].location)
    assert "The money is there." in seen.words
    assert "Balance $12.50" in seen.words
    assert "Credit from the owner just now +$2.50 invoice 7" in seen.words
    await admin.post(f"{HERE}/money", **{**fields, "once": await once(admin)})
    assert house.balance() == 1500 * CENT
    assert log(house) == [("account.credit", "a@example.com", "2.5 USD, invoice 7")] * 2
    assert house.check() == []


async def test_a_form_that_is_changed_and_sent_again_moves_nothing(house: Haze, admin: Person) -> None:
    """Which of the two amounts was meant is not guessed."""
    token = await once(admin)
    await admin.post(f"{HERE}/money", kind="credit", amount="1", once=token)
    seen = await admin.post(f"{HERE}/money", kind="credit", amount="2", once=token)
    assert (seen.status, "This form was sent before" in seen.words) == (422, True)
    assert (house.balance(), len(log(house))) == (1100 * CENT, 1)


async def test_a_correction_takes_back_what_is_there(house: Haze, admin: Person) -> None:
    """Where it came from, with a line of its own; it is not spent money."""
    fields = {"kind": "correction", "amount": "4", "memo": "a slip", "once": await once(admin)}
    for _ in range(2):
        assert (await admin.post(f"{HERE}/money", **fields)).location == f"{HERE}?done=correction"
    seen = await admin.get(f"{HERE}?done=correction")
    assert "Balance $6.00" in seen.words
    assert "Spent $0.00" in seen.words
    assert "Correction by the owner just now -$4.00 a slip" in seen.words
    assert log(house) == [("account.correct", "a@example.com", "4 USD, a slip")]
    assert house.check() == []


async def test_what_is_taken_back_stays_set_aside_until_it_is_written(
    house: Haze, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator who closes the page meanwhile must not leave the money to a request that spends it."""
    writes, go_on, correct = threading.Event(), threading.Event(), money_acts.correct

    def slowly(*args: Any) -> None:
        writes.set()
        assert go_on.wait(10)
        correct(*args)

    monkeypatch.setattr(money_acts, "correct", slowly)
    wallet = house.app[WALLET]
    fields = {"kind": "correction", "amount": "4", "once": await once(admin)}
    asking = asyncio.create_task(admin.post(f"{HERE}/money", **fields))
    try:
        assert await asyncio.to_thread(partial(writes.wait, 10))
        asking.cancel()
        # Its turn on the loop that noticed the closed connection is over once another request is answered.
        for _ in range(3):
            assert (await house.get("/healthz")).status == 200
        assert wallet.of_account(1) == (10 * 10**9, 4 * 10**9)
    finally:
        go_on.set()
    async with asyncio.timeout(5):
        while wallet.of_account(1) != (6 * 10**9, 0):
            await house.get("/healthz")
    assert house.balance() == 600 * CENT


async def test_a_correction_that_is_sent_twice_at_once_is_told_as_done(house: Haze, admin: Person) -> None:
    """Both set the same money aside: told that it is missing, the owner would take it a second time."""
    fields = {"kind": "correction", "amount": "6", "once": await once(admin)}
    seen = await asyncio.gather(*(admin.post(f"{HERE}/money", **fields) for _ in range(10)))
    assert [each.status for each in seen] == [303] * 10
    assert house.balance() == 400 * CENT


async def test_a_correction_leaves_what_running_requests_hold(house: Haze, admin: Person) -> None:
    """Their providers will be paid: it takes what is available and not a nano-dollar more."""
    running = house.app[WALLET].set_aside(1, 3 * 10**9)
    fields = {"kind": "correction", "memo": "a slip"}
    seen = await admin.post(f"{HERE}/money", amount="7.000000001", once=await once(admin), **fields)
    assert (seen.status, seen.complaint("amount")) == (422, "At most what is available: $7.00.")
    assert 'value="7.000000001"' in seen.text
    assert (await admin.post(f"{HERE}/money", amount="7", once=await once(admin), **fields)).status == 303
    running.release()
    assert house.app[WALLET].of_account(1) == (3 * 10**9, 0)


WRONG = [
    ({"amount": ""}, "amount", "An amount in USD, such as 5 or 0.25."),
    ({"amount": "-5"}, "amount", "More than 0 and at most 1,000,000."),
    ({"amount": "1e3"}, "amount", "An amount in USD, such as 5 or 0.25."),
    ({"amount": "0.0000000001"}, "amount", "An amount in USD, such as 5 or 0.25."),
    ({"amount": "1000000.000000001"}, "amount", "More than 0 and at most 1,000,000."),
    ({"memo": "x" * 201}, "memo", "At most 200 characters."),
    ({"kind": "gift"}, "kind", "One of the list."),
    ({"once": ""}, "", ""),
    ({"once": "manual:invoice-7"}, "", ""),
]


@pytest.mark.parametrize(("fields", "field", "complaint"), WRONG)
async def test_what_is_wrong_stands_beside_its_field(
    house: Haze, admin: Person, fields: dict[str, str], field: str, complaint: str
) -> None:
    """What was typed stays; no money moves."""
    typed = {"kind": "correction", "amount": "7.25", "memo": "kept", "once": await once(admin), **fields}
    seen = await admin.post(f"{HERE}/money", **typed)
    assert (seen.status, seen.complaint(field)) == (422, complaint)
    assert "Please look at the marked fields." in seen.words if field else "This form is incomplete." in seen.words
    assert all(f'value="{typed[name]}"' in seen.text for name in ("amount", "memo"))
    assert '<option value="correction" selected>' in seen.text or typed["kind"] == "gift"
    assert (house.balance(), log(house)) == (1000 * CENT, [])


async def test_a_disabled_account_is_refused_at_once_and_logged_out(
    house: Haze, admin: Person, me: Person, other: Person
) -> None:
    """And answered again when it is enabled, with what it had."""
    key = await me.make_key()
    [row] = house.rows("SELECT id FROM accounts WHERE email = 'me@example.com'")
    place = f"/admin/accounts/{row['id']}"
    assert (await house.get("/v1/key", key=key)).status == 200
    assert (await told(admin, "disable", place))[0] == 200
    assert (await house.get("/v1/key", key=key)).status == 403
    assert (await me.get("/dashboard")).location.startswith("/login")
    assert (await other.get("/dashboard")).status == 200
    assert "answered again" in (await told(admin, "enable", place))[1]
    assert (await house.get("/v1/key", key=key)).status == 200
    assert [line[:2] for line in log(house)] == [
        ("account.disable", "me@example.com"),
        ("account.enable", "me@example.com"),
    ]


async def test_nobody_locks_themselves_out(house: Haze, admin: Person, me: Person) -> None:
    """Not by disabling or logging out oneself, and the last administrator stays one."""
    [row] = house.rows("SELECT id FROM accounts WHERE email = 'admin@example.com'")
    own = f"/admin/accounts/{row['id']}"
    for deed in ("disable", "enable", "admin", "sessions"):
        assert await told(admin, deed, own) == (
            422,
            "Nobody does this to their own account: ask another administrator.",
        )
    assert await told(admin, "no-admin", own) == (
        422,
        "Nobody else administers this Haze: make somebody an administrator first.",
    )
    assert log(house) == []
    [row] = house.rows("SELECT id FROM accounts WHERE email = 'me@example.com'")
    assert (await me.get("/admin")).status == 404
    assert await told(admin, "admin", f"/admin/accounts/{row['id']}") == (200, "This account administers this Haze.")
    assert (await me.get("/admin")).status == 200
    assert (await admin.post(f"{own}/no-admin")).status == 303
    assert (await admin.get("/admin")).status == 404
    assert [line[0] for line in log(house)] == ["account.admin", "account.no_admin"]


RIGHTS = {
    "administration": "UPDATE accounts SET is_admin = 0 WHERE id = 2",
    "the session": "DELETE FROM sessions",
    "the account": "UPDATE accounts SET disabled_at = 1 WHERE id = 2",
}


@pytest.mark.parametrize("gone", RIGHTS.values(), ids=RIGHTS)
async def test_a_form_that_comes_slowly_acts_by_the_rights_at_its_end(
    house: Haze, admin: Person, me: Person, gone: str
) -> None:
    """Whoever sees the dismissal coming could hold a form open, and give himself money half a minute after it."""
    begun, dismissed = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"kind=credit&amount=1000&once=" + b"a" * 21
        begun.set()
        await dismissed.wait()
        yield b"a"

    async def send() -> int:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        url = f"{house.url}/admin/accounts/3/money"
        async with admin.session.post(url, data=slowly(), headers=headers, allow_redirects=False) as answer:
            return answer.status

    sending = asyncio.create_task(send())
    await begun.wait()
    # The server has read the first part once it answers what came after it.
    assert (await admin.get("/admin")).status == 200
    house.rows(gone)
    dismissed.set()
    assert await sending == 404
    assert house.balance(3) == 0


@pytest.mark.parametrize("act", ["no-admin", "disable"])
async def test_an_administrator_who_goes_keeps_no_link(house: Haze, admin: Person, me: Person, act: str) -> None:
    """A link to a colleague's account, made the day before, would lead him back in."""
    house.rows("UPDATE accounts SET is_admin = 1 WHERE id = 3")
    seen = await me.post("/admin/accounts/2/password")
    found = re.search(r"/password\?link=[\w-]+", seen.text)
    assert found
    assert (await me.get(found[0])).status == 200
    assert (await admin.post(f"/admin/accounts/3/{act}")).status == 303
    assert (await me.get(found[0])).status == 403


async def test_an_account_that_became_the_last_administrator_meanwhile_is_not_disabled(
    house: Haze, admin: Person, me: Person
) -> None:
    """What was read a moment before the act says nothing: two administrators act at the same time."""

    def act(connection: sqlite3.Connection) -> None:
        before = accounts.get(connection, 3)
        connection.execute("UPDATE accounts SET is_admin = (id = 3)")
        account_acts.disable(connection, 2, before, 1)

    with pytest.raises(LastAdminError):
        await house.app[STORE].write(act)


async def test_an_account_is_logged_out_everywhere(house: Haze, admin: Person, me: Person, come: Come) -> None:
    """Somebody has lost a telephone and calls; keys go on."""
    lost = await come()
    await lost.log_in()
    [row] = house.rows("SELECT id FROM accounts WHERE email = 'me@example.com'")
    place = f"/admin/accounts/{row['id']}"
    assert (await admin.get(place)).words.count("Firefox on Linux") == 2
    assert await told(admin, "sessions", place) == (200, "This account is logged out everywhere.")
    assert [(await person.get("/dashboard")).status for person in (me, lost)] == [303, 303]
    assert log(house) == [("account.log_out", "me@example.com", "2 sessions")]


async def test_a_lost_password_is_chosen_again_by_a_link(house: Haze, admin: Person, me: Person, come: Come) -> None:
    """The administrator never learns it; whoever was logged in with the old one is not any more."""
    [row] = house.rows("SELECT id FROM accounts WHERE email = 'me@example.com'")
    seen = await admin.post(f"/admin/accounts/{row['id']}/password")
    [token] = set(re.findall(r"link=([\w-]{43})", seen.text))
    assert "A link for me@example.com" in seen.words
    person = await come()
    assert (await person.post("/password", link=token, password="battery staple correct")).status == 303
    assert (await me.get("/dashboard")).status == 303
    assert (await me.log_in(password=PASSWORD)).status == 403
    assert log(house) == [("account.password", "me@example.com", "a link")]


async def test_a_key_is_revoked_at_once(house: Haze, admin: Person, me: Person) -> None:
    """By its own account's page alone: another number in the address finds nothing."""
    key = await me.make_key(name="Laptop")
    [row] = house.rows("SELECT id, account_id FROM keys WHERE name = 'Laptop'")
    place = f"/admin/accounts/{row['account_id']}"
    assert (await admin.post(f"{HERE}/keys/{row['id']}/revoke")).status == 404
    assert (await house.get("/v1/key", key=key)).status == 200
    assert await told(admin, f"keys/{row['id']}/revoke", place) == (200, "The key is revoked.")
    assert (await house.get("/v1/key", key=key)).status == 401
    assert log(house) == [("key.revoke", "me@example.com", f"key {row['id']}, {key[:12]}…")]
    assert "1 revoked or expired." in (await admin.get(place)).words


async def test_an_account_that_is_not_there_is_said_so(house: Haze, admin: Person) -> None:
    """In the same words for whatever is asked of it."""
    deeds = ("money", "disable", "enable", "admin", "no-admin", "sessions", "password", "keys/1/revoke")
    asked = [await admin.post(f"/admin/accounts/999/{deed}", name="x") for deed in deeds]
    asked.append(await admin.get("/admin/accounts/999"))
    assert [(seen.status, "There is no such account." in seen.words) for seen in asked] == [(404, True)] * len(asked)
    assert log(house) == []


async def test_what_was_done_is_said_in_our_own_words(admin: Person) -> None:
    """A link cannot put words on the page."""
    for done in ("", "x", "<script>"):
        assert 'class="notice' not in (await admin.get(f"{HERE}?done={done}")).text
