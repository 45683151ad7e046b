"""A receipt says how one request's price came about, where its money went, and what each attempt came to."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from billed import reply
from gateway import ECHO, PAID, Haze, apart, channel, running
from made import COLUMNS, NOON, Log
from people import Person, listen, owner, slow
from provider import Provider, Reply
from provider_answers import whole

from haze_proxy.money import endings
from haze_proxy.store import database, refunds

ROUTER = '\n[[models]]\nid = "openrouter/auto"\nprice = "upstream"\nmarkup = 1.2\ninput = 1\noutput = 10\n'


@dataclass
class Buyer:
    """Who asks a paid model, and looks at the receipt."""

    haze: Haze
    person: Person
    asked: int = 0

    async def receipt(self, model: str = "paid", **fields: object) -> str:
        """Ask, and read the receipt of the id that the answer carried."""
        answer = await self.haze.ask("chat", model, **fields)
        self.asked += 1
        await self.haze.ended(self.asked)
        return (await self.person.get(f"/dashboard/usage/{answer.headers['request-id']}")).words


@pytest.fixture
async def buyer(tmp_path: Path, provider: Provider) -> AsyncIterator[Buyer]:
    """A person with ten dollars; two channels to one provider, the first of which is asked first."""
    jar = aiohttp.CookieJar(unsafe=True)
    rows = [
        channel("openai", provider.url, name=f'"{name}"', priority=rank) for name, rank in (("one", "1"), ("two", "0"))
    ]
    text = ECHO + PAID + ROUTER + "".join(rows) + channel("openrouter", provider.url, '["openrouter/auto"]')
    async with running(tmp_path, text) as haze, aiohttp.ClientSession(cookie_jar=jar) as session:
        person = await owner(haze, session)
        asked = await listen(haze)
        yield Buyer(haze, person)
        assert slow(haze, asked) == []


async def test_every_line_of_the_charge_is_there_and_adds_up(buyer: Buyer) -> None:
    """Tokens times price, exactly; and the money's way from the hold to what came back."""
    words = await buyer.receipt(max_tokens=100)
    assert "Input 11 $1.00 USD per million tokens $0.000011 Output 3 $10.00 USD per million tokens $0.00003" in words
    assert "Cost $0.000041 Price from the owner's config.toml" in words
    [row] = await buyer.haze.ended()
    held, back = (f"${amount / 10**9:.9f}".rstrip("0") for amount in (row["held"], row["held"] - 41_000))
    assert f"Held at first the most it could cost {held} Charged $0.000041 Given back of what was held {back}" in words
    assert re.search(r"Paid for this request no\. \d+ [-\d]{10} [:\d]{8} \$0\.000041", words)
    assert "completed The answer came to its end" in words


async def test_the_facts_of_a_request_are_there(buyer: Buyer) -> None:
    """What one searches a log for: key, protocol, channel, the provider's own id, and when."""
    words = await buyer.receipt(max_tokens=5, stream=True)
    [row] = await buyer.haze.ended()
    for fact in ("Key test sk-rr-", "Model paid", "Protocol chat, streamed", "Channel one", f"id {row['upstream_id']}",
                 "Opened 2", "First byte 2", "Ended 2"):  # fmt: skip
        assert fact in words


async def test_each_attempt_is_named_and_the_owners_trouble_is_not(buyer: Buyer, provider: Provider) -> None:
    """That a channel failed is the account's to know; that the owner's credential or wallet did is not."""
    provider.script(Reply(status=401, body={"error": {"message": "Incorrect API key provided: sk-owner"}}))
    words = await buyer.receipt(max_tokens=5)
    assert re.search(r"one paid [-\d]{10} [:\d]{8} \N{EN DASH} 503 api_error two paid", words)
    assert "status 200" in words
    assert "401" not in words
    assert "sk-owner" not in words


async def test_a_failure_that_is_nobodys_secret_is_told_with_its_status(buyer: Buyer, provider: Provider) -> None:
    """ "Why did that take so long?" has an answer."""
    provider.script(Reply(status=500, body=b"oops"))
    assert "502 api_error status 500" in await buyer.receipt(max_tokens=5)


async def test_what_the_provider_refused_costs_nothing_and_says_so(buyer: Buyer, provider: Provider) -> None:
    """Its own words went to the caller; here stands that nothing was paid."""
    refusal = Reply(status=400, body={"error": {"message": "no", "type": "invalid_request_error"}})
    provider.script(refusal)
    words = await buyer.receipt(max_tokens=5)
    assert "refused upstream The provider refused the request for its own sake" in words
    assert "Nothing was charged." in words
    assert "status 400" in words
    assert "Cost $0.00" in words


async def test_a_providers_own_price_is_shown_with_its_markup(buyer: Buyer, provider: Provider) -> None:
    """Where it is the price. Where it is not, what the owner pays is the owner's business."""
    provider.script(reply("chat", False, cost="0.000044"), reply("chat", False, cost="0.0000077"))
    words = await buyer.receipt("openrouter/auto", max_tokens=100)
    assert (
        "The provider's own cost $0.000044 \N{MULTIPLICATION SIGN} 1.2 times the provider's own cost in USD $0.0000528"
        in words
    )
    assert "Cost $0.0000528" in words
    assert "0.0000077" not in await buyer.receipt(max_tokens=100)


async def test_what_an_account_could_not_pay_and_what_came_back_is_there(buyer: Buyer, provider: Provider) -> None:
    """Every transfer of a request, with what it was for."""
    provider.script(Reply(body=whole("chat", usage={"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000})))
    words = await buyer.receipt(max_tokens=5)
    [row] = await buyer.haze.ended()
    assert row["shortfall"] == 10**9
    assert "Charged $10.00" in words
    assert "Not paid the house's loss $1.00" in words
    assert "The account could not pay all of it; $1.00 are the house's loss." in words
    assert re.search(r"Paid for this request .* \$10\.00 Paid by the house .* \$1\.00", words)
    request_id = row["id"]
    apart(give_back, buyer.haze.path, request_id)
    words = (await buyer.person.get(f"/dashboard/usage/{request_id}")).words
    assert "$10.00 were refunded." in words
    assert "Refunded later $10.00" in words
    assert "a private note" not in words


def give_back(path: Path, request_id: str) -> None:
    """The owner's refund, with a memo of his own."""
    connection = database.connect(str(path))
    with database.transaction(connection):
        refunds.give(connection, request_id, "a private note", NOON)
    connection.close()


ENDS = [("settled", ending) for ending in endings.TABLE if ending.kind != endings.NOTHING] + [
    ("void", ending) for ending in endings.TABLE if ending.kind in (endings.NOTHING, endings.FINAL)
]


@pytest.mark.parametrize(("state", "ending"), ENDS, ids=[f"{ending.word}, {state}" for state, ending in ENDS])
async def test_every_ending_has_its_sentence(log: Log, me: Person, state: str, ending: endings.Ending) -> None:
    """And says what it means for the price; nobody should have to ask."""
    charged = {} if state == "settled" else {"cost": 0, "price": None}
    request_id = log.add(state=state, ended=ending.word, **charged)
    seen = await me.get(f"/dashboard/usage/{request_id}")
    assert seen.status == 200
    assert ending.sentence in seen.words
    assert ("Nothing was charged." in seen.words) == (state == "void")
    if ending.kind == endings.FINAL:
        told = "It had reported that." if state == "settled" else "It had reported none, so nothing was charged."
        assert told in seen.words


PAGES = {
    "running": ({"state": "open", "ended": None, "ended_at": None, "first_byte_at": None, "cost": 0, "price": None},
                ["running It is still running.", "Not known before it ends.", "Cost \N{EN DASH}", "Took \N{EN DASH}",
                 "They are written down when it ends."]),
    "interrupted": ({"state": "interrupted", "ended": "process died", "cost": 0, "price": None},
                    ["The process died under way", "Nothing was charged.", "No channel is known to have been asked."]),
    "estimated": ({"estimated": 1, "ended": "client left"}, ["The usage is an estimate"]),
    "free": ({"price": '{"free":true}', "cost": 0}, ["The model is free.", "There was nothing to pay."]),
    "by a word of another version": ({"ended": "went home"}, ["It ended as: went home."]),
    "with half a price": ({"price": '{"input":1000000,"free":false}', "cost": 100},
                          ["Not explained by the price that was kept \N{EN DASH} \N{EN DASH} $0.000000083"]),
    "with a tier": ({"service_tier": "flex"}, ["Service tier flex"]),
    "of an old version": ({"attempts": json.dumps([{"channel": "one", "model": "m", "began_at": NOON, "status": None,
                                                    "first_byte_at": None, "upstream_id": None, "error": None}])},
                          ["one m 2026-11-25 12:00:00 \N{EN DASH} no answer"]),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "told"), PAGES.values(), ids=PAGES)
async def test_each_kind_of_request_has_its_honest_page(
    log: Log, me: Person, facts: dict[str, object], told: list[str]
) -> None:
    """What is not known is said not to be known."""
    seen = await me.get(f"/dashboard/usage/{log.add(**{**COLUMNS, **facts})}")
    assert seen.status == 200
    for each in told:
        assert each in seen.words


async def test_somebody_elses_receipt_is_not_there(log: Log, me: Person, other: Person) -> None:
    """In the words of one that nobody has: an id says nothing about whether it exists."""
    mine, nobodys = log.add(), "req_" + "9" * 28
    seen = [await other.get(f"/dashboard/usage/{each}") for each in (mine, nobodys)]
    assert [each.status for each in seen] == [404, 404]
    words = [re.sub(r"req_\w+", "", each.words) for each in seen]
    assert words[0] == words[1]
    assert "There is no such request in this account." in words[0]
    assert (await me.get(f"/dashboard/usage/{nobodys}")).status == 404


@pytest.mark.parametrize("name", ["req_1", "req_" + "G" * 28, "req_" + "a" * 29, "1"])
async def test_what_is_no_id_is_no_page(me: Person, name: str) -> None:
    """It never reaches the store."""
    assert (await me.get(f"/dashboard/usage/{name}")).status == 404
