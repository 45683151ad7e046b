"""What Haze says of itself on /docs, gathered from the tables that the code itself goes by."""

from typing import Final

from haze_proxy.api import openapi, routes
from haze_proxy.api.keepalive import SILENCE_S
from haze_proxy.gate import limiter
from haze_proxy.gate.body import ENCODINGS
from haze_proxy.gate.rate_limit import ANTHROPIC_HEADERS, OPENAI_HEADERS
from haze_proxy.web.reference import Reference, Route, Rules
from haze_proxy.wire.keepalive import KEEPALIVE

# What answers without a key, beside the pages (app.py).
OPEN: Final = (
    Route("GET", "/openapi.json", "this API as OpenAPI 3.1", open=True),
    Route("GET", "/healthz", "the process is alive", open=True),
    Route("GET", "/readyz", "the store can be written (503 if not)", open=True),
)
LIMIT_HEADERS: Final = {
    "openai": tuple(name for row in OPENAI_HEADERS.values() for name in row),
    "anthropic": tuple(name for row in ANTHROPIC_HEADERS.values() for name in row),
}


def reference() -> Reference:
    """All of it; it follows from the code alone, and not from the configuration."""
    limits = {name for names in LIMIT_HEADERS.values() for name in names}
    return Reference(
        routes=(*_routes(), *OPEN),
        headers={name: text for name, text in openapi.HEADERS.items() if name not in limits},
        limit_headers=LIMIT_HEADERS,
        rules=_rules(),
        keepalive_s=SILENCE_S,
        keepalives={protocol: sign.decode().strip() for protocol, sign in KEEPALIVE.items()},
        encodings=tuple(sorted(ENCODINGS - {"", "identity"})),
    )


def _routes() -> tuple[Route, ...]:
    endpoints = (endpoint for endpoint, _ in routes.ROUTES)
    return tuple(
        Route(each.method, "/v1" + openapi.PLACEHOLDER.sub(r"{\1}", each.path), each.what) for each in endpoints
    )


def _rules() -> Rules:
    low, high = limiter.RETRY_AFTER_S
    return Rules(
        limiter.BURST_SHARE,
        limiter.BURST_MIN,
        limiter.COUNTS_PER_MINUTE,
        limiter.COUNTS_AT_ONCE,
        low,
        high,
    )
