"""What is done to a whole answer before it goes out, where a protocol's callers may get another than they asked for."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from haze_proxy.wire import embeddings
from haze_proxy.wire.ask import Ask

Transform = Callable[[bytes], Awaitable[bytes | bytearray]]
# So much is converted in about 5 ms. The largest answers take half a second, which everybody else would wait for.
AT_ONCE_BYTES_MAX: Final = 256 * 2**10


def transform_for(ask: Ask) -> Transform | None:
    """How the answer to a request is changed; None: it goes out as it came."""
    made = TRANSFORM.get(ask.protocol)
    return made(ask) if made else None


def _vectors(ask: Ask) -> Transform | None:
    """Vectors in the format that was asked for; nothing else of the answer changes."""
    wanted = embeddings.wanted(ask.parsed)
    return None if wanted is None else partial(_as_asked, wanted)


async def _as_asked(wanted: str, body: bytes) -> bytes | bytearray:
    if len(body) <= AT_ONCE_BYTES_MAX:
        return _joined(wanted, body)
    return await asyncio.to_thread(_joined, wanted, body)


def _joined(wanted: str, body: bytes) -> bytes | bytearray:
    pieces = embeddings.as_asked(body, wanted)
    made = next(pieces)
    if len(made) == len(body):
        return body
    # Not a list of pieces: all of them and the whole would be there at the same time.
    whole = bytearray(made)
    for piece in pieces:
        whole += piece
    return whole


TRANSFORM: Final[dict[str, Callable[[Ask], Transform | None]]] = {"embeddings": _vectors}
