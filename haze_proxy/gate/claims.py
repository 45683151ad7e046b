"""Who came first with an `Idempotency-Key`, what became of it, and what was answered.

    no claim → running, told when the answer is known → charged: in its row for 24 h, its answer at hand for 10 min
                                                      → not charged: no claim

A key is claimed before the store is asked for it, and a claim runs until its request has left the gate and its charge
is committed or known not to come. So there is no moment in which the same request could be taken for another first one:
whoever finds no claim finds the row.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from aiohttp import web
from cachetools import TTLCache
from multidict import CIMultiDict

from haze_proxy.errors import Conflict, HazeError, Unavailable
from haze_proxy.store.idempotency import Keyed

KEY: Final = "Idempotency-Key"
ANSWERS_BYTES: Final = 64 * 2**20
ANSWER_S: Final = 600
# What an answer takes beside its bytes, about.
OBJECTS_BYTES: Final = 2_000

Look = Callable[[bytes], Awaitable[Keyed | None]]


class Answer(NamedTuple):
    """What the first request was told, whole."""

    keyed: Keyed
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, keyed: Keyed, response: web.StreamResponse) -> "Answer | None":
        """A response before it is sent; None for a stream."""
        if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
            return None
        headers = tuple((name, value) for name, value in response.headers.items() if name != "Content-Length")
        return cls(keyed, response.status, headers, response.body)

    @property
    def size(self) -> int:
        """Bytes it takes in memory, about."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers) + OBJECTS_BYTES

    def again(self) -> web.Response:
        """The same answer to another request; a header names the first one."""
        headers = CIMultiDict(self.headers)
        headers["x-haze-replayed"] = self.keyed.request_id
        return web.Response(status=self.status, body=self.body, headers=headers)


class Claim:
    """A running request that came first with its key."""

    __slots__ = ("_claims", "_waiting", "answer", "charged", "held", "keyed", "left", "refusal", "streams")

    def __init__(self, claims: "Claims", keyed: Keyed) -> None:
        self.keyed = keyed
        # Whether money was set aside for it; and whether any was taken: None until that is known.
        self.held = False
        self.charged: bool | None = None
        self.streams = False
        self.left = False
        self.answer: Answer | None = None
        # What it was refused with: a copy, because an error's traceback holds the request and its body.
        self.refusal: HazeError | None = None
        self._waiting: set[asyncio.Future[Answer | None]] = set()
        self._claims = claims

    async def ask_store(self) -> None:
        """Whether it is the first indeed. Raises Conflict naming the one that was, Unavailable if nobody can say."""
        first = await self._claims.charged(self.keyed.key)
        if first is not None:
            _same(first, self.keyed.body)
            raise gone(first)

    async def told(self) -> Answer | None:
        """Wait until it has an answer, and return it; None where there is none to repeat, but perhaps a refusal."""
        if self.streams or self.left:
            return self.answer
        waiting: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            return await waiting
        finally:
            self._waiting.discard(waiting)

    def streaming(self) -> None:
        """The answer begins, piece by piece: whoever comes later cannot have it."""
        self.streams = True
        self._tell()

    def leaves(self, answer: Answer | None) -> None:
        """The request leaves the gate, with what it is told."""
        self.left, self.answer = True, answer
        self._tell()
        self._end()

    def ends(self, *, charged: bool) -> None:
        """Its one outcome is known. Only the first call counts."""
        if self.charged is None:
            self.charged = charged
            self._end()

    def _tell(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(self.answer)

    def _end(self) -> None:
        if self.left and (self.charged is not None or not self.held):
            self._claims.end(self)
            # The request may be kept for as long as its connection.
            self.answer = None


class Claims:
    """The keys of running requests, and the last answers, by the digest of account and key.

    `clock` tells monotonic seconds. `look` finds a charged request in the store; there is none before it is open.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.look: Look | None = None
        self._running: dict[bytes, Claim] = {}
        self._answers: TTLCache[bytes, Answer] = TTLCache(ANSWERS_BYTES, ANSWER_S, clock, lambda answer: answer.size)

    def find(self, key: bytes, body: bytes) -> Claim | Answer | None:
        """What memory knows of a request: a claim that runs, an answer, or nothing.

        Raises Conflict naming the first request, if its body was another.
        """
        found: Claim | Answer | None = self._running.get(key) or self._answers.get(key)
        if found is not None:
            _same(found.keyed, body)
        return found

    def begin(self, keyed: Keyed) -> Claim:
        """Let a request be the first with its key, as far as memory knows."""
        claim = self._running[keyed.key] = Claim(self, keyed)
        return claim

    async def charged(self, key: bytes) -> Keyed | None:
        """What the store knows of a key. Raises Unavailable before it is open."""
        if self.look is None:
            raise Unavailable("Haze is starting. Try again in a moment.", retry_after_s=1)
        return await self.look(key)

    def end(self, claim: Claim) -> None:
        """A claim does not run any more. What was not charged leaves nothing behind."""
        del self._running[claim.keyed.key]
        answer = claim.answer
        if claim.charged and answer is not None and answer.size <= ANSWERS_BYTES:
            self._answers[claim.keyed.key] = answer

    def forget(self) -> None:
        """Let answers go whose time is over; by itself the cache does it only when another one comes."""
        self._answers.expire()


CLAIMS = web.AppKey("claims", Claims)
CLAIM = web.RequestKey("claim", Claim)


def streaming(request: web.Request) -> None:
    """The answer to a request begins as a stream."""
    if CLAIM in request:
        request[CLAIM].streaming()


def gone(first: Keyed) -> Conflict:
    """A request was charged, and what it was told cannot be told again."""
    return Conflict(
        f"{KEY}: Request {first.request_id} had this key, and its answer is not at hand any more, or was a stream."
        " Use a new key to ask again.",
        param=KEY,
    )


def _same(first: Keyed, body: bytes) -> None:
    if first.body != body:
        text = f"{KEY}: Request {first.request_id} had this key and another body. Use a new key for another request."
        raise Conflict(text, param=KEY)
