"""Recorded streams: files anyone can add, and the ways to feed them to what is tested.

`recorded/NAME/response.sse` are the bytes of an upstream, `recorded/NAME/expected.json` is what must be known at their
end, in the fields of `Recording`. `recorded_requests/NAME.json` are bodies of real clients, as they write them; of the
command lines' many tools some are kept, and their vendors' prose is left out.
"""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from haze_proxy.wire import sse
from haze_proxy.wire.meter import Meter

FOLDER = Path(__file__).parent / "recorded"
LINE_ENDS = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}


@dataclass(frozen=True)
class Recording:
    """What a meter must know at the end of `stream`; fields it has, too, are described there.

    `terminal`: how the bytes begin that wait for the charge, "" when nothing waits. `finished`: whether the end of the
    body is the end of an answer. `tokens`: the usage in disjoint classes, zeros left out. `text`: all that was
    generated, reasoning and arguments included. `delivered_bytes`: only where the stream spells its text in another way
    than orjson does. `answers`: how many choices were asked for.
    """

    stream: bytes
    protocol: str
    state: str
    terminal: str
    finished: bool
    usage: dict[str, Any]
    reported_final: bool
    tokens: dict[str, Any]
    text: str
    answers: int = 1
    model: str | None = None
    upstream_id: str | None = None
    end_reason: str | None = None
    service_tier: str | None = None
    error: dict[str, Any] | None = None
    delivered_bytes: int = -1

    @property
    def spelled_bytes(self) -> int:
        """How many bytes the text has inside the stream's JSON strings."""
        return len(orjson.dumps(self.text)) - 2 if self.delivered_bytes < 0 else self.delivered_bytes

    def meter(self, *, hide_usage: bool = False) -> Meter:
        """A new meter for this stream."""
        return Meter(self.protocol, hide_usage=hide_usage, answers=self.answers)


def _read(folder: Path) -> Recording:
    expected = json.loads((folder / "expected.json").read_bytes())
    return Recording((folder / "response.sse").read_bytes(), **expected)


RECORDINGS = {path.parent.name: _read(path.parent) for path in sorted(FOLDER.glob("*/response.sse"))}
REQUESTS = {path.stem: path.read_bytes() for path in sorted((FOLDER.parent / "recorded_requests").glob("*.json"))}


def passed(meter: Meter, chunks: Iterable[bytes]) -> bytes:
    """What goes out of a meter before the charge."""
    return b"".join([*map(meter.feed, chunks), meter.close()])


def known(meter: Meter) -> dict[str, Any]:
    """Everything a meter says at the end of a stream."""
    facts = ("state", "finished", "error", "model", "upstream_id", "end_reason", "service_tier", "usage")
    return {fact: getattr(meter, fact) for fact in (*facts, "reported_final", "delivered_bytes", "open_block")}


def splits(stream: bytes) -> dict[str, list[bytes]]:
    """The ways a network could cut these bytes: not at all, everywhere, and at random places."""
    ways = {"whole": [stream], "byte by byte": [stream[at : at + 1] for at in range(len(stream))]}
    for seed in range(12):
        choose = random.Random(seed)
        cuts = sorted(choose.sample(range(len(stream)), k=min(len(stream), choose.choice([1, 3, 20]))))
        ways[f"seed {seed}"] = pieces(stream, cuts)
    return ways


def pieces(stream: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The stream cut at these places, wherever they are."""
    places = sorted({0, len(stream), *(cut for cut in cuts if 0 < cut < len(stream))})
    return [stream[start:end] for start, end in pairwise(places)]


def without_usage_chunk(stream: bytes) -> bytes:
    """A chat stream as a client sees it who did not ask for usage."""
    events = sse.Reader().feed(stream)
    kept = (raw for raw in events if not _is_usage_chunk(raw))
    return b"".join(kept) + stream[sum(map(len, events)) :]


def _is_usage_chunk(raw: bytes) -> bool:
    data = sse.parse(raw).data
    body = json.loads(data) if data.startswith(b"{") else {}
    return body.get("choices") == [] and isinstance(body.get("usage"), dict)
