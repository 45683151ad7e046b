"""Events as a Messages answer, streamed or whole."""

from collections.abc import Iterable
from typing import Any

import orjson

from haze_proxy.wire import seal
from haze_proxy.wire.blocks import Block, Sequencer
from haze_proxy.wire.conversation import Seal
from haze_proxy.wire.events import (
    CHARACTERS_PER_TOKEN,
    CallStart,
    Cited,
    Context,
    Event,
    Problem,
    Stopped,
    Usage,
    Used,
)
from haze_proxy.wire.messages.blocks_reader import ORIGIN
from haze_proxy.wire.messages.blocks_writer import arguments
from haze_proxy.wire.messages.errors import write_error
from haze_proxy.wire.messages.usage import write_usage
from haze_proxy.wire.naming import ID_MAX, CallIds, legal_id, shortened
from haze_proxy.wire.values import obj

REASONS = {
    "end": "end_turn",
    "sequence": "stop_sequence",
    "length": "max_tokens",
    "calls": "tool_use",
    "refusal": "refusal",
    "pause": "pause_turn",
}
TOOL_ID = "toolu_"
# The pieces of a block, and the member that holds the text of each.
DELTAS = {
    "text": ("text_delta", "text"),
    "refusal": ("text_delta", "text"),
    "reasoning": ("thinking_delta", "thinking"),
    "call": ("input_json_delta", "partial_json"),
}


class _Answer:
    """What both forms of an answer need: ids, reasons, usage."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.blocks = Sequencer(self)
        self._ids = CallIds(context, TOOL_ID, _prefixed)
        self.made = 0  # characters
        self._usage: Usage | None = None
        self._stopped = Stopped("end")

    def take(self, events: Iterable[Event]) -> None:
        """Feed the blocks, and note what belongs to the end."""
        for event in events:
            if isinstance(event, Used):
                self._usage = event.usage
            elif isinstance(event, Stopped):
                self._stopped = event
            else:
                self.blocks.feed((event,))

    def call_id(self, call: CallStart) -> str:
        """The provider's own, or one made from the request's."""
        return self._ids.of(call)

    def stop(self) -> dict[str, Any]:
        """Why the answer ended."""
        reason = self._stopped.reason
        reason = "calls" if self.blocks.called and reason == "end" else reason
        stop: dict[str, Any] = {"stop_reason": REASONS[reason], "stop_sequence": self._stopped.sequence}
        if reason == "refusal" and self._stopped.explanation:
            stop["stop_details"] = {
                "type": "refusal",
                "category": None,
                "explanation": self._stopped.explanation,
            }
        return stop

    def usage(self) -> dict[str, Any]:
        """What was reported, else what is estimated: clients cannot do without."""
        estimated = Usage(input=self.context.input_estimate, output=-(-self.made // CHARACTERS_PER_TOKEN))
        return write_usage(self._usage or estimated)

    def opened(self, block: Block) -> None:
        """A block begins."""

    def grown(self, block: Block, piece: str) -> None:
        """A piece came."""
        self.made += len(piece)

    def cited(self, block: Block, source: Cited) -> None:
        """A source came."""

    def closed(self, block: Block) -> None:
        """A block ends."""


class Writer(_Answer):
    """Writes a stream. feed() gives what may go out at once, close() the end of the answer, fail() its failure."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.begun = False  # whether anything was written
        self._out: list[bytes] = []
        self._head = b""  # of the deltas of the open block

    def begin(self) -> bytes:
        """The beginning of the answer, if nothing was written yet."""
        self._begin()
        return self._taken()

    def feed(self, events: Iterable[Event]) -> bytes:
        """The bytes of the next events."""
        self.take(events)
        return self._taken()

    def close(self) -> bytes:
        """The end: the open block, the reason to stop with the true numbers, message_stop."""
        self.blocks.close()
        self._begin()
        self._event("message_delta", {"delta": self.stop(), "usage": self.usage()})
        self._event("message_stop", {})
        return self._taken()

    def fail(self, problem: Problem) -> bytes:
        """An error instead of an end, so that nobody takes the answer for whole."""
        _, body = write_error(problem, self.context.seed)
        return b"event: error\ndata: " + orjson.dumps(body) + b"\n\n"

    def opened(self, block: Block) -> None:
        """Write the start of a block."""
        self._begin()
        self._event("content_block_start", {"index": block.index, "content_block": _start(block)})
        kind, member = DELTAS[block.kind]
        # The deltas of a block differ in their text only, which is all that is encoded.
        self._head = (
            f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":{block.index},'
            f'"delta":{{"type":"{kind}","{member}":'
        ).encode()

    def grown(self, block: Block, piece: str) -> None:
        """Write a delta."""
        self.made += len(piece)
        self._out.append(self._head + orjson.dumps(piece) + b"}}\n\n")

    def cited(self, block: Block, source: Cited) -> None:
        """Write a source."""
        delta = {"type": "citations_delta", "citation": _citation(source)}
        self._event("content_block_delta", {"index": block.index, "delta": delta})

    def closed(self, block: Block) -> None:
        """Write the end of a block: arguments if there were none, the signature, the stop."""
        if block.kind == "call" and not block.pieces:
            self._out.append(self._head + b'"{}"}}\n\n')
        if block.kind == "reasoning" and block.seal is not None and not _is_redacted(block.seal):
            delta = {"type": "signature_delta", "signature": _signature(block.seal)}
            self._event("content_block_delta", {"index": block.index, "delta": delta})
        self._event("content_block_stop", {"index": block.index})

    def _begin(self) -> None:
        if self.begun:
            return
        self.begun = True
        # The true numbers come last. A client that sees 0 here shows an empty context, and never shortens it.
        usage = write_usage(Usage(input=max(1, self.context.input_estimate), output=1))
        message = _message(self.context) | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        self._event("message_start", {"message": message})

    def _event(self, kind: str, body: dict[str, Any]) -> None:
        data = orjson.dumps({"type": kind, **body})
        self._out.append(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n")

    def _taken(self) -> bytes:
        out, self._out = b"".join(self._out), []
        return out


class _Whole(_Answer):
    """Collects the blocks of a whole answer."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.content: list[dict[str, Any]] = []

    def closed(self, block: Block) -> None:
        """Keep a block."""
        written = _start(block)
        match block.kind:
            case "call":
                written["input"] = arguments(block.text)
            case "reasoning" if "thinking" in written:
                written |= {"thinking": block.text, "signature": _signature(block.seal)}
            case "text" | "refusal":
                written["text"] = block.text
                if block.cited:
                    written["citations"] = [_citation(source) for source in block.cited]
        self.content.append(written)


def write_answer(events: Iterable[Event], context: Context) -> dict[str, Any]:
    """The body of a whole answer."""
    answer = _Whole(context)
    answer.take(events)
    answer.blocks.close()
    return {**_message(context), "content": answer.content, **answer.stop(), "usage": answer.usage()}


def _prefixed(call_id: str) -> str:
    """Clients expect Anthropic's prefix; what stands after it tells the provider's own ids apart."""
    given = legal_id(call_id)
    given = given if given.startswith(TOOL_ID) else TOOL_ID + given
    return given if len(given) <= ID_MAX else TOOL_ID + shortened(given, ID_MAX - len(TOOL_ID))


def _message(context: Context) -> dict[str, Any]:
    return {"id": f"msg_{context.seed}", "type": "message", "role": "assistant", "model": context.model}


def _start(block: Block) -> dict[str, Any]:
    if block.call is not None:
        return {"type": "tool_use", "id": block.id, "name": block.call.name, "input": {}}
    if block.kind == "reasoning":
        if block.seal is not None and _is_redacted(block.seal):
            return {"type": "redacted_thinking", "data": obj(block.seal.data)["data"]}
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def _is_redacted(given: Seal) -> bool:
    return given.origin == ORIGIN and "data" in obj(given.data)


def _signature(given: Seal | None) -> str:
    """Anthropic's own as it is; what another provider wants back is packed into one."""
    if given is None:
        return ""
    return str(obj(given.data).get("signature")) if given.origin == ORIGIN else seal.pack(given)


def _citation(source: Cited) -> dict[str, Any]:
    # The index is the provider's own bookmark; Haze's marks a citation that must never reach Anthropic.
    where = {"type": "web_search_result_location", "url": source.url, "title": source.title}
    return {**where, "cited_text": "", "encrypted_index": seal.PREFIX}
