"""POST /v1/responses, with the very bytes that Codex and the OpenAI SDK send."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from checks import refused
from gateway import PAID, PATHS, Haze, channel, running
from provider import HANG_UP, Provider, Reply, events, whole

FOLDER = Path(__file__).parents[1] / "wire" / "recorded_requests"
FILES = (path for pattern in ("codex-*.json", "*-responses*.json") for path in FOLDER.glob(pattern))
RECORDED = {path.stem: path.read_bytes() for path in sorted(FILES)}
KIND = pytest.mark.parametrize("kind", ["openai", "openrouter"])
# What is missing in a body that does not say whether to keep it.
KEPT_NOWHERE = b',"store":false}'


def without_search(body: bytes) -> bytes:
    """Codex's body as it is when its search is switched off: here that has no price."""
    return body.replace(b',{"type":"web_search","external_web_access":true}', b"")


def expected(body: bytes) -> bytes:
    """What must reach the provider."""
    return body if b'"store":false' in body else body[:-1] + KEPT_NOWHERE


@KIND
@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_request_goes_up_as_it_came_and_keeps_nothing(
    tmp_path: Path, provider: Provider, kind: str, name: str
) -> None:
    """Prompt caches go by bytes; what the provider would keep is on the owner's account, for any key to read."""
    body = without_search(RECORDED[name])
    models = '["hekiu"]'
    async with running(tmp_path, PAID.replace('"paid"', '"hekiu"') + channel(kind, provider.url, models)) as haze:
        answer = await haze.post(PATHS["responses"], body, headers={"Content-Type": "application/json"})
        assert answer.status == 200, answer.body
        (received,) = provider.requests
        assert (received.path, received.body) == ("/v1/responses", expected(body))
        assert received.json()["store"] is False
        (row,) = await haze.ended()
        assert (row["protocol"], row["state"], row["cost"]) == ("responses", "settled", 41_000)
        assert haze.balance() == 10_000_000_000 - 41_000


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_request_is_answered_by_the_embedded_channel(haze: Haze, name: str) -> None:
    """Codex works on a fresh checkout, with all of its tools."""
    answer = await haze.post(PATHS["responses"], RECORDED[name])
    assert answer.status == 200, answer.body
    if b'"stream":true' in RECORDED[name]:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert b'"type":"response.completed"' in answer.body.rsplit(b"data: ", 1)[1]
    else:
        assert answer.json()["status"] == "completed"
    (row,) = await haze.ended()
    assert (row["ended"], row["cost"]) == ("completed", row["input"] * 1_000 + row["output"] * 5_000)


@pytest.mark.parametrize("sent", [b"", b',"store":null', b', "store" : null ', b',"store":false'])
async def test_nothing_is_kept_whatever_is_said_of_it(chained: Haze, provider: Provider, sent: bytes) -> None:
    """OpenAI keeps every answer unless it is told not to."""
    assert (await chained.post(PATHS["responses"], b'{"model":"paid","input":"hi"%s}' % sent)).status == 200
    assert provider.requests[0].body == b'{"model":"paid","input":"hi"%s}' % (
        sent.replace(b"null", b"false") or b',"store":false'
    )


@pytest.mark.parametrize("store", [None, True, False])
async def test_an_owner_who_allows_it_gets_what_is_kept(tmp_path: Path, provider: Provider, store: bool | None) -> None:
    """A stateful channel is one customer's: the body goes up as it came."""
    async with running(tmp_path, PAID + channel("openai", provider.url, stateful="true")) as haze:
        body = json.dumps({"model": "paid", "input": "hi", **({} if store is None else {"store": store})}).encode()
        assert (await haze.post(PATHS["responses"], body)).status == 200
        assert provider.requests[0].body == body


@pytest.mark.parametrize("kind", ["anthropic", "gemini", "openai-compatible"])
async def test_a_model_served_on_another_protocol_is_503_and_says_so(
    tmp_path: Path, provider: Provider, kind: str
) -> None:
    """The model is right, and the protocol is not, where the owner wants no translation: Codex shows this text."""
    async with running(tmp_path, PAID + channel(kind, provider.url, translate="false")) as haze:
        answer = await haze.ask("responses", "paid")
        spoken = "messages" if kind == "anthropic" else "chat, embeddings"
        assert f"in the responses protocol. It is served on: {spoken}." in refused(answer, "responses", 503)
        assert answer.headers["x-should-retry"] == "false"


async def test_an_answer_that_ran_out_of_tokens_is_whole(chained: Haze, provider: Provider) -> None:
    """response.incomplete is an end like any other."""
    sent = events("responses", finish="max_output_tokens")
    provider.script(Reply(chunks=sent), Reply(body=whole("responses", finish="max_output_tokens")))
    answer = await chained.ask("responses", "paid", stream=True)
    assert (answer.cut, answer.body) == (False, b"".join(sent))
    assert (await chained.ask("responses", "paid")).json()["status"] == "incomplete"
    assert [(row["ended"], row["cost"]) for row in await chained.ended(2)] == [("completed", 41_000)] * 2


async def test_an_answer_that_stopped_before_its_first_word_is_charged(chained: Haze, provider: Provider) -> None:
    """All of the limit went into reasoning: there is nothing to read, and the provider bills it."""
    body = {**whole("responses", finish="max_output_tokens"), "output": []}
    provider.script(Reply(body=body))
    assert (await chained.ask("responses", "paid")).json() == body
    (row,) = await chained.ended()
    assert (row["state"], row["cost"]) == ("settled", 41_000)


@pytest.mark.parametrize("half", [b"", b'event: response.output_text.delta\ndata: {"type": "resp'])
async def test_a_stream_that_dies_ends_as_a_failed_response(chained: Haze, provider: Provider, half: bytes) -> None:
    """Codex tells the message of `response.failed`, if nothing is cut after it; the SDKs raise at its `error`.

    It is an end that every Responses client knows, so nobody takes the half for whole.
    """
    chained.provider_lies = bool(half)
    provider.script(Reply(chunks=[*events("responses")[:5], half, HANG_UP]))
    answer = await chained.ask("responses", "paid", stream=True)
    assert (answer.status, answer.cut) == (200, False)
    last = answer.body.removesuffix(b"\n\n").rsplit(b"\n\n", 1)[1]
    name, data = last.split(b"\n", 1)
    told = json.loads(data.removeprefix(b"data: "))
    assert (name, told["type"]) == (b"event: response.failed", "response.failed")
    assert (told["response"]["id"], told["response"]["status"]) == (answer.headers["request-id"], "failed")
    error = told["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert told["response"]["error"] == {"code": "server_error", "message": error["message"]}
    assert told["sequence_number"] > 10**9
    (row,) = await chained.ended()
    assert (row["state"], row["ended"], row["cost"]) == ("void", "upstream broke off", 0)


async def test_the_connection_of_a_failed_response_is_used_again(chained: Haze, provider: Provider) -> None:
    """A polite end is one for the connection, too."""
    provider.script(Reply(chunks=[*events("responses")[:5], HANG_UP]))
    assert not (await chained.ask("responses", "paid", stream=True)).cut
    answers: list[Any] = await asyncio.gather(*(chained.ask("responses", "paid") for _ in range(3)))
    assert [answer.status for answer in answers] == [200] * 3
