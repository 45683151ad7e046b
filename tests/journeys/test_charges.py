"""What journeys cost: every answer is charged once, eight streams at a time or the reader gone halfway."""

import asyncio
from decimal import Decimal
from typing import Any

import openai
import pytest
from front import Front
from harness import Caller, Haze, eventually

HELLO: Any = [{"role": "user", "content": "Hello! Tell me about the sea."}]
PROVIDED = "openai/gpt-5.2"
TASKS = 8
ANSWERS = 10
CREDIT_USD = Decimal(5)
BURST = 10  # what a key may send at once, however few a minute it has


def charges(haze: Haze, caller: Caller) -> list[dict[str, str]]:
    """Return the ledger's charges of one account."""
    name = f"account:{haze.account(caller)['id']}"
    return [row for row in haze.ledger() if row["debit"] == name and row["kind"] == "charge"]


def nothing_is_held(haze: Haze, caller: Caller) -> bool:
    """Tell whether no running request holds money of the account."""
    return Decimal(haze.account(caller)["held_usd"]) == 0


async def stream_answers(client: openai.AsyncOpenAI, model: str) -> list[str]:
    """Read ANSWERS streamed answers to their end, one after the other; return their request ids."""
    ids = []
    for _ in range(ANSWERS):
        stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
        async for _chunk in stream:
            pass
        ids.append(stream.response.headers["x-request-id"])
    return ids


@pytest.mark.parametrize("model", ["hekiu", PROVIDED])
def test_eighty_streamed_answers_are_eighty_charges(model: str, haze: Haze) -> None:
    """Who saw an answer end has paid for it exactly once: nothing is pending when the last stream has ended."""
    caller = haze.caller(str(CREDIT_USD))

    async def travel() -> list[str]:
        async with openai.AsyncOpenAI(api_key=caller.key, base_url=f"http://127.0.0.1:{haze.port}/v1") as client:
            read = await asyncio.gather(*(stream_answers(client, model) for _ in range(TASKS)))
            return [request_id for ids in read for request_id in ids]

    ids = asyncio.run(travel())
    rows, account = charges(haze, caller), haze.account(caller)
    assert len(ids) == len(rows) == TASKS * ANSWERS
    assert {row["request_id"] for row in rows} == {*ids}
    assert {row["state"] for row in haze.request_rows(ids)} == {"settled"}
    assert Decimal(account["held_usd"]) == 0
    assert Decimal(account["spent_usd"]) == CREDIT_USD - Decimal(account["balance_usd"]) > 0


def test_a_reader_who_leaves_pays_for_what_was_made(haze: Haze, front: Front, providers: dict[str, Front]) -> None:
    """Leaving after any event of a stream is charged as a left stream and keeps no money held."""
    caller = haze.caller(str(CREDIT_USD))
    ask: Any = {"model": PROVIDED, "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
    with openai.OpenAI(api_key=caller.key, base_url=f"{front.url}/v1") as client:
        events = len(list(client.chat.completions.create(**ask)))
        left = []
        for after in range(1, events + 1):
            providers["openrouter"].hold_after = after
            stream = client.chat.completions.create(**ask)
            for _ in range(after):
                next(stream)
            left.append(stream.response.headers["x-request-id"])
            stream.close()
    eventually(lambda: len(charges(haze, caller)) == 1 + events, "every left stream is charged")
    eventually(lambda: nothing_is_held(haze, caller), "no hold is left")
    rows = haze.request_rows(left)
    assert [(row["state"], row["ended"], row["estimated"]) for row in rows] == [("settled", "client left", 1)] * events


def test_a_key_that_is_too_fast_is_told_when_to_come_back(haze: Haze, front: Front) -> None:
    """SDKs sleep for what Retry-After says; more than a minute is misread by some."""
    caller = haze.caller("5", "--rpm", "1")
    with openai.OpenAI(api_key=caller.key, base_url=f"{front.url}/v1", max_retries=0) as client:
        for _ in range(BURST):
            client.chat.completions.create(model="hekiu", messages=HELLO)
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="hekiu", messages=HELLO)
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
    assert [seen.status for seen in front.requests] == [200] * BURST + [429]
