"""The one route table of the API, and the sub-applications built from it.

The guard is where a route is mounted: whatever stands in this table is behind the gate, under every prefix, and nothing
else is. People paste wrong base URLs, so the same table is also served below `/v1/v1` and without `/v1`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from haze_proxy.api import chat, embeddings, key, messages, models, responses
from haze_proxy.context import ENDPOINT, Endpoint
from haze_proxy.gate.body import expect

ROUTES: Final[tuple[tuple[Endpoint, Handler], ...]] = (
    (Endpoint("POST", "/chat/completions", "chat", "paid"), chat.completions),
    (Endpoint("POST", "/messages", "messages", "paid"), messages.create),
    (Endpoint("POST", "/messages/count_tokens", "messages", "counted"), messages.count_tokens),
    (Endpoint("POST", "/responses", "responses", "paid"), responses.create),
    (Endpoint("POST", "/embeddings", "embeddings", "paid"), embeddings.create),
    (Endpoint("GET", "/models", "chat"), models.every),
    (Endpoint("GET", "/models/{id:.+}", "chat"), models.one),
    (Endpoint("GET", "/key", "chat"), key.show),
)
# The longer prefix first: aiohttp looks at them in this order.
VERSIONED: Final = ("/v1/v1", "/v1")
UNVERSIONED: Final = ("/chat", "/messages", "/responses", "/embeddings", "/models", "/key")


Shared = Mapping[web.AppKey[Any], object]


def mount(root: web.Application, gate: Sequence[Middleware], shared: Shared) -> None:
    """Build a guarded sub-application for each prefix: one application cannot be mounted twice."""
    for prefix in VERSIONED:
        root.add_subapp(prefix, create_api(gate, shared, ROUTES))
    for prefix in UNVERSIONED:
        below = [(endpoint, handler) for endpoint, handler in ROUTES if _is_below(endpoint.path, prefix)]
        root.add_subapp(prefix, create_api(gate, shared, below, prefix))


def create_api(
    gate: Sequence[Middleware], shared: Shared, routes: Sequence[tuple[Endpoint, Handler]], prefix: str = ""
) -> web.Application:
    """A guarded sub-application of some rows of the table, to be mounted at `prefix`."""
    endpoints = {handler: endpoint for endpoint, handler in routes}
    api = web.Application(middlewares=[knows(endpoints), *gate])
    for name, value in shared.items():
        api[name] = value
    for endpoint, handler in routes:
        path = endpoint.path.removeprefix(prefix)
        # No redirect for a trailing slash: it would lose a body.
        for spelling in (path,) if "{" in path else (path, f"{path}/"):
            api.router.add_route(endpoint.method, spelling, handler, expect_handler=expect)
    return api


def knows(endpoints: dict[Handler, Endpoint]) -> Middleware:
    """Sets request[ENDPOINT]; a route that does not exist is answered before anyone is asked who he is."""

    @web.middleware
    async def table(request: web.Request, handler: Handler) -> web.StreamResponse:
        endpoint = endpoints.get(request.match_info.handler)
        if endpoint is None:
            return await request.match_info.handler(request)
        request[ENDPOINT] = endpoint
        return await handler(request)

    return table


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
