"""What becomes of running requests when the server stops."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from gateway import ECHO, PAID, PATHS, asking, channel, running
from provider import HANG, Provider, Reply, events

from haze_proxy.store import database


@pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
async def test_a_stream_that_outlives_the_server_is_told_so_and_not_charged(
    tmp_path: Path, provider: Provider, protocol: str
) -> None:
    """The caller did not leave: half an answer is not his debt, and must not look whole."""
    provider.script(Reply(chunks=[*events(protocol)[:4], HANG]))
    text = ECHO + PAID + channel("openai", provider.url) + channel("anthropic", provider.url)
    body = asking(protocol, "paid", max_tokens=100, stream=True)
    async with aiohttp.ClientSession() as session:
        async with running(tmp_path, text) as haze:
            headers = {"Authorization": f"Bearer {haze.key}"}
            answer = await session.post(haze.url + PATHS[protocol], json=body, headers=headers)
            path, reading = haze.path, asyncio.create_task(_read(answer))
        received, cut = await reading
    assert cut == (protocol != "responses")
    assert b"being stopped" in received
    rows = await asyncio.to_thread(_ended, path)
    assert rows == [("void", "server stopped", 0)]


async def _read(answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    received = b""
    try:
        async for chunk in answer.content.iter_any():
            received += chunk
    except aiohttp.ClientPayloadError:
        return received, True
    finally:
        answer.close()
    return received, False


def _ended(path: Path) -> list[tuple[str, str, int]]:
    connection = database.connect(str(path))
    try:
        return [tuple(row) for row in connection.execute("SELECT state, ended, cost FROM requests")]
    finally:
        connection.close()


@pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
async def test_a_call_that_outlives_the_server_is_told_to_come_again(
    tmp_path: Path, provider: Provider, protocol: str
) -> None:
    """503 with a time is what every SDK repeats by itself."""
    provider.script(Reply(late=HANG))
    text = ECHO + PAID + channel("openai", provider.url) + channel("anthropic", provider.url)
    async with running(tmp_path, text) as haze:
        path, calling = haze.path, asyncio.create_task(haze.ask(protocol, "paid"))
        await provider.received(1)
        leaving = asyncio.create_task(haze.app.shutdown())
        answer = await calling
        await leaving
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert await asyncio.to_thread(_ended, path) == [("void", "server stopped", 0)]
