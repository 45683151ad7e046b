"""A second channel takes over when the first fails, before the caller has heard anything."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from checks import quiet, refused
from gateway import PAID, Haze, channel, running
from provider import HANG_UP, Provider, Reply, Tap, drip, error_body, events

from haze_proxy import config
from haze_proxy.api.attempt import Begun
from haze_proxy.api.journey import Journey
from haze_proxy.app import take_over
from haze_proxy.context import HEALTH

BOTH = pytest.mark.parametrize("protocol", ["chat", "messages"])
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
FULL = 10_000_000_000
KIND = {"chat": "openai", "messages": "anthropic"}
NAMED = {"chat": "first", "messages": "first-messages"}


@pytest.fixture
async def second() -> AsyncIterator[Provider]:
    """The provider behind the channel that is asked second."""
    async with Provider() as server:
        yield server


@pytest.fixture
async def pair(tmp_path: Path, provider: Provider, second: Provider) -> AsyncIterator[Haze]:
    """`paid` at two channels for each protocol; the first has the higher priority."""
    text = PAID
    for kind, name in (("openai", "chat"), ("anthropic", "messages")):
        suffix = "" if name == "chat" else "-messages"
        text += channel(kind, provider.url, name=f'"first{suffix}"', priority="1", translate="false")
        text += channel(kind, second.url, name=f'"second{suffix}"', translate="false")
    async with running(tmp_path, text) as server:
        yield server


async def attempts(haze: Haze) -> list[dict[str, Any]]:
    """The attempts of the one request so far, as its row has them."""
    (row,) = await haze.ended()
    return json.loads(row["attempts"])


# What a first channel may do before its first event, and what is noted of it.
FAILS: dict[str, tuple[Reply, str]] = {
    "500": (Reply(status=500, body=b"oops"), "502 api_error"),
    "503": (Reply(status=503), "529 overloaded_error"),
    "529": (Reply(status=529), "529 overloaded_error"),
    "429": (Reply(status=429, headers={"Retry-After": "9"}), "429 rate_limit_error"),
    "408": (Reply(status=408), "504 timeout_error"),
    "401": (Reply(status=401), "503 api_error"),
    "402": (Reply(status=402), "503 api_error"),
    "403": (Reply(status=403), "503 api_error"),
    "404": (Reply(status=404, body=error_body("chat", "not_found_error", "no such model")), "404 not_found_error"),
    "empty wallet": (Reply(status=400, body=b'{"error":{"message":"credit balance is too low"}}'), "503 api_error"),
    "a redirect": (Reply(status=302, headers={"Location": "/elsewhere"}), "502 api_error"),
    "nothing": (Reply(raw=b""), "502 api_error"),
    "rubbish": (Reply(body=b"<html>"), "502 api_error"),
    "a cut before the first event": (Reply(chunks=[HANG_UP]), "502 api_error"),
}


@BOTH
@STREAM
@pytest.mark.parametrize(("reply", "noted"), FAILS.values(), ids=FAILS)
async def test_the_second_channel_answers_and_only_its_answer_is_charged(
    pair: Haze, provider: Provider, second: Provider, protocol: str, stream: bool, reply: Reply, noted: str
) -> None:
    """The caller hears nothing of it; the row says who was asked and what came of it."""
    provider.script(reply)
    answer = await pair.ask(protocol, "paid", stream=stream)
    assert (answer.status, answer.cut) == (200, False), answer.body
    assert (len(provider.requests), len(second.requests)) == (1, 1)
    (row,) = await pair.ended()
    assert (row["state"], row["ended"], row["channel"], row["cost"]) == (
        "settled", "completed", NAMED[protocol].replace("first", "second"), 41_000,
    )  # fmt: skip
    first, other = await attempts(pair)
    assert (first["channel"], first["error"], other["error"], other["status"]) == (NAMED[protocol], noted, None, 200)
    await quiet(pair)
    assert pair.balance() == FULL - 41_000


@BOTH
@STREAM
async def test_the_callers_own_fault_is_not_tried_elsewhere(
    pair: Haze, provider: Provider, second: Provider, protocol: str, stream: bool
) -> None:
    """A second channel would say the same, and some providers count such requests."""
    provider.script(Reply(status=400, body=error_body(protocol, "invalid_request_error", "prompt is too long")))
    answer = await pair.ask(protocol, "paid", stream=stream)
    assert (answer.status, len(second.requests)) == (400, 0)
    assert (await pair.ask(protocol, "paid")).status == 200
    assert len(provider.requests) == 2  # and the channel is none the worse for it


async def test_comments_alone_are_no_answer_to_wait_for(tmp_path: Path, provider: Provider, second: Provider) -> None:
    """A queue may say for hours that it works on it; the client has not even headers, and would give up."""
    text = PAID + channel("openai", provider.url, name='"first"', priority="1", first_byte_timeout_s="0.3")
    ticks = Tap()
    async with running(tmp_path, text + channel("openai", second.url, name='"second"')) as haze:
        provider.script(Reply(chunks=drip([b": OPENROUTER PROCESSING\n\n"] * 1000, ticks)))
        asking = asyncio.create_task(haze.ask("chat", "paid", stream=True))
        async with asyncio.timeout(10):
            while not asking.done():
                ticks.drop()
                await asyncio.sleep(0.02)
        assert (asking.result().status, asking.result().cut, len(second.requests)) == (200, False, 1)
        (first, _) = await attempts(haze)
        assert first["error"] == "504 timeout_error"


@BOTH
async def test_after_the_first_event_there_is_no_way_back(
    pair: Haze, provider: Provider, second: Provider, protocol: str
) -> None:
    """Two halves of two answers are no answer."""
    provider.script(Reply(chunks=[*events(protocol)[:2], HANG_UP]))
    answer = await pair.ask(protocol, "paid", stream=True)
    assert (answer.status, answer.cut, second.requests) == (200, True, [])
    (row,) = await pair.ended()
    assert (row["state"], row["cost"]) == ("void", 0)
    # The channel is blamed: the next request goes to the other one.
    assert (await pair.ask(protocol, "paid")).status == 200
    assert len(second.requests) == 1


@BOTH
async def test_a_cooling_channel_is_passed_over_until_its_time_has_come(
    pair: Haze, provider: Provider, second: Provider, protocol: str
) -> None:
    """Each request would lose time on a channel that is known to fail; and nobody has to switch it on again."""
    provider.script(Reply(status=429, headers={"Retry-After": "30"}))
    for _ in range(3):
        assert (await pair.ask(protocol, "paid")).status == 200
    assert (len(provider.requests), len(second.requests)) == (1, 3)
    pair.clock[0] += 29
    assert (await pair.ask(protocol, "paid")).status == 200
    assert len(provider.requests) == 1
    pair.clock[0] += 1
    assert (await pair.ask(protocol, "paid")).status == 200
    assert (len(provider.requests), len(second.requests)) == (2, 4)


@BOTH
async def test_when_every_channel_asked_to_be_left_alone_the_caller_is_told_when_to_come_back(
    pair: Haze, provider: Provider, second: Provider, protocol: str
) -> None:
    """Before any money is looked at, and without a row: clients repeat a refusal up to thirty times."""
    provider.script(Reply(status=429, headers={"Retry-After": "30"}))
    second.script(Reply(status=429, headers={"Retry-After": "20"}))
    answer = await pair.ask(protocol, "paid")
    refused(answer, protocol, 429)
    assert answer.headers["Retry-After"] == "30"
    answer = await pair.ask(protocol, "paid")
    refused(answer, protocol, 503, code="no_available_channel")
    assert answer.headers["Retry-After"] == "20"
    assert "x-should-retry" not in answer.headers
    assert (len(provider.requests), len(second.requests), len(await pair.ended())) == (1, 1, 1)


@BOTH
async def test_the_owners_trouble_is_out_for_a_minute_and_final_for_the_caller(
    pair: Haze, provider: Provider, second: Provider, protocol: str
) -> None:
    """A caller told 401 or 402 would look at his own key or balance; and to repeat would not help."""
    provider.script(Reply(status=401), Reply(status=401))
    second.script(Reply(status=402))
    for _ in range(2):
        refused(await pair.ask(protocol, "paid"), protocol, 503, code="no_available_channel")
    assert (len(provider.requests), len(second.requests)) == (1, 1)
    pair.clock[0] += 60
    assert (await pair.ask(protocol, "paid")).status == 200
    assert (len(provider.requests), len(second.requests)) == (2, 2)


# What two channels say, and what the caller hears of it.
WORST: dict[str, tuple[Reply, Reply, int]] = {
    "a limit tells when to come back": (Reply(status=500), Reply(status=429, headers={"Retry-After": "3"}), 429),
    "overload before a breakdown": (Reply(status=529), Reply(status=500), 529),
    "a breakdown before an unknown model": (
        Reply(status=500), Reply(status=404, body=b'{"error":{"message":"x"}}'), 502,
    ),
    "an unknown model before the owner's trouble": (
        Reply(status=404, body=b'{"error":{"message":"x"}}'), Reply(status=401), 404,
    ),
    "a client's fault ends the search": (Reply(status=500), Reply(status=422, body=b'{"error":{"message":"x"}}'), 422),
}  # fmt: skip


@STREAM
@pytest.mark.parametrize(("one", "other", "status"), WORST.values(), ids=WORST)
async def test_of_several_failures_the_caller_hears_the_one_that_helps_him_most(
    pair: Haze, provider: Provider, second: Provider, stream: bool, one: Reply, other: Reply, status: int
) -> None:
    """By it his client decides whether to come back."""
    provider.script(one)
    second.script(other)
    answer = await pair.ask("messages", "paid", stream=stream)
    assert (answer.status, len(provider.requests), len(second.requests)) == (status, 1, 1), answer.body
    (row,) = await pair.ended()
    assert (row["state"], row["cost"], len(json.loads(row["attempts"]))) == ("void", 0, 2)
    await quiet(pair)


async def test_each_candidate_gets_its_own_name_for_the_model(tmp_path: Path) -> None:
    """An alias belongs to a channel."""
    async with Provider() as one, Provider() as other:
        text = PAID + channel("openai", one.url, "[]", name='"one"', priority="1", aliases='{ paid = "theirs" }')
        text += channel("openrouter", other.url, "[]", name='"other"', aliases='{ paid = "vendor/theirs" }')
        async with running(tmp_path, text) as haze:
            one.script(Reply(status=500))
            assert (await haze.ask("chat", "paid")).status == 200
            assert [one.requests[0].json()["model"], other.requests[0].json()["model"]] == ["theirs", "vendor/theirs"]
            assert [each["model"] for each in await attempts(haze)] == ["theirs", "vendor/theirs"]
            assert "X-Title" not in one.requests[0].headers


@pytest.mark.parametrize("weight", ["1", "3"])
async def test_a_conversation_stays_and_weights_share_the_rest(tmp_path: Path, weight: str) -> None:
    """A prompt cache is at one provider; and the shares are the owner's to choose."""
    async with Provider() as one, Provider() as other:
        text = PAID + channel("openai", one.url, name='"one"', weight=weight) + channel("openai", other.url)
        async with running(tmp_path, text) as haze:
            for number in range(80):
                session = f"session {number % 40}"
                assert (await haze.ask("chat", "paid", prompt_cache_key=session)).status == 200
            by_session: dict[str, set[str]] = {}
            for name, server in (("one", one), ("other", other)):
                for received in server.requests:
                    by_session.setdefault(received.json()["prompt_cache_key"], set()).add(name)
            assert all(len(names) == 1 for names in by_session.values())
            share = len(one.requests) / 80
            assert (0.3 < share < 0.7) if weight == "1" else (share > 0.6)


async def test_a_channel_that_the_owner_changed_is_asked_at_once(tmp_path: Path, provider: Provider) -> None:
    """He has mended its key: half an hour of refusals more would be Haze's fault. What he left alone stays out."""
    only = {"translate": "false"}
    text = PAID + channel("openai", provider.url, **only) + channel("anthropic", provider.url, **only)
    async with running(tmp_path, text) as haze:
        for protocol in KIND:
            provider.script(Reply(status=401))
            assert (await haze.ask(protocol, "paid")).status == 503
        take_over(haze.app, config.parse(text.replace("owners-secret", "new", 1)))
        assert (await haze.ask("chat", "paid")).status == 200
        assert (await haze.ask("messages", "paid")).status == 503
        take_over(haze.app, config.parse(PAID + channel("openai", provider.url)))
        async with asyncio.timeout(5):
            while haze.rows("SELECT * FROM channel_health"):
                await asyncio.sleep(0.01)


async def test_the_owner_sees_what_happened_to_a_channel(pair: Haze, provider: Provider) -> None:
    """`channels` and `explain` run in another process: what they show stands in the store."""
    provider.script(Reply(status=402, body=b'{"error":{"message":"top up at sk-proj-abcdefgh"}}'))
    assert (await pair.ask("chat", "paid")).status == 200
    await pair.ended()
    (row,) = await _health_rows(pair, 1)
    assert (row["channel"], row["model"], row["owners"], row["failures"]) == ("first", "", 1, 1)
    assert "402" in row["reason"]
    assert "sk-proj" not in row["reason"]
    pair.clock[0] += 60
    assert (await pair.ask("chat", "paid")).status == 200
    assert await _health_rows(pair, 0) == []
    assert pair.app[HEALTH]._cooling == {}


async def _health_rows(haze: Haze, count: int) -> list[Any]:
    async with asyncio.timeout(5):
        while len(rows := haze.rows("SELECT * FROM channel_health")) != count:
            await asyncio.sleep(0.01)
    return rows


REFUSAL = Reply(status=400, body=error_body("chat", "invalid_request_error", "no"))


@STREAM
@pytest.mark.parametrize("reply", [Reply(status=500), REFUSAL, Reply(body=b"<html>")], ids=["500", "400", "rubbish"])
async def test_a_failed_attempt_leaves_nothing_in_memory(
    pair: Haze, provider: Provider, stream: bool, reply: Reply
) -> None:
    """A request may have 32 MiB and an answer 64: neither may wait for the garbage collector, which comes seldom."""
    gc.collect()
    gc.disable()
    others = _of_attempts()
    try:
        provider.script(reply)
        await pair.ask("chat", "paid", stream=stream)
        await pair.ended()
        await pair.get("/v1/models")  # aiohttp keeps a connection's last request
        left = [thing for thing in _of_attempts() if not any(thing is other for other in others)]
    finally:
        gc.enable()
    assert left == []


def _of_attempts() -> list[object]:
    return [thing for thing in gc.get_objects() if isinstance(thing, Begun | Journey)]
