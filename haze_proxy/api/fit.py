"""The client's own bytes, fitted to a candidate: the model's name there, a request for the usage of a stream, and one
to keep nothing.
"""

from collections.abc import Iterable
from typing import Any, Final

from haze_proxy.channels.directory import Candidate
from haze_proxy.money.estimate import LIMIT_FIELDS
from haze_proxy.wire.ask import Ask
from haze_proxy.wire.splice import splice
from haze_proxy.wire.translate import native_body

NEWEST_WORDS: Final = frozenset({"openai", "openrouter"})


def fitted(ask: Ask, candidate: Candidate, rewritten: Iterable[tuple[str, object]] = ()) -> bytes:
    """The body for one attempt; nothing is touched that need not be. `rewritten` are further fields' new values."""
    body = ask.body
    for name, value in rewritten:
        body = splice(body, name, value)
    if candidate.upstream_model != ask.model:
        body = splice(body, "model", candidate.upstream_model)
    if lacks_usage(ask):
        options = ask.parsed.get("stream_options")
        body = splice(body, "stream_options", {**(options or {}), "include_usage": True})
    if _asks_as_chat_does(ask):
        rest = {name: value for name, value in ask.parsed["stream_options"].items() if name != "include_usage"}
        body = splice(body, "stream_options", rest or None)
    body = native_body(body, ask.protocol)
    if ask.limited_to is not None:
        for field in _limit_fields(ask, candidate):
            body = splice(body, field, ask.limited_to)
    if _would_be_kept(ask, candidate):
        body = splice(body, "store", False)
    return body


def limited(ask: Ask) -> dict[str, Any]:
    """The parsed request for translation, with the limit that its account can pay for, if that is less than asked."""
    if ask.limited_to is None:
        return ask.parsed
    fields = LIMIT_FIELDS[ask.protocol]
    own = [field for field in fields if ask.parsed.get(field) is not None] or fields[:1]
    return {**ask.parsed, **dict.fromkeys(own, ask.limited_to)}


def _limit_fields(ask: Ask, candidate: Candidate) -> list[str]:
    """Where a limit on the output goes: the client's own fields, else the one that the channel knows."""
    fields = LIMIT_FIELDS[ask.protocol]
    own = [field for field in fields if ask.parsed.get(field) is not None]
    # `max_completion_tokens` is OpenAI's newer word; servers that imitate its API may know the older one only.
    return own or [fields[0] if candidate.channel.kind.name in NEWEST_WORDS else fields[-1]]


def lacks_usage(ask: Ask) -> bool:
    """Whether a chat stream would end without its usage: the client did not ask for it, so it will not be shown it."""
    options = ask.parsed.get("stream_options")
    return ask.protocol == "chat" and ask.stream and not (options and options.get("include_usage"))


def _asks_as_chat_does(ask: Ask) -> bool:
    """Whether a Responses request has chat's word for usage, which is a 400 there: Cursor's have."""
    return ask.protocol == "responses" and "include_usage" in (ask.parsed.get("stream_options") or {})


def _would_be_kept(ask: Ask, candidate: Candidate) -> bool:
    """Whether the provider would keep the answer on the owner's account: on responses it does so unasked."""
    return ask.protocol == "responses" and ask.parsed.get("store") is None and not candidate.channel.stateful
