"""A real Haze for tests: its own folder, its own socket on 127.0.0.1, and a client to talk to it."""

import asyncio
import contextlib
import functools
import io
import json
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web
from wire.lint import LINTERS, lint

from haze_proxy import config
from haze_proxy.app import create_app
from haze_proxy.config_file import ConfigFile
from haze_proxy.gate.connection import Runner
from haze_proxy.money.receipt import nano
from haze_proxy.store import accounts, database, keys, proof, receipts, transfers
from haze_proxy.store.keys import NewKey
from haze_proxy.store.migrations import migrate
from haze_proxy.store.receipts import Receipt
from haze_proxy.store.transfers import Transfer

Json = dict[str, Any]
T = TypeVar("T")
HELLO = [{"role": "user", "content": "Hello"}]
PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
    "embeddings": "/v1/embeddings",
}
ENDS = {protocol: path.removeprefix("/v1") for protocol, path in PATHS.items()}


def asking(protocol: str, model: str = "hekiu", **fields: Any) -> Json:
    """The body of a small request in a protocol; `max_tokens` and `messages` go by the protocol's own names."""
    if protocol == "embeddings":
        return {"model": model, "input": "Hello", **fields}
    body = {"model": model, "messages": HELLO, **fields}
    names = {"messages": "input", "max_tokens": "max_output_tokens"} if protocol == "responses" else {}
    return {names.get(name, name): value for name, value in body.items()}


def spelled(protocol: str, body: bytes) -> bytes:
    """A body with odd spaces or values, in the protocol's own names."""
    if protocol != "responses":
        return body
    return body.replace(b'"messages"', b'"input"').replace(b'"max_tokens"', b'"max_output_tokens"')


ECHO = """
[[channels]]
name = "echo"
kind = "echo"
models = ["hekiu"]
[[models]]
id = "hekiu"
input = 1
output = 5
max_output_tokens = 32_000
"""


def channel(kind: str, url: str, models: str = '["paid"]', **more: str) -> str:
    """A channel to a pretend provider, as config.toml has it."""
    facts = {"name": f'"{kind}"', "kind": f'"{kind}"', "api_key": '"owners-secret"', "base_url": f'"{url}"'}
    rows = "\n".join(f"{key} = {value}" for key, value in {**facts, "models": models, **more}.items())
    return f"\n[[channels]]\n{rows}\n"


# 1 USD per million input tokens and 10 per million output tokens: 1,000 and 10,000 nano-dollars a token.
PAID = '\n[[models]]\nid = "paid"\ninput = 1\noutput = 10\nmax_output_tokens = 1000\n'


@dataclass
class Haze:
    """A running server and what tests ask of it. `key` belongs to an account with ten dollars."""

    app: web.Application
    url: str
    path: Path
    session: aiohttp.ClientSession = field(init=False)
    key: str = ""
    clock: list[float] = field(default_factory=lambda: [1000.0])
    # Set where a test's provider sends what no client could read: then a stream that Haze passes on is not linted.
    provider_lies: bool = False

    def account(self, usd: str = "10", email: str = "a@example.com", **limits: Any) -> str:
        """Make an account with a balance and a key, as another process would; returns the key."""
        new = NewKey(
            **{
                "name": "test",
                "requests_per_minute": 100_000,
                "tokens_per_minute": 1_000_000_000,
                "concurrent_requests": 1000,
                **limits,
            }
        )
        secret = keys.make_secret()
        apart(_make_account, self.path, email, nano(usd), new, secret)
        return secret

    async def known(self, key: str) -> str:
        """Wait until the server has noticed a key."""
        async with asyncio.timeout(5):
            while (await self.get("/v1/key", key=key)).status == 401:
                await asyncio.sleep(0.02)
        return key

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """What a query finds, or changes, in the store as another process sees it."""
        return apart(_with_store, self.path, lambda connection: list(connection.execute(sql, values)))

    def balance(self, account_id: int = 1) -> int:
        """The committed balance of an account in nano-dollars."""
        return apart(_with_store, self.path, lambda c: transfers.balance(c, transfers.account(account_id)))

    def check(self) -> list[str]:
        """What is wrong with the books."""
        return apart(_with_store, self.path, proof.check)

    def receipt(self, request_id: str) -> Receipt:
        """The receipt of a request."""
        return apart(_with_store, self.path, lambda connection: receipts.find(connection, request_id))

    async def ended(self, count: int = 1) -> list[sqlite3.Row]:
        """The rows of requests, as soon as `count` of them have ended."""
        async with asyncio.timeout(5):
            while len(rows := self.rows("SELECT * FROM requests WHERE state <> 'open' ORDER BY id")) < count:
                await asyncio.sleep(0.01)
        return rows

    async def get(self, path: str, *, key: str | None = None, headers: Mapping[str, str] | None = None) -> "Answer":
        """A GET with a key."""
        return await self._send("GET", path, None, key, headers or {})

    async def post(
        self, path: str, body: Any, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> "Answer":
        """A POST of JSON (bytes go out as they are) with a key."""
        return await self._send("POST", path, body, key, headers or {})

    async def ask(self, protocol: str, model: str = "hekiu", *, key: str | None = None, **fields: Any) -> "Answer":
        """A small request in a protocol."""
        fields = {**({"max_tokens": 100} if protocol == "messages" else {}), **fields}
        return await self.post(PATHS[protocol], asking(protocol, model, **fields), key=key)

    async def _send(self, method: str, path: str, body: Any, key: str | None, headers: Mapping[str, str]) -> "Answer":
        data: Any = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data and len(data) > 2**20:
            data = io.BytesIO(data)  # aiohttp warns of more in one piece
        own = {} if key == "" else {"Authorization": f"Bearer {self.key if key is None else key}"}
        sent = {**own, **headers}
        async with self.session.request(
            method, self.url + path, data=data, headers=sent, allow_redirects=False
        ) as response:
            cut, parts = False, []
            try:
                while part := await response.content.readany():
                    parts.append(part)
            except aiohttp.ClientPayloadError:
                cut = True
            answer = Answer(response.status, response.headers, b"".join(parts), cut)
        if not self.provider_lies:
            answer.lint(path)
        return answer


@dataclass
class Answer:
    """What came back; `cut`: the connection broke before the answer's end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    def error(self) -> Json:
        """The error object of an error body."""
        return self.json()["error"]

    def lint(self, path: str) -> None:
        """Fail where this is a stream over which a client of the path's protocol could stumble."""
        protocol = next((name for name, end in ENDS.items() if path.partition("?")[0].rstrip("/").endswith(end)), "")
        if self.headers.get("Content-Type", "").startswith("text/event-stream") and protocol in LINTERS:
            lint(protocol, self.body, whole=not self.cut)


def apart(function: Callable[..., T], *args: Any) -> T:
    """Run in a thread of its own, as another process would: the guard over the server's loop does not mean us."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


def _with_store(path: Path, function: Callable[[sqlite3.Connection], T]) -> T:
    with contextlib.closing(database.connect(str(path))) as connection:
        return function(connection)


def _make_account(path: Path, email: str, balance: int, new: NewKey, secret: str) -> None:
    now = time.time_ns() // 1_000_000
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_bytes(_new_store())
    with contextlib.closing(database.connect(str(path))) as connection:
        migrate(connection)
        with database.transaction(connection):
            _add_account(connection, email, balance, new, secret, now)


@functools.cache
def _new_store() -> bytes:
    """A store in which nothing has happened: thousands of tests begin with one, and making it takes 10 ms."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "haze.db"
        with contextlib.closing(database.connect(str(path))) as connection:
            migrate(connection)
        return path.read_bytes()


def _add_account(connection: sqlite3.Connection, email: str, balance: int, new: NewKey, secret: str, now: int) -> None:
    number = accounts.add(connection, email, password_hash=None, is_admin=False, now_ms=now)
    if balance:
        accounts.credit(connection, number, balance, Transfer(transfers.MANUAL, "", balance, "credit"), now)
    keys.add(connection, number, new, secret, now)


@contextlib.asynccontextmanager
async def running(
    folder: Path, text: str = ECHO, environ: Mapping[str, str] | None = None, key: str = "", **more: Any
) -> AsyncIterator[Haze]:
    """Haze with a configuration of this text, and an account `a@example.com` whose key `haze.key` is known; after a
    restart it is the `key` of before. `more` goes to `create_app`.
    """
    (folder / "config.toml").write_text(text)
    settings = await asyncio.to_thread(config.load, folder / "config.toml")
    clock = [1000.0]
    more = {"clock": lambda: clock[0], "shutdown_s": 0.1, **more}
    file = await asyncio.to_thread(ConfigFile, folder / "config.toml", settings)
    app = await asyncio.to_thread(lambda: create_app(settings, environ or {}, file=file, **more))
    haze = Haze(app, "", Path(settings.store.path), clock=clock)
    # Before the start, so that no test has to wait until the server has noticed.
    haze.key = key or haze.account()
    runner = Runner(app, access_log=None, max_field_size=32_768, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as haze.session:
            haze.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield haze
    finally:
        await runner.cleanup()
