"""The bare relay: what aiohttp itself costs between a client and a provider. No key, no limit, no money, no log.

It is the base of every ratio, so it does what a careful aiohttp relay has to do and nothing more.

    python -m tests.bench.relay --port 9200 --upstream http://127.0.0.1:9100
"""

import argparse
import asyncio

import aiohttp
import uvloop
from aiohttp import web

MAX_BODY_BYTES = 32 << 20


class Relay:
    """Sends each request on and its answer back."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self.upstream, self.session = upstream, session

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request, streamed back if the provider streams."""
        body = await request.read()
        headers = {"Content-Type": "application/json", "Authorization": "Bearer upstream"}
        async with self.session.request(
            request.method, self.upstream + request.path, data=body or None, headers=headers
        ) as answer:
            if answer.content_type == "text/event-stream":
                return await self.stream(request, answer)
            return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)

    async def stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """Every piece goes out as it comes in."""
        out = web.StreamResponse(status=answer.status, headers={"Content-Type": "text/event-stream"})
        await out.prepare(request)
        async for chunk in answer.content.iter_any():
            await out.write(chunk)
        await out.write_eof()
        return out


async def serve(port: int, upstream: str) -> None:
    """Relay on 127.0.0.1 until the process is ended."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    ) as session:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/v1/{tail:.*}", Relay(upstream, session).handle)
        # A client that leaves cancels its stream, as in any gateway; the access log alone would cost a third.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.upstream))
