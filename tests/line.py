"""A client that reads a stream as it comes, and the clock that its silence is measured by."""

import asyncio
import json
from typing import Any, Self

import aiohttp
from gateway import PATHS, Haze
from wire.lint import lint

from haze_proxy.api.keepalive import KEEPALIVES


class Line:
    """What has come of a stream of a protocol."""

    def __init__(self, response: aiohttp.ClientResponse, protocol: str) -> None:
        self.response = response
        self.protocol = protocol
        self.got = b""

    @classmethod
    async def opened(cls, haze: Haze, protocol: str, body: dict[str, Any]) -> Self:
        """The answer to a request, from its headers on."""
        headers, data = {"Authorization": f"Bearer {haze.key}"}, json.dumps(body).encode()
        return cls(await haze.session.post(haze.url + PATHS[protocol], data=data, headers=headers), protocol)

    async def until(self, wanted: bytes) -> None:
        """Read until all of `wanted` has come."""
        async with asyncio.timeout(5):
            while wanted not in self.got:
                self.got += await self.response.content.readany()

    async def to_the_end(self) -> bytes:
        """The whole stream, linted."""
        async with asyncio.timeout(5):
            body = self.got + await self.response.content.read()
        lint(self.protocol, body)
        return body


async def tick(haze: Haze, seconds: float) -> None:
    """Let time pass, and the ticker look at the streams."""
    haze.clock[0] += seconds
    await haze.app[KEEPALIVES].tick()
