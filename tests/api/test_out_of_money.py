"""What becomes of an answer that its account cannot pay for to the end."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from checks import quiet
from gateway import PATHS, Haze, asking, channel, running
from provider import HANG, HANG_UP, Provider, Reply, events, whole

from haze_proxy.api.keepalive import KEEPALIVES

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
KIND = {"chat": "openai", "messages": "anthropic", "responses": "openai"}
# A nano-dollar an input token would be nothing; output costs 1,000 nano-dollars a token.
MODEL = '\n[[models]]\nid = "paid"\ninput = 0\noutput = 1\nmax_output_tokens = 100_000\n'
SLICE = 100
BILLING = f"[billing]\noutput_slice_tokens = {SLICE}\n"
NANO_A_TOKEN = 1_000
WORD = "abcd"  # a token, as delivered text is counted


@pytest.fixture
async def sliced(tmp_path: Path, provider: Provider) -> AsyncIterator[Haze]:
    """Haze with small slices before the pretend provider."""
    text = BILLING + MODEL + channel("openai", provider.url) + channel("anthropic", provider.url)
    async with running(tmp_path, text) as server:
        yield server


async def poor(haze: Haze, tokens: int) -> str:
    """The key of an account that can pay for so many output tokens."""
    usd = f"{tokens * NANO_A_TOKEN / 1e9:.9f}"
    return await haze.known(haze.account(usd, "poor@example.com"))


def long_stream(protocol: str, words: int) -> list[bytes]:
    return events(protocol, [WORD] * words, model="paid")


def documents(body: bytes) -> list[dict[str, Any]]:
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


def text_of(protocol: str, body: bytes) -> str:
    told = documents(body)
    if protocol == "chat":
        return "".join(choice["delta"].get("content") or "" for each in told for choice in each["choices"])
    if protocol == "messages":
        return "".join(each["delta"].get("text", "") for each in told if each["type"] == "content_block_delta")
    return "".join(each["delta"] for each in told if each["type"] == "response.output_text.delta")


def check_ending(protocol: str, body: bytes, output: int) -> None:
    """The stream ended as if its limit were reached, with what is charged as its usage."""
    told = documents(body)
    if protocol == "chat":
        assert body.endswith(b"data: [DONE]\n\n")
        *_, last, usage = told
        assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "length"}]
        assert last["created"] == told[0]["created"]
        assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], output)
    elif protocol == "messages":
        stop, delta, end = told[-3:]
        assert (stop["type"], stop["index"], end) == ("content_block_stop", 0, {"type": "message_stop"})
        assert (delta["delta"]["stop_reason"], delta["usage"]["output_tokens"]) == ("max_tokens", output)
    else:
        ended = told[-1]
        assert ended["type"] == "response.incomplete"
        assert ended["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
        assert (ended["response"]["status"], ended["response"]["usage"]["output_tokens"]) == ("incomplete", output)
        assert ended["response"]["id"] == told[0]["response"]["id"]
        assert ended["response"]["created_at"] == told[0]["response"]["created_at"]


async def stream(haze: Haze, protocol: str, key: str, **fields: Any) -> Any:
    more = {"stream_options": {"include_usage": True}} if protocol == "chat" else {}
    body = asking(protocol, "paid", stream=True, max_tokens=50_000, **more, **fields)
    return await haze.post(PATHS[protocol], body, key=key)


@EACH
async def test_a_balance_that_runs_out_ends_the_stream_properly(
    sliced: Haze, provider: Provider, protocol: str
) -> None:
    """A cut would make the client ask again, and an error would throw away what it has; and nobody overdraws."""
    key = await poor(sliced, 250)
    provider.script(Reply(chunks=[*long_stream(protocol, 400)[:350], HANG]))
    answer = await stream(sliced, protocol, key)
    assert (answer.status, answer.cut) == (200, False)
    (row,) = await sliced.ended()
    # Two slices were paid for, the third was not.
    delivered = len(text_of(protocol, answer.body)) // len(WORD)
    assert 2 * SLICE <= delivered <= 2 * SLICE + 1
    assert (row["state"], row["ended"], row["estimated"]) == ("settled", "balance ran out", 1)
    assert (row["output"], row["shortfall"]) == (delivered, max(0, delivered - 250) * NANO_A_TOKEN)
    check_ending(protocol, answer.body, delivered)
    await quiet(sliced)
    assert sliced.balance(2) == (250 - delivered) * NANO_A_TOKEN
    # The provider is told to stop, and is not blamed.
    async with asyncio.timeout(5):
        await provider.requests[0].closed.wait()
    assert sliced.app is not None
    assert sliced.rows("SELECT * FROM channel_health") == []


@EACH
async def test_time_counts_where_nothing_can_be_seen(sliced: Haze, provider: Provider, protocol: str) -> None:
    """Reasoning may be invisible, and is billed all the same: 200 tokens a second are reckoned with."""
    key = await poor(sliced, 250)
    go = asyncio.Event()
    sent = long_stream(protocol, 10)
    provider.script(Reply(chunks=[*sent[:6], go, *sent[6:8], HANG]))
    asked = asyncio.create_task(stream(sliced, protocol, key))
    await provider.received(1)
    async with asyncio.timeout(5):
        while not sliced.app or sliced.rows("SELECT * FROM requests WHERE state = 'open'") == []:
            await asyncio.sleep(0.01)
    sliced.clock[0] += 2
    go.set()
    answer = await asked
    assert (answer.status, answer.cut) == (200, False)
    (row,) = await sliced.ended()
    assert (row["ended"], row["output"] < 10) == ("balance ran out", True)


@EACH
async def test_money_that_comes_in_meanwhile_lets_it_go_on(sliced: Haze, provider: Provider, protocol: str) -> None:
    """A customer who tops up while he waits must not be cut short."""
    key = await poor(sliced, 250)
    go = asyncio.Event()
    sent = long_stream(protocol, 300)
    provider.script(Reply(chunks=[*sent[:60], go, *sent[60:]]))
    asked = asyncio.create_task(stream(sliced, protocol, key))
    await provider.received(1)
    sliced.rows(
        "INSERT INTO transfers (debit, credit, amount, kind, created_at)"
        " VALUES ('external:manual', 'account:2', 1000000, 'credit', 1)"
    )
    async with asyncio.timeout(5):
        while (await sliced.get("/v1/key", key=key)).json()["data"]["balance_usd"] == "0.00025":
            await asyncio.sleep(0.02)
    go.set()
    answer = await asked
    assert len(text_of(protocol, answer.body)) == 300 * len(WORD)
    (row,) = await sliced.ended()
    assert (row["ended"], row["shortfall"]) == ("completed", 0)


@EACH
async def test_a_stream_that_a_client_was_not_shown_usage_of_ends_without_it(
    sliced: Haze, provider: Provider, protocol: str
) -> None:
    """Clients that did not ask for a chunk without choices fail over it."""
    key = await poor(sliced, 150)
    provider.script(Reply(chunks=[*long_stream(protocol, 400)[:350], HANG]))
    body = asking(protocol, "paid", stream=True, max_tokens=50_000)
    answer = await sliced.post(PATHS[protocol], body, key=key)
    if protocol == "chat":
        assert all(each["choices"] for each in documents(answer.body))
        assert answer.body.endswith(b"data: [DONE]\n\n")
    assert not answer.cut


# ---- not streamed ----

LIMIT = {"chat": "max_completion_tokens", "messages": "max_tokens", "responses": "max_output_tokens"}


@EACH
@pytest.mark.parametrize("own", [None, 50_000])
async def test_a_whole_answer_is_limited_to_what_can_be_paid_for(
    sliced: Haze, provider: Provider, protocol: str, own: int | None
) -> None:
    """To refuse somebody who can pay for a good answer because he cannot pay for the longest would be absurd."""
    key = await poor(sliced, 2_000)
    fields = {} if own is None else {LIMIT[protocol]: own}
    if protocol == "messages" and own is None:
        fields = {"max_tokens": 60_000}
    provider.script(Reply(body=whole(protocol, model="paid")))
    body = {**asking(protocol, "paid"), **fields}
    answer = await sliced.post(PATHS[protocol], body, key=key)
    assert (answer.status, answer.headers["x-haze-limited"]) == (200, "max_output_tokens=2000"), answer.body
    sent = provider.requests[0].json()
    assert sent.pop(LIMIT[protocol]) == 2_000
    body.pop(LIMIT[protocol], None)
    sent.pop("store", None)
    assert sent == body
    (row,) = await sliced.ended()
    assert (row["held"], row["cost"], row["shortfall"]) == (2_000 * NANO_A_TOKEN, 3 * NANO_A_TOKEN, 0)


@EACH
async def test_less_than_1024_tokens_are_a_402(sliced: Haze, provider: Provider, protocol: str) -> None:
    """So short an answer helps nobody, and costs all the same."""
    key = await poor(sliced, 1_023)
    assert (await sliced.post(PATHS[protocol], asking(protocol, "paid", max_tokens=9_000), key=key)).status == 402
    assert provider.requests == []
    # Who asks for no more than he can pay for gets it.
    assert (await sliced.post(PATHS[protocol], asking(protocol, "paid", max_tokens=1_000), key=key)).status == 200


async def test_several_answers_share_what_there_is(sliced: Haze, provider: Provider) -> None:
    """Each of them may be as long as its limit."""
    key = await poor(sliced, 6_000)
    answer = await sliced.post(PATHS["chat"], asking("chat", "paid", n=3, max_tokens=9_000), key=key)
    assert (answer.status, answer.headers["x-haze-limited"]) == (200, "max_output_tokens=2000")
    assert provider.requests[0].json()["max_tokens"] == 2_000


async def test_thinking_must_fit_into_the_limit(sliced: Haze, provider: Provider) -> None:
    """Anthropic refuses a limit that is not above the budget for thinking: better told here, as what it is."""
    key = await poor(sliced, 2_000)
    thinking = {"type": "enabled", "budget_tokens": 4_000}
    body = asking("messages", "paid", max_tokens=9_000, thinking=thinking)
    assert (await sliced.post(PATHS["messages"], body, key=key)).status == 402


@pytest.mark.parametrize(("kind", "field"), [("openai", "max_completion_tokens"), ("openai-compatible", "max_tokens")])
async def test_the_limit_has_the_name_that_the_channel_knows(
    tmp_path: Path, provider: Provider, kind: str, field: str
) -> None:
    """A server that imitates OpenAI's older API would ignore the newer word, and write on."""
    async with running(tmp_path, MODEL + channel(kind, provider.url)) as haze:
        key = await poor(haze, 2_000)
        assert (await haze.post(PATHS["chat"], asking("chat", "paid"), key=key)).status == 200
        assert provider.requests[0].json()[field] == 2_000


async def test_nothing_is_limited_that_can_be_paid_for(sliced: Haze, provider: Provider) -> None:
    """Bytes pass untouched."""
    answer = await sliced.post(PATHS["chat"], asking("chat", "paid", max_tokens=9_000))
    assert "x-haze-limited" not in answer.headers
    assert provider.requests[0].json() == asking("chat", "paid", max_tokens=9_000)


# ---- a reader who does not read ----


@EACH
async def test_an_upstream_that_gave_up_on_a_slow_reader_is_not_blamed(
    sliced: Haze, provider: Provider, protocol: str
) -> None:
    """Who does not read for ten seconds has left, as far as money goes: input and what was delivered are charged."""
    blocked, cut = asyncio.Event(), asyncio.Event()
    piece = "x" * 400_000
    sent = events(protocol, [piece] * 40, model="paid")
    provider.script(Reply(chunks=[*sent[:-2], cut, HANG_UP]))
    body = asking(protocol, "paid", stream=True, max_tokens=90_000)
    connector = aiohttp.TCPConnector(socket_factory=_small_buffer)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1024) as session:
        headers = {"Authorization": f"Bearer {sliced.key}"}
        async with session.post(sliced.url + PATHS[protocol], json=body, headers=headers) as response:
            await _until_blocked(sliced, blocked)
            sliced.clock[0] += 11
            cut.set()
            with contextlib.suppress(aiohttp.ClientPayloadError):
                async with asyncio.timeout(5):
                    while await response.content.readany():
                        await asyncio.sleep(0)
    (row,) = await sliced.ended()
    assert (row["ended"], row["estimated"]) == ("client left", 1)
    assert row["output"] > 100_000
    assert sliced.rows("SELECT * FROM channel_health") == []


def _small_buffer(address: Any) -> socket.socket:
    made = socket.socket(address[0], address[1])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return made


async def _until_blocked(haze: Haze, blocked: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        while not blocked.is_set():
            await asyncio.sleep(0.05)
            for journey in haze.app[KEEPALIVES]._open:
                transport = journey.request.transport
                if transport is not None and transport.get_write_buffer_size() > 65_536:
                    blocked.set()
