"""How fast? Takes a request and a place among the running ones by the headers alone, then reads the body once, and
reserves its tokens. A refused request consumes nothing; on the way out the place is given back.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from haze_proxy.context import ASK, CALLER, DIRECTORY, ENDPOINT
from haze_proxy.errors import HazeError, RateLimited
from haze_proxy.gate import body, limiter
from haze_proxy.gate.idempotency import REPLAYED
from haze_proxy.gate.limiter import Pace
from haze_proxy.gate.settlement import HOLD
from haze_proxy.store.keys import Key


class Paces:
    """The pace of every key, and the clock they are measured by."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.of: defaultdict[int, Pace] = defaultdict(Pace)


PACES = web.AppKey("paces", Paces)
# Tokens a request has reserved; whoever learns the true number corrects it through `correct`.
RESERVED = web.RequestKey("reserved", int)


def rate_limit(paces: Paces) -> Middleware:
    """A gate that sets request[ASK]. Raises RateLimited naming the limit, or BadRequest for a body it cannot read."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        reads = request[ENDPOINT].reads
        if reads == "paid":
            return await _paid(paces, request, handler)
        if reads == "counted":
            return await _counted(paces, request, handler)
        return await handler(request)

    return gate


async def _paid(paces: Paces, request: web.Request, handler: Handler) -> web.StreamResponse:
    key = request[CALLER]
    pace = paces.of[key.id]
    _admit(pace, key, paces.clock())
    pace.running += 1
    try:
        request[ASK] = await body.read(request)
        tokens = _expected_tokens(request)
        wait = pace.tokens.wait(paces.clock(), tokens, key.tokens_per_minute, key.tokens_per_minute)
        if wait:
            raise refused("tokens per minute", key.tokens_per_minute, wait)
        pace.tokens.take(paces.clock(), tokens, key.tokens_per_minute)
        request[RESERVED] = tokens
        return await handler(request)
    finally:
        body.let_go(request)
        pace.running -= 1
        if HOLD not in request:
            # Refused, here or by the next gates: nothing was used. Another request's answer is a request all the same.
            if REPLAYED not in request:
                pace.requests.take(paces.clock(), -1, key.requests_per_minute)
            correct(request, 0)


def _expected_tokens(request: web.Request) -> int:
    """The input and one slice of output, where there can be any."""
    ask = request[ASK]
    slice_tokens = request.app[DIRECTORY].value.config.billing.output_slice_tokens
    return ask.input_estimate + (0 if ask.output_limit == 0 else slice_tokens)


async def _counted(paces: Paces, request: web.Request, handler: Handler) -> web.StreamResponse:
    pace = paces.of[request[CALLER].id]
    wait = pace.counts.wait(paces.clock(), 1, limiter.COUNTS_PER_MINUTE, limiter.COUNTS_PER_MINUTE)
    if wait:
        raise refused("token counts per minute", limiter.COUNTS_PER_MINUTE, wait)
    if pace.counting >= limiter.COUNTS_AT_ONCE:
        raise refused("token counts at once", limiter.COUNTS_AT_ONCE, 1)
    pace.counts.take(paces.clock(), 1, limiter.COUNTS_PER_MINUTE)
    pace.counting += 1
    try:
        request[ASK] = await body.read(request)
        return await handler(request)
    except HazeError:
        pace.counts.take(paces.clock(), -1, limiter.COUNTS_PER_MINUTE)
        raise
    finally:
        body.let_go(request)
        pace.counting -= 1


def _admit(pace: Pace, key: Key, now: float) -> None:
    burst = limiter.request_burst(key.requests_per_minute)
    if wait := pace.requests.wait(now, 1, key.requests_per_minute, burst):
        raise refused("requests per minute", key.requests_per_minute, wait)
    if pace.running >= key.concurrent_requests:
        raise refused("requests at once", key.concurrent_requests, 1)
    pace.requests.take(now, 1, key.requests_per_minute)


def refused(what: str, limit: int, wait_s: float) -> RateLimited:
    """429 that names the limit that was hit."""
    seconds = limiter.retry_after(wait_s)
    return RateLimited(
        f"This API key's limit of {limit} {what} is reached. Retry in {seconds} s.", retry_after_s=seconds
    )


def correct(request: web.Request, tokens: int) -> None:
    """Replace the reserved tokens of a request by the true number; at most a minute's worth, if a provider lies."""
    key, paces = request[CALLER], request.app[PACES]
    tokens = min(tokens, max(key.tokens_per_minute, request.get(RESERVED, 0)))
    reserved = request.get(RESERVED, 0)
    paces.of[key.id].tokens.take(paces.clock(), tokens - reserved, key.tokens_per_minute)
    request[RESERVED] = tokens


def headers(request: web.Request) -> dict[str, str]:
    """The state of a key's limits, as its protocol names it. Nothing where no limit was asked."""
    if CALLER not in request or request[ENDPOINT].reads != "paid":
        return {}
    key, paces = request[CALLER], request.app[PACES]
    pace, now = paces.of[key.id], paces.clock()
    rows = (
        ("requests", key.requests_per_minute, pace.requests, limiter.request_burst(key.requests_per_minute)),
        ("tokens", key.tokens_per_minute, pace.tokens, key.tokens_per_minute),
    )
    name_of = ANTHROPIC_HEADERS if request[ENDPOINT].protocol == "messages" else OPENAI_HEADERS
    made: dict[str, str] = {}
    for name, limit, bucket, burst in rows:
        total, left, reset = name_of[name]
        made[total] = str(limit)
        made[left] = str(min(limit, bucket.left(now, limit, burst)))
        full_in = bucket.full_in(now)
        made[reset] = f"{full_in:.3f}s" if name_of is OPENAI_HEADERS else _rfc3339(int(time.time() + full_in))
    return made


OPENAI_HEADERS: Final = {
    name: (f"x-ratelimit-limit-{name}", f"x-ratelimit-remaining-{name}", f"x-ratelimit-reset-{name}")
    for name in ("requests", "tokens")
}
ANTHROPIC_HEADERS: Final = {
    name: tuple(f"anthropic-ratelimit-{name}-{what}" for what in ("limit", "remaining", "reset"))
    for name in ("requests", "tokens")
}


@lru_cache(maxsize=128)
def _rfc3339(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
