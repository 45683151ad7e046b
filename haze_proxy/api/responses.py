"""POST /v1/responses: OpenAI's Responses protocol, the only one Codex speaks."""

from aiohttp import web

from haze_proxy.api.relay import relay


async def create(request: web.Request) -> web.StreamResponse:
    """Answer a responses request, streamed or not."""
    return await relay(request)
