"""Which candidate is asked first: by priority, within it by weighted rendezvous hashing of the session, so that a
conversation stays where its prompt cache is while channels come and go.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the directory asks here
    from haze_proxy.channels.directory import Candidate

SESSION_BYTES_MAX: Final = 256


def session_of(headers: Mapping[str, str], body: Mapping[str, object], key: str) -> str:
    """What keeps a conversation on one channel: the client's own session id where it sends one, else its key."""
    metadata = body.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    named = (headers.get("x-claude-code-session-id"), user, body.get("prompt_cache_key"), body.get("session_id"))
    return next((text[:SESSION_BYTES_MAX] for text in named if isinstance(text, str) and text), key)


def in_order(candidates: "tuple[Candidate, ...]", session: str) -> "list[Candidate]":
    """Candidates of a model in the order in which they are asked for a session."""
    return sorted(candidates, key=_rank(session))


def _rank(session: str) -> Callable[["Candidate"], tuple[int, bool, float]]:
    def rank(candidate: "Candidate") -> tuple[int, bool, float]:
        channel = candidate.channel
        text = f"{channel.name}\0{session}".encode("utf-8", "surrogatepass")
        # A number in (0, 1) that is the same for the same channel and session; the logarithm makes weights exact.
        chance = (int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) + 1) / (2**64 + 1)
        # A channel that has to be translated for comes after those that speak the caller's protocol.
        return -channel.priority, candidate.is_translated, -channel.weight / -math.log(chance)

    return rank
