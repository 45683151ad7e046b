"""POST /v1/chat/completions: OpenAI's chat protocol."""

from aiohttp import web

from haze_proxy.api.relay import relay


async def completions(request: web.Request) -> web.StreamResponse:
    """Answer a chat request, streamed or not."""
    return await relay(request)
