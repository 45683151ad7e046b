"""Events as a Responses answer, streamed or whole.

Codex acts on complete items (`response.output_item.done`) and on the terminal event, OpenAI's SDKs on every one: an
item keeps its id and its place from its first event to the last, and the terminal event repeats the whole answer.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from haze_proxy.wire.blocks import Block, Sequencer
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
from haze_proxy.wire.naming import CallIds
from haze_proxy.wire.openai import KINDS, write_usage
from haze_proxy.wire.responses.answer_reader import STEMS
from haze_proxy.wire.responses.items import added, complete

INCOMPLETE = {"length": "max_output_tokens", "refusal": "content_filter"}
# In mid-stream an error must have a code; the first makes Codex try again.
SERVER = "server_error"
INVALID = "invalid_prompt"
DELTAS = {
    "text": "output_text",
    "refusal": "refusal",
    "reasoning": "reasoning_summary_text",
    "call": "function_call_arguments",
}


class _Answer:
    """What both forms of an answer need: items, status, usage."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.blocks = Sequencer(self)
        self._ids = CallIds(context, "call_")
        self.output: list[dict[str, Any]] = []
        self._made = 0  # characters
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

    def opened(self, block: Block) -> None:
        """A block begins."""

    def grown(self, block: Block, piece: str) -> None:
        """A piece came."""
        self._made += len(piece)

    def cited(self, block: Block, source: Cited) -> None:
        """A source came."""

    def closed(self, block: Block) -> None:
        """A block ends: keep its item."""
        self.output.append(complete(block, self.context.seed))

    def response(self, status: str) -> dict[str, Any]:
        """The response object as it stands."""
        body: dict[str, Any] = {
            "id": f"resp_{self.context.seed}",
            "object": "response",
            "created_at": self.context.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self.context.model,
            "output": [],
            "usage": None,
        }
        return {**self.context.echo, **body}

    def ended(self) -> dict[str, Any]:
        """The response object at its end."""
        reason = INCOMPLETE.get(self._stopped.reason)
        if any(item["type"] == "message" and item["content"][0]["type"] == "refusal" for item in self.output):
            reason = None if reason == INCOMPLETE["refusal"] else reason
        response = self.response("incomplete" if reason else "completed")
        if reason:
            response["incomplete_details"] = {"reason": reason}
        estimated = Usage(input=self.context.input_estimate, output=-(-self._made // CHARACTERS_PER_TOKEN))
        return response | {"output": self.output, "usage": write_usage(self._usage or estimated, STEMS)}


class Writer(_Answer):
    """Writes a stream. feed() gives what may go out at once, close() the end of the answer, fail() its failure."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.begun = False  # whether anything was written
        self._out: list[bytes] = []
        self._number = 0
        self._place: dict[str, Any] = {}  # where the open block stands
        self._head = b""  # of its deltas

    def begin(self) -> bytes:
        """The beginning of the answer, if nothing was written yet."""
        self._begin()
        return self._taken()

    def feed(self, events: Iterable[Event]) -> bytes:
        """The bytes of the next events."""
        self.take(events)
        return self._taken()

    def close(self) -> bytes:
        """The end: the open item, and the event that repeats the answer."""
        self.blocks.close()
        self._begin()
        response = self.ended()
        self._event(f"response.{response['status']}", response=response)
        return self._taken()

    def fail(self, problem: Problem) -> bytes:
        """A failed response instead of an end."""
        self._begin()
        code = KINDS[problem.kind][2] or problem.code or (INVALID if problem.kind == "invalid" else SERVER)
        response = self.response("failed") | {"error": {"code": code, "message": problem.message}}
        self._event("response.failed", response=response | {"output": self.output})
        return self._taken()

    def opened(self, block: Block) -> None:
        """Write the start of an item, and of its part."""
        self._begin()
        item = added(block, self.context.seed)
        self._place = {"item_id": item["id"], "output_index": block.index}
        self._event("response.output_item.added", output_index=block.index, item=item)
        if block.kind in ("text", "refusal"):
            self._place["content_index"] = 0
            self._event("response.content_part.added", **self._place, part=_part(block))
        elif block.kind == "reasoning" and block.seal is None:
            self._place["summary_index"] = 0
            part = {"type": "summary_text", "text": ""}
            self._event("response.reasoning_summary_part.added", **self._place, part=part)
        name = _delta_name(block)
        # The deltas of an item differ in text and number only, which is all that is encoded.
        fixed = {"type": name, **self._place, **({"logprobs": []} if block.kind == "text" else {})}
        self._head = b"event: " + name.encode() + b"\ndata: " + orjson.dumps(fixed)[:-1] + b',"delta":'

    def grown(self, block: Block, piece: str) -> None:
        """Write a delta."""
        self._made += len(piece)
        self._out.append(b'%b%b,"sequence_number":%d}\n\n' % (self._head, orjson.dumps(piece), self._number))
        self._number += 1

    def cited(self, block: Block, source: Cited) -> None:
        """Write a source."""
        number = len(block.cited) - 1
        annotation = complete(block, self.context.seed)["content"][0]["annotations"][number]
        place = {**self._place, "annotation_index": number}
        self._event("response.output_text.annotation.added", **place, annotation=annotation)

    def closed(self, block: Block) -> None:
        """Write the end of a part, and of its item."""
        super().closed(block)
        item = self.output[-1]
        if block.call is not None:
            member = "input" if block.call.custom else "arguments"
            kind = "custom_tool_call_input" if block.call.custom else "function_call_arguments"
            self._event(f"response.{kind}.done", **self._place, **{member: item[member]})
        elif block.kind == "reasoning":
            self._close_summary(block)
        else:
            part, kind = item["content"][0], "output_text" if block.kind == "text" else "refusal"
            said = {"text": block.text, "logprobs": []} if block.kind == "text" else {"refusal": block.text}
            self._event(f"response.{kind}.done", **self._place, **said)
            self._event("response.content_part.done", **self._place, part=part)
        self._event("response.output_item.done", output_index=block.index, item=item)

    def _close_summary(self, block: Block) -> None:
        if "summary_index" in self._place:
            self._event("response.reasoning_summary_text.done", **self._place, text=block.text)
            part = {"type": "summary_text", "text": block.text}
            self._event("response.reasoning_summary_part.done", **self._place, part=part)

    def _begin(self) -> None:
        if not self.begun:
            self.begun = True
            response = self.response("in_progress")
            self._event("response.created", response=response)
            self._event("response.in_progress", response=response)

    def _event(self, kind: str, **members: Any) -> None:
        data = orjson.dumps({"type": kind, **members, "sequence_number": self._number})
        self._number += 1
        self._out.append(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n")

    def _taken(self) -> bytes:
        out, self._out = b"".join(self._out), []
        return out


def write_answer(events: Iterable[Event], context: Context) -> dict[str, Any]:
    """The body of a whole answer."""
    answer = _Answer(context)
    answer.take(events)
    answer.blocks.close()
    return answer.ended()


def _part(block: Block) -> dict[str, Any]:
    if block.kind == "refusal":
        return {"type": "refusal", "refusal": ""}
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def _delta_name(block: Block) -> str:
    if block.call is not None and block.call.custom:
        return "response.custom_tool_call_input.delta"
    return f"response.{DELTAS[block.kind]}.delta"
