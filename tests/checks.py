"""What every refusal must look like, and what it must leave behind: nothing."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from gateway import Answer, Haze

from haze_proxy.context import WALLET
from haze_proxy.resources import BOOKS

# The published error table: status -> OpenAI's (type, code), Anthropic's type.
TABLE: dict[int, tuple[tuple[str, str | None], str]] = {
    400: (("invalid_request_error", None), "invalid_request_error"),
    401: (("authentication_error", "invalid_api_key"), "authentication_error"),
    402: (("insufficient_quota", "insufficient_quota"), "billing_error"),
    403: (("permission_error", None), "permission_error"),
    404: (("not_found_error", "model_not_found"), "not_found_error"),
    405: (("invalid_request_error", None), "invalid_request_error"),
    409: (("invalid_request_error", "idempotency_conflict"), "conflict_error"),
    413: (("invalid_request_error", None), "request_too_large"),
    415: (("invalid_request_error", None), "invalid_request_error"),
    429: (("rate_limit_error", "rate_limit_exceeded"), "rate_limit_error"),
    500: (("server_error", None), "api_error"),
    502: (("server_error", None), "api_error"),
    503: (("server_error", "no_available_channel"), "api_error"),
    504: (("server_error", None), "timeout_error"),
    529: (("server_error", None), "overloaded_error"),
}
FINAL = {401, 402, 403, 404, 405, 409}


def refused(answer: Answer, protocol: str, status: int, *, code: str | None = "") -> str:
    """Check an error's status, envelope, ids and headers; returns its message. `code` where it is not the usual one."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.headers["request-id"].startswith("req_")
    if status in FINAL:
        assert answer.headers["x-should-retry"] == "false"
    if wait := answer.headers.get("Retry-After"):
        assert 1 <= int(wait) <= 60
    body, ((kind, usual), anthropic) = answer.json(), TABLE[status]
    message: str = body["error"]["message"]
    if protocol == "messages":
        error = {"type": anthropic, "message": message}
        assert body == {"type": "error", "error": error, "request_id": answer.headers["request-id"]}
    else:
        param = body["error"].get("param")
        named = usual if code == "" else code
        assert body == {"error": {"message": message, "type": kind, "param": param, "code": named}}
    assert message
    return message


def error_events(answer: Answer) -> list[Any]:
    """The error objects a stream told. A response that has not failed says `"error": null` of itself."""
    lines = [line[6:] for line in answer.body.split(b"\n") if line.startswith(b"data: {")]
    return [document["error"] for document in map(json.loads, lines) if "error" in document]


def untouched(haze: Haze) -> None:
    """Nothing is held, nothing was written, every place in the writer's queue is free."""
    wallet = haze.app[WALLET]
    assert [purse.held for purse in (*wallet.accounts.values(), *wallet.budgets.values()) if purse.held] == []
    assert haze.rows("SELECT * FROM requests") == []
    assert haze.check() == []


def held(haze: Haze, account_id: int = 1) -> int:
    """Nano-dollars set aside for an account's running requests."""
    return haze.app[WALLET].accounts[account_id].held


async def quiet(haze: Haze) -> None:
    """Wait until nothing is held any more; then the books must be right."""
    async with asyncio.timeout(5):
        while any(purse.held for purse in haze.app[WALLET].accounts.values()):
            await asyncio.sleep(0.01)
    assert haze.check() == []


@contextlib.asynccontextmanager
async def locked(haze: Haze, patience_ms: int = 5000) -> AsyncIterator[None]:
    """Another process holds the store's write lock; the server gives up after `patience_ms`."""
    server = haze.app[BOOKS].writer._connection
    await server.run(lambda connection: connection.execute(f"PRAGMA busy_timeout = {patience_ms}"))
    with contextlib.closing(sqlite3.connect(haze.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    await server.run(lambda connection: connection.execute("PRAGMA busy_timeout = 5000"))


async def line(haze: Haze) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare connection to the server."""
    place = urlsplit(haze.url)
    return await asyncio.open_connection(place.hostname, place.port)


async def exchange(haze: Haze, data: bytes) -> bytes:
    """Send bytes as they are; all that comes back until the server closes. Ask for `Connection: close`."""
    reader, writer = await line(haze)
    writer.write(data)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


def parts(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """A raw answer as its status, its headers in lower case, and its body as it came."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    named: dict[str, Any] = dict(row.split(": ", 1) for row in rest)
    return int(first.split()[1]), {name.lower(): value for name, value in named.items()}, body
