"""POST /v1/embeddings: OpenAI's embeddings protocol."""

from aiohttp import web

from haze_proxy.api.relay import relay


async def create(request: web.Request) -> web.StreamResponse:
    """Answer a request for vectors; never streamed."""
    return await relay(request)
