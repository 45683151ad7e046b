"""The way of one request, through the public door: the client's own bytes go up, the provider's own come down."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from checks import exchange, parts, refused, untouched
from gateway import ECHO, PAID, PATHS, Haze, asking, channel, running, spelled
from provider import HANG_UP, Provider, Reply, events, whole

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])


@pytest.fixture
async def aliased(tmp_path: Path, provider: Provider) -> AsyncIterator[Haze]:
    """`short` is an alias of `vendor/long "quoted" é` at both channels."""
    models = "[]"
    aliases = "{ short = 'vendor/long \"quoted\" é' }"
    text = PAID.replace('"paid"', '"short"')
    text += channel("openai", provider.url, models, aliases=aliases)
    text += channel("anthropic", provider.url, models, aliases=aliases)
    async with running(tmp_path, ECHO + text) as server:
        yield server


@EACH
async def test_an_answer_is_charged_once_it_is_whole(chained: Haze, provider: Provider, protocol: str) -> None:
    """The main job: 11 tokens in at 1,000 nano-dollars, 3 out at 10,000, and not one more."""
    answer = await chained.ask(protocol, "paid")
    assert answer.status == 200, answer.body
    assert chained.balance() == 10_000_000_000 - 41_000
    assert chained.check() == []


@EACH
async def test_a_stream_passes_byte_for_byte_and_is_charged(chained: Haze, provider: Provider, protocol: str) -> None:
    """A client cannot tell Haze from the provider."""
    sent = events(protocol)
    provider.script(Reply(chunks=sent))
    answer = await chained.ask(protocol, "paid", stream=True, stream_options={"include_usage": True})
    assert (answer.status, answer.cut) == (200, False)
    assert answer.body == b"".join(sent)
    assert chained.balance() == 10_000_000_000 - 41_000


@EACH
async def test_a_stream_that_dies_is_never_ended_politely(chained: Haze, provider: Provider, protocol: str) -> None:
    """A clean end would be taken for a whole answer, or repeated without limit; and half an answer is not charged."""
    provider.script(Reply(chunks=[*events(protocol)[:3], HANG_UP]))
    answer = await chained.ask(protocol, "paid", stream=True)
    assert answer.cut == (protocol != "responses")
    assert b"error" in answer.body
    (row,) = await chained.ended()
    assert (row["state"], row["cost"]) == ("void", 0)


# What a client may write: odd white space, unknown fields, numbers and escapes that a re-encoding would change.
ODD: dict[str, bytes] = {
    "spaces": b'{ "model" : "MODEL" ,\r\n\t"messages" : [ {"role":"user","content":"hi"} ] , "max_tokens" : 9 }',
    "unknown fields": b'{"model":"MODEL","messages":[{"role":"user","content":"hi"}],"max_tokens":9,'
    b'"new_2027":{"b":1,"a":[1.0,1e2,-0]},"x":null}',
    "escapes": b'{"max_tokens":9,"messages":[{"role":"user","content":"\\u00e9\\/\\ud83d\\ude00 \xc3\xa9"}],'
    b'"model":"MODEL"}',
    "the model deeper": b'{"messages":[{"role":"user","content":"{\\"model\\":\\"x\\"}"}],"metadata":{"model":"no"},'
    b'"max_tokens":9,"tools":[{"name":"t","input_schema":{"properties":{"model":{"type":"string"}}}}],"model":"MODEL"}',
    "same keys deeper": b'{"model":"MODEL","max_tokens":9,"messages":[{"role":"user","content":"a",'
    b'"model":"b","model":"c"}]}',
}


# A responses body that does not ask to keep nothing is made to: that is tested elsewhere.
NOT_KEPT: dict[str, dict[str, bool]] = {"chat": {}, "messages": {}, "responses": {"store": False}}


def odd(protocol: str, body: bytes, model: bytes) -> bytes:
    """An odd body for a protocol and a model."""
    if protocol == "responses":
        body = body.replace(b"{", b'{"store" :false,', 1)
    return spelled(protocol, body).replace(b"MODEL", model)


@EACH
@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
async def test_without_an_alias_the_body_goes_up_as_it_came(
    chained: Haze, provider: Provider, protocol: str, body: bytes
) -> None:
    """Prompt caches and signatures go by bytes: a changed prefix is another price, or a 400."""
    body = odd(protocol, body, b"paid")
    answer = await chained.post(PATHS[protocol], body)
    assert answer.status == 200, answer.body
    (received,) = provider.requests
    assert hashlib.sha256(received.body).digest() == hashlib.sha256(body).digest()


@EACH
@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
async def test_an_alias_changes_the_models_name_and_nothing_else(
    aliased: Haze, provider: Provider, protocol: str, body: bytes
) -> None:
    """The one value that must differ, written so that any JSON reader gets it back."""
    answer = await aliased.post(PATHS[protocol], odd(protocol, body, b"short"))
    assert answer.status == 200, answer.body
    (received,) = provider.requests
    assert received.body == odd(protocol, body, 'vendor/long \\"quoted\\" é'.encode())
    assert received.json()["model"] == 'vendor/long "quoted" é'
    (row,) = await aliased.ended()
    assert (row["model"], row["upstream_model"]) == ("short", 'vendor/long "quoted" é')


AMBIGUOUS: dict[str, tuple[str, str]] = {
    "model twice": ('"model": "paid", "model": "other"', "model"),
    "model twice, the same": ('"model": "paid", "model": "paid"', "model"),
    "model escaped": ('"model": "cheap", "mod\\u0065l": "paid"', "model"),
    "only escaped": ('"mod\\u0065l": "paid"', "model"),
    "another case": ('"model": "paid", "Model": "dear"', "Model"),
    "stream twice": ('"model": "paid", "stream": false, "stream": true', "stream"),
    "max_tokens in capitals": ('"model": "paid", "MAX_TOKENS": 100000', "MAX_TOKENS"),
    "n twice": ('"model": "paid", "n": 1, "n": 9', "n"),
    "a long s": ('"model": "paid", "\u017ftream": true', "\u017ftream"),
}


@EACH
@pytest.mark.parametrize(("members", "named"), AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_a_field_that_can_be_read_in_two_ways_is_refused(
    chained: Haze, provider: Provider, protocol: str, members: str, named: str
) -> None:
    """Haze would price one reading, and the provider serve the other."""
    body = '{"messages": [{"role": "user", "content": "hi"}], "input": "hi", ' + members + "}"
    answer = await chained.post(PATHS[protocol], body.encode())
    assert named in refused(answer, protocol, 400)
    assert provider.requests == []
    untouched(chained)


@EACH
@pytest.mark.parametrize("query", ["beta=true", "a=1&b=%20%2F%2B+&c", "x=%E2%82%AC", "x=%0D%0AX-Evil:%201%0D%0A"])
async def test_the_query_goes_up_as_it_came(chained: Haze, provider: Provider, protocol: str, query: str) -> None:
    """Claude Code sends ?beta=true with every turn; decoded, a query could end the line and begin a header."""
    body = json.dumps(asking(protocol, "paid", max_tokens=9, **NOT_KEPT[protocol])).encode()
    head = f"POST {PATHS[protocol]}?{query} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nx-api-key: {chained.key}\r\n"
    raw = await exchange(chained, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert parts(raw)[0] == 200
    (received,) = provider.requests
    assert (received.query, received.body, received.headers.get("X-Evil")) == (query, body, None)


@EACH
async def test_a_large_body_passes(chained: Haze, provider: Provider, protocol: str) -> None:
    """Screenshots and PDFs make bodies of megabytes: the whole of it arrives, and nothing warns or waits."""
    image = "A" * (3 * 2**20)
    turns = [{"role": "user", "content": image}]
    body = json.dumps(asking(protocol, "paid", max_tokens=9, messages=turns, **NOT_KEPT[protocol])).encode()
    assert (await chained.post(PATHS[protocol], body)).status == 200
    assert hashlib.sha256(provider.requests[0].body).digest() == hashlib.sha256(body).digest()


@EACH
@pytest.mark.parametrize("status", [200, 201])
async def test_a_whole_answer_passes_byte_for_byte(
    chained: Haze, provider: Provider, protocol: str, status: int
) -> None:
    """White space, unknown fields, key order: all of it is the provider's."""
    body = b" " + json.dumps({**whole(protocol), "new_2027": [1.0, None]}, indent=1).encode() + b"\n"
    provider.script(Reply(status=status, body=body, headers={"Content-Type": "application/json; charset=utf-8"}))
    answer = await chained.ask(protocol, "paid")
    assert (answer.status, answer.body) == (status, body)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


@EACH
async def test_an_error_with_status_200_is_an_error(chained: Haze, provider: Provider, protocol: str) -> None:
    """OpenRouter answers so once a model has been chosen; taken for an answer it would be charged."""
    error: Any = {"error": {"code": 502, "message": "Provider returned error"}}
    provider.script(Reply(body=error), Reply(body={"error": {"code": 402, "message": "no credits"}}))
    assert refused(await chained.ask(protocol, "paid"), protocol, 502) == "Provider returned error"
    assert "credits" not in refused(await chained.ask(protocol, "paid"), protocol, 503)
    assert {row["cost"] for row in await chained.ended(2)} == {0}
