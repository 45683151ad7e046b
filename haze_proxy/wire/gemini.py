"""What Google's OpenAI-compatible endpoint does otherwise than OpenAI, put right for clients of chat.

Tool calls come without an index and with an empty id, and a stream that calls tools ends with the reason "stop", which
agents take for the end of their work. Errors come as an array. Unknown request fields are refused. Everything else
passes as it is, `extra_content` above all: it holds the thought signature that must come back with its call.
Sources: threads of clients that met these (see TRANSLATION_BUGS B23), Google's table of fields.
"""

from typing import Any

import orjson

from haze_proxy.wire import sse
from haze_proxy.wire.meter import Meter
from haze_proxy.wire.options import COMMON_FIELDS
from haze_proxy.wire.values import arr, obj, parse, text

# Others are refused with "Unknown name … Cannot find field".
FIELDS = COMMON_FIELDS | {"extra_body"}
CALLS = b'"tool_calls"'
REASON = b'"finish_reason"'


def fix_request(body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The request without the fields that would be refused, and their names."""
    kept = {name: value for name, value in body.items() if name in FIELDS}
    return kept, [name for name in body if name not in FIELDS]


def fix_answer(body: object, seed: str) -> object:
    """A whole answer, or an error, as OpenAI would have put it. `seed` is unique to the request."""
    if isinstance(body, list):
        return fix_answer(next(iter(body), {}), seed)
    answer = dict(obj(body))
    if isinstance(answer.get("choices"), list):
        answer["choices"] = [_Calls(seed).choice(choice, "message") for choice in answer["choices"]]
    if isinstance(answer.get("error"), dict):
        answer["error"] = _error(answer["error"])
    return answer


def _error(error: dict[str, Any]) -> dict[str, Any]:
    """`code` is a string or null for OpenAI's clients; Google's own words for it are in `status`."""
    code = error.get("code")
    kept = code if isinstance(code, str) else text(error.get("status")) or None
    return {**error, "type": error.get("type") or "invalid_request_error", "param": error.get("param"), "code": kept}


class StreamFix:
    """Puts a stream right, event by event. What has no tool calls passes as it is, after a search at C speed."""

    def __init__(self, seed: str) -> None:
        self._cut = sse.Reader()
        self._choices: dict[object, _Calls] = {}
        self._seed = seed

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to send now. Raises sse.EventTooLong."""
        return b"".join(map(self._fixed, self._cut.feed(chunk)))

    def close(self) -> bytes:
        """What stands after the last event."""
        return self._cut.rest

    def _fixed(self, raw: bytes) -> bytes:
        if CALLS not in raw and not (self._choices and REASON in raw):
            return raw
        body = obj(parse(sse.parse(raw).data))
        if not body:
            return raw
        body["choices"] = [self._of(choice).choice(choice, "delta") for choice in map(obj, arr(body.get("choices")))]
        return b"data: " + orjson.dumps(body) + b"\n\n"

    def _of(self, choice: dict[str, Any]) -> "_Calls":
        index = choice.get("index")
        return self._choices.setdefault(index if isinstance(index, int) else 0, _Calls(self._seed))


class Stream:
    """A native stream put right behind its meter; it works like the meter itself. Whole events only ever go out."""

    between_events = True

    def __init__(self, meter: Meter, seed: str) -> None:
        self.meter = meter
        self.held = b""
        self._fix = StreamFix(seed)

    @property
    def finished(self) -> bool:
        """Whether an end of the body now is an end of the answer."""
        return self.meter.finished

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to send now. Never raises."""
        out = self._fixed(self.meter.feed(chunk))
        self.held = self.meter.held
        return out

    def close(self) -> bytes:
        """The body has ended: what may still go out."""
        out = self._fixed(self.meter.close()) + self._fix.close()
        self.held = self.meter.held
        return out

    def _fixed(self, passing: bytes) -> bytes:
        try:
            return self._fix.feed(passing)
        except sse.EventTooLong:
            return passing


class _Calls:
    """The tool calls of one choice, numbered as they come."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._ids: list[str] = []

    def choice(self, choice: object, member: str) -> dict[str, Any]:
        """The choice with whole tool calls, and the reason to stop that belongs to them."""
        fixed = dict(obj(choice))
        message = obj(fixed.get(member))
        if calls := arr(message.get("tool_calls")):
            numbered = [self._call(obj(call), indexed=member == "delta") for call in calls]
            fixed[member] = {**message, "tool_calls": numbered}
        if self._ids and fixed.get("finish_reason") == "stop":
            fixed["finish_reason"] = "tool_calls"
        return fixed

    def _call(self, call: dict[str, Any], *, indexed: bool) -> dict[str, Any]:
        name, given = text(obj(call.get("function")).get("name")), text(call.get("id"))
        place = self._place(call.get("index"), given, name)
        while len(self._ids) <= place:
            self._ids.append(given or self._new_id())
        kept = {member: value for member, value in call.items() if member != "id"}
        # OpenAI names a call once; a piece without a name belongs to one that has begun.
        identity = {"id": self._ids[place]} if name or given else {}
        return {**kept, **identity, **({"index": place} if indexed else {})}

    def _place(self, index: object, given: str, name: str) -> int:
        if isinstance(index, int) and 0 <= index <= len(self._ids):
            return index
        if given in self._ids:
            return self._ids.index(given)
        return len(self._ids) if name or not self._ids else len(self._ids) - 1

    def _new_id(self) -> str:
        return f"call_{self._seed}_{len(self._ids)}"
