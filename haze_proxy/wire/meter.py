"""Watch a native stream pass: what it used, whether it ended, and which bytes must wait for the charge.

Bytes go out as they come, finished event or not. Few events say anything a meter needs, and those carry telltale words:
each chunk is searched for them at C speed, and only an event that has one is read as JSON. A word inside an answer's
text costs one reading and changes nothing, because JSON strings hold neither bare quotes nor line ends.

Two things wait. The terminal event and all that follows (`held`) until the caller has committed the charge; and, so
that no piece of it leaves early, an unfinished event with a telltale word until it is complete. With `hide_usage` every
unfinished event waits, because it may have to be removed.

OpenAI ends a Responses stream that failed with two events, `error` and `response.failed`: an `error` waits for what
comes next, and both are held as one end.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from haze_proxy.wire import failures
from haze_proxy.wire.output import STRING_VALUE, server_calls, text_bytes
from haze_proxy.wire.sse import BOUNDARY, BOUNDARY_BYTES_MAX, EVENT_BYTES_MAX, Event, parse

PLAIN_EVENT_BYTES_MAX = 4 * 1024 * 1024  # beyond it an unfinished event passes unread …
TELLTALE_EVENT_BYTES_MAX = (
    EVENT_BYTES_MAX  # … a possibly terminal one later: response.completed repeats the whole answer
)
HELD_AFTER_TERMINAL_BYTES_MAX = 64 * 1024
NAMELESS_EVENTS_MAX = 4  # Azure's first chunk has an empty model; an upstream that never names one is not read for ever
BYTES_PER_TOKEN = 4  # of generated text, where the upstream did not count it
TELLTALE_BYTES_MAX = 64  # the longest telltale word, with room for white space

State = Literal["open", "complete", "error"]


class Meter:
    """One per stream. `protocol` is "chat", "messages" or "responses"; another raises KeyError. Embeddings are never
    streamed: theirs reads nothing.

    `hide_usage` (chat): remove the chunk that has usage and no choices, for a client that did not ask for it.
    `answers` (chat): how many choices were asked for; each has its own reason to stop.
    """

    def __init__(self, protocol: str, *, hide_usage: bool = False, answers: int = 1) -> None:
        self.state: State = "open"  # complete: the terminal event was seen; error: the upstream's own error event was
        self.error: dict[str, Any] | None = None  # the upstream's error object, as it stands in its error event
        self.usage: dict[str, Any] = {}  # the upstream's own fields, merged; {} when none was seen
        self.costed = b""  # the document of the last event whose usage names a cost
        self.reported_final = False  # whether usage includes what the protocol reports at the end
        self.end_reason: str | None = None  # finish_reason or stop_reason
        self.model: str | None = None  # as the upstream named it first
        self.upstream_id: str | None = None
        self.created = 0  # seconds since 1970, as the upstream says (chat, responses)
        self.service_tier: str | None = None  # beside the usage (chat, responses); messages reports it within
        self.open_block: int | None = None  # messages: index of the content block that was started and not stopped
        self.delivered_bytes = 0  # generated text, as JSON strings spell it, in all finished events up to now
        self.held = b""
        self._protocol = _PROTOCOLS[protocol]
        self._answers = answers
        self._stopped: set[object] = set()  # the indices of the choices that have come to their end
        self.hides_usage = hide_usage and protocol == "chat"
        self._nameless = NAMELESS_EVENTS_MAX
        self._unfinished = bytearray()  # the event that has begun and not ended,
        self._left = 0  # … how many of its bytes have gone out,
        self._telltale = False  # … whether it has a telltale word,
        self._too_long = False  # … whether it passes unread; then only its last bytes are kept
        self._room = HELD_AFTER_TERMINAL_BYTES_MAX
        self._instead = b""  # what is said in the place of an event that claims a good end and is none

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to send now. Never raises, whatever the bytes are."""
        protocol = self._protocol
        if (
            self.state != "open"
            or self._unfinished
            or self.error is not None
            or (self._nameless and self.model is None)
            or not chunk.endswith(b"\n\n")
            or protocol.has_telltale(chunk)
        ):
            return self._inspect(chunk)
        self.delivered_bytes += sum(map(len, protocol.text.findall(chunk)))
        return chunk

    def close(self) -> bytes:
        """The upstream's body has ended: what may still go out. A last event without its blank line is read, too."""
        if self.state != "open":
            return b""
        rest, unsent = bytes(self._unfinished), bytes(self._unfinished[self._left :])
        self._unfinished.clear()
        shown = self._read(rest)
        if self.error is not None and self.state == "open":
            self.state = "error"
        if self.state != "open":
            self.held += self._last_words(unsent, begun=self._left > 0)
            return b""
        return unsent if shown else b""

    @property
    def finished(self) -> bool:
        """Whether an end of the body now is an end of the answer: a terminal event, or a reason to stop, was seen."""
        return self.state == "complete" or (self.state == "open" and self._all_stopped)

    @property
    def open_choices(self) -> list[int]:
        """The indices of the choices that have not come to their end (chat)."""
        return [index for index in range(self._answers) if index not in self._stopped]

    @property
    def _all_stopped(self) -> bool:
        return len(self._stopped) >= self._answers

    @property
    def between_events(self) -> bool:
        """Whether the bytes that have gone out end with a whole event, so that another may be put in here."""
        return self._left == 0

    @property
    def delivered_tokens(self) -> int:
        """An estimate of the output tokens delivered: four bytes each, rounded up."""
        return -(-self.delivered_bytes // BYTES_PER_TOKEN)

    def _inspect(self, chunk: bytes) -> bytes:
        if self.state != "open":
            return self._hold(chunk)
        buffer, start, left, passing = self._unfinished, 0, self._left, []
        searched = len(buffer)
        position = max(0, searched - BOUNDARY_BYTES_MAX + 1)
        buffer += chunk
        while boundary := BOUNDARY.search(buffer, position):
            position = boundary.end()
            shown = self._read(bytes(buffer[start:position]))
            unsent = bytes(buffer[max(start, left) : position])
            if self.state != "open":
                self.held += self._last_words(unsent, begun=left > start)
                self._hold(bytes(buffer[position:]))
                buffer.clear()
                return b"".join(passing)
            if self.error is not None:
                self.held += unsent
            elif shown:
                passing.append(unsent)
            start = position
        passing.append(self._begin(start, max(start, left), max(start, searched - TELLTALE_BYTES_MAX)))
        return b"".join(passing)

    def _begin(self, start: int, left: int, searched: int) -> bytes:
        """Keep the unfinished event that begins at `start`; what of it may go out now."""
        buffer = self._unfinished
        self._telltale = self._telltale or self._protocol.has_telltale(buffer[searched:])
        del buffer[:start]
        limit = TELLTALE_EVENT_BYTES_MAX if self._telltale else PLAIN_EVENT_BYTES_MAX
        self._too_long = self._too_long or len(buffer) > limit
        if not self._too_long and (self._telltale or self.hides_usage or self.error is not None):
            self._left = left - start
            return b""
        # Not before: what waits may be long, and come in many small pieces.
        unsent = bytes(buffer[left - start :])
        if self._too_long:
            del buffer[: 1 - BOUNDARY_BYTES_MAX]
        self._left = len(buffer)
        return unsent

    def _read(self, raw: bytes) -> bool:
        """Note what a finished event says. False: it is not for the client."""
        if self.error is not None and not raw.startswith(b":"):
            # What follows an error is its end, whatever it is, if it is not the event that says so itself.
            self.state = "error"
        unread, self._too_long, self._telltale = self._too_long, False, False
        if unread:
            return True
        self.delivered_bytes += sum(map(len, self._protocol.text.findall(raw)))
        nameless = self._nameless and self.model is None
        if not nameless and not self._protocol.has_telltale(raw):
            return True
        event = parse(raw)
        if not event.data and not event.name:
            return True
        self._nameless -= bool(nameless)
        return self._protocol.read(self, event)

    def _last_words(self, unsent: bytes, *, begun: bool) -> bytes:
        if not self._instead:
            return unsent
        # What has begun to go out must come to its end.
        return (unsent + b"\n\n" if begun else b"") + self._instead

    def _hold(self, chunk: bytes) -> bytes:
        kept = chunk[: self._room]
        self._room -= len(kept)
        self.held += kept
        return b""

    # What the protocols' readers note.

    def _note_names(self, holder: dict[str, Any]) -> None:
        self.model = self.model or _text(holder.get("model"))
        self.upstream_id = self.upstream_id or _text(holder.get("id"))
        self.created = self.created or _seconds(holder.get("created", holder.get("created_at")))
        self.service_tier = _text(holder.get("service_tier")) or self.service_tier

    def _note_cost(self, usage: dict[str, Any], document: bytes) -> None:
        # Not read here: a number of money must not have been a float.
        if usage.get("cost") is not None:
            self.costed = document

    def _note_reason(self, reason: object, index: object = 0) -> None:
        if text := _text(reason):
            self.end_reason = text
            if not self._all_stopped:
                self._stopped.add(index if isinstance(index, int) else 0)

    def _note_error(self, error: object, *, is_end: bool = True) -> None:
        self.error = error if isinstance(error, dict) else {"message": str(error)}
        if is_end:
            self.state = "error"

    def _note_failure(self, error: dict[str, Any]) -> None:
        self._note_error(error)
        self._instead = b"data: " + orjson.dumps({"error": error}) + b"\n\n"


@dataclass(frozen=True, slots=True)
class _Protocol:
    """How a protocol's events are told apart. `read` notes what one says; False: it is not for the client."""

    words: tuple[bytes, ...]  # an event that is worth reading has one of these,
    member: re.Pattern[bytes] | None  # … or this
    text: re.Pattern[bytes]  # group 1: generated text
    read: Callable[[Meter, Event], bool]

    def has_telltale(self, data: bytes | bytearray) -> bool:
        # A loop, because a generator costs more than the searches.
        for word in self.words:
            if word in data:
                return True
        return self.member is not None and self.member.search(data) is not None


def text_tokens(protocol: str, body: bytes) -> int:
    """An estimate of the output tokens of an answer that was not streamed: four bytes of its text each, rounded up.

    Vectors are no text, and there may be many megabytes of them.
    """
    if protocol == "embeddings":
        return 0
    if protocol == "responses":
        size = text_bytes(_object(body).get("output"))
    else:
        size = sum(map(len, _PROTOCOLS[protocol].text.findall(body)))
    return -(-size // BYTES_PER_TOKEN)


def reported_usage(protocol: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The usage an answer reports, {} for none. On responses, calls of the provider's own tools stand in its output."""
    usage = _given(answer.get("usage"))
    if protocol != "responses" or not usage or "server_tool_use" in usage:
        return usage
    calls = server_calls(answer.get("output"))
    return {**usage, "server_tool_use": calls} if calls else usage


def _read_chat(meter: Meter, event: Event) -> bool:
    if event.data.strip() == b"[DONE]":
        meter.state = "complete"
        return True
    body = _object(event.data)
    meter._note_names(body)
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        reason = _member(choice, "finish_reason")
        # OpenRouter says "error" beside an error object: the answer broke, it did not end.
        meter._note_reason(None if reason == "error" else reason, _member(choice, "index"))
    usage = body.get("usage")
    if isinstance(usage, dict) and usage:
        meter.usage = usage
        meter._note_cost(usage, event.data)
        # Some upstreams count along on every chunk; final is what comes with the reason to stop, or after it.
        meter.reported_final = not choices or meter._all_stopped
    if body.get("error"):
        meter._note_error(body["error"])
        return True
    if failure := failures.of_choices(choices):
        meter._note_failure(failure)
        return False
    return not (meter.hides_usage and not choices and isinstance(usage, dict))


def _read_messages(meter: Meter, event: Event) -> bool:
    body = _object(event.data)
    kind = body.get("type") or event.name
    if kind == "message_start":
        message = _dict(body.get("message"))
        meter._note_names(message)
        usage = _given(message.get("usage"))
        meter._note_cost(usage, event.data)
        meter.usage |= usage
    elif kind == "message_delta":
        usage = _given(body.get("usage"))
        meter.usage |= usage
        meter._note_cost(usage, event.data)
        meter.reported_final = meter.reported_final or bool(usage)
        meter._note_reason(_member(body.get("delta"), "stop_reason"))
    elif kind == "message_stop":
        meter.state = "complete"
    elif kind == "error" or (kind is None and body.get("error")):
        meter._note_error(body.get("error") or body or event.data.decode("utf-8", "replace"))
    else:
        _note_block(meter, kind, body.get("index"))
    return True


def _note_block(meter: Meter, kind: object, index: object) -> None:
    if kind == "content_block_start" and isinstance(index, int):
        meter.open_block = index
    elif kind == "content_block_stop":
        meter.open_block = None


def _read_responses(meter: Meter, event: Event) -> bool:
    body = _object(event.data)
    kind = body.get("type") or event.name
    response = _dict(body.get("response"))
    meter._note_names(response)
    if kind in ("response.completed", "response.incomplete", "response.failed"):
        usage = reported_usage("responses", response)
        meter.usage = usage or meter.usage
        meter._note_cost(usage, event.data)
        meter.reported_final = bool(usage)
        meter.state = "complete"
        # Some upstreams tell the whole answer at its end and nothing of it before.
        meter.delivered_bytes = meter.delivered_bytes or text_bytes(response.get("output"))
    if kind == "response.failed":
        meter._note_error(response.get("error") or meter.error or {})
    elif kind == "error":
        # Before there is a response, none can fail: then this is all that comes.
        begun = meter.model is not None or meter.upstream_id is not None
        error = body.get("error") or body or event.data.decode("utf-8", "replace")
        meter._note_error(error, is_end=not begun)
    return True


_PROTOCOLS = {
    "chat": _Protocol(
        words=(b"[DONE]",),
        # Every chunk has "finish_reason":null and may have "usage":null; some upstreams have "finish_reason":"".
        member=re.compile(rb'"(?:usage|finish_reason|error)"\s*+:\s*+(?:[^\sn"]|"[^"])'),
        text=re.compile(rb'"(?:content|reasoning|reasoning_content|refusal|arguments)' + STRING_VALUE),
        read=_read_chat,
    ),
    "messages": _Protocol(
        words=(b"message_", b"error", b"content_block_st"),
        member=None,
        text=re.compile(rb'"(?:text|thinking|partial_json)' + STRING_VALUE),
        read=_read_messages,
    ),
    "responses": _Protocol(
        words=(b"response.completed", b"response.incomplete", b"response.failed", b"error"),
        member=None,
        text=re.compile(rb'"delta' + STRING_VALUE),
        read=_read_responses,
    ),
    "embeddings": _Protocol(words=(), member=None, text=re.compile(rb"(?!)"), read=lambda meter, event: True),
}


def _object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`; empty when there is none: odd bytes are the client's to see, not ours to judge."""
    try:
        return _dict(orjson.loads(data))
    except orjson.JSONDecodeError:
        return {}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _member(value: object, key: str) -> object:
    return _dict(value).get(key)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _given(usage: object) -> dict[str, Any]:
    """The fields that are not null. Counts are cumulative, so a later one replaces an earlier one, never adds to it."""
    return {field: value for field, value in _dict(usage).items() if value is not None}
