"""Usage in Messages: `input_tokens` are the fresh ones only, and every number is the sum up to now."""

from typing import Any

from haze_proxy.wire.events import Usage
from haze_proxy.wire.values import obj, whole


def merged(usage: dict[str, Any], more: object) -> dict[str, Any]:
    """Usage after a later report: what is given replaces, what is null or missing stays. Nothing is ever added."""
    return usage | {name: value for name, value in obj(more).items() if value is not None}


def read_usage(raw: dict[str, Any]) -> Usage | None:
    """The merged usage of an answer; None if nothing was reported."""
    if not raw:
        return None
    split = obj(raw.get("cache_creation"))
    hour = whole(split.get("ephemeral_1h_input_tokens"))
    minutes = whole(split.get("ephemeral_5m_input_tokens"))
    # The split wins whenever it was sent: a cascade's flat number may be stale.
    writes = whole(raw.get("cache_creation_input_tokens")) if hour is None and minutes is None else None
    return Usage(
        input=whole(raw.get("input_tokens")),
        cache_read=whole(raw.get("cache_read_input_tokens")),
        cache_write=(hour or 0) + (minutes or 0) if writes is None and split else writes,
        cache_write_1h=hour,
        output=whole(raw.get("output_tokens")),
        reasoning=whole(obj(raw.get("output_tokens_details")).get("thinking_tokens")),
    )


def write_usage(usage: Usage) -> dict[str, Any]:
    """Usage as the end of a stream tells it."""
    written: dict[str, Any] = {
        "input_tokens": usage.input or 0,
        "cache_creation_input_tokens": usage.cache_write or 0,
        "cache_read_input_tokens": usage.cache_read or 0,
        "output_tokens": usage.output or 0,
    }
    if usage.reasoning is not None:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return written
