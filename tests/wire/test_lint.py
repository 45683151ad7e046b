"""The linter of streams finds what it is for, and finds nothing in real ones."""

import pytest
from wire.lint import lint
from wire.translating import RECORDED, call, chunks, delta, named, recorded

BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
WORD = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
SHUT = {"type": "content_block_stop", "index": 0}
START = {"type": "message_start", "message": {}}
STOP = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
END = {"type": "message_stop"}
ERROR = {"type": "error", "error": {}}
ADDED = {"type": "response.output_item.added", "output_index": 0, "item": {"id": "a"}}
DONE = {"type": "response.output_item.done", "output_index": 0, "item": {"id": "a"}}
CREATED = {"type": "response.created", "response": {}}
COMPLETED = {
    "type": "response.completed",
    "response": {"output": [{"id": "a"}], "usage": {"output_tokens": 1}},
}
FIRST = delta(role="assistant", content="Hi")


def numbered(*bodies: dict[str, object]) -> bytes:
    return b"".join(named(*[{**body, "sequence_number": n} for n, body in enumerate(bodies)]))


FAULTS = {
    "a block within another": ("messages", named(START, BLOCK, {**BLOCK, "index": 1}, SHUT, STOP, END)),
    "a block that is not closed": ("messages", named(START, BLOCK, WORD, STOP, END)),
    "a block closed twice": ("messages", named(START, BLOCK, SHUT, SHUT, STOP, END)),
    "a gap between blocks": ("messages", named(START, {**BLOCK, "index": 1}, {**SHUT, "index": 1}, STOP, END)),
    "a delta to no block": ("messages", named(START, WORD, STOP, END)),
    "a delta to a closed block": ("messages", named(START, BLOCK, SHUT, WORD, STOP, END)),
    "a delta of another kind": (
        "messages",
        named(START, BLOCK, {**WORD, "delta": {"type": "thinking_delta"}}, SHUT, STOP, END),
    ),
    "two starts": ("messages", named(START, START, STOP, END)),
    "no start": ("messages", named(BLOCK, SHUT, STOP, END)),
    "no reason": ("messages", named(START, BLOCK, SHUT, END)),
    "no terminal event": ("messages", named(START, BLOCK, SHUT, STOP)),
    "an event after the terminal one": ("messages", named(START, STOP, END, STOP)),
    "an event after an error": ("messages", named(START, ERROR, END)),
    "a name that is not the type": ("messages", [b'event: ping\ndata: {"type":"message_stop"}\n\n']),
    "half an event": ("messages", [*named(START, STOP, END), b"event: ping"]),
    "no [DONE]": ("chat", chunks(FIRST, delta("stop"))),
    "a chunk after the reason": ("chat", chunks(FIRST, delta("stop"), delta(content="x"), "[DONE]")),
    "no role": ("chat", chunks(delta(content="Hi"), delta("stop"), "[DONE]")),
    "two roles": ("chat", chunks(FIRST, FIRST, delta("stop"), "[DONE]")),
    "no reason in chat": ("chat", chunks(FIRST, "[DONE]")),
    "a call with a gap": (
        "chat",
        chunks(FIRST, delta(tool_calls=[call(1, "a", "f", "")]), delta("stop"), "[DONE]"),
    ),
    "arguments of no call": ("chat", chunks(FIRST, delta(tool_calls=[call(0, args="")]), delta("stop"), "[DONE]")),
    "a call without id": (
        "chat",
        chunks(FIRST, delta(tool_calls=[call(0, None, "f", "")]), delta("stop"), "[DONE]"),
    ),
    "another answer": ("chat", chunks(FIRST, {**delta("stop"), "id": "other"}, "[DONE]")),
    "an item that is not completed": ("responses", [numbered(CREATED, ADDED, COMPLETED)]),
    "an item completed twice": ("responses", [numbered(CREATED, ADDED, DONE, DONE, COMPLETED)]),
    "another item at the end": (
        "responses",
        [numbered(CREATED, ADDED, {**DONE, "item": {"id": "b"}}, COMPLETED)],
    ),
    "a gap in the numbers": (
        "responses",
        named({**CREATED, "sequence_number": 0}, {**COMPLETED, "sequence_number": 2}),
    ),
    "no end": ("responses", [numbered(CREATED, ADDED, DONE)]),
    "an end that repeats another answer": (
        "responses",
        [numbered(CREATED, {**COMPLETED, "response": {"output": [{"id": "z"}], "usage": {"output_tokens": 1}}})],
    ),
}


@pytest.mark.parametrize(("protocol", "stream"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(protocol: str, stream: list[bytes]) -> None:
    """A linter that finds nothing proves nothing."""
    with pytest.raises((AssertionError, KeyError)):
        lint(protocol, b"".join(stream))


SOUND = {
    "messages": named(START, BLOCK, WORD, SHUT, STOP, END),
    "an error": named(START, BLOCK, WORD, ERROR),
    "chat": chunks(FIRST, delta("stop"), "[DONE]"),
    "responses": [numbered(CREATED, ADDED, DONE, COMPLETED)],
}


@pytest.mark.parametrize(("name", "stream"), SOUND.items(), ids=SOUND)
def test_a_sound_stream_passes(name: str, stream: list[bytes]) -> None:
    """Each of the faults above is one step away from these."""
    lint("messages" if name == "an error" else name, b"".join(stream))


# Recorded of upstreams that keep to their protocol; the others are recorded because they do not.
KEEP_TO_IT = [
    "chat_text",
    "chat_tool_calls",
    "chat_words_in_text",
    "messages_error_first",
    "messages_error_later",
    "messages_text",
    "messages_thinking_tool_use",
    "messages_vendor_late_split",
    "messages_words_in_text",
]


@pytest.mark.parametrize("name", KEEP_TO_IT)
def test_a_recorded_native_stream_passes(name: str) -> None:
    """The linter asks for what real providers do, and for no more."""
    lint(name.split("_")[0], recorded(name))


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDED.glob("*_cut")))
def test_a_recorded_stream_that_was_cut_does_not_pass(name: str) -> None:
    """It is not whole, and nobody may take it for that."""
    with pytest.raises((AssertionError, ValueError)):
        lint(name.split("_")[0], recorded(name))
