"""Was this asked before? Whoever asks twice with one key is answered twice and pays once."""

import asyncio
import contextlib
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checks import held, locked, quiet, refused
from gateway import PAID, PATHS, Answer, Haze, asking, channel, running
from provider import HANG, Provider, Reply, error_body, whole

from haze_proxy.gate.claims import CLAIMS

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
WHOLE = pytest.mark.parametrize("protocol", ["chat", "messages", "responses", "embeddings"])
FULL = 10_000_000_000
# 11 tokens in at 1,000 nano-dollars, 3 out at 10,000; of vectors, what goes in.
COSTS = {"chat": 41_000, "messages": 41_000, "responses": 41_000, "embeddings": 11_000}
TIMES = {"first_byte_timeout_s": "0.2"}


async def send(
    haze: Haze, protocol: str = "chat", key: str = "k", *, caller: str | None = None, **fields: Any
) -> Answer:
    """A paid request with an `Idempotency-Key`."""
    fields = {**({} if protocol == "embeddings" else {"max_tokens": 100}), **fields}
    body = asking(protocol, fields.pop("model", "paid"), **fields)
    return await haze.post(PATHS[protocol], body, key=caller, headers={"Idempotency-Key": key})


def told(answer: Answer) -> tuple[int, bytes, dict[str, str]]:
    """What makes two answers the same: all but who is answered, and when."""
    own = ("request-id", "x-request-id", "x-haze-replayed", "date")
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in own}
    return answer.status, answer.body, {name: value for name, value in kept.items() if "ratelimit" not in name}


def waiting(haze: Haze) -> int:
    """How many wait for a running first request."""
    return sum(len(claim._waiting) for claim in haze.app[CLAIMS]._running.values())


async def joined(haze: Haze, count: int) -> None:
    """Until so many wait."""
    async with asyncio.timeout(5):
        while waiting(haze) != count:
            await asyncio.sleep(0.001)


async def paid_once(haze: Haze, provider: Provider, cost: int, asked: int = 1) -> None:
    """One charge, nothing held, and so many calls upstream."""
    await quiet(haze)
    assert haze.balance() == FULL - cost
    rows = haze.rows("SELECT state FROM requests WHERE state <> 'void'")
    assert [row["state"] for row in rows] == ["settled"]
    assert len(provider.requests) == asked


# ---- the same again ----


@WHOLE
async def test_a_lost_answer_can_be_asked_for_again(chained: Haze, provider: Provider, protocol: str) -> None:
    """The client cannot know whether it was charged; now it need not."""
    first, second = await send(chained, protocol), await send(chained, protocol)
    assert told(first) == told(second)
    assert first.status == 200
    assert "x-haze-replayed" not in first.headers
    assert second.headers["x-haze-replayed"] == first.headers["request-id"] != second.headers["request-id"]
    await paid_once(chained, provider, COSTS[protocol])
    assert "Idempotency-Key" not in provider.requests[0].headers


@WHOLE
async def test_twenty_at_once_are_one(chained: Haze, provider: Provider, protocol: str) -> None:
    """One hold, one call upstream, one charge, twenty equal answers."""
    gate, right = asyncio.Event(), provider.otherwise
    provider.otherwise = lambda received: replace(right(received), late=gate)
    calls = [asyncio.create_task(send(chained, protocol)) for _ in range(20)]
    await joined(chained, 19)
    await provider.received(1)
    held_by_one = held(chained)
    assert len(chained.app[CLAIMS]._running) == len(provider.requests) == 1
    gate.set()
    answers = await asyncio.gather(*calls)
    assert {told(answer)[:2] for answer in answers} == {(200, answers[0].body)}
    assert len({answer.headers["request-id"] for answer in answers}) == 20
    assert len({answer.headers.get("x-haze-replayed") for answer in answers}) == 2
    (row,) = await chained.ended()
    assert held_by_one == row["held"]
    await paid_once(chained, provider, COSTS[protocol])


async def test_keys_and_bodies_of_twenty_callers_stay_apart(chained: Haze, provider: Provider) -> None:
    """Each key four times, mixed: each is answered with its own."""
    provider.otherwise = lambda received: Reply(body=whole("chat") | {"id": str(received.json()["max_tokens"])})
    numbers = [number % 5 for number in range(20)]
    answers = await asyncio.gather(*(send(chained, key=f"k{each}", max_tokens=100 + each) for each in numbers))
    assert [answer.json()["id"] for answer in answers] == [str(100 + number) for number in numbers]
    assert len(provider.requests) == len(await chained.ended(5)) == 5
    await quiet(chained)
    assert chained.balance() == FULL - 5 * 41_000


async def test_without_a_key_every_request_is_its_own(chained: Haze, provider: Provider) -> None:
    """People ask the same thing twice, and mean it."""
    assert [(await chained.ask("chat", "paid")).status for _ in range(2)] == [200, 200]
    assert len(provider.requests) == len(await chained.ended(2)) == 2
    assert chained.rows("SELECT idempotency_key, idempotency_body FROM requests")[0][:] == (None, None)


async def test_another_account_has_its_own_keys(chained: Haze, provider: Provider) -> None:
    """`order-1` is everybody's favourite."""
    other = await chained.known(chained.account(email="other@example.com"))
    assert (await send(chained)).status == 200
    answer = await send(chained, caller=other)
    assert (answer.status, "x-haze-replayed" in answer.headers) == (200, False)
    assert (await send(chained, caller=other, max_tokens=7)).status == 409
    assert len(provider.requests) == 2


async def test_a_key_hears_nothing_of_a_model_it_may_not_use(chained: Haze, provider: Provider) -> None:
    """Another key of its account may, and has the answer."""
    few = chained.account(email="few@example.com", models=("other",))
    chained.rows("UPDATE keys SET account_id = 1 WHERE id = 2")
    await chained.known(few)
    assert (await send(chained)).status == 200
    assert "It may use: other" in refused(await send(chained, caller=few), "chat", 404)
    assert len(provider.requests) == 1


async def test_a_replay_counts_as_a_request_and_a_refusal_does_not(chained: Haze) -> None:
    """It is cheap, not free: a loop that never ends must meet its limit. What is refused consumes nothing."""
    key = await chained.known(chained.account(email="slow@example.com", requests_per_minute=60))

    async def left() -> str:
        return (await send(chained, caller=key)).headers["x-ratelimit-remaining-requests"]

    assert [await left() for _ in range(3)] == ["9", "8", "7"]
    refused(await send(chained, caller=key, max_tokens=7), "chat", 409)
    assert [await left() for _ in range(7)] == ["6", "5", "4", "3", "2", "1", "0"]
    refused(await send(chained, caller=key), "chat", 429)
    limits = (await chained.get("/v1/key", key=key)).json()["data"]["limits"]
    assert limits["tokens_left"] == 1_000_000_000 - 14


async def test_a_model_without_a_price_is_asked_once_too(tmp_path: Path, provider: Provider) -> None:
    """No money moves, but the provider's limits are the owner's."""
    text = '\n[[models]]\nid = "paid"\nfree = true\n' + channel("openai", provider.url)
    async with running(tmp_path, text) as haze:
        answers = [await send(haze), await send(haze)]
        assert told(answers[0]) == told(answers[1])
        assert len(provider.requests) == 1


# ---- who leaves ----


async def leave(call: "asyncio.Task[Answer]") -> None:
    """Hang up."""
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call


async def test_whoever_joined_may_leave(chained: Haze, provider: Provider) -> None:
    """The first goes on, and a third hears of it."""
    gate = asyncio.Event()
    provider.script(Reply(body=whole("chat"), late=gate))
    first = asyncio.create_task(send(chained))
    await provider.received(1)
    leaver, stayer = asyncio.create_task(send(chained)), asyncio.create_task(send(chained))
    await joined(chained, 2)
    await leave(leaver)
    await joined(chained, 1)
    gate.set()
    assert told(await first) == told(await stayer)
    assert (await first).status == 200
    assert not provider.requests[0].closed.is_set()
    await paid_once(chained, provider, 41_000)


async def test_the_first_may_leave_a_call_and_ask_again(chained: Haze, provider: Provider) -> None:
    """A client's timeout is why it asks again: the call it left is finished, and it gets that answer."""
    gate = asyncio.Event()
    provider.script(Reply(body=whole("chat"), late=gate))
    first = asyncio.create_task(send(chained))
    await provider.received(1)
    await leave(first)
    again = asyncio.create_task(send(chained))
    await joined(chained, 1)
    gate.set()
    answer = await again
    assert (answer.status, answer.json()) == (200, whole("chat"))
    await paid_once(chained, provider, 41_000)
    assert told(await send(chained)) == told(answer)


@pytest.mark.parametrize("seed", range(5))
async def test_whoever_leaves_whenever_each_key_is_paid_once(chained: Haze, provider: Provider, seed: int) -> None:
    """60 callers share 6 keys; a third of them hang up at some moment, and everyone who stays has his answer."""
    chance = random.Random(seed)

    async def call(number: int) -> int:
        await asyncio.sleep(chance.random() * 0.05)
        try:
            async with asyncio.timeout(chance.random() * 0.03 if number % 3 == 0 else None):
                return (await send(chained, key=f"k{number // 3 % 6}")).status
        except TimeoutError:
            return 0

    statuses = await asyncio.gather(*(call(number) for number in range(60)))
    assert [status for number, status in enumerate(statuses) if number % 3] == [200] * 40
    await quiet(chained)
    assert chained.app[CLAIMS]._running == {}
    settled = chained.rows("SELECT count(DISTINCT idempotency_key), count(*) FROM requests WHERE state = 'settled'")
    assert tuple(settled[0]) == (6, 6)
    assert (len(provider.requests), chained.balance()) == (6, FULL - 6 * 41_000)


# ---- what was not charged ----


@EACH
async def test_a_refusal_is_told_to_all_and_frees_the_key(chained: Haze, provider: Provider, protocol: str) -> None:
    """The provider's words reach everybody who waited; the next one is a first one again."""
    gate = asyncio.Event()
    body = error_body(protocol, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum")
    provider.script(Reply(status=400, body=body, late=gate))
    calls = [asyncio.create_task(send(chained, protocol)) for _ in range(5)]
    await joined(chained, 4)
    gate.set()
    answers = await asyncio.gather(*calls)
    assert {told(answer)[:2] for answer in answers} == {(400, answers[0].body)}
    assert answers[0].json() == body
    assert chained.balance() == FULL
    assert (await send(chained, protocol)).status == 200
    await paid_once(chained, provider, 41_000, asked=2)


@EACH
async def test_a_first_that_hangs_and_fails_is_told_to_all(tmp_path: Path, provider: Provider, protocol: str) -> None:
    """All hear the 504 that invites another try, under their own ids; then one call is made for all of them."""
    rows = channel("anthropic" if protocol == "messages" else "openai", provider.url, **TIMES)
    async with running(tmp_path, PAID + rows) as haze:
        provider.script(Reply(late=HANG))
        answers = await asyncio.gather(*(send(haze, protocol) for _ in range(5)))
        assert len({refused(answer, protocol, 504) for answer in answers}) == 1
        assert {answer.headers.get("x-haze-replayed") for answer in answers} == {None}
        haze.clock[0] += 60
        provider.script(Reply(body=whole(protocol)))
        answers = await asyncio.gather(*(send(haze, protocol) for _ in range(5)))
        assert [answer.status for answer in answers] == [200] * 5
        await paid_once(haze, provider, 41_000, asked=2)


async def test_the_owners_trouble_is_told_to_all_in_our_words(chained: Haze, provider: Provider) -> None:
    """What the provider said to the owner concerns none of them."""
    gate = asyncio.Event()
    provider.script(Reply(status=401, body=error_body("chat", "auth", "bad key sk-owner"), late=gate))
    calls = [asyncio.create_task(send(chained)) for _ in range(3)]
    await joined(chained, 2)
    gate.set()
    answers = await asyncio.gather(*calls)
    assert len({refused(answer, "chat", 503) for answer in answers}) == 1
    assert not any(b"sk-owner" in answer.body for answer in answers)


async def test_failover_happens_inside_the_first_request(tmp_path: Path, provider: Provider) -> None:
    """The second channel's answer is everybody's."""
    rows = channel("openai", provider.url, priority="1") + channel("gemini", provider.url)
    async with running(tmp_path, PAID + rows) as haze:
        provider.script(Reply(status=500, body=error_body("chat", "server_error", "broke")), Reply(body=whole("chat")))
        answers = await asyncio.gather(*(send(haze) for _ in range(5)))
        assert {told(answer)[:2] for answer in answers} == {(200, answers[0].body)}
        await paid_once(haze, provider, 41_000, asked=2)


async def test_whoever_cannot_pay_is_told_so_each_time(chained: Haze, provider: Provider) -> None:
    """The 402 came before anything was spent: it is no answer to repeat, and no conflict."""
    poor = await chained.known(chained.account("0", email="poor@example.com"))
    for _ in range(2):
        refused(await send(chained, caller=poor), "chat", 402)
        assert chained.app[CLAIMS]._running == {}
    assert provider.requests == []


async def test_an_answer_cut_short_by_the_balance_is_told_again_as_well(tmp_path: Path, provider: Provider) -> None:
    """What was asked for less than it wanted was charged like any other."""
    async with running(tmp_path, PAID + channel("openai", provider.url)) as haze:
        key = await haze.known(haze.account("0.05", email="poor@example.com"))
        first, second = [await send(haze, caller=key, max_tokens=90_000) for _ in range(2)]
        assert "x-haze-limited" in first.headers
        assert told(first) == told(second)
        assert (second.status, len(provider.requests)) == (200, 1)


async def test_all_are_told_that_the_server_stops(chained: Haze, provider: Provider) -> None:
    """Nobody waits for an answer that will not come, and nothing keeps the process from ending."""
    provider.script(Reply(late=HANG))
    calls = [asyncio.create_task(send(chained)) for _ in range(5)]
    await joined(chained, 4)
    await provider.received(1)
    leaving = asyncio.create_task(chained.app.shutdown())
    for answer in await asyncio.gather(*calls):
        assert "being stopped" in refused(answer, "chat", 503, code=None)
        assert answer.headers["Retry-After"] == "1"
    await leaving
    assert chained.app[CLAIMS]._running == {}


async def test_a_charge_that_cannot_be_written_frees_the_key(chained: Haze, provider: Provider) -> None:
    """Nobody saw the answer and nobody paid: the same key serves the next try."""
    gate = asyncio.Event()
    provider.script(Reply(body=whole("chat"), late=gate))
    async with locked(chained, patience_ms=10):
        calls = [asyncio.create_task(send(chained)) for _ in range(2)]
        await joined(chained, 1)
        gate.set()
        assert [refused(answer, "chat", 503, code=None) for answer in await asyncio.gather(*calls)]
    async with asyncio.timeout(5):
        while (answer := await send(chained)).status == 503:
            await asyncio.sleep(0.02)
    assert (answer.status, "x-haze-replayed" in answer.headers) == (200, False)
    await chained.ended(2)
    await paid_once(chained, provider, 41_000, asked=2)
