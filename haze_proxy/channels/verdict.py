"""What `explain` says of each channel, for the owner at his terminal and for the administrator's page."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the directory asks here
    from haze_proxy.channels.directory import Candidate


@dataclass(frozen=True, slots=True)
class Verdict:
    """One channel's part in serving a model: `order` from 1, or None with the reason why it is left out.

    `speaks` names the protocols in which it is asked: the one for a certain caller's, else all that it speaks itself.
    """

    channel: str
    upstream_model: str
    how: str
    speaks: tuple[str, ...]
    order: int | None
    reason: str


def of(candidate: "Candidate", order: int | None, reason: str) -> Verdict:
    """The verdict on a channel that lists the model."""
    speaks = (candidate.protocol,) if candidate.protocol else tuple(sorted(candidate.channel.protocols))
    return Verdict(candidate.channel.name, candidate.upstream_model, candidate.how, speaks, order, reason)


def row(each: Verdict, refusal: str | None) -> dict[str, Any]:
    """A channel's part in serving a model; `refusal` says why this caller gets nothing from anyone."""
    return {
        "order": None if refusal else each.order,
        "channel": each.channel,
        "upstream_model": each.upstream_model or None,
        "how": each.how or None,
        "speaks": ", ".join(each.speaks),
        "reason": each.reason or refusal,
    }
