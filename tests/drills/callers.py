"""Clients over plain sockets: every byte that arrived counts, also those before a connection broke."""

import asyncio
import json
import random
import re
import time
from dataclasses import dataclass, field

from drills.house import INPUT_NANO_PER_MILLION, OUTPUT_NANO_PER_MILLION
from gateway import PATHS, asking
from provider import Provider, Received, Reply, right_answer

CALL_S = 90
# A client has seen a stream end when this has arrived whole.
TERMINAL = {
    "chat": re.compile(rb"data: \[DONE\]\n\n"),
    "messages": re.compile(rb'data: {"type": "message_stop"}\n\n'),
    "responses": re.compile(rb"event: response\.completed\ndata: [^\n]*\n\n"),
}
NUMBERS = re.compile(r"uses (\d+) and (\d+) tokens, pauses (\d+) ms")


@dataclass(frozen=True)
class Ask:
    """A request; its text tells the pretend provider what usage to report, and how long to pause between events."""

    protocol: str = "chat"
    stream: bool = False
    input: int = 11
    output: int = 3
    pause_ms: int = 0
    max_tokens: int = 500

    @classmethod
    def any(cls, chance: random.Random, pause_ms: int = 40) -> "Ask":
        """Any protocol, streamed or not, any usage that its hold covers."""
        return cls(
            chance.choice(list(TERMINAL)),
            chance.random() < 0.6,
            chance.randint(1, 60),
            chance.randint(1, 400),
            chance.randint(0, pause_ms),
        )

    @property
    def cost(self) -> int:
        """Nano-dollars, worked out here and not by Haze: rounded up, once."""
        million = self.input * INPUT_NANO_PER_MILLION + self.output * OUTPUT_NANO_PER_MILLION
        return -(-million // 1_000_000)

    @property
    def text(self) -> str:
        """What is asked, in any protocol."""
        return f"A drill that uses {self.input} and {self.output} tokens, pauses {self.pause_ms} ms"

    def body(self) -> bytes:
        """As it goes out."""
        turns = [{"role": "user", "content": self.text}]
        fields = {"max_tokens": self.max_tokens, "stream": self.stream, "messages": turns}
        return json.dumps(asking(self.protocol, "paid", **fields)).encode()


@dataclass
class Heard:
    """What a client got. `status` 0: nothing, or nobody was there. `whole`: the answer's own framing says it is all."""

    ask: Ask
    began: float
    over: float = 0.0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False

    @property
    def id(self) -> str:
        """The receipt's id."""
        return self.headers["request-id"]

    @property
    def saw_the_end(self) -> bool:
        """Whether this client must believe that it has the whole answer."""
        if self.status != 200:
            return False
        return bool(TERMINAL[self.ask.protocol].search(self.body)) if self.ask.stream else self.whole


async def call(port: int, key: str, ask: Ask) -> Heard:
    """Send a request and hear all that comes."""
    heard = Heard(ask, time.time())
    loop = asyncio.get_running_loop()
    try:
        transport, line = await loop.create_connection(Line, "127.0.0.1", port)
    except OSError:
        return heard
    body = ask.body()
    head = (
        f"POST {PATHS[ask.protocol]} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nx-api-key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    transport.write(head.encode() + body)
    try:
        async with asyncio.timeout(CALL_S):
            await line.over.wait()
    finally:
        transport.abort()
    heard.over = time.time()
    _take(heard, bytes(line.data))
    return heard


class Line(asyncio.Protocol):
    """Collects what arrives until the connection is gone, in whatever way."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.over = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


def _take(heard: Heard, data: bytes) -> None:
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return
    status_line, *lines = head.decode().split("\r\n")
    heard.status = int(status_line.split(" ")[1])
    pairs = (line.partition(":") for line in lines)
    heard.headers = {name.lower(): value.strip() for name, _, value in pairs}
    if heard.headers.get("transfer-encoding") == "chunked":
        heard.body, heard.whole = _dechunked(rest)
    else:
        heard.body, heard.whole = rest, len(rest) == int(heard.headers["content-length"])


def _dechunked(rest: bytes) -> tuple[bytes, bool]:
    """The body as far as it came, and whether its last chunk did."""
    body = b""
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            return body, True
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body, False


@dataclass
class Load:
    """Clients that ask again and again until told to stop."""

    port: int
    key: str
    pause_ms: int = 40
    heard: list[Heard] = field(default_factory=list)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> list[Heard]:
        """The answers that were seen to end, up to now."""
        return [each for each in self.heard if each.saw_the_end]

    async def run(self, clients: int, chance: random.Random) -> list[Heard]:
        """All that was heard, once every client is done."""
        seeds = [chance.random() for _ in range(clients)]
        await asyncio.gather(*(self._client(random.Random(seed)) for seed in seeds))
        return self.heard

    async def _client(self, chance: random.Random) -> None:
        while not self.stopped.is_set():
            heard = await call(self.port, self.key, Ask.any(chance, self.pause_ms))
            self.heard.append(heard)
            if heard.status in (0, 503):
                await asyncio.sleep(0.05)  # nobody is there, or nothing can be written: do not spin


def dripping() -> Provider:
    """A provider that reports the usage a request names, and takes its time between events as the request says."""
    return Provider(otherwise=_drip)


def _drip(received: Received) -> Reply:
    match = NUMBERS.search(received.body.decode())
    assert match is not None
    used_input, used_output, pause_ms = map(int, match.groups())
    if received.path.endswith("/completions"):
        usage = {"prompt_tokens": used_input, "completion_tokens": used_output}
    else:
        usage = {"input_tokens": used_input, "output_tokens": used_output}
    reply = right_answer(received, usage=usage)
    if reply.chunks is None:
        reply.late = after(8 * pause_ms / 1000)
        return reply
    chunks = list(reply.chunks)
    reply.chunks = [part for n, step in enumerate(chunks) for part in (after(n * pause_ms / 1000), step)]
    return reply


def after(seconds: float) -> asyncio.Event:
    """An event that will have happened in so many seconds."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, event.set)
    return event
