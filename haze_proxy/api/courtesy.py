"""What is answered outside the gate, because whoever asks has no key yet: `OPTIONS` and `HEAD`; and what browsers need.

Any web page may call the API, because a key is needed for everything that matters and no cookie means anything here:
`Access-Control-Allow-Origin: *`, never with credentials. Source: the WHATWG Fetch standard, "CORS protocol".
"""

import re
from typing import Final

from aiohttp import web
from aiohttp.web_exceptions import HTTPMethodNotAllowed

OUTSIDE: Final = ("HEAD", "OPTIONS")
# For a path that is not there: the browser must send the real request, or nobody reads its 404.
ANY: Final = ("GET", *OUTSIDE, "POST")
REQUESTED: Final = re.compile(r"[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*", re.ASCII)
REQUESTED_CHARACTERS_MAX: Final = 4096
MAX_AGE_S: Final = 86_400


def answer(request: web.Request) -> web.Response:
    """Answer what has no row in the route table. Raises HTTPNotFound or HTTPMethodNotAllowed where none is due."""
    missing = request.match_info.http_exception
    methods: tuple[str, ...] = ()
    if isinstance(missing, HTTPMethodNotAllowed):
        methods = tuple(sorted({*missing.allowed_methods, *OUTSIDE}))
    if request.method == "OPTIONS":
        return _options(request, methods or ANY)
    if methods and request.method == "HEAD":
        return web.Response(content_type="application/json")
    if methods:
        raise HTTPMethodNotAllowed(request.method, methods)
    assert missing is not None  # noqa: S101 - else the request would have a row
    raise missing


async def readable(request: web.Request, response: web.StreamResponse) -> None:
    """Let a page of any origin read an answer and all its headers."""
    if "Origin" in request.headers:
        response.headers["Access-Control-Expose-Headers"] = ", ".join(response.headers)
        response.headers["Access-Control-Allow-Origin"] = "*"


def _options(request: web.Request, methods: tuple[str, ...]) -> web.Response:
    listed = ", ".join(methods)
    response = web.Response(status=204, headers={"Allow": listed})
    if "Origin" in request.headers and "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = listed
        response.headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
        wanted = request.headers.get("Access-Control-Request-Headers", "").strip()
        if len(wanted) <= REQUESTED_CHARACTERS_MAX and REQUESTED.fullmatch(wanted):
            response.headers["Access-Control-Allow-Headers"] = wanted
    return response
