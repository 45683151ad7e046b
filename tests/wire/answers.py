"""Made-up answers, and how each protocol streams them: in pieces of any size, with the habits of many providers."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import orjson
from hypothesis import strategies as st
from wire.dialogues import ARGUMENTS, LETTERS, NAMES
from wire.translating import call, chunks, delta, named

Body = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """An answer: thoughts, text, calls. `text` is not blank, or there is none."""

    reasoning: str
    text: str
    calls: tuple[tuple[str, Body], ...]
    usage: tuple[int, int]  # tokens in, out
    limit: bool  # whether it ran into its output limit

    def told(self) -> Body:
        """What a client must understand."""
        reason = "calls" if self.calls else "length" if self.limit else "end"
        return {
            "text": self.text.strip(),
            "refused": "",
            "reasoning": self.reasoning,
            "calls": list(self.calls),
            "reason": reason,
            "tokens": self.usage,
        }


@cache
def answers() -> st.SearchStrategy[Said]:
    """Answers that say something."""
    text = st.text(LETTERS, max_size=12)
    said = st.builds(lambda inner: f"t{inner}", text)
    calls = st.lists(st.tuples(st.sampled_from(NAMES), ARGUMENTS), max_size=3).map(tuple)
    usage = st.tuples(st.integers(1, 10**6), st.integers(1, 10**6))
    made = st.builds(Said, st.just("") | said, st.just("") | said, calls, usage, st.booleans())
    return made.filter(lambda answer: bool(answer.text or answer.calls))


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """The text in pieces."""
    places = sorted(draw(st.sets(st.integers(0, len(text)), max_size=3)) | {0, len(text)})
    return [text[a:b] for a, b in pairwise(places)]


@st.composite
def chat_streams(draw: st.DrawFn, said: Said) -> list[bytes]:
    """As chat chunks: calls side by side or one by one, with or without index and id, blanks between them."""
    field = draw(st.sampled_from(["reasoning_content", "reasoning"]))
    bodies: list[Any] = [delta(role="assistant", content="")] if draw(st.booleans()) else []
    bodies += [delta(**{field: piece}) for piece in pieces(draw, said.reasoning)]
    bodies += [delta(content=piece) for piece in pieces(draw, said.text)]
    bodies += _chat_calls(draw, said)
    usage = {"prompt_tokens": said.usage[0], "completion_tokens": said.usage[1]}
    reason = draw(st.sampled_from(["tool_calls", "stop"])) if said.calls else "length" if said.limit else "stop"
    ends: list[list[Any]] = [
        [delta(reason, usage), "[DONE]"],
        [delta(reason), {**delta(usage=usage), "choices": []}, "[DONE]"],
        [delta(reason, usage)],
    ]
    if draw(st.booleans()):
        bodies = [{**body, "usage": {"prompt_tokens": 1, "completion_tokens": 1}} for body in bodies]
    return chunks(*bodies, *draw(st.sampled_from(ends)))


def _chat_calls(draw: st.DrawFn, said: Said) -> list[Body]:
    if draw(st.booleans()):  # Gemini's way: whole calls without index and id
        return [delta(tool_calls=[call(None, "", name, orjson.dumps(args).decode())]) for name, args in said.calls]
    first: list[list[Body]] = []
    for n, (name, args) in enumerate(said.calls):
        given = orjson.dumps(args).decode()
        text = pieces(draw, "" if args == {} and draw(st.booleans()) else given)
        first.append([call(n, f"call_{n}", name, ""), *(call(n, args=piece) for piece in text)])
    blank = [delta(content="\n")] if draw(st.booleans()) and not said.text else []
    if draw(st.booleans()):
        return [*blank, *[delta(tool_calls=[piece]) for one in first for piece in one]]
    mixed: list[Body] = []
    begun = 0
    while any(first):
        # A call may begin while those before it go on.
        going = [n for n in range(len(first)) if first[n] and n <= begun]
        n = draw(st.sampled_from(going))
        begun = max(begun, n + 1)
        mixed += [delta(tool_calls=[first[n].pop(0)]), *blank]
    return mixed


@st.composite
def messages_streams(draw: st.DrawFn, said: Said) -> list[bytes]:
    """As Messages events: one block after another, pings anywhere, usage in one report or two."""
    start = {"input_tokens": draw(st.sampled_from([said.usage[0], 9999])), "output_tokens": 1}
    bodies: list[Body] = [{"type": "message_start", "message": {"id": "m", "model": "up", "usage": start}}]
    blocks: list[tuple[Body, list[Body]]] = []
    if said.reasoning:
        thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(draw, said.reasoning)]
        sealed = [{"type": "signature_delta", "signature": "c2ln"}]
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, thoughts + sealed))
    if said.text:
        texts = [{"type": "text_delta", "text": piece} for piece in pieces(draw, said.text)]
        blocks.append(({"type": "text", "text": ""}, texts))
    for n, (name, args) in enumerate(said.calls):
        given = "" if args == {} else orjson.dumps(args).decode()
        partial = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces(draw, given)]]
        blocks.append(({"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": {}}, partial))
    for index, (block, deltas) in enumerate(blocks):
        bodies.append({"type": "content_block_start", "index": index, "content_block": block})
        bodies += [{"type": "ping"}] if draw(st.booleans()) else []
        bodies += [{"type": "content_block_delta", "index": index, "delta": piece} for piece in deltas]
        bodies.append({"type": "content_block_stop", "index": index})
    reason = "tool_use" if said.calls else "max_tokens" if said.limit else "end_turn"
    usage = {"input_tokens": said.usage[0], "output_tokens": said.usage[1]}
    bodies.append({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage})
    if draw(st.booleans()):
        bodies.append({"type": "message_delta", "delta": {"stop_reason": None}, "usage": usage})
    return named(*bodies, {"type": "message_stop"})


@st.composite
def responses_streams(draw: st.DrawFn, said: Said) -> list[bytes]:
    """As Responses events: in pieces, as whole values, or in the terminal event alone."""
    items: list[Body] = []
    if said.reasoning:
        summary = [{"type": "summary_text", "text": said.reasoning}]
        items.append({"id": "rs_0", "type": "reasoning", "summary": summary, "encrypted_content": "gAAAA"})
    if said.text:
        part = {"type": "output_text", "text": said.text, "annotations": []}
        items.append({"id": "msg_0", "type": "message", "role": "assistant", "content": [part]})
    for n, (name, args) in enumerate(said.calls):
        arguments = orjson.dumps(args).decode()
        items.append(
            {"id": f"fc_{n}", "type": "function_call", "call_id": f"call_{n}", "name": name, "arguments": arguments}
        )
    bodies: list[Body] = [{"type": "response.created", "response": {"id": "r", "model": "up"}}]
    # What follows is only in the terminal event.
    for index, item in enumerate(items[: draw(st.integers(0, len(items)))]):
        bodies += _item(draw, index, item)
    response: Body = {
        "id": "r",
        "status": "completed",
        "output": items,
        "usage": {"input_tokens": said.usage[0], "output_tokens": said.usage[1]},
    }
    if said.limit and not said.calls:
        response |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    return named(*bodies, {"type": f"response.{response['status']}", "response": response})


def _item(draw: st.DrawFn, index: int, item: Body) -> list[Body]:
    place = {"output_index": index, "item_id": item["id"]}
    kinds = {
        "reasoning": ("reasoning_summary_text", "text", {"summary_index": 0}),
        "message": ("output_text", "text", {"content_index": 0}),
        "function_call": ("function_call_arguments", "arguments", {}),
    }
    kind, member, where = kinds[item["type"]]
    text = item.get("arguments") or (item.get("content") or item.get("summary"))[0]["text"]
    bodies = [{"type": "response.output_item.added", **place, "item": {**item, "content": [], "arguments": ""}}]
    if draw(st.booleans()):
        bodies += [{"type": f"response.{kind}.delta", **place, **where, "delta": p} for p in pieces(draw, text)]
    if draw(st.booleans()):
        bodies.append({"type": f"response.{kind}.done", **place, **where, member: text})
    if draw(st.booleans()):
        bodies.append({"type": "response.output_item.done", **place, "item": item})
    return bodies


STREAMS = {"chat": chat_streams, "messages": messages_streams, "responses": responses_streams}
