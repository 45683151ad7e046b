"""What becomes of a translated answer that its account cannot pay for to the end."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from checks import quiet
from gateway import PATHS, Haze, running
from provider import HANG, Call, Json, Provider, Reply, events, whole
from ways import PAIRS, STREAM, WAYS, Way, each
from wire.fold import fold, says

# A nano-dollar an input token would be nothing; output costs 1,000 nano-dollars a token.
MODEL = '\n[[models]]\nid = "paid"\ninput = 0\noutput = 1\nmax_output_tokens = 100_000\n'
SLICE = 100
BILLING = f"[billing]\noutput_slice_tokens = {SLICE}\n"
NANO_A_TOKEN = 1_000
WORD = "abcd"  # a token, as delivered text is counted


ENDED_BY_LIMIT = {
    "chat": b'"finish_reason":"length"',
    "messages": b'"stop_reason":"max_tokens"',
    "responses": b'"reason":"max_output_tokens"',
}


async def poor(haze: Haze, tokens: int) -> str:
    """The key of an account that can pay for so many output tokens."""
    usd = f"{tokens * NANO_A_TOKEN / 1e9:.9f}"
    return await haze.known(haze.account(usd, "poor@example.com"))


def check_ending(way: Way, body: bytes, row: Any) -> None:
    """The stream ended as if its limit were reached, with what is charged as its usage."""
    folded = fold(way.client, body)
    said = says(way.client, folded)
    assert said["reason"] == "length"
    assert said["tokens"] == (row["input"], row["output"])
    if way.client == "responses":
        assert (folded["status"], folded["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


@each(PAIRS)
async def test_a_balance_that_runs_out_ends_the_stream_properly(tmp_path: Path, way: Way) -> None:
    """A cut would make the client ask again, and an error would throw away what it has; and nobody overdraws."""
    async with Provider() as provider, running(tmp_path, BILLING + way.config(provider.url, MODEL)) as haze:
        key = await poor(haze, 250)
        provider.script(Reply(chunks=[*events(way.spoken, [WORD] * 400, model="paid")[:350], HANG]))
        answer = await haze.post(PATHS[way.client], way.ask(stream=True, max_tokens=50_000), key=key)
        assert (answer.status, answer.cut) == (200, False)
        (row,) = await haze.ended()
        # Two slices were paid for, the third was not.
        delivered = len(says(way.client, fold(way.client, answer.body))["text"]) // len(WORD)
        assert 2 * SLICE <= delivered <= 2 * SLICE + 1
        assert (row["state"], row["ended"], row["estimated"]) == ("settled", "balance ran out", 1)
        assert (row["output"], row["shortfall"]) == (delivered, 0)
        check_ending(way, answer.body, row)
        await quiet(haze)
        assert haze.balance(2) == (250 - delivered) * NANO_A_TOKEN
        async with asyncio.timeout(5):
            await provider.requests[0].closed.wait()
        assert haze.rows("SELECT * FROM channel_health") == []


@each(PAIRS)
async def test_a_call_that_is_cut_is_told_whole_enough(tmp_path: Path, way: Way) -> None:
    """The open block is closed; what of the arguments came is there, and nobody is told to run the tool."""
    tools = {
        "chat": [{"type": "function", "function": {"name": "write", "parameters": {"type": "object"}}}],
        "messages": [{"name": "write", "input_schema": {"type": "object"}}],
        "responses": [{"type": "function", "name": "write", "parameters": {"type": "object"}}],
    }[way.client]
    async with Provider() as provider, running(tmp_path, BILLING + way.config(provider.url, MODEL)) as haze:
        key = await poor(haze, 150)
        sent = events(way.spoken, call=Call("write", {"text": WORD * 400}), model="paid")
        half = next(n for n, event in enumerate(sent) if WORD.encode() in event) + 1
        provider.script(Reply(chunks=[*sent[:half], HANG]))
        answer = await haze.post(PATHS[way.client], way.ask(stream=True, max_tokens=50_000, tools=tools), key=key)
        assert (answer.status, answer.cut) == (200, False)
        (row,) = await haze.ended()
        assert (row["state"], row["ended"]) == ("settled", "balance ran out")
        assert b"abcdabcd" in answer.body
        assert ENDED_BY_LIMIT[way.client] in answer.body


@each(PAIRS)
async def test_time_counts_where_nothing_can_be_seen(tmp_path: Path, way: Way) -> None:
    """Reasoning may be invisible, and is billed all the same: 200 tokens a second are reckoned with."""
    async with Provider() as provider, running(tmp_path, BILLING + way.config(provider.url, MODEL)) as haze:
        key = await poor(haze, 250)
        go = asyncio.Event()
        sent = events(way.spoken, [WORD] * 10, model="paid")
        provider.script(Reply(chunks=[*sent[:6], go, *sent[6:8], HANG]))
        asking = asyncio.create_task(haze.post(PATHS[way.client], way.ask(stream=True, max_tokens=50_000), key=key))
        await provider.received(1)
        async with asyncio.timeout(5):
            while haze.rows("SELECT * FROM requests WHERE state = 'open'") == []:
                await asyncio.sleep(0.01)
        haze.clock[0] += 2
        go.set()
        answer = await asking
        assert (answer.status, answer.cut) == (200, False)
        (row,) = await haze.ended()
        assert (row["ended"], row["output"] < 10) == ("balance ran out", True)
        check_ending(way, answer.body, row)


# ---- not streamed ----

LIMIT: dict[tuple[str, str], str] = {
    ("openai", "chat"): "max_completion_tokens",
    ("openai-compatible", "chat"): "max_tokens",
    ("anthropic", "messages"): "max_tokens",
    ("openai", "responses"): "max_output_tokens",
}


@each(PAIRS)
@pytest.mark.parametrize("own", [None, 50_000])
async def test_a_whole_answer_is_limited_to_what_can_be_paid_for(tmp_path: Path, way: Way, own: int | None) -> None:
    """To refuse somebody who can pay for a good answer because he cannot pay for the longest would be absurd."""
    limit = {"max_tokens": own} if own else {"max_tokens": 60_000} if way.client == "messages" else {}
    async with Provider() as provider, running(tmp_path, way.config(provider.url, MODEL)) as haze:
        key = await poor(haze, 2_000)
        provider.script(Reply(body=whole(way.spoken, model="paid")))
        answer = await haze.post(PATHS[way.client], way.ask(**limit), key=key)
        assert (answer.status, answer.headers["x-haze-limited"]) == (200, "max_output_tokens=2000"), answer.body
        assert provider.requests[0].json()[LIMIT[way.kind, way.spoken]] == 2_000
        (row,) = await haze.ended()
        assert (row["held"], row["cost"], row["shortfall"]) == (2_000 * NANO_A_TOKEN, 3 * NANO_A_TOKEN, 0)


@each(PAIRS)
async def test_less_than_1024_tokens_are_a_402(tmp_path: Path, way: Way) -> None:
    """So short an answer helps nobody, and costs all the same."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url, MODEL)) as haze:
        key = await poor(haze, 1_023)
        assert (await haze.post(PATHS[way.client], way.ask(max_tokens=9_000), key=key)).status == 402
        assert provider.requests == []


UNLIMITED = '\n[[models]]\nid = "paid"\ninput = 0\noutput = 1\n'


@STREAM
@each({name: way for name, way in PAIRS.items() if way.spoken == "messages"})
async def test_what_is_held_is_what_may_be_written(tmp_path: Path, way: Way, stream: bool) -> None:
    """Anthropic must be told a limit where the client named none; a longer one than was held for would be unpaid."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url, UNLIMITED)) as haze:
        made: Json = {"input_tokens": 1, "output_tokens": 20_000}
        provider.script(
            Reply(chunks=events("messages", usage=made, model="paid"))
            if stream
            else Reply(body=whole("messages", usage=made, model="paid"))
        )
        answer = await haze.post(PATHS[way.client], way.ask(stream=stream))
        assert answer.status == 200
        limit = provider.requests[0].json()["max_tokens"]
        (row,) = await haze.ended()
        if not stream:
            assert row["held"] == limit * NANO_A_TOKEN


async def test_an_owners_own_default_limit_is_held_for(tmp_path: Path) -> None:
    """He knows his model; and whoever cannot pay for so much gets less, and is told."""
    way = WAYS["chat on anthropic"]
    text_of = {"options": "{ limit_default = 64_000 }"}
    async with Provider() as provider, running(tmp_path, way.config(provider.url, UNLIMITED, **text_of)) as haze:
        assert (await haze.post(PATHS["chat"], way.ask())).status == 200
        assert provider.requests[0].json()["max_tokens"] == 64_000
        key = await poor(haze, 5_000)
        answer = await haze.post(PATHS["chat"], way.ask(), key=key)
        assert answer.headers["x-haze-limited"] == "max_output_tokens=5000"
        assert [row["held"] for row in await haze.ended(2)] == [64_000 * NANO_A_TOKEN, 5_000 * NANO_A_TOKEN]
