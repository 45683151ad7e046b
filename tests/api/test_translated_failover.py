"""A channel of another protocol stands in for one of the caller's own, and the other way round."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from checks import quiet
from gateway import PATHS, running
from provider import HANG, Provider, Reply, error_body, events
from ways import FULL, PAIRS, RIGHT, STREAM, Way, each
from wire.fold import fold, says

from haze_proxy.api.keepalive import KEEPALIVES

NATIVE = {"chat": "openai", "messages": "anthropic", "responses": "openrouter"}
FAILS: dict[str, Reply] = {
    "500": Reply(status=500, body=b"oops"),
    "529": Reply(status=529),
    "429": Reply(status=429, headers={"Retry-After": "9"}),
    "401": Reply(status=401),
    "404": Reply(status=404, body=error_body("chat", "not_found_error", "no such model")),
    "nothing": Reply(raw=b""),
    "rubbish": Reply(body=b"<html>"),
}


def native(way: Way, url: str, **more: str) -> str:
    """A channel that speaks the client's own protocol."""
    return Way(way.client, NATIVE[way.client], way.client).channel(url, name='"native"', **more)


def check(way: Way, answer: Any, *, stream: bool) -> None:
    """The answer is whole and in the client's words."""
    assert (answer.status, answer.cut) == (200, False), answer.body
    assert says(way.client, fold(way.client, answer.body) if stream else answer.json())["text"] == "Hello there!"


@each(PAIRS)
@STREAM
@pytest.mark.parametrize("reply", FAILS.values(), ids=FAILS)
async def test_a_translated_channel_takes_over_from_a_native_one(
    tmp_path: Path, way: Way, stream: bool, reply: Reply
) -> None:
    """Within one priority: the caller's own protocol is asked first, and another after it."""
    async with Provider() as first, Provider() as second:
        text = way.config(second.url, name='"translated"', weight="1000") + native(way, first.url)
        async with running(tmp_path, text) as haze:
            first.script(reply)
            check(way, await haze.post(PATHS[way.client], way.ask(stream=stream)), stream=stream)
            assert (first.requests[0].path, second.requests[0].path) == (
                PATHS[way.client], PATHS[way.spoken],
            )  # fmt: skip
            (row,) = await haze.ended()
            assert (row["state"], row["channel"], row["cost"]) == ("settled", "translated", RIGHT)
            assert [each["channel"] for each in json.loads(row["attempts"])] == ["native", "translated"]
            await quiet(haze)
            assert haze.balance() == FULL - RIGHT


@each(PAIRS)
@STREAM
@pytest.mark.parametrize("reply", FAILS.values(), ids=FAILS)
async def test_a_native_channel_takes_over_from_a_translated_one(
    tmp_path: Path, way: Way, stream: bool, reply: Reply
) -> None:
    """The owner may prefer the other; and nothing of the translation is left in what goes to the second."""
    async with Provider() as first, Provider() as second:
        text = way.config(first.url, name='"translated"', priority="1") + native(way, second.url)
        async with running(tmp_path, text) as haze:
            first.script(reply)
            body = way.ask(stream=stream)
            check(way, await haze.post(PATHS[way.client], body), stream=stream)
            assert (first.requests[0].path, second.requests[0].path) == (
                PATHS[way.spoken], PATHS[way.client],
            )  # fmt: skip
            sent = second.requests[0].json()
            sent.pop("store", None)
            assert sent == body
            (row,) = await haze.ended()
            assert (row["state"], row["channel"], row["cost"]) == ("settled", "native", RIGHT)


@each(PAIRS)
async def test_the_callers_own_fault_is_not_tried_elsewhere(tmp_path: Path, way: Way) -> None:
    """Nor when it comes as the first event of a stream: another channel would say the same."""
    async with Provider() as first, Provider() as second:
        text = way.config(first.url, name='"translated"', priority="1") + native(way, second.url)
        async with running(tmp_path, text) as haze:
            first.script(Reply(status=400, body=error_body(way.spoken, "invalid_request_error", "prompt is too long")))
            answer = await haze.post(PATHS[way.client], way.ask())
            assert (answer.status, second.requests) == (400, [])


@each(PAIRS)
async def test_after_the_first_word_there_is_no_way_back(tmp_path: Path, way: Way) -> None:
    """Two halves of two answers are no answer."""
    sent = events(way.spoken, model="paid")
    count = next(n for n, event in enumerate(sent) if b"Hello" in event) + 1
    async with Provider() as first, Provider() as second:
        text = way.config(first.url, name='"translated"', priority="1") + native(way, second.url)
        async with running(tmp_path, text) as haze:
            first.script(Reply(chunks=sent[:count]))
            answer = await haze.post(PATHS[way.client], way.ask(stream=True))
            assert (answer.status, second.requests) == (200, [])
            assert (await haze.post(PATHS[way.client], way.ask())).status == 200
            assert len(second.requests) == 1  # and the channel is blamed


# ---- memory ----


@each(PAIRS)
async def test_a_request_is_let_go_of_once_its_answer_begins(tmp_path: Path, way: Way) -> None:
    """A request may have 32 MiB, and its answer take an hour: neither form of it may wait for that."""
    long = [{"role": "user", "content": "x" * 2_000_000}]
    sent = events(way.spoken, model="paid")
    count = next(n for n, event in enumerate(sent) if b"Hello" in event) + 1
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(chunks=[*sent[:count], HANG]))
        body = json.dumps(way.ask(stream=True, messages=long)).encode()
        asking = asyncio.create_task(haze.post(PATHS[way.client], body))
        await provider.received(1)
        async with asyncio.timeout(5):
            while not haze.app[KEEPALIVES]._open:
                await asyncio.sleep(0.01)
        (journey,) = haze.app[KEEPALIVES]._open
        assert journey.passage.translated is not None
        assert (journey.passage.body, journey.passage.translated.body) == (b"", b"")
        assert journey.ask.body == b""
        assert journey.ask.parsed == {}
        asking.cancel()


@each(PAIRS)
@STREAM
async def test_an_answer_that_was_paid_for_is_told_again(tmp_path: Path, way: Way, stream: bool) -> None:
    """Under the key of the first request: in the client's words, and neither asked for nor charged twice."""
    headers = {"Idempotency-Key": "once"}
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        first = await haze.post(PATHS[way.client], way.ask(stream=stream), headers=headers)
        check(way, first, stream=stream)
        again = await haze.post(PATHS[way.client], way.ask(stream=stream), headers=headers)
        if stream:
            assert again.status == 409
        else:
            assert (again.status, again.body) == (200, first.body)
        assert len(provider.requests) == 1
        (row,) = await haze.ended()
        assert row["cost"] == RIGHT
