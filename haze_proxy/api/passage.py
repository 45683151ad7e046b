"""What lies between a client and a candidate: how his request goes up, and how the answer comes down.

Where both speak the same protocol, bytes pass as they are and a meter reads along. Where they do not, the request was
translated, and the meter sits behind the translation: it always reads what the channel sent, because that is charged.
"""

import time
from dataclasses import dataclass, replace
from typing import Any

import orjson

from haze_proxy.api.fit import fitted, lacks_usage, limited
from haze_proxy.channels.directory import Candidate
from haze_proxy.channels.faults import PassedOn, Unspeakable
from haze_proxy.errors import BadRequest
from haze_proxy.gate.terms import Terms
from haze_proxy.money import estimate
from haze_proxy.money.usage import Usage
from haze_proxy.wire import events, gemini, translate
from haze_proxy.wire.ask import Ask
from haze_proxy.wire.ending import at_the_limit
from haze_proxy.wire.events import Context
from haze_proxy.wire.meter import Meter
from haze_proxy.wire.translate import Translated

_NOTHING: tuple[str, ...] = ()
Stream = Meter | translate.Stream | gemini.Stream


@dataclass(slots=True)
class Passage:
    """One attempt's way. `wants` is the protocol of the answer, `spoken` the channel's.

    `stream` gives the bytes for the client as a meter does. `dropped` names what the channel's protocol could not say.
    """

    wants: str
    spoken: str
    body: bytes
    meter: Meter
    stream: Stream
    seed: str
    translated: Translated | None = None
    fixed: bool = False
    dropped: tuple[str, ...] = ()

    def whole(self, body: bytes, parsed: dict[str, Any], *, stream: bool) -> bytes:
        """A whole answer for the client. Raises the HazeError that it means where it is no answer.

        `stream`: he asked for one. Some upstreams ignore that; where his answer is written here, he gets it.
        """
        if self.translated is not None:
            return translate.answer(parsed, self.translated, stream=stream)
        return orjson.dumps(gemini.fix_answer(parsed, self.seed)) if self.fixed else body

    def cut(self, charged: Usage) -> bytes:
        """The events that end the stream here, as if its limit were reached; `charged` is what they tell as used."""
        if isinstance(self.stream, translate.Stream):
            return self.stream.cut(_told(charged)) + self.stream.held
        tokens = (charged.total_input, charged.output)
        return at_the_limit(self.meter, self.wants, tokens, with_usage=not self.meter.hides_usage)

    def refusal(self, refused: PassedOn) -> tuple[int, bytes] | None:
        """A refusal in the words that the client acts on; None where it is in his own protocol already."""
        if self.translated is None:
            return None
        return translate.error(refused.upstream_status, refused.error, self.translated)


def _told(used: Usage) -> events.Usage:
    return events.Usage(
        used.input,
        used.cache_read,
        used.cache_write_5m + used.cache_write_1h,
        used.cache_write_1h,
        used.output,
        used.reasoning,
    )


def passage(ask: Ask, terms: Terms, wants: str, seed: str) -> Passage:
    """The way of a request to the candidate of `terms`. `seed` is unique to the request: answers' ids are made of it.

    Raises Unspeakable, naming the field, where the channel's protocol cannot say what was asked.
    """
    candidate = terms.candidates[0]
    if candidate.protocol == ask.protocol:
        return _native(ask, terms, wants, seed)
    try:
        return _translated(ask, candidate, wants, seed)
    except BadRequest as error:
        raise Unspeakable(error.message, param=error.param) from None


def _native(ask: Ask, terms: Terms, wants: str, seed: str) -> Passage:
    candidate, spoken, hides = terms.candidates[0], ask.protocol, lacks_usage(ask)
    body, dropped = fitted(ask, candidate, terms.rewritten), _NOTHING
    if candidate.channel.kind.chat_fixed and spoken == "chat":
        body, dropped = _without_unknown_fields(body)
    meter = Meter(spoken, hide_usage=hides, answers=estimate.answers(ask.parsed, spoken))
    made = Passage(wants, spoken, body, meter, meter, seed, dropped=dropped)
    if wants != spoken:
        made.translated = _answer_only(ask, candidate, wants, seed)
    return _with_stream(made, candidate)


def _translated(ask: Ask, candidate: Candidate, wants: str, seed: str) -> Passage:
    spoken = candidate.protocol
    options = replace(candidate.channel.options, limit_max=candidate.max_output_tokens)
    read = translate.request(limited(ask), ask.protocol, spoken, candidate.upstream_model, options)
    read = replace(read, source=wants).with_facts(**_facts(ask, seed))
    hides = wants == spoken == "chat" and not read.context.include_usage
    meter = Meter(spoken, hide_usage=hides)
    # The body is the attempt's, and let go of with it; what stays is needed for the answer.
    translated = None if wants == spoken else replace(read, body=b"")
    made = Passage(wants, spoken, read.body, meter, meter, seed, translated, dropped=read.dropped)
    return _with_stream(made, candidate)


def _answer_only(ask: Ask, candidate: Candidate, wants: str, seed: str) -> Translated:
    """For a client who writes one protocol and reads another, as Cursor does."""
    asked = ask.parsed.get("stream_options") or {}
    context = Context(model=ask.model, include_usage=bool(asked.get("include_usage")), **_facts(ask, seed))
    return Translated(wants, candidate.protocol, b"", (), context)


def _facts(ask: Ask, seed: str) -> dict[str, Any]:
    return {"seed": seed, "created": int(time.time()), "input_estimate": max(1, ask.input_estimate)}


def _with_stream(made: Passage, candidate: Candidate) -> Passage:
    made.fixed = candidate.channel.kind.chat_fixed and made.spoken == made.wants == "chat"
    if made.translated is not None:
        made.stream = translate.Stream(made.translated, made.meter)
    elif made.fixed:
        made.stream = gemini.Stream(made.meter, made.seed)
    return made


def _without_unknown_fields(body: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The request without fields that would be refused; the client's own bytes where there are none."""
    kept, dropped = gemini.fix_request(orjson.loads(body))
    return (orjson.dumps(kept), tuple(dropped)) if dropped else (body, ())
