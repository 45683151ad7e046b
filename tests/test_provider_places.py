"""Where nobody answers, nobody answers, each in its own way and without asking anyone outside this machine."""

import aiohttp
import pytest
from aiohttp import ClientConnectorDNSError, ClientConnectorError, ClientTimeout, ConnectionTimeoutError
from provider_places import UNKNOWN, closed, unanswering


async def test_a_closed_port_refuses() -> None:
    """Nobody else gets the port meanwhile, however many tests run beside this one."""
    with closed() as url:
        async with aiohttp.ClientSession() as client:
            with pytest.raises(ClientConnectorError) as refusal:
                await client.get(url)
    assert isinstance(refusal.value.os_error, ConnectionRefusedError)


async def test_an_unknown_name_is_not_found() -> None:
    """And no resolver is asked."""
    async with aiohttp.ClientSession() as client:
        with pytest.raises(ClientConnectorDNSError):
            await client.get(UNKNOWN)


async def test_a_full_backlog_lets_a_caller_wait() -> None:
    """A provider's machine that drops what it cannot take: no refusal ever comes."""
    with unanswering() as url:
        async with aiohttp.ClientSession(timeout=ClientTimeout(sock_connect=0.2)) as client:
            with pytest.raises(ConnectionTimeoutError):
                await client.get(url)
