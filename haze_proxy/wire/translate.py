"""Any client on any channel: the one door to translation, for callers who know the two protocols by name.

Native requests never come here. A request, an answer, a stream and an error each have one function; what the answer
must know of its request stays in `Translated`, one for each attempt.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import orjson

from haze_proxy.errors import BadRequest, HazeError, Overloaded, RateLimited, UpstreamFailed, UpstreamSilent
from haze_proxy.wire import chat, messages, responses, seal
from haze_proxy.wire.conversation import Conversation
from haze_proxy.wire.events import Context, Event, Failed, Problem, Stopped, Usage, Used
from haze_proxy.wire.messages.errors import message as anthropics_words
from haze_proxy.wire.meter import Meter
from haze_proxy.wire.naming import Restorer, call_ids, fit
from haze_proxy.wire.options import Options
from haze_proxy.wire.pairing import paired
from haze_proxy.wire.problems import NO_ANSWER, problem
from haze_proxy.wire.quiet import Quiet
from haze_proxy.wire.responses.request_reader import echo
from haze_proxy.wire.values import arr, obj, text

# (client's protocol, channel's protocol)
PAIRS: Final = frozenset(
    {
        ("chat", "messages"),
        ("chat", "responses"),
        ("messages", "chat"),
        ("messages", "responses"),
        ("responses", "chat"),
        ("responses", "messages"),
    }
)
PROTOCOLS: Final[dict[str, Any]] = {"chat": chat, "messages": messages, "responses": responses}
DROPPED_MAX: Final = 32  # names in one header
NAME_CHARACTERS_MAX: Final = 80
TOO_DEEP: Final = "The body is nested too deeply."


@dataclass(frozen=True, slots=True)
class Translated:
    """A request in the channel's protocol. `body` is its JSON; `dropped` names what it could not say, for the response
    header x-haze-dropped. The rest is for the way back.
    """

    source: str
    target: str
    body: bytes
    dropped: tuple[str, ...]
    context: Context

    def with_facts(self, *, seed: str, created: int, input_estimate: int) -> "Translated":
        """The same, with what the answer's writer must know: see Context."""
        facts = replace(self.context, seed=seed, created=created, input_estimate=input_estimate)
        return replace(self, context=facts)


def request(parsed: dict[str, Any], source: str, target: str, model: str, options: Options) -> Translated:
    """A client's request for a channel of another protocol. `model` is the channel's own id of the model.

    `parsed` is left as it is. Raises BadRequest, naming the field, where leaving something out would change the
    meaning.
    """
    try:
        read: Conversation = PROTOCOLS[source].read_request(parsed)
        fitted, tools = fit(replace(read, model=model, turns=paired(read.turns)), PROTOCOLS[target].LIMITS)
        written, dropped = PROTOCOLS[target].write_request(fitted, options)
        body = orjson.dumps(written)
    except (RecursionError, orjson.JSONEncodeError):  # orjson reads deeper nesting than it writes
        raise BadRequest(TOO_DEEP) from None
    context = Context(
        model=read.model,
        seed="",
        include_usage=read.include_usage,
        shows_reasoning=read.shows_reasoning,
        tools=tools,
        taken=call_ids(read.turns),
        echo=echo(parsed) if source == "responses" else {},
    )
    return Translated(source, target, body, _named(dropped), context)


def _named(dropped: Iterable[str]) -> tuple[str, ...]:
    """Each name once, and only those that a header can hold: a client may have written anything."""
    names = (name for name in dict.fromkeys(dropped) if name.isascii() and name.isprintable() and "," not in name)
    return tuple(name for name in names if 0 < len(name) <= NAME_CHARACTERS_MAX)[:DROPPED_MAX]


def answer(parsed: object, translated: Translated, *, stream: bool = False) -> bytes:
    """A channel's whole answer for the client, as a stream for one who asked for that. Raises the HazeError that it
    means where it is no answer.
    """
    events = PROTOCOLS[translated.target].read_answer(obj(parsed))
    if events and isinstance(events[-1], Failed):
        raise fault(events[-1].problem, translated.source)
    path = _Path(translated.context)
    restored = [*path.feed(events), *path.close()]
    try:
        if stream:
            writer = PROTOCOLS[translated.source].Writer(translated.context)
            return bytes(writer.feed(restored) + writer.close())
        return orjson.dumps(PROTOCOLS[translated.source].write_answer(restored, translated.context))
    except orjson.JSONEncodeError:
        raise UpstreamFailed(NO_ANSWER) from None


def error(status: int, body: object, translated: Translated) -> tuple[int, bytes]:
    """A channel's refusal (status 400 and up) for the client: status and body, in the words his client acts on.

    `body` is parsed, or text. What a provider says of the owner's account is left out.
    """
    found = problem(body, status)
    told, written = PROTOCOLS[translated.source].write_error(found, translated.context.seed)
    return told, orjson.dumps(written)


class ContextFull(BadRequest):
    """The conversation is longer than the model can read."""

    openai_code = "context_length_exceeded"


def fault(found: Problem, source: str) -> HazeError:
    """The error to raise for a problem that came with status 200, as long as nothing has gone out to the client."""
    match found.kind:
        case "invalid" | "not_found" | "too_large":
            return BadRequest(found.message, param=found.param)
        case "context" | "context_output":
            return ContextFull(anthropics_words(found) if source == "messages" else found.message, param=found.param)
        case "rate_limit":
            return RateLimited(found.message)
        case "overloaded":
            return Overloaded(found.message)
        case "timeout":
            return UpstreamSilent(found.message)
    return UpstreamFailed(found.message)


class _Reader(Protocol):
    done: bool

    def feed(self, chunk: bytes) -> list[Event]: ...
    def close(self) -> list[Event]: ...


class _Writer(Protocol):
    begun: bool

    def begin(self) -> bytes: ...
    def feed(self, events: Iterable[Event]) -> bytes: ...
    def close(self) -> bytes: ...
    def fail(self, problem: Problem) -> bytes: ...


class _Path:
    """What happens to events between a reader and a writer."""

    def __init__(self, context: Context) -> None:
        self._restorer = Restorer(context.tools)
        self._quiet = Quiet(asked=context.shows_reasoning)

    @property
    def withholds(self) -> bool:
        """Whether there is an answer already that the client is not told."""
        return self._quiet.withholds

    def feed(self, events: list[Event]) -> list[Event]:
        return self._quiet.feed(self._restorer.feed(events))

    def close(self) -> list[Event]:
        return self._quiet.feed(self._restorer.close())


class Stream:
    """A channel's stream for the client, behind the channel's own meter.

    Works like Meter, so that a caller can have the one or the other: feed() and close() give what may go out at once,
    `held` is the end of the answer (or the error that ends it), for after the charge. `meter` knows what the channel
    reported and delivered; when only translation sees that the answer broke, its state is set to "error" here.
    """

    between_events = True  # whole events only ever go out

    def __init__(self, translated: Translated, meter: Meter) -> None:
        self.meter = meter
        self.held = b""
        self.problem: Problem | None = None  # what ended the answer, if it was no reason to stop
        self._reader: _Reader = PROTOCOLS[translated.target].Reader()
        self._writer: _Writer = PROTOCOLS[translated.source].Writer(translated.context)
        self._path = _Path(translated.context)
        self._over = False

    @property
    def finished(self) -> bool:
        """Whether the answer came to its end."""
        return self._over and self.problem is None

    def feed(self, chunk: bytes) -> bytes:
        """Translate the channel's next bytes. Never raises, whatever they are."""
        passing = self.meter.feed(chunk)
        out = self._write(self._reader.feed(passing)) if passing else b""
        return out + self._end() if self.meter.state != "open" else out

    def close(self) -> bytes:
        """The channel's body has ended."""
        if self._over:
            return b""
        passing = self.meter.close()
        out = self._write(self._reader.feed(passing)) if passing else b""
        return out + self._end()

    def cut(self, usage: Usage) -> bytes:
        """End the answer here, properly, as if its output limit had been met: sets `held`, gives what goes before.

        `usage` is what the client is told that it used.
        """
        if self._over:
            return b""
        self._over = True
        out = self._writer.feed([*self._path.close(), Used(usage), Stopped("length")])
        self.held = self._writer.close()
        return out

    def _end(self) -> bytes:
        """The channel has said its last word."""
        if self._over:
            return b""
        out = self._write(self._reader.feed(self.meter.held)) if self.meter.held else b""
        out += self._write(self._reader.close()) if not self._over else b""
        if not self._over:
            self._over = True
            out += self._writer.feed(self._path.close())
            self.held = self._writer.close()
        return out

    def _write(self, events: list[Event]) -> bytes:
        if self._over:
            return b""
        for n, event in enumerate(events):
            if isinstance(event, Failed):
                return self._fail(events[:n], event.problem)
        passing = self._path.feed(events)
        # Whoever waited for minutes of reasoning that he is not shown would have no line that could be kept alive.
        begin = self._writer.begin() if self._path.withholds else b""
        return begin + self._writer.feed(passing)

    def _fail(self, before: list[Event], found: Problem) -> bytes:
        out = self._writer.feed(self._path.feed(before))
        self._over, self.problem = True, found
        self.held = self._writer.fail(found)
        if self.meter.state != "error" and found.kind != "broken":
            # The meter saw no error: a reason to stop, or an end, where there was no answer.
            self.meter.state, self.meter.error = "error", {"message": found.message}
        return out


def native_body(body: bytes, protocol: str) -> bytes:
    """A request on its way to a channel of the client's own protocol, without what only Haze can read.

    A client that was on a translated channel before sends its seals back; the provider would refuse them. The bytes
    are the client's own wherever there is none.
    """
    if seal.PREFIX_BYTES not in body:
        return body
    parsed = obj(orjson.loads(body))
    if protocol == "messages":
        return orjson.dumps({**parsed, "messages": [_without_seals(turn) for turn in arr(parsed.get("messages"))]})
    if protocol == "responses" and isinstance(parsed.get("input"), list):
        return orjson.dumps({**parsed, "input": [item for item in parsed["input"] if not _is_sealed(item)]})
    return body


def _is_sealed(item: object) -> bool:
    given = obj(item)
    return seal.is_packed(given.get("signature")) or seal.is_packed(given.get("encrypted_content"))


def _without_seals(turn: object) -> object:
    given = obj(turn)
    if not isinstance(given.get("content"), list):
        return turn
    kept = [_without_citations(block) for block in given["content"] if not _is_sealed(block)]
    return {**given, "content": kept or [{"type": "text", "text": "(no text)"}]}


def _without_citations(block: object) -> object:
    given = obj(block)
    cited = arr(given.get("citations"))
    kept = [entry for entry in cited if not text(obj(entry).get("encrypted_index")).startswith(seal.PREFIX)]
    return block if len(kept) == len(cited) else {**given, "citations": kept or None}
