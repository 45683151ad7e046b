"""The one route table of the API, and the sub-applications built from it.

The guard is where a route is mounted: whatever stands in this table is behind the gate, under every prefix, and nothing
else is. People paste wrong base URLs, so the same table is also served below `/v1/v1`, without `/v1`, with a slash too
many before the path, and with one behind it: never by a redirect, which would lose a body.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from haze_proxy.api import chat, courtesy, embeddings, key, messages, models, responses
from haze_proxy.context import ENDPOINT, Endpoint
from haze_proxy.gate.body import expect

# What people read of a route, here and in the README; backticks mark what is code.
CHAT: Final = "OpenAI chat, streamed or not"
RESPONSES: Final = "OpenAI Responses, streamed or not; nothing is kept at the provider"
MESSAGES: Final = "Anthropic Messages, streamed or not; its query is kept"
COUNT_TOKENS: Final = "the provider's own counter where it has one, else a high estimate; free"
EMBEDDINGS: Final = "OpenAI embeddings; vectors come as floats or base64, whichever was asked for"
MODELS: Final = "what this key may use, with prices and sizes; one shape for all SDKs"
MODEL: Final = "one model; a slash in the id raw or as `%2F`"
KEY: Final = "what this key may, has used, and has left"

ROUTES: Final[tuple[tuple[Endpoint, Handler], ...]] = (
    (Endpoint("POST", "/chat/completions", "chat", "paid", CHAT), chat.completions),
    (Endpoint("POST", "/responses", "responses", "paid", RESPONSES), responses.create),
    (Endpoint("POST", "/messages", "messages", "paid", MESSAGES), messages.create),
    (Endpoint("POST", "/messages/count_tokens", "messages", "counted", COUNT_TOKENS), messages.count_tokens),
    (Endpoint("POST", "/embeddings", "embeddings", "paid", EMBEDDINGS), embeddings.create),
    (Endpoint("GET", "/models", "chat", what=MODELS), models.every),
    (Endpoint("GET", "/models/{id:.+}", "chat", what=MODEL), models.one),
    (Endpoint("GET", "/key", "chat", what=KEY), key.show),
)
# The longer prefix first: aiohttp looks at them in this order.
VERSIONED: Final = ("/v1/v1", "/v1")
UNVERSIONED: Final = tuple(dict.fromkeys(f"/{endpoint.path.split('/')[1]}" for endpoint, _ in ROUTES))
# A base URL that ends with a slash, and one that does not.
LEADING: Final = ("", "/")

Shared = Mapping[web.AppKey[Any], object]


def mount(root: web.Application, gate: Sequence[Middleware], shared: Shared) -> None:
    """Build a guarded sub-application for each prefix: one application cannot be mounted twice."""
    for slash in LEADING:
        for prefix in VERSIONED:
            root.add_subapp(slash + prefix, create_api(gate, shared, ROUTES))
        for prefix in UNVERSIONED:
            below = [(endpoint, handler) for endpoint, handler in ROUTES if _is_below(endpoint.path, prefix)]
            root.add_subapp(slash + prefix, create_api(gate, shared, below, prefix))


def create_api(
    gate: Sequence[Middleware], shared: Shared, routes: Sequence[tuple[Endpoint, Handler]], prefix: str = ""
) -> web.Application:
    """A guarded sub-application of some rows of the table, to be mounted at `prefix`."""
    endpoints = {handler: endpoint for endpoint, handler in routes}
    api = web.Application(middlewares=[knows(endpoints), *gate])
    for name, value in shared.items():
        api[name] = value
    api.on_response_prepare.append(courtesy.readable)
    for endpoint, handler in routes:
        for spelling in spellings(endpoint.path.removeprefix(prefix)):
            api.router.add_route(endpoint.method, spelling, handler, expect_handler=expect)
    return api


def inside(gate: Sequence[Middleware], path: str) -> Handler:
    """A row of the table for a page of this house: the same gate stands before it, without a door of its own."""
    endpoint, guarded = next((endpoint, handler) for endpoint, handler in ROUTES if endpoint.path == path)
    for middleware in reversed(gate):
        guarded = partial(middleware, handler=guarded)

    async def ask(request: web.Request) -> web.StreamResponse:
        request[ENDPOINT] = endpoint
        return await guarded(request)

    return ask


def spellings(path: str) -> Iterator[str]:
    """The ways to write a path below its prefix."""
    for slash in LEADING if path else ("",):
        yield slash + path
        if "{" not in path:
            yield f"{slash}{path}/"


def knows(endpoints: dict[Handler, Endpoint]) -> Middleware:
    """Sets request[ENDPOINT]; what has no row in the table is answered before anyone is asked who he is."""

    @web.middleware
    async def table(request: web.Request, handler: Handler) -> web.StreamResponse:
        endpoint = endpoints.get(request.match_info.handler)
        if endpoint is None:
            return courtesy.answer(request)
        request[ENDPOINT] = endpoint
        return await handler(request)

    return table


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
