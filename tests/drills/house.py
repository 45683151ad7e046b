"""A real Haze in a process of its own, which a drill may kill, stop or starve, and its books as the disk has them."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import channel

ROOT = Path(__file__).parents[2]
START_S = 30  # a loaded machine imports slowly
COMMAND_S = 60
# Limits that never refuse: a drill is about money and processes.
WIDE_OPEN = ("--rpm", "1000000", "--tpm", "1000000000", "--concurrent", "10000")
# What would send a request to 127.0.0.1 elsewhere.
LEADING_AWAY = re.compile("_PROXY$", re.IGNORECASE)

# Prices with an uneven fraction of a nano-dollar per token, so that rounding shows.
INPUT_NANO_PER_MILLION = 1_234_567_891
OUTPUT_NANO_PER_MILLION = 9_876_543_211
CONFIG = """
[store]
durability = "{durability}"

[[models]]
id = "paid"
input = 1.234567891
output = 9.876543211
max_output_tokens = 1000
"""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str


class House:
    """One folder with its configuration and database, and the server that runs on it, if one does."""

    def __init__(self, folder: Path, provider_url: str, durability: str = "full") -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.config = folder / "config.toml"
        self.database = folder / "data" / "haze.db"
        self.log = folder / "haze.log"
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None
        channels = channel("openai", provider_url) + channel("anthropic", provider_url)
        self.config.write_text(CONFIG.format(durability=durability) + channels)

    # ---- the process ----

    async def start(self, *, wait: bool = True) -> None:
        """Start the server on a free port, and wait until it is ready."""
        self.port = free_port()
        with self.log.open("ab") as log:
            self.process = await self._spawn("serve", "--port", str(self.port), stdout=log, stderr=log)
        if wait:
            await eventually(self._is_ready, "the server is ready", START_S)

    async def kill(self) -> None:
        """SIGKILL: no line of the program runs after this."""
        await self._end(signal.SIGKILL)

    async def stop(self, seconds: float = 120) -> int:
        """SIGTERM, as a service manager sends it; returns the exit status."""
        return await self._end(signal.SIGTERM, seconds)

    async def _end(self, number: int, seconds: float = 20) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.ended(seconds)

    async def ended(self, seconds: float) -> int:
        """The exit status, once the server has ended by itself or because it was told to."""
        assert self.process is not None
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, f"ended with {self.process.returncode}:\n{self.told()}"
        return await self.status("/readyz") == 200

    def told(self) -> str:
        """The last lines of the server's log."""
        return self.log.read_text(errors="replace")[-3000:]

    async def status(self, path: str, key: str = "") -> int:
        """The status of a GET; 0 where nobody answers."""
        return (await self.get(path, key))[0]

    async def get(self, path: str, key: str = "") -> tuple[int, bytes]:
        """Status and body of a GET; 0 where nobody answers."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return 0, b""
        try:
            head = f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nx-api-key: {key}\r\n\r\n"
            writer.write(head.encode())
            async with asyncio.timeout(15):
                answer = await reader.read()
        except OSError:
            return 0, b""
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        head_bytes, _, body = answer.partition(b"\r\n\r\n")
        return int(head_bytes[9:12] or 0), body

    async def standing(self, key: str) -> dict[str, Any]:
        """What the running server says of a key and its account's money."""
        status, body = await self.get("/v1/key", key)
        assert status == 200, body
        data: dict[str, Any] = json.loads(body)["data"]
        return data

    # ---- the owner's commands ----

    async def _spawn(self, *arguments: str, **pipes: Any) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "haze_proxy", "--config", str(self.config), *arguments),
            cwd=ROOT,
            env=undisturbed(os.environ),
            stdin=asyncio.subprocess.DEVNULL,
            **pipes,
        )

    async def run(self, *arguments: str) -> Done:
        """Run a command to its end."""
        pipe = asyncio.subprocess.PIPE
        process = await self._spawn(*arguments, stdout=pipe, stderr=pipe)
        try:
            async with asyncio.timeout(COMMAND_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def say(self, *arguments: str) -> str:
        """Run a command that must succeed; returns what it printed."""
        done = await self.run(*arguments)
        assert done.status == 0, f"haze-proxy {' '.join(arguments)}: {done}"
        return done.out.strip()

    async def say_and_die(self, seconds: float, *arguments: str) -> None:
        """Run a command and kill it after so long, if it has not ended by then."""
        nowhere = asyncio.subprocess.DEVNULL
        process = await self._spawn(*arguments, stdout=nowhere, stderr=nowhere)
        await asyncio.wait([ended := asyncio.create_task(process.wait())], timeout=seconds)
        if process.returncode is None:
            process.kill()
        await ended

    async def caller(self, email: str, usd: str) -> str:
        """Make an account with a balance, and a key of it that nothing limits."""
        await self.say("account", "add", email, *(("--credit", usd) if usd != "0" else ()))
        return await self.say("key", "add", email, *WIDE_OPEN)

    async def knows(self, key: str) -> None:
        """Wait until the running server has noticed a key."""
        await eventually(lambda: self._accepts(key), "a new key is noticed", 10)

    async def _accepts(self, key: str) -> bool:
        return await self.status("/v1/key", key) == 200

    # ---- the books ----

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """What a query finds in the database, read by a connection that is not Haze's."""
        return read(self.database, sql, *values)

    def copied(self) -> "House":
        """The database as another machine would find it: a copy of its files, so that theirs stay as they are."""
        folder = self.folder / "as_found"
        shutil.rmtree(folder, ignore_errors=True)
        found = House(folder, "http://127.0.0.1:9/v1")
        found.database.parent.mkdir()
        for file in self.database.parent.glob("haze.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, found.database.parent)
        return found

    def open_when_killed(self) -> set[str]:
        """Ids of requests open on the disk; read from a copy, so that the dead server's own log stays as it left it."""
        return {row["id"] for row in self.copied().rows("SELECT id FROM requests WHERE state = 'open'")}


@contextlib.asynccontextmanager
async def house(folder: Path, provider_url: str, durability: str = "full") -> AsyncIterator[House]:
    """A started Haze; whatever happens, its process is gone afterwards."""
    made = House(folder, provider_url, durability)
    try:
        await made.start()
        yield made
    except BaseException:
        print(f"The server's log ends with:\n{made.told()}")
        raise
    finally:
        if made.process is not None and made.process.returncode is None:
            await made.kill()


def read(path: Path, sql: str, *values: Any) -> list[sqlite3.Row]:
    """What a query finds in a database file."""
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(sql, values).fetchall()


async def eventually(look: Callable[[], Awaitable[bool]], what: str, seconds: float) -> float:
    """Ask until the answer is yes; returns how many seconds it took. AssertionError naming `what` when it is not."""
    began = time.monotonic()
    while not await look():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def free_port() -> int:
    """A port of 127.0.0.1 nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def undisturbed(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without proxies."""
    return {name: value for name, value in environ.items() if not LEADING_AWAY.search(name)}
