"""The playground asks as the account that looks at it, through the same gate as everybody: charged once."""

import asyncio
import contextlib
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gateway import ECHO, PAID, Haze, apart, channel, running
from people import Come, Person, Seen
from provider import HANG, Provider, Reply
from provider_answers import events
from test_keys import stored

from haze_proxy.context import WALLET
from haze_proxy.store import own_keys

CHAT = "/dashboard/playground/chat"
FREE = '\n[[channels]]\nname = "free"\nkind = "echo"\nmodels = ["gratis"]\n[[models]]\nid = "gratis"\nfree = true\n'
LIMITS = "[accounts]\nsignup_credit = 1\n[limits]\nrequests_per_minute = 60\n"


@pytest.fixture
async def house(tmp_path: Path, provider: Provider) -> AsyncIterator[Haze]:
    """A paid model, one in the answers' own words, and one that is free; whoever registers has a dollar."""
    async with running(tmp_path, LIMITS + ECHO + FREE + PAID + channel("openai", provider.url)) as haze:
        yield haze


def headers(haze: Haze) -> dict[str, str]:
    """What the page's own script sends along."""
    own = {"Origin": haze.url, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
    return {**own, "Accept": "application/json", "User-Agent": "Mozilla/5.0"}


def asked(model: str = "hekiu", *, stream: bool = True, **more: Any) -> bytes:
    """What the page's script asks."""
    messages = [{"role": "user", "content": "Hello"}]
    return json.dumps({"model": model, "messages": messages, "stream": stream, **more}).encode()


async def say(person: Person, body: bytes | io.BytesIO | None = None, **more: str) -> Seen:
    """Send a message; what comes back."""
    sent = person.session.post(
        person.haze.url + CHAT, data=body or asked(), headers={**headers(person.haze), **more}, allow_redirects=False
    )
    async with sent as answer:
        return Seen(answer.status, answer.headers, await answer.text())


def error(seen: Seen) -> str:
    """What a refusal says, in the API's words."""
    told: str = json.loads(seen.text)["error"]["message"]
    return told


async def cost(person: Person, request_id: str) -> Any:
    """What the page hears of the cost of an answer."""
    seen = await person.get(f"/dashboard/playground/cost/{request_id}")
    assert seen.status == 200, seen.words
    return json.loads(seen.text)


async def test_an_answer_is_streamed_and_charged_once(house: Haze, me: Person) -> None:
    """Like any other request: a row, a transfer, a receipt, and the page hears what it cost."""
    seen = await say(me)
    assert (seen.status, seen.headers["Content-Type"]) == (200, "text/event-stream")
    assert seen.text.endswith("data: [DONE]\n\n")
    [row] = await house.ended()
    assert (row["account_id"], row["protocol"], row["stream"], row["ended"]) == (2, "chat", 1, "completed")
    assert row["id"] == seen.headers["request-id"]
    assert house.balance(2) == 10**9 - row["cost"] < 10**9
    assert [each["amount"] for each in house.receipt(row["id"]).transfers] == [row["cost"]]
    told = await cost(me, row["id"])
    assert (told["state"], told["cost"], told["estimated"]) == ("settled", row["cost"], False)
    assert (told["input"], told["output"]) == (row["input"], row["output"])
    assert told["shown"].startswith("$0.00")
    assert house.check() == []


async def test_a_whole_answer_works_as_well(house: Haze, me: Person) -> None:
    """Nothing of the API's is missing here."""
    seen = await say(me, asked(stream=False))
    assert json.loads(seen.text)["choices"][0]["message"]["role"] == "assistant"
    assert seen.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_key_is_made_once_and_is_like_any_other(house: Haze, me: Person) -> None:
    """At the first message, with a new key's limits; it stands in the list, and its limits hold."""
    assert house.rows("SELECT * FROM keys WHERE account_id = 2") == []
    await me.get("/dashboard/playground")
    assert house.rows("SELECT * FROM keys WHERE account_id = 2") == []
    seen = await asyncio.gather(*(say(me) for _ in range(3)))
    assert {each.status for each in seen} == {200}
    [key] = house.rows("SELECT * FROM keys WHERE account_id = 2")
    assert (key["name"], key["requests_per_minute"]) == ("Playground", 60)
    assert "Playground" in (await me.get("/dashboard/keys")).words
    await me.post(f"/dashboard/keys/{key['id']}", models="gratis", name="Mine")
    assert [(await say(me, asked(model))).status for model in ("hekiu", "gratis")] == [404, 200]
    offered = await me.get("/dashboard/playground")
    assert re.findall(r"<option[^>]*>(\w+)", offered.text) == ["gratis"]


async def test_nobody_can_hold_its_secret(house: Haze, me: Person) -> None:
    """There is none: what stands in the store begins unlike a key, and no page shows or makes one."""
    await say(me)
    [key] = house.rows("SELECT * FROM keys WHERE account_id = 2")
    assert key["prefix"].startswith("playground-")
    for secret in (key["prefix"], "playground-", "Playground"):
        for sent in ({"x-api-key": secret}, {"Authorization": f"Bearer {secret}"}):
            assert (await house.get("/v1/key", key="", headers=sent)).status == 401
    place = f"/dashboard/keys/{key['id']}"
    assert (await me.post(f"{place}/rotate")).status == 404
    assert "Rotate" not in (await me.get(place)).text
    assert "playground-" not in (await me.get("/dashboard/connect")).text
    assert dict(house.rows("SELECT * FROM keys WHERE id = ?", key["id"])[0])["digest"] == key["digest"]
    assert re.search(rb"playground-[\w-]{30,}", apart(stored, house.path.parent)) is None


async def test_it_is_off_once_its_key_is_revoked(house: Haze, me: Person) -> None:
    """Until it is switched on again: then with another key."""
    await say(me)
    await me.post("/dashboard/keys/2/revoke")
    seen = await say(me)
    assert (seen.status, "switched off" in error(seen)) == (403, True)
    assert "The playground is switched off" in (await me.get("/dashboard/playground")).words
    assert (await me.post("/dashboard/playground/key")).location == "/dashboard/playground"
    assert (await say(me)).status == 200
    assert [row["key_id"] for row in await house.ended(2)] == [2, 3]
    await me.post("/dashboard/playground/key")
    assert len(house.rows("SELECT * FROM keys WHERE account_id = 2")) == 2


async def test_an_empty_balance_is_told_in_the_apis_words(house: Haze, me: Person) -> None:
    """Free models go on working; nothing is held for what was refused."""
    house.rows("INSERT INTO transfers (debit, credit, amount, kind, created_at)"
               " VALUES ('account:2', 'external:manual', 1000000000, 'credit', 1)")  # fmt: skip
    async with asyncio.timeout(5):
        while house.app[WALLET].of_account(2)[0]:
            await asyncio.sleep(0.01)
    seen = await say(me)
    assert (seen.status, error(seen).partition(":")[0]) == (402, "Insufficient balance")
    assert (await say(me, asked("gratis"))).status == 200


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "no model": (b'{"messages": []}', 400, "model: Field required"),
    "no JSON": (b"{", 400, "The body is not valid JSON"),
    "no body": (b"", 400, "The request has no body"),
    "a model that is not there": (asked("nobody"), 503, "No available upstream channel"),
    "a field of the provider's account": (asked("paid", prompt={"id": "x"}), 400, "prompt"),
}


@pytest.mark.parametrize(("body", "status", "told"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_has_the_apis_words(house: Haze, me: Person, body: bytes, status: int, told: str) -> None:
    """And costs nothing."""
    sent = me.session.post(house.url + CHAT, data=body, headers=headers(house))
    async with sent as answer:
        assert (answer.status, told in (await answer.json())["error"]["message"]) == (status, True)
    assert house.balance(2) == 10**9


async def test_its_limits_hold(house: Haze, me: Person) -> None:
    """A page that is left running is no way around them."""
    await say(me)
    await me.post("/dashboard/keys/2", requests_per_minute="1")
    seen = [await say(me) for _ in range(12)]
    assert {each.status for each in seen} >= {200, 429}
    assert "limit of 1 requests per minute" in error(seen[-1])
    await me.post("/dashboard/keys/2", requests_per_minute="100000", addresses="192.0.2.1")
    assert "may not be used from the address 127.0.0.1" in error(await say(me))
    house.rows("UPDATE keys SET expires_at = 1 WHERE id = 2")
    while (seen := [await say(me)])[0].status != 401:
        pass
    assert error(seen[0]) == "The key of this page is revoked or expired."


async def test_a_disabled_account_asks_nothing(house: Haze, me: Person) -> None:
    """Its session is over as well."""
    await say(me)
    house.rows("UPDATE accounts SET disabled_at = 1 WHERE id = 2")
    assert (await say(me)).location == "/login"


async def test_a_body_has_the_apis_limits(tmp_path: Path, come_to: Any) -> None:
    """A page is not the way around the size of a request either."""
    async with running(tmp_path, "[server]\nmax_body_mib = 1\n" + ECHO) as haze:
        me = await come_to(haze)
        seen = await say(me, io.BytesIO(b"x" * (2**20 + 1)))
        assert (seen.status, error(seen)) == (413, "The body is over the limit of 1 MiB.")


@pytest.fixture
async def come_to() -> AsyncIterator[Any]:
    """Somebody registers at a Haze of the test's own."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:

        async def come_to(haze: Haze) -> Person:
            person = Person(haze, session)
            await person.register()
            return person

        yield come_to


async def test_stopping_costs_what_was_delivered(house: Haze, me: Person, provider: Provider) -> None:
    """The provider is stopped too, and the page hears what it came to."""
    provider.script(Reply(chunks=[*events("chat", ["Hello there, "] * 20)[:-3], HANG]))
    async with me.session.post(house.url + CHAT, data=asked("paid"), headers=headers(house)) as answer:
        await answer.content.readany()
        request_id = answer.headers["request-id"]
        answer.close()
    async with asyncio.timeout(5):
        await provider.requests[0].closed.wait()
    [row] = await house.ended()
    assert (row["id"], row["ended"], row["estimated"]) == (request_id, "client left", 1)
    told = await cost(me, request_id)
    assert (told["cost"], told["ended"], told["estimated"]) == (row["cost"], "client left", True)
    assert house.balance(2) == 10**9 - row["cost"] < 10**9
    assert house.check() == []


async def test_a_model_of_another_protocol_is_asked_too(tmp_path: Path, provider: Provider, come_to: Any) -> None:
    """Whatever answers chat, translated or not, stands in the list."""
    text = LIMITS + PAID + channel("anthropic", provider.url)
    async with running(tmp_path, text) as haze:
        me = await come_to(haze)
        assert "<option>paid</option>" in (await me.get("/dashboard/playground")).text
        assert (await say(me, asked("paid"))).status == 200
        assert provider.requests[0].path.endswith("/messages")


async def test_each_account_asks_for_itself(house: Haze, me: Person, other: Person) -> None:
    """With a key of its own, on its own balance; what the other one spent is not there."""
    first, second = await say(me), await say(other)
    rows = {row["id"]: row["account_id"] for row in await house.ended(2)}
    assert rows == {first.headers["request-id"]: 2, second.headers["request-id"]: 3}
    assert (await cost(other, second.headers["request-id"]))["state"] == "settled"
    missing = [first.headers["request-id"], "req_" + "f" * 28]
    told = [await other.get(f"/dashboard/playground/cost/{each}") for each in missing]
    assert {seen.status for seen in told} == {404}
    assert len({seen.words.partition("For the owner")[0] for seen in told}) == 1


async def test_another_site_cannot_ask(house: Haze, me: Person) -> None:
    """It would spend the money of whoever looks at it: by a form, by a script, or with another type of body."""
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert (await say(me, **foreign)).status == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert (await say(me, **{"Content-Type": kind})).status == 400
    assert house.rows("SELECT * FROM requests") == []
    assert house.rows("SELECT * FROM keys WHERE account_id = 2") == []


async def test_who_is_not_logged_in_cannot_ask(house: Haze, stranger: Person) -> None:
    """A key is of no use here, either: the page knows sessions."""
    assert (await say(stranger)).location == "/login"
    assert (await say(stranger, Authorization=f"Bearer {house.key}")).location == "/login"
    assert house.rows("SELECT * FROM requests") == []


async def test_an_account_with_too_many_keys_is_told(
    house: Haze, come: Come, me: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The playground's counts like any other."""
    monkeypatch.setattr(own_keys, "KEYS_MAX", 1)
    await me.make_key()
    assert "An account has at most 1 keys." in error(await say(me))


async def test_refusals_are_counted_with_the_key(house: Haze, me: Person) -> None:
    """The dashboard says why the playground does not answer."""
    await say(me, asked("gratis"))
    with contextlib.suppress(KeyError):
        await say(me, asked("nobody"))
    [seen] = [each for each in house.app.values() if type(each).__name__ == "Refusals"]
    assert dict(seen.counts) == {(2, "503 api_error"): 1}
