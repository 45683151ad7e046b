"""The ways on which translation is needed: who asks, and what the channel speaks instead."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from gateway import PAID, asking, channel
from provider import Json

FULL = 10_000_000_000  # nano-dollars of the account that asks
RIGHT = 41_000  # nano-dollars of the right answer: 11 tokens in at 1,000, 3 out at 10,000


@dataclass(frozen=True)
class Way:
    """Callers of `client` on a channel of `kind`, which is asked in `spoken`. `row`: more of the channel's row."""

    client: str
    kind: str
    spoken: str
    row: dict[str, str] = field(default_factory=dict)

    def config(self, url: str, models: str = PAID, **more: str) -> str:
        """A configuration with this channel."""
        return models + self.channel(url, **more)

    def channel(self, url: str, **more: str) -> str:
        """The channel's row."""
        return channel(self.kind, url, **{**self.row, **more})

    def ask(self, *, stream: bool = False, **fields: Any) -> Json:
        """A small request in the client's protocol; a chat stream asks for its usage."""
        limit = {"max_tokens": 100} if self.client == "messages" else {}
        usage = {"stream_options": {"include_usage": True}} if stream and self.client == "chat" else {}
        return asking(self.client, "paid", **{"stream": stream, **limit, **usage, **fields})


ONLY_RESPONSES = {"protocols": '["responses"]'}
WAYS = {
    "chat on anthropic": Way("chat", "anthropic", "messages"),
    "chat on responses only": Way("chat", "openai", "responses", ONLY_RESPONSES),
    "messages on openai": Way("messages", "openai", "chat"),
    "messages on gemini": Way("messages", "gemini", "chat"),
    "messages on openai-compatible": Way("messages", "openai-compatible", "chat"),
    "messages on responses only": Way("messages", "openai", "responses", ONLY_RESPONSES),
    "responses on openai-compatible": Way("responses", "openai-compatible", "chat"),
    "responses on gemini": Way("responses", "gemini", "chat"),
    "responses on anthropic": Way("responses", "anthropic", "messages"),
}
# One for each pair of protocols: where the kind of the channel makes no difference.
PAIRS = {name: way for name, way in WAYS.items() if way.kind in ("openai", "anthropic") or way.client == "responses"}
PAIRS.pop("responses on gemini")


def each(ways: dict[str, Way] = WAYS) -> pytest.MarkDecorator:
    """A test of each of these ways."""
    return pytest.mark.parametrize("way", ways.values(), ids=ways)


def where(named: Iterable[str]) -> dict[str, Way]:
    """Some of the ways, by name."""
    return {name: WAYS[name] for name in named}


STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
