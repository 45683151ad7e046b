"""What becomes of an `Idempotency-Key` afterwards: streams, time, restarts, and how much memory it takes."""

import asyncio
import gzip
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from checks import locked, quiet, refused
from gateway import ECHO, HELLO, PAID, PATHS, Answer, Haze, asking, channel, running
from provider import HANG, HANG_UP, Provider, Reply, Tap, drip, events, whole

from haze_proxy import resources
from haze_proxy.gate import claims
from haze_proxy.gate.claims import CLAIMS
from haze_proxy.store.idempotency import Keyed

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
FULL = 10_000_000_000
DAY_S = 86_400
KEY = {"Idempotency-Key": "k"}


async def send(haze: Haze, protocol: str = "chat", key: str = "k", **fields: Any) -> Answer:
    """A paid request with an `Idempotency-Key`."""
    body = asking(protocol, "paid", max_tokens=100, **fields)
    return await haze.post(PATHS[protocol], body, headers={"Idempotency-Key": key})


async def stream(haze: Haze, protocol: str = "chat") -> aiohttp.ClientResponse:
    """A stream that has begun."""
    headers = {"Authorization": f"Bearer {haze.key}", **KEY}
    body = asking(protocol, "paid", max_tokens=100, stream=True)
    return await haze.session.post(haze.url + PATHS[protocol], json=body, headers=headers)


def names(answer: Answer, protocol: str, first: str) -> None:
    """It is a conflict, and says with which request."""
    assert first in refused(answer, protocol, 409)
    if protocol != "messages":
        assert answer.error()["param"] == "Idempotency-Key"


# ---- keys ----

BAD_KEYS = {"empty": "", "long": "k" * 256, "not ASCII": "schlüssel", "a control character": "a\tb"}
GOOD_KEYS = ["k", "k" * 255, "8e03978e-40d5-43e8-bc93-6894a57f9324", '"quoted, and spaced" ~!']


@EACH
@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
async def test_what_is_no_key_is_400_naming_the_header(haze: Haze, protocol: str, key: str) -> None:
    """Cut or normalised by us, two keys could become one."""
    body = asking(protocol, "hekiu", max_tokens=9)
    answer = await haze.post(PATHS[protocol], body, headers={"Idempotency-Key": key})
    assert refused(answer, protocol, 400).startswith("Idempotency-Key: ")


async def test_two_keys_are_none(haze: Haze) -> None:
    """Which of them is meant?"""
    headers = [("Authorization", f"Bearer {haze.key}"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    async with haze.session.post(haze.url + PATHS["chat"], json=asking("chat"), headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["param"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize("key", GOOD_KEYS, ids=["short", "long", "UUID", "odd"])
async def test_any_printable_key_will_do(haze: Haze, key: str) -> None:
    """It is the caller's own."""
    answers = [await haze.post(PATHS["chat"], asking("chat"), headers={"idempotency-key": key}) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].headers["x-haze-replayed"] == answers[0].headers["request-id"]


async def test_what_costs_nothing_needs_no_key(haze: Haze) -> None:
    """Lists and counts may be asked for as often as one likes; a key that is none does no harm there."""
    for key in ("k", "k", ""):
        headers = {"Idempotency-Key": key}
        count = await haze.post("/v1/messages/count_tokens", {"model": "hekiu", "messages": HELLO}, headers=headers)
        models = await haze.get("/v1/models", headers=headers)
        assert [(answer.status, "x-haze-replayed" in answer.headers) for answer in (count, models)] == [
            (200, False)
        ] * 2


# ---- another request with the same key ----


async def test_another_body_path_or_query_is_a_conflict(chained: Haze, provider: Provider) -> None:
    """A key names one request. While the first runs, and afterwards; the first is none the worse for it."""
    gate = asyncio.Event()
    provider.script(Reply(body=whole("messages"), late=gate))
    first = asyncio.create_task(send(chained, "messages"))
    await provider.received(1)
    others = [("messages", {"max_tokens": 99}), ("messages", {"stream": True}), ("messages", {"model": "other"})]
    others += [("chat", {}), ("responses", {})]

    async def all_refused() -> set[str]:
        refusals = [
            await chained.post(PATHS[protocol], asking(protocol, "paid", max_tokens=100) | more, headers=KEY)
            for protocol, more in others
        ]
        body = asking("messages", "paid", max_tokens=100)
        queried = await chained.post(PATHS["messages"] + "?beta=true", body, headers=KEY)
        told = [refused(answer, protocol, 409) for answer, (protocol, _) in zip(refusals, others, strict=True)]
        return {*told, refused(queried, "messages", 409)}

    (running_text,) = await all_refused()
    gate.set()
    assert (await first).headers["request-id"] in running_text
    assert {running_text} == await all_refused()
    assert (await send(chained, "messages")).status == 200
    assert len(provider.requests) == 1


async def test_how_a_body_is_packed_does_not_matter(haze: Haze) -> None:
    """A proxy may compress it: the bytes are compared after decoding."""
    plain = b'{"model":"hekiu","messages":[{"role":"user","content":"Hello"}]}'
    first = await haze.post(PATHS["chat"], plain, headers=KEY)
    second = await haze.post(PATHS["chat"], gzip.compress(plain), headers={**KEY, "Content-Encoding": "gzip"})
    assert second.headers["x-haze-replayed"] == first.headers["request-id"]


async def test_a_large_body_is_compared_as_well(haze: Haze) -> None:
    """Digested beside the loop; one byte of two million makes another request."""
    bodies = [asking("chat", padding="x" * 2**21 + last) for last in "aab"]
    answers = [await haze.post(PATHS["chat"], body, headers=KEY) for body in bodies]
    assert [answer.status for answer in answers] == [200, 200, 409]
    assert "x-haze-replayed" in answers[1].headers


# ---- streams ----


@EACH
async def test_a_stream_is_not_repeated(chained: Haze, provider: Provider, protocol: str) -> None:
    """Neither while it runs nor afterwards: 409, which no SDK repeats, names it; it goes on and is charged once."""
    tap = Tap()
    provider.script(Reply(chunks=drip(events(protocol), tap)))
    tap.drop()
    answer = await stream(chained, protocol)
    first = answer.headers["request-id"]
    names(await send(chained, protocol, stream=True), protocol, first)
    for _ in events(protocol):
        tap.drop()
    assert (await answer.read()).endswith(events(protocol)[-1])
    names(await send(chained, protocol, stream=True), protocol, first)
    await quiet(chained)
    assert (chained.balance(), len(provider.requests)) == (FULL - 41_000, 1)


async def test_twenty_streams_at_once_are_one(chained: Haze, provider: Provider) -> None:
    """Those who wait for the first one hear 409 as soon as it begins: there is no way to share it."""
    answers = await asyncio.gather(*(send(chained, stream=True) for _ in range(20)))
    (first,) = (answer for answer in answers if answer.status == 200)
    for answer in answers:
        if answer is not first:
            names(answer, "chat", first.headers["request-id"])
    assert len(answers) == 20
    await quiet(chained)
    assert (chained.balance(), len(provider.requests)) == (FULL - 41_000, 1)


@EACH
async def test_a_stream_left_before_its_first_event_can_be_asked_for_again(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """A client's own timeout, and the retry of an SDK that was told to send the key: it must not hear 409."""
    provider.script(Reply(late=HANG))
    first = asyncio.create_task(send(chained, protocol, stream=True))
    await provider.received(1)
    first.cancel()
    answer = await send(chained, protocol, stream=True)
    if answer.status == 503:  # it came before we knew that the first had gone
        assert answer.headers["Retry-After"] == "1"
        answer = await send(chained, protocol, stream=True)
    assert answer.status == 200
    assert len(provider.requests) == 2


async def test_who_waits_for_a_stream_that_is_left_is_told_to_come_again(chained: Haze, provider: Provider) -> None:
    """Every SDK obeys 503 with a time, and then is the first itself."""
    provider.script(Reply(late=HANG))
    first = asyncio.create_task(send(chained, stream=True))
    await provider.received(1)
    (claim,) = chained.app[CLAIMS]._running.values()
    second = asyncio.create_task(send(chained, stream=True))
    async with asyncio.timeout(5):
        while not claim._waiting:
            await asyncio.sleep(0.001)
    first.cancel()
    answer = await second
    refused(answer, "chat", 503, code=None)
    assert answer.headers["Retry-After"] == "1"
    assert (await send(chained, stream=True)).status == 200


@EACH
async def test_a_stream_that_breaks_unpaid_frees_its_key(chained: Haze, provider: Provider, protocol: str) -> None:
    """The provider cut it and nothing was charged; asked again it is a first one."""
    provider.script(Reply(chunks=[*events(protocol)[:3], HANG_UP]))
    assert (await send(chained, protocol, stream=True)).status == 200
    assert (await send(chained, protocol, stream=True)).status == 200
    assert [row["state"] for row in await chained.ended(2)] == ["void", "settled"]


async def test_a_stream_left_in_the_middle_is_paid_and_its_key_used(chained: Haze, provider: Provider) -> None:
    """What was delivered is charged, so the same again would be paid twice: the caller must say that he wants it."""
    provider.script(Reply(chunks=[*events("chat")[:3], HANG]))
    answer = await stream(chained)
    await answer.content.readany()
    answer.close()
    (row,) = await chained.ended()
    assert (row["state"], row["ended"]) == ("settled", "client left")
    names(await send(chained, stream=True), "chat", row["id"])


async def test_a_key_is_not_free_while_its_charge_is_written(chained: Haze, provider: Provider) -> None:
    """The client has gone, the row is not there yet: neither may make the same again a first one."""
    provider.script(Reply(chunks=[*events("chat")[:3], HANG]))
    answer = await stream(chained)
    await answer.content.readany()
    async with locked(chained):
        answer.close()
        (claim,) = chained.app[CLAIMS]._running.values()
        async with asyncio.timeout(5):
            while not claim.left:
                await asyncio.sleep(0.001)
        assert claim.charged is None
        names(await send(chained, stream=True), "chat", claim.keyed.request_id)
    await chained.ended()
    names(await send(chained, stream=True), "chat", claim.keyed.request_id)
    assert len(provider.requests) == 1


async def test_a_stream_that_is_answered_whole_is_told_again(chained: Haze, provider: Provider) -> None:
    """Some providers ignore `stream`; such an answer is at hand like any other."""
    provider.script(Reply(body=whole("chat")))
    first, second = await send(chained, stream=True), await send(chained, stream=True)
    assert (first.status, first.body) == (second.status, second.body)
    assert second.headers["x-haze-replayed"] == first.headers["request-id"]


# ---- time and restarts ----


def older(haze: Haze, seconds: int) -> None:
    """Let all requests have been admitted so much earlier."""
    haze.rows("UPDATE requests SET opened_at = opened_at - ?", seconds * 1000)


def keyed(haze: Haze) -> list[str]:
    """The ids of the requests whose rows have digests."""
    return [row["id"] for row in haze.rows("SELECT id FROM requests WHERE idempotency_key IS NOT NULL ORDER BY id")]


async def test_an_answer_is_at_hand_for_ten_minutes_and_the_key_for_a_day(chained: Haze, provider: Provider) -> None:
    """From the moment the first was admitted; then the key is free, and the next request with it takes its place."""
    first = (await send(chained)).headers["request-id"]
    chained.clock[0] += claims.ANSWER_S - 1
    assert (await send(chained)).status == 200
    chained.clock[0] += 1
    names(await send(chained), "chat", first)
    older(chained, DAY_S - 60)
    names(await send(chained), "chat", first)
    older(chained, 60)
    answer = await send(chained, temperature=0)
    assert (answer.status, "x-haze-replayed" in answer.headers, len(provider.requests)) == (200, False, 2)
    assert keyed(chained) == [answer.headers["request-id"]]
    names(await send(chained), "chat", answer.headers["request-id"])


async def test_what_is_too_old_is_forgotten_without_another_request(
    tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the file or the memory of a quiet gateway finds no answer of last week, and no digest."""
    monkeypatch.setattr(resources, "MINUTE_S", 0.01)
    async with running(tmp_path, house(provider)) as haze:
        await send(haze)
        # Behind the cache's own door, which lets old answers go when it is opened.
        answers = haze.app[CLAIMS]._answers._Cache__data  # type: ignore[attr-defined]
        assert (len(answers), len(keyed(haze))) == (1, 1)
        haze.clock[0] += claims.ANSWER_S
        older(haze, DAY_S)
        async with asyncio.timeout(5):
            while answers or keyed(haze):
                await asyncio.sleep(0.001)


def house(provider: Provider) -> str:
    return ECHO + PAID + channel("openai", provider.url)


async def test_a_restart_forgets_answers_and_keeps_keys(tmp_path: Path, provider: Provider) -> None:
    """No answer ever touches the disk; that it was charged does."""
    async with running(tmp_path, house(provider)) as haze:
        first, key = (await send(haze)).headers["request-id"], haze.key
        row = dict(haze.rows("SELECT * FROM requests")[0])
        assert [len(row[name]) for name in ("idempotency_key", "idempotency_body")] == [16, 16]
    stored = b"".join(file.read_bytes() for file in haze.path.parent.iterdir())
    assert b"Hello" not in stored
    async with running(tmp_path, house(provider), key=key) as haze:
        names(await send(haze), "chat", first)
        names(await send(haze, temperature=0), "chat", first)
        assert (await send(haze, key="another")).status == 200
        older(haze, DAY_S)
        assert (await send(haze)).status == 200
        assert len(provider.requests) == 3


async def test_after_a_restart_twenty_at_once_hear_of_the_first(tmp_path: Path, provider: Provider) -> None:
    """One of them asks the store for all: none is answered, none is named but the one that was charged."""
    async with running(tmp_path, house(provider)) as haze:
        first, key = (await send(haze)).headers["request-id"], haze.key
    async with running(tmp_path, house(provider), key=key) as haze:
        for answer in await asyncio.gather(*(send(haze) for _ in range(20))):
            names(answer, "chat", first)
            assert "x-haze-replayed" not in answer.headers
        assert haze.app[CLAIMS]._running == {}
    assert len(provider.requests) == 1


async def test_who_comes_while_the_store_is_asked_waits(chained: Haze, provider: Provider) -> None:
    """The key is claimed before: between a question and its answer nobody else can be the first."""
    gate, asked, look = asyncio.Event(), [], chained.app[CLAIMS].look

    async def slow(key: bytes) -> Keyed | None:
        asked.append(key)
        found = await look(key)
        await gate.wait()
        return found

    chained.app[CLAIMS].look = slow
    calls = [asyncio.create_task(send(chained)) for _ in range(5)]
    async with asyncio.timeout(5):
        while not (asked and len(chained.app[CLAIMS]._running[asked[0]]._waiting) == 4):
            await asyncio.sleep(0.001)
    gate.set()
    assert [answer.status for answer in await asyncio.gather(*calls)] == [200] * 5
    assert (len(asked), len(provider.requests)) == (1, 1)


async def test_a_store_that_cannot_be_read_lets_nobody_pay_twice(chained: Haze, provider: Provider) -> None:
    """It may know the key: 503 with a time, and no call upstream. Requests without a key go on."""
    chained.rows("ALTER TABLE requests RENAME COLUMN idempotency_body TO elsewhere")
    answer = await send(chained)
    assert "cannot read its store" in refused(answer, "chat", 503, code=None)
    assert answer.headers["Retry-After"] == "1"
    assert (await chained.ask("chat", "paid")).status == 200
    chained.rows("ALTER TABLE requests RENAME COLUMN elsewhere TO idempotency_body")
    assert (await send(chained)).status == 200
    assert len(provider.requests) == 2


async def test_a_request_without_a_key_asks_no_store(chained: Haze) -> None:
    """It pays for one look at its headers."""
    asked: list[bytes] = []
    look = chained.app[CLAIMS].look

    async def counted(key: bytes) -> Keyed | None:
        asked.append(key)
        return await look(key)

    chained.app[CLAIMS].look = counted
    assert (await chained.ask("chat", "paid")).status == 200
    assert asked == []
    assert [(await send(chained)).status for _ in range(2)] == [200, 200]
    assert len(asked) == 1


# ---- memory ----


async def test_answers_take_a_bounded_part_of_memory(
    tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest answer goes first; its key stays, and so does the rule that nobody pays twice."""
    monkeypatch.setattr(claims, "ANSWERS_BYTES", 100_000)
    big = whole("chat") | {"padding": "x" * 40_000}
    async with running(tmp_path, house(provider)) as haze:
        for key in "abc":
            provider.script(Reply(body=big))
            assert (await send(haze, key=key)).status == 200
        assert [(await send(haze, key=key)).status for key in "abc"] == [409, 200, 200]
        assert haze.app[CLAIMS]._answers.currsize <= 100_000
        provider.script(Reply(body=big | {"padding": "x" * 100_000}))
        assert [(await send(haze, key="too large")).status for _ in range(2)] == [200, 409]
        assert [(await send(haze, key=key)).status for key in "bc"] == [200, 200]


async def test_nothing_of_an_answer_stays_with_its_request(chained: Haze) -> None:
    """aiohttp keeps a connection's last request: its claim must not keep an answer beyond the ten minutes."""
    seen = []
    begin = chained.app[CLAIMS].begin
    chained.app[CLAIMS].begin = lambda keyed: seen.append(begin(keyed)) or seen[-1]  # type: ignore[method-assign]
    await send(chained)
    (claim,) = seen
    assert (claim.charged, claim.answer, claim._waiting) == (True, None, set())
