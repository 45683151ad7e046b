"""The end of an answer and its charge: nobody sees the one before the other is on the disk."""

import asyncio
from pathlib import Path

import pytest
from checks import error_events, locked, quiet
from gateway import PAID, PATHS, Haze, asking, channel, running
from provider import HANG, HANG_UP, Provider, Reply, events

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
FULL = 10_000_000_000
ENDED_BY = {
    "chat": b"data: [DONE]",
    "messages": b"event: message_stop",
    "responses": b"event: response.completed",
}


@EACH
async def test_the_end_of_a_stream_waits_for_its_commit_and_the_rest_does_not(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """Whoever sees the terminal event has paid, even if the process dies at that moment; and no token waits for SQL."""
    sent, gate = events(protocol), asyncio.Event()
    provider.script(Reply(chunks=[*sent[:2], gate, *sent[2:]]))
    body = asking(protocol, "paid", max_tokens=100, **WITH_USAGE)
    async with chained.session.post(
        chained.url + PATHS[protocol], json=body, headers={"x-api-key": chained.key}
    ) as response:
        async with locked(chained):
            gate.set()
            early = await response.content.readexactly(len(b"".join(sent[:-1])))
            assert early == b"".join(sent[:-1])
            rest = asyncio.create_task(response.content.read())
            done, _ = await asyncio.wait([rest], timeout=0.3)
            assert not done
            assert chained.rows("SELECT * FROM transfers WHERE kind = 'charge'") == []
        assert await rest == sent[-1]
    (row,) = await chained.ended()
    await quiet(chained)
    assert (row["state"], row["cost"], chained.balance()) == ("settled", 41_000, FULL - 41_000)


@EACH
@pytest.mark.parametrize("how", ["complete", "cut after the usage"])
async def test_a_stream_that_cannot_be_charged_is_told_aborted_and_free(
    chained: Haze, provider: Provider, protocol: str, how: str
) -> None:
    """After a 200 only the stream itself can say it: an error event, no terminal event, and a cut line."""
    sent = events(protocol)
    provider.script(Reply(chunks=sent if how == "complete" else [*sent[:-1], HANG_UP]))
    async with locked(chained, patience_ms=10):
        answer = await chained.ask(protocol, "paid", **WITH_USAGE)
    assert (answer.status, answer.cut) == (200, protocol != "responses")
    assert ENDED_BY[protocol] not in answer.body
    assert b"HTTP/1.1" not in answer.body
    assert len(error_events(answer)) == 1
    await quiet(chained)
    assert chained.balance() == FULL


@EACH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_charge_that_the_ledger_refuses_is_no_answer(
    chained: Haze, provider: Provider, protocol: str, stream: bool
) -> None:
    """Not a full disk but a rule of the books that is broken: nobody gets an end he has not paid for, or is charged."""
    chained.rows("CREATE TRIGGER boom BEFORE INSERT ON transfers BEGIN SELECT RAISE(ABORT, 'boom'); END")
    answer = await chained.ask(protocol, "paid", **({**WITH_USAGE} if stream else {}))
    assert (answer.status, answer.cut) == ((200, True) if stream else (500, False))
    assert ENDED_BY[protocol] not in answer.body
    assert b"boom" not in answer.body
    await quiet(chained)
    assert chained.balance() == FULL


@EACH
async def test_an_ending_that_cannot_be_charged_is_not_told(tmp_path: Path, provider: Provider, protocol: str) -> None:
    """A balance that ran out ends a stream properly, but only once that is paid for: else it is an error and a cut."""
    sent = events(protocol, ["abcd"] * 400, model="paid")[:350]
    gate = asyncio.Event()
    provider.script(Reply(chunks=[*sent[:10], gate, *sent[10:], HANG]))
    text = "[billing]\noutput_slice_tokens = 100\n" + PAID
    async with running(tmp_path, text + channel("openai", provider.url) + channel("anthropic", provider.url)) as haze:
        key = await haze.known(haze.account("0.003", "poor@example.com"))
        asked = asyncio.create_task(
            haze.post(PATHS[protocol], asking(protocol, "paid", stream=True, max_tokens=900), key=key)
        )
        await haze_has_begun(haze)
        async with locked(haze, patience_ms=10):
            gate.set()
            answer = await asked
        assert (answer.status, answer.cut) == (200, protocol != "responses")
        assert len(error_events(answer)) == 1
        assert not any(sign in answer.body for sign in (b"[DONE]", b"message_stop", b"response.incomplete"))
        (row,) = await haze.ended()
        assert (row["state"], row["ended"], row["cost"]) == ("void", "could not be written", 0)
        await quiet(haze)
        assert haze.balance(2) == 3_000_000


async def haze_has_begun(haze: Haze) -> None:
    """Until the running request's row is there: what follows is written beside it."""
    async with asyncio.timeout(5):
        while not haze.rows("SELECT * FROM requests WHERE state = 'open'"):
            await asyncio.sleep(0.01)
