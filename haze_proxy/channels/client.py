"""The one place that calls out: a request to a channel, and the answer as it comes.

Every way in which an upstream can fail before or during its answer becomes UpstreamFailed or UpstreamSilent here, right
around the call that raised it: writing to the caller is somebody else's, and its errors must not be taken for these.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from types import MappingProxyType
from typing import Final, Protocol

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from haze_proxy.channels import echo, headers
from haze_proxy.channels.channel import Channel
from haze_proxy.channels.error_shapes import READ_BYTES_MAX
from haze_proxy.channels.faults import Unreachable
from haze_proxy.errors import UpstreamFailed, UpstreamSilent

CONNECT_TIMEOUT_S: Final = 10
KEEPALIVE_S: Final = 60
ANSWER_BYTES_MAX: Final = 64 * 2**20
# Ten times the longest list there is.
LIST_BYTES_MAX: Final = 8 * 2**20
NO_QUERY: Final[Mapping[str, str]] = MappingProxyType({})
# A refusal's status says most of it. What it says besides has little time and room.
REFUSAL_S: Final = 5
LEFTOVER_S: Final = 1
LEFTOVER_BYTES_MAX: Final = 64 * 2**10
READABLE: Final = frozenset({"", "identity", "gzip", "deflate", "br", "zstd"})
HEADER_BYTES_MAX: Final = 32 * 2**10
# aiohttp warns of more; from a file it goes out piece by piece, and the loop turns in between.
ONE_PIECE_BYTES_MAX: Final = 2**20


class Answer(Protocol):
    """An upstream's answer: status and headers are there, the body comes while it is read."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    async def chunk(self) -> bytes:
        """The next piece of the body, b"" at its end. Raises UpstreamFailed or UpstreamSilent when it breaks off."""

    def close(self) -> None:
        """Let go: an answer that was not read to its end is cut, which stops most providers' work."""

    def finish(self) -> None:
        """Let go of an answer that has said all: the end of its body may still be on its way."""


@dataclass(slots=True)
class Call:
    """One request to one channel. `path` is below its base URL; `query` is the client's own, without `?`."""

    channel: Channel
    protocol: str
    path: str
    query: str
    body: bytes
    headers: CIMultiDictProxy[str]


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """What an upstream says to GET /models: the status, and the body; of a refusal only the beginning."""

    status: int
    body: bytes


class HttpAnswer:
    """An answer over HTTP. Reading it longer than `silence_timeout_s` without a byte is a failure of the upstream.

    One timer an answer, which looks back when it fires: a new one for every chunk would cost as much as the chunk.
    """

    def __init__(self, response: aiohttp.ClientResponse, channel: Channel, leftovers: "Leftovers") -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._channel = channel
        self._leftovers = leftovers
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._waiting_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        if response.connection is not None and response.connection.protocol is not None:
            response.connection.protocol.read_timeout = None
            self._look_in(channel.silence_timeout_s)

    async def chunk(self) -> bytes:
        self._waiting_since = self._loop.time()
        try:
            return await self._response.content.readany()
        except TimeoutError as error:
            raise silent(self._channel) from error
        except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError) as error:
            raise broken(self._channel) from error
        finally:
            # While a slow client is written to, nobody waits for the upstream.
            self._waiting_since = None

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._response.content.is_eof():
            self._response.release()
        else:
            self._response.close()

    def finish(self) -> None:
        if not self._response.content.is_eof() and not self._closed:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            self._leftovers.read(self._response)

    def _look_in(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        quiet = 0.0 if self._waiting_since is None else now - self._waiting_since
        left = self._channel.silence_timeout_s - quiet
        if left > 0:
            self._look_in(left)
        else:
            self._response.content.set_exception(TimeoutError())


class Leftovers:
    """Reads what little follows the end of an answer, so that its connection can be used again."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def read(self, response: aiohttp.ClientResponse) -> None:
        """Release the connection once the body has ended, or cut it soon."""
        task = asyncio.ensure_future(self._read(response))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cut what is still open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        size = 0
        try:
            async with asyncio.timeout(LEFTOVER_S):
                while (chunk := await response.content.readany()) and size < LEFTOVER_BYTES_MAX:
                    size += len(chunk)
        except (TimeoutError, aiohttp.ClientError, OSError, asyncio.CancelledError):
            response.close()
        else:
            response.release() if response.content.is_eof() else response.close()


class Client:
    """The process's one session. Use as `async with`."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._leftovers = Leftovers()
        self._urls: dict[tuple[str, str], URL] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def __aenter__(self) -> "Client":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            max_field_size=HEADER_BYTES_MAX,
            max_line_size=HEADER_BYTES_MAX,
            # Without these aiohttp would speak for a client that said nothing.
            skip_auto_headers=("User-Agent", "Accept"),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leftovers.close()
        if self._session is not None:
            await self._session.close()

    async def send(self, call: Call) -> Answer:
        """Send a request; returns once the answer's headers are there.

        Raises UpstreamFailed or UpstreamSilent when there is no answer, or one that cannot be read.
        """
        if call.channel.kind.name == "echo":
            return echo.answer(call.path, call.body)
        response = await self._post(call)
        answer = HttpAnswer(response, call.channel, self._leftovers)
        if complaint := _unreadable(response):
            answer.close()
            raise UpstreamFailed(f"The provider behind channel {call.channel.name} {complaint}.")
        return answer

    async def models(self, channel: Channel, query: Mapping[str, str] = NO_QUERY) -> ListAnswer:
        """Ask a channel for a page of its models. Raises like `send`, and UpstreamFailed for one that is too long."""
        assert self._session is not None  # noqa: S101 - opened by __aenter__
        try:
            async with self._session.get(
                channel.base_url + "/models",
                params=query,
                headers={
                    **VERSIONS.get(channel.kind.name, {}),
                    **channel.headers,
                    **channel.kind.credentials(channel.api_key),
                },
                timeout=self._timeout(channel),
                allow_redirects=False,
            ) as response:
                return ListAnswer(response.status, await _list_body(response, channel))
        except TimeoutError as error:
            raise silent(channel) from error
        except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError, ValueError) as error:
            raise broken(channel) from error

    async def _post(self, call: Call) -> aiohttp.ClientResponse:
        assert self._session is not None  # noqa: S101 - opened by __aenter__
        channel = call.channel
        try:
            response = await self._session.post(
                self._url(call),
                data=call.body if len(call.body) <= ONE_PIECE_BYTES_MAX else BytesIO(call.body),
                headers=_headers(call),
                timeout=self._timeout(channel),
                allow_redirects=False,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(f"The provider behind channel {channel.name} could not be reached.") from error
        except TimeoutError as error:
            raise silent(channel) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise broken(channel) from error
        return response

    def _url(self, call: Call) -> URL:
        if call.query:
            return URL(f"{call.channel.base_url}{call.path}?{call.query}", encoded=True)
        place = (call.channel.base_url, call.path)
        if place not in self._urls:
            self._urls[place] = URL(call.channel.base_url + call.path, encoded=True)
        return self._urls[place]

    def _timeout(self, channel: Channel) -> aiohttp.ClientTimeout:
        longest = channel.first_byte_timeout_s
        if longest not in self._timeouts:
            self._timeouts[longest] = aiohttp.ClientTimeout(
                # `connect` and not `sock_connect`: the name has to be found within the time, too.
                total=None,
                connect=min(CONNECT_TIMEOUT_S, longest),
                sock_read=longest,
            )
        return self._timeouts[longest]


# Anthropic answers nothing without a version.
VERSIONS: Final = {"anthropic": {"anthropic-version": "2023-06-01"}}


def broken(channel: Channel) -> UpstreamFailed:
    """The upstream cannot be reached, or broke off. What the operating system says is not the caller's business."""
    return UpstreamFailed(f"The provider behind channel {channel.name} could not be reached or broke off the answer.")


def silent(channel: Channel) -> UpstreamSilent:
    """The upstream said nothing for longer than the channel allows."""
    return UpstreamSilent(f"The provider behind channel {channel.name} did not answer in time.")


def _headers(call: Call) -> CIMultiDict[str]:
    kept = headers.upstream(call.headers, call.channel.kind, call.protocol)
    kept["Accept-Encoding"] = "identity"
    # It was read as JSON, whatever it was called; where it had no name, aiohttp would find another one.
    kept.setdefault("Content-Type", "application/json")
    for name, value in VERSIONS.get(call.channel.kind.name, {}).items():
        kept.setdefault(name, value)
    kept.update(call.channel.headers)
    kept.update(call.channel.kind.credentials(call.channel.api_key))
    return kept


def _unreadable(response: aiohttp.ClientResponse) -> str:
    # aiohttp decodes one known coding and leaves the header in place; two in a row it passes on as they are.
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in READABLE:
        return f"answered in the encoding {coding[:40]!r}, which cannot be read"
    if 300 <= response.status < 400:
        return "answered with a redirect, which is never followed"
    return ""


async def _list_body(response: aiohttp.ClientResponse, channel: Channel) -> bytes:
    if response.status != HTTPStatus.OK:
        return await _refusal_body(response)
    if complaint := _unreadable(response):
        raise UpstreamFailed(f"The provider behind channel {channel.name} {complaint}.")
    body = bytearray()
    while piece := await response.content.readany():
        body += piece
        if len(body) > LIST_BYTES_MAX:
            raise UpstreamFailed(f"The list of models behind channel {channel.name} is too long.")
    return bytes(body)


async def _refusal_body(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(REFUSAL_S):
            while len(body) < READ_BYTES_MAX and (piece := await response.content.readany()):
                body += piece
    return body


async def read(answer: Answer) -> bytes:
    """The whole body of an answer. Raises UpstreamFailed or UpstreamSilent when it breaks off, or is too long."""
    parts, size = [], 0
    while piece := await answer.chunk():
        parts.append(piece)
        size += len(piece)
        if size > ANSWER_BYTES_MAX:
            raise UpstreamFailed("The provider's answer is too long.")
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def read_refusal(answer: Answer) -> bytes:
    """The body of a refusal, or what came of it: one that is cut, silent or endless has told its status."""
    body = b""
    with suppress(UpstreamFailed, TimeoutError):
        async with asyncio.timeout(REFUSAL_S):
            while len(body) < READ_BYTES_MAX and (piece := await answer.chunk()):
                body += piece
    return body
