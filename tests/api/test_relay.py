"""The way of one request, through the public door."""

import pytest
from gateway import Haze
from provider import HANG_UP, Provider, Reply, events

BOTH = pytest.mark.parametrize("protocol", ["chat", "messages"])


@BOTH
async def test_an_answer_is_charged_once_it_is_whole(chained: Haze, provider: Provider, protocol: str) -> None:
    """The main job: 11 tokens in at 1,000 nano-dollars, 3 out at 10,000, and not one more."""
    answer = await chained.ask(protocol, "paid")
    assert answer.status == 200, answer.body
    assert chained.balance() == 10_000_000_000 - 41_000
    assert chained.check() == []


@BOTH
async def test_a_stream_passes_byte_for_byte_and_is_charged(chained: Haze, provider: Provider, protocol: str) -> None:
    """A client cannot tell Haze from the provider."""
    sent = events(protocol)
    provider.script(Reply(chunks=sent))
    answer = await chained.ask(protocol, "paid", stream=True, stream_options={"include_usage": True})
    assert (answer.status, answer.cut) == (200, False)
    assert answer.body == b"".join(sent)
    assert chained.balance() == 10_000_000_000 - 41_000


@BOTH
async def test_a_stream_that_dies_is_never_ended_politely(chained: Haze, provider: Provider, protocol: str) -> None:
    """A clean end would be taken for a whole answer, or repeated without limit; and half an answer is not charged."""
    provider.script(Reply(chunks=[*events(protocol)[:3], HANG_UP]))
    answer = await chained.ask(protocol, "paid", stream=True)
    assert answer.cut
    assert b"error" in answer.body
    (row,) = await chained.ended()
    assert (row["state"], row["cost"]) == ("void", 0)
