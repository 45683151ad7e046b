"""What /docs tells of rooms that pages may not enter: handed over by the house when it is built (published.py)."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Route:
    """A path that answers; `what` it is for, with backticks around code. `open` to whoever has no key."""

    method: str
    path: str
    what: str
    open: bool = False

    @property
    def name(self) -> str:
        """`POST /v1/chat/completions`."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Rules:
    """How limits are counted: a burst is `per_minute // burst_share` requests, but `burst_min` at least."""

    burst_share: int
    burst_min: int
    counts_per_minute: int
    counts_at_once: int
    retry_after_min_s: int
    retry_after_max_s: int


@dataclass(frozen=True, slots=True)
class Reference:
    """The code's own tables. `headers` are those of answers, with what they say; `limit_headers` the key's limits as
    each protocol names them; `keepalives` what a stream gets that is silent for `keepalive_s`, by protocol.
    """

    routes: tuple[Route, ...]
    headers: Mapping[str, str]
    limit_headers: Mapping[str, tuple[str, ...]]
    rules: Rules
    keepalive_s: int
    keepalives: Mapping[str, str]
    encodings: tuple[str, ...]


REFERENCE = web.AppKey("reference", Reference)
