"""What happens around the end of an answer: connections, empty answers, several choices."""

import asyncio
import json
from pathlib import Path

import pytest
from gateway import PAID, Haze, channel, running
from provider import HANG_UP, Provider, Reply, events

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])


def choice(index: int, text: str | None, finish: str | None) -> bytes:
    """A chat chunk of one of several choices."""
    delta = {} if text is None else {"content": text}
    made = {"id": "c", "model": "paid", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(made).encode() + b"\n\n"


@EACH
async def test_a_connection_is_used_again_when_the_body_ends_after_its_terminal_event(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """A TLS handshake for every stream would cost more than the rest of Haze."""
    ports = set()
    for _ in range(5):
        ended = asyncio.Event()
        provider.script(Reply(chunks=[*events(protocol), ended]))
        answer = await chained.ask(protocol, "paid", stream=True)
        assert (answer.status, answer.cut) == (200, False)
        ports.add(provider.requests[-1].peer)
        ended.set()
        await provider.idle()
    assert len(ports) == 1


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"message": "Service temporarily unavailable"}, [], "ok"])
async def test_an_answer_that_answers_nothing_is_not_paid(chained: Haze, provider: Provider, body: object) -> None:
    """Some providers say 200 to everything."""
    provider.script(Reply(body=body))
    answer = await chained.ask("chat", "paid")
    assert answer.status == 502
    (row,) = await chained.ended()
    assert (row["state"], row["cost"], row["channel"]) == ("void", 0, "openai")


async def test_a_stream_of_nothing_but_its_end_is_not_paid(chained: Haze, provider: Provider) -> None:
    """Nothing produced, nothing charged."""
    chained.provider_lies = True
    provider.script(Reply(chunks=[b"data: [DONE]\n\n"]))
    answer = await chained.ask("chat", "paid", stream=True)
    assert answer.body == b"data: [DONE]\n\n"
    (row,) = await chained.ended()
    assert (row["state"], row["cost"]) == ("void", 0)


async def test_half_of_two_choices_is_no_whole_answer(chained: Haze, provider: Provider) -> None:
    """The first choice's end says nothing of the second, which was cut in mid-sentence."""
    chained.provider_lies = True
    provider.script(Reply(chunks=[choice(0, "Hi", None), choice(1, "Half a", None), choice(0, None, "stop")]))
    answer = await chained.ask("chat", "paid", stream=True, n=2)
    assert answer.cut
    provider.script(Reply(chunks=[choice(0, "Hi", None), choice(1, "Ho", None), choice(0, None, "stop"),
                                  choice(1, None, "stop")]))  # fmt: skip
    assert not (await chained.ask("chat", "paid", stream=True, n=2)).cut


@EACH
async def test_a_whole_answer_to_a_stream_that_is_cut_is_nobodys_debt(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """The client did not leave, the provider broke."""
    headers = {"Content-Type": "application/json"}
    provider.script(Reply(headers=headers, chunks=[b'{"id": "x", "usage": {"prompt_', HANG_UP]))
    answer = await chained.ask(protocol, "paid", stream=True)
    assert answer.status == 502
    (row,) = await chained.ended()
    assert (row["state"], row["ended"], row["cost"]) == ("void", "failed upstream", 0)


@EACH
async def test_the_owners_names_and_keys_do_not_reach_a_caller(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """Providers put the names of accounts and machines into their texts."""
    text = "Request too large in organization org-A1b2C3d4E5 for proj_SECRET99, proxy 10.1.2.3, key owners-secret"
    for status in (400, 429, 500, 529):
        provider.script(Reply(status=status, body={"error": {"message": text, "type": "x"}}))
        answer = await chained.ask(protocol, "paid")
        assert answer.status >= 400
        assert b"A1b2C3d4E5" not in answer.body
        assert b"SECRET99" not in answer.body
        assert status == 400 or b"owners-secret" not in answer.body


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_neither_a_channels_headers_nor_its_host_reach_a_caller(
    tmp_path: Path, provider: Provider, status: int
) -> None:
    """Some upstreams take their credential in a header of their own, and name machines without their port."""
    headers = '{ "x-team-token" = "team-secret" }'
    async with running(tmp_path, PAID + channel("openai", provider.url, headers=headers)) as haze:
        text = "host='127.0.0.1', port=1: wrong token team-secret"
        provider.script(Reply(status=status, body={"error": {"message": text, "code": "400", "type": "x"}}))
        answer = await haze.ask("chat", "paid")
        assert provider.requests[0].headers["x-team-token"] == "team-secret"
        assert answer.status in (400, 502)
        assert b"team-secret" not in answer.body
        assert b"127.0.0.1" not in answer.body
