"""GET /openapi.json: the API as OpenAPI 3.1, from the route table, the fields Haze reads, and the table of errors.

Built once, at the start. What a provider takes beyond the fields named here passes as it is.
"""

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from haze_proxy.api.relay import COST_HEADER, DROPPED, LIMITED
from haze_proxy.context import Endpoint
from haze_proxy.errors import TABLE, HazeError, MethodNotAllowed
from haze_proxy.gate import claims
from haze_proxy.gate.rate_limit import ANTHROPIC_HEADERS, OPENAI_HEADERS
from haze_proxy.wire import ask, envelope

Json = dict[str, Any]
JSON: Final = "application/json"
STREAM: Final = "text/event-stream"
PLACEHOLDER: Final = re.compile(r"\{(\w+)(?::[^}]*)?\}")
TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
STREAMED: Final = frozenset({"chat", "messages", "responses"})
# Parameters that Haze reads or keeps, by path and by protocol: place, name, type, what it does.
OF_PATH: Final[dict[str, tuple[tuple[str, str, str, str], ...]]] = {
    "/models": (
        ("query", "limit", "integer", "How many to list, from 1 to 1000."),
        ("query", "after_id", "string", "List what follows this id."),
        ("query", "before_id", "string", "List what stands before this id."),
    ),
}
OF_PROTOCOL: Final[dict[str, tuple[tuple[str, str, str, str], ...]]] = {
    "messages": (
        ("query", "beta", "string", "Kept for the provider, as every other query."),
        ("header", "anthropic-version", "string", "Goes to the provider."),
        ("header", "anthropic-beta", "string", "Goes to the provider."),
    ),
}
VERSION: Final = ("header", "anthropic-version", "string", "With it, errors come in Anthropic's envelope.")
# Statuses that a route without a body can have; one with a body can have all of them.
WITHOUT_BODY: Final = frozenset({401, 403, 500})
# Those that only a route with a price can have.
PAID: Final = frozenset({402, 409})
KEY: Final = ("header", claims.KEY, "string", "The same key and body again: the same answer, charged once.")
HEADERS: Final = {
    "request-id": "The id of the request and of its receipt.",
    "x-request-id": "The same id.",
    "x-upstream-request-id": "The provider's own id of the request.",
    COST_HEADER: "What the answer cost in USD, an exact decimal; not on streams.",
    LIMITED: "The balance pays for a shorter answer than was asked for: `max_output_tokens=N` was sent.",
    DROPPED: "Fields of the request that this channel's protocol cannot say, and that were left out.",
    "x-haze-replayed": "The answer is that of another request with the same `Idempotency-Key`: this one.",
    "Retry-After": "Whole seconds to wait, from 1 to 60.",
    "x-should-retry": '"false": repeating the request cannot help.',
    **{name: "A limit of this key." for row in OPENAI_HEADERS.values() for name in row},
    **{name: "A limit of this key." for row in ANTHROPIC_HEADERS.values() for name in row},
}
IDS: Final = ("request-id", "x-request-id")
ENVELOPES: Final[dict[str, Json]] = {
    "OpenAIError": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "param": {"type": ["string", "null"]},
                    "code": {"type": ["string", "null"]},
                },
            }
        },
    },
    "AnthropicError": {
        "type": "object",
        "required": ["type", "error", "request_id"],
        "properties": {
            "type": {"const": "error"},
            "error": {
                "type": "object",
                "required": ["type", "message"],
                "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
            },
            "request_id": {"type": "string"},
        },
    },
}


def page(routes: Sequence[tuple[Endpoint, Handler]], public_url: str) -> Handler:
    """A handler that shows the document to anyone."""
    body = orjson.dumps(document(routes, public_url))

    async def show(_request: web.Request) -> web.Response:
        """The API as OpenAPI 3.1."""
        # A viewer of such documents lives on a page of its own.
        return web.Response(body=body, content_type=JSON, headers={"Access-Control-Allow-Origin": "*"})

    return show


def document(routes: Iterable[tuple[Endpoint, Handler]], public_url: str) -> Json:
    """The whole document. `public_url` is where this Haze is reached, without `/v1`."""
    paths: dict[str, Json] = {}
    for endpoint, handler in routes:
        path = PLACEHOLDER.sub(r"{\1}", endpoint.path)
        paths.setdefault(f"/v1{path}", {})[endpoint.method.lower()] = _operation(endpoint, handler)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Haze", "version": version("haze-proxy")},
        "servers": [{"url": public_url}],
        "security": [{"bearer": []}, {"x-api-key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "headers": {name: _header(text) for name, text in HEADERS.items()},
            "schemas": ENVELOPES,
        },
    }


def operation_id(handler: Handler) -> str:
    """`messages_create`: the module of a handler and its name."""
    return f"{handler.__module__.rpartition('.')[2]}_{handler.__name__}"


def _operation(endpoint: Endpoint, handler: Handler) -> Json:
    operation = {
        "operationId": operation_id(handler),
        "summary": (handler.__doc__ or "").strip().partition("\n")[0],
        "parameters": _parameters(endpoint),
        "responses": {"200": _answer(endpoint), **_errors(endpoint)},
    }
    return {**operation, "requestBody": _body(endpoint.protocol)} if endpoint.reads else operation


def _parameters(endpoint: Endpoint) -> list[Json]:
    named = [_parameter("path", name, "string", "") for name in PLACEHOLDER.findall(endpoint.path)]
    listed = [*OF_PATH.get(endpoint.path, ()), *OF_PROTOCOL.get(endpoint.protocol, ())]
    listed += [VERSION] * _is_shared(endpoint) + [KEY] * (endpoint.reads == "paid")
    return [*named, *(_parameter(*row) for row in listed)]


def _parameter(place: str, name: str, kind: str, text: str) -> Json:
    made: Json = {"in": place, "name": name, "schema": {"type": kind}, "required": place == "path"}
    return {**made, "description": text} if text else made


def _body(protocol: str) -> Json:
    required = {"model": ((str,), ""), **ask.REQUIRED.get(protocol, {})}
    fields = {name: _schema(kinds) for name, (kinds, _) in {**ask.TYPES, **required}.items()}
    schema = {"type": "object", "required": list(required), "properties": fields, "additionalProperties": True}
    text = "Plain, or compressed: gzip, deflate, br or zstd."
    return {"required": True, "description": text, "content": {JSON: {"schema": schema}}}


def _schema(kinds: type | tuple[type, ...]) -> Json:
    named = [TYPES[kind] for kind in (kinds if isinstance(kinds, tuple) else (kinds,))]
    return {"type": named[0] if len(named) == 1 else named}


def _answer(endpoint: Endpoint) -> Json:
    content: Json = {JSON: {"schema": {"type": "object"}}}
    names: tuple[str, ...] = IDS
    if endpoint.reads == "paid":
        limits = ANTHROPIC_HEADERS if endpoint.protocol == "messages" else OPENAI_HEADERS
        kept = "x-upstream-request-id", COST_HEADER, "x-haze-replayed"
        names = (*IDS, *kept, *(name for row in limits.values() for name in row))
        if endpoint.protocol in STREAMED:
            content[STREAM] = {"schema": {"type": "string"}}
    return {"description": "The answer.", "headers": _references(names), "content": content}


def _errors(endpoint: Endpoint) -> Json:
    rows: dict[int, list[type[HazeError]]] = {}
    for row in TABLE:
        if _is_possible(endpoint, row):
            rows.setdefault(envelope.status(row("…"), endpoint.protocol), []).append(row)
    return {str(status): _error(endpoint, rows[status]) for status in sorted(rows)}


def _is_possible(endpoint: Endpoint, row: type[HazeError]) -> bool:
    if row is MethodNotAllowed:
        return False
    if endpoint.reads:
        return endpoint.reads == "paid" or row.status not in PAID
    named = ({404} if "{" in endpoint.path else set()) | ({400} if endpoint.path in OF_PATH else set())
    return row.status in WITHOUT_BODY | named


def _error(endpoint: Endpoint, rows: list[type[HazeError]]) -> Json:
    protocols = [endpoint.protocol, *(["messages"] if _is_shared(endpoint) else [])]
    schemas = [_reference("schemas", "AnthropicError" if name == "messages" else "OpenAIError") for name in protocols]
    examples = {
        f"{row.__name__}{' (Anthropic)' * (number > 0)}": {"value": envelope.of(row(row.when), protocol, "req_…")}
        for number, protocol in enumerate(protocols)
        for row in rows
    }
    wait = ("Retry-After",) if any("Retry-After" in row.retry for row in rows) else ()
    final = ("x-should-retry",) if any(row("…").final for row in rows) else ()
    return {
        "description": "; ".join(f"{row.when} (repeat: {row.retry})" for row in rows),
        "headers": _references((*IDS, *wait, *final)),
        "content": {JSON: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}, "examples": examples}},
    }


def _is_shared(endpoint: Endpoint) -> bool:
    """Whether clients of both worlds ask this path."""
    return endpoint.path.startswith("/models")


def _header(text: str) -> Json:
    return {"description": text, "schema": {"type": "string"}}


def _references(names: Iterable[str]) -> Json:
    return {name: _reference("headers", name) for name in names}


def _reference(section: str, name: str) -> Json:
    return {"$ref": f"#/components/{section}/{name}"}
