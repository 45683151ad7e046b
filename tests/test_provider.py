"""The pretend provider does what it is told: every test that leans on it leans on these."""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import provider as pretend
import pytest
from provider import HANG, HANG_UP, Call, Provider, Reply, Tap, drip, events, whole
from provider_packers import PACKERS

BODIES = {
    "chat": ("/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]}),
    "messages": ("/messages", {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
    "responses": ("/responses", {"model": "m", "input": "hi"}),
}


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as running:
        yield running


@pytest.mark.parametrize(("path", "body"), BODIES.values(), ids=BODIES)
async def test_unscripted_requests_get_a_right_answer_and_are_kept_as_they_came(
    provider: Provider, client: aiohttp.ClientSession, path: str, body: dict[str, Any]
) -> None:
    """The default is a provider in good health, and what reached it can be compared byte by byte."""
    raw = json.dumps(body, indent=1).encode()
    async with client.post(f"{provider.url}{path}?beta=true", data=raw, headers={"x-api-key": "k"}) as answer:
        assert await answer.json() == whole(path.strip("/").split("/")[0], model="m")
    (seen,) = provider.requests
    assert (seen.body, seen.path, seen.query, seen.headers["X-Api-Key"]) == (raw, f"/v1{path}", "beta=true", "k")
    assert not seen.closed.is_set()


@pytest.mark.parametrize(("protocol", "body"), [(name, body) for name, (_, body) in BODIES.items()], ids=BODIES)
async def test_streams_are_the_events_of_the_builder(
    provider: Provider, client: aiohttp.ClientSession, protocol: str, body: dict[str, Any]
) -> None:
    """A test that cuts at event k cuts the stream the default would have sent."""
    body = {**body, "stream": True, "stream_options": {"include_usage": True}}
    async with client.post(provider.url + BODIES[protocol][0], json=body) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert await answer.read() == b"".join(events(protocol, model="m"))


@pytest.mark.parametrize("stream", [True, False])
async def test_tools_are_called_once_and_their_result_told(
    provider: Provider, client: aiohttp.ClientSession, stream: bool
) -> None:
    """An agent's loop turns against it, and ends."""
    schema = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
    tools = [{"name": "Edit", "input_schema": {}}, {"name": "Bash", "input_schema": schema}]
    body = {**BODIES["messages"][1], "tools": tools, "stream": stream}
    async with client.post(f"{provider.url}/messages", json=body) as answer:
        text = await answer.text()
    assert '"tool_use"' in text
    assert '"name": "Bash"' in text
    result = {"type": "tool_result", "tool_use_id": "toolu_pretend", "content": "42"}
    body["messages"] = [*body["messages"], {"role": "user", "content": [result]}]
    async with client.post(f"{provider.url}/messages", json=body) as answer:
        text = await answer.text()
    assert "42" in text
    assert '"end_turn"' in text


@pytest.mark.parametrize("asked", [{}, {"encoding_format": "base64"}], ids=["float", "base64"])
async def test_vectors_obey_the_format_asked_for_unless_it_is_told_not_to(
    provider: Provider, client: aiohttp.ClientSession, asked: dict[str, Any]
) -> None:
    """Both kinds of servers exist."""
    body = {"model": "m", "input": ["a", "bb"], "dimensions": 3, **asked}
    async with client.post(f"{provider.url}/embeddings", json=body) as answer:
        found = [item["embedding"] for item in (await answer.json())["data"]]
    packed = ["AACAPwAAAAAAAAAA", "AAAAQAAAgD8AAAAA"]
    assert found == (packed if asked else [[1, 0, 0], [2, 1, 0]])
    async with (
        Provider(encoding="base64") as stubborn,
        client.post(f"{stubborn.url}/embeddings", json=body) as answer,
    ):
        assert [item["embedding"] for item in (await answer.json())["data"]] == packed


async def test_a_cut_stream_arrives_up_to_the_cut(provider: Provider, client: aiohttp.ClientSession) -> None:
    """What was sent before the cut is there; the end is not, and the caller is not the one who left."""
    sent = events("chat")[:2]
    provider.script(Reply(chunks=[*sent, HANG_UP]))
    got = bytearray()
    async with client.post(provider.url, json={}) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await _read(answer, got)
    assert got == b"".join(sent)
    assert not provider.requests[0].closed.is_set()


async def _read(answer: aiohttp.ClientResponse, into: bytearray) -> None:
    async for chunk in answer.content.iter_any():
        into += chunk


async def test_it_can_hang_up_before_the_status_line(provider: Provider, client: aiohttp.ClientSession) -> None:
    """A provider may die while it thinks."""
    provider.script(Reply(late=HANG_UP))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.post(provider.url, json={})


async def test_it_notices_a_caller_who_leaves(provider: Provider, client: aiohttp.ClientSession) -> None:
    """Whether a call was really given up can only be seen here."""
    provider.script(Reply(chunks=[b"data: 1\n\n", HANG]))
    answer = await client.post(provider.url, json={})
    assert await answer.content.readany() == b"data: 1\n\n"
    assert not provider.requests[0].closed.is_set()
    answer.close()
    await provider.requests[0].closed.wait()


async def test_answers_wait_for_their_event(provider: Provider, client: aiohttp.ClientSession) -> None:
    """Races are decided by events, not by sleeping."""
    gate = asyncio.Event()
    provider.script(Reply(late=gate, body="one"), Reply(chunks=[gate, b"two"]))
    calls = [asyncio.ensure_future(_text(client, provider.url)) for _ in range(2)]
    await provider.received(2)
    assert not any(call.done() for call in calls)
    gate.set()
    assert sorted(await asyncio.gather(*calls)) == ["one", "two"]


async def test_a_dripping_answer_lets_out_one_step_at_a_drop(provider: Provider, client: aiohttp.ClientSession) -> None:
    """What arrived before the next step is decided by the test, not by the clock; also before the status line."""
    tap = Tap()
    provider.script(Reply(late=tap, chunks=drip([b"one", b"two"], tap)))
    call = asyncio.ensure_future(client.post(provider.url))
    await provider.received(1)
    assert not call.done()
    tap.drop()
    async with await call as answer:
        for step in (b"one", b"two"):
            tap.drop()
            assert await answer.content.readany() == step
        assert await answer.content.readany() == b""


async def _text(client: aiohttp.ClientSession, url: str) -> str:
    async with client.post(url, json={}) as answer:
        return await answer.text()


@pytest.mark.parametrize("encoding", PACKERS)
async def test_compressed_answers_are_what_they_say(
    provider: Provider, client: aiohttp.ClientSession, encoding: str
) -> None:
    """Whole or in chunks, each of which can be read when it comes."""
    gate = asyncio.Event()
    provider.script(Reply(body={"a": 1}, compress=encoding), Reply(chunks=[b"one ", gate, b"two"], compress=encoding))
    async with client.post(provider.url) as answer:
        assert answer.headers["Content-Encoding"] == encoding
        assert await answer.json() == {"a": 1}
    async with client.post(provider.url) as answer:
        assert await answer.content.readany() == b"one "
        gate.set()
        assert await answer.content.read() == b"two"


async def test_statuses_bodies_and_redirects_are_free(provider: Provider, client: aiohttp.ClientSession) -> None:
    """Upstreams answer errors in HTML, as a list, or as nothing at all."""
    bodies = ["<html>", [{"error": {}}], "", {"error": "text"}]
    provider.script(*[Reply(status=503, body=body, headers={"Retry-After": "2"}) for body in bodies])
    for body in bodies:
        async with client.post(provider.url) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
            assert await answer.text() == (body if isinstance(body, str) else json.dumps(body))
    provider.script(Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}))
    async with client.post(provider.url, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "http://127.0.0.1:1/")


async def test_it_can_lie_about_the_length(provider: Provider, client: aiohttp.ClientSession) -> None:
    """A body shorter than it was said to be must not be taken for whole."""
    provider.script(Reply(body=b"short", content_length=100))
    async with client.post(provider.url) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_an_answer_may_be_longer_than_it_says(provider: Provider, client: aiohttp.ClientSession) -> None:
    """No server library sends more than it announced; a broken proxy does, and its callers refuse to read it."""
    provider.script(Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody and more"))
    with pytest.raises(aiohttp.ClientResponseError, match="and more"):
        await client.post(provider.url)


async def test_raw_answers_go_out_as_they_are(provider: Provider, client: aiohttp.ClientSession) -> None:
    """What no server library would send."""
    provider.script(Reply(raw=b"HTTP/1.1 200 Fine\r\nX-Odd: 1\r\n\r\nbody"))
    async with client.post(provider.url) as answer:
        assert (answer.reason, answer.headers["X-Odd"], await answer.read()) == ("Fine", "1", b"body")


def test_builders_put_usage_and_calls_where_they_belong() -> None:
    """Cut or whole, the numbers and the arguments are those the test gave."""
    call = Call("Bash", {"command": "true"})
    stream = b"".join(events("messages", usage={"input_tokens": 7, "output_tokens": 8}, call=call))
    documents = [json.loads(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: ")]
    parts = [one["delta"]["partial_json"] for one in documents if one["type"] == "content_block_delta"]
    assert json.loads("".join(parts)) == call.arguments
    usages = [(one.get("message") or one).get("usage") for one in documents]
    assert [usage for usage in usages if usage] == [
        {"input_tokens": 7, "output_tokens": 1},
        {"input_tokens": 7, "output_tokens": 8},
    ]
    assert b"usage" not in b"".join(events("chat", usage={}))


async def test_alone_it_prints_its_address_logs_and_fails_as_told(
    client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Real command line clients are run against it as a process."""
    log = tmp_path / "log"
    command = [sys.executable, pretend.__file__, "--port", "0", "--log", str(log), "--fail-after", "1"]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        url = (await process.stdout.readline()).decode().strip()
        raw = json.dumps({**BODIES["chat"][1], "stream": True}).encode()
        async with client.post(f"{url}/chat/completions", data=raw) as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        (line,) = [json.loads(line) for line in log.read_text().splitlines()]
        assert (line["method"], line["path"]) == ("POST", "/v1/chat/completions")
        assert line["sha256"] == hashlib.sha256(raw).hexdigest()
    finally:
        process.terminate()
        await process.wait()
