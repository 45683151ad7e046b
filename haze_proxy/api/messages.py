"""POST /v1/messages and /v1/messages/count_tokens: Anthropic's Messages protocol."""

import logging

import orjson
from aiohttp import web

from haze_proxy.api.fit import fitted
from haze_proxy.api.relay import relay
from haze_proxy.channels import client, headers
from haze_proxy.channels.client import Call
from haze_proxy.channels.directory import Candidate
from haze_proxy.channels.faults import PassedOn, judge
from haze_proxy.channels.kinds import COUNT_TOKENS_PATH
from haze_proxy.context import ASK, CANDIDATES, CLIENT, REQUEST_ID
from haze_proxy.errors import HazeError, UpstreamFailed

log = logging.getLogger(__name__)


async def create(request: web.Request) -> web.StreamResponse:
    """Answer a messages request, streamed or not."""
    return await relay(request)


async def count_tokens(request: web.Request) -> web.Response:
    """Count a request's input tokens: by the provider's own free counter, else by a high estimate. Never charged.

    An estimate that is too low makes Claude Code compact too late, so ours is high.
    """
    candidate = request[CANDIDATES][0]
    if candidate.channel.kind.counts_tokens:
        try:
            return await _counted(request, candidate)
        except PassedOn as refusal:
            if refusal.upstream_status != 404:
                body = refusal.body_for("messages", request[REQUEST_ID])
                return web.Response(status=refusal.upstream_status, body=body, content_type="application/json")
        except (HazeError, ValueError) as error:
            log.warning("Channel %s could not count tokens (%s); estimated.", candidate.channel.name, error)
    return web.json_response({"input_tokens": request[ASK].input_estimate})


async def _counted(request: web.Request, candidate: Candidate) -> web.Response:
    body = fitted(request[ASK], candidate)
    call = Call(
        candidate.channel, "messages", COUNT_TOKENS_PATH, request.rel_url.raw_query_string, body, request.headers
    )
    answer = await request.app[CLIENT].send(call)
    try:
        counted = await client.read(answer)
    finally:
        answer.close()
    if answer.status >= 400:
        raise judge(candidate.channel, answer.status, counted, body, answer.headers.get("Retry-After"))
    if not _is_count(counted):
        raise UpstreamFailed("it sent no count")
    return web.Response(body=counted, headers=headers.downstream(answer.headers))


def _is_count(body: bytes) -> bool:
    try:
        counted = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(counted, dict) and isinstance(counted.get("input_tokens"), int)
