"""The laws of translated requests, for any conversation."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.dialogues import Call, Dialogue, chat, dialogues, messages, responses
from wire.translating import ASKS, law

from haze_proxy.errors import BadRequest
from haze_proxy.wire import translate
from haze_proxy.wire.options import Options
from haze_proxy.wire.pairing import paired
from haze_proxy.wire.values import names

PAIRS = sorted(translate.PAIRS)
TURNS = {"chat": "messages", "messages": "messages", "responses": "input"}


# What of a body is a conversation.
SAID = ("messages", "input", "system", "instructions", "tools")


def spelled(source: str, dialogue: Dialogue) -> dict[str, Any]:
    """The conversation as clients of a protocol send it."""
    if source == "chat":
        return chat(dialogue)
    return messages(dialogue, native=True, joined=False) if source == "messages" else responses(dialogue)


def expected(source: str, target: str, dialogue: Dialogue) -> dict[str, Any]:
    """The conversation as a channel must get it."""
    if target == "messages":
        return messages(dialogue, native=False, joined=source == "responses")
    if target == "responses":
        return responses(dialogue)
    body = chat(dialogue, together=source == "messages")
    for tool in body.get("tools", ()) if source == "responses" else ():
        tool["function"]["strict"] = False
    return body


def translated(source: str, target: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body for the channel."""
    read: dict[str, Any] = orjson.loads(translate.request(body, source, target, "m", Options()).body)
    return read


def said(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in SAID if name in body}


def of_responses(dialogue: Dialogue) -> Dialogue:
    """What Responses can say: a result is one text, or parts; an error is text like any other."""
    rounds = tuple(replace(turn, calls=tuple(map(_of_responses, turn.calls))) for turn in dialogue.rounds)
    return replace(dialogue, system=("\n\n".join(dialogue.system),) if dialogue.system else (), rounds=rounds)


def _of_responses(call: Call) -> Call:
    texts = [part["text"] for part in call.result if part["kind"] == "text"]
    whole = len(texts) == len(call.result)
    return replace(call, error=False, result=({"kind": "text", "text": "\n".join(texts)},) if whole else call.result)


def dialogues_of(source: str) -> st.SearchStrategy[Dialogue]:
    """Conversations that clients of a protocol can have."""
    made = dialogues(rich=source != "chat")
    return made.map(of_responses) if source == "responses" else made


@pytest.mark.parametrize(("source", "target"), PAIRS)
@law()
@given(data=st.data())
def test_a_conversation_is_spelled_as_the_channel_spells_it(source: str, target: str, data: st.DataObject) -> None:
    """Every part, in its place: compared with a spelling written by hand."""
    dialogue = data.draw(dialogues_of(source))
    body = spelled(source, dialogue)
    before = orjson.dumps(body)
    assert said(translated(source, target, body)) == said(expected(source, target, dialogue))
    assert orjson.dumps(body) == before, "the client's own request was changed"


@pytest.mark.parametrize("protocol", TURNS)
@law()
@given(data=st.data())
def test_what_was_read_is_written_as_it_was(protocol: str, data: st.DataObject) -> None:
    """The neutral form loses nothing a protocol says."""
    body = spelled(protocol, data.draw(dialogues_of(protocol)))
    module = translate.PROTOCOLS[protocol]
    written, dropped = module.write_request(module.read_request(body), Options(system_turns=True))
    # Anthropic must be told of tools that were called and are gone.
    assert said(written) == {**({"tools": written["tools"]} if "tools" in written else {}), **said(body)}
    assert dropped == []


@law()
@given(data=st.data())
def test_all_protocols_read_the_same_conversation(data: st.DataObject) -> None:
    """The neutral form does not show where a conversation came from."""
    dialogue = data.draw(dialogues())
    read = [translate.PROTOCOLS[protocol].read_request(spelled(protocol, dialogue)) for protocol in TURNS]
    turns = [[turn for turn in paired(each.turns) if turn.role != "system"] for each in read]
    spoken = [_spoken(each) for each in turns]
    assert spoken[0] == spoken[1] == spoken[2]


def _spoken(turns: list[Any]) -> list[tuple[str, list[Any]]]:
    spoken: list[tuple[str, list[Any]]] = []
    for turn in turns:
        parts = list(turn.parts)
        if spoken and spoken[-1][0] == turn.role:
            spoken[-1][1].extend(parts)
        else:
            spoken.append((turn.role, parts))
    return spoken


@pytest.mark.parametrize(("source", "target"), PAIRS)
@law()
@given(data=st.data())
def test_a_later_request_begins_with_the_earlier_one_byte_for_byte(
    source: str, target: str, data: st.DataObject
) -> None:
    """Providers cache beginnings: one changed byte, and the whole conversation is billed anew."""
    dialogue = data.draw(dialogues_of(source).filter(lambda d: d.rounds))
    count = data.draw(st.integers(0, len(dialogue.rounds) - 1))
    earlier, later = (translated(source, target, spelled(source, each)) for each in (dialogue.until(count), dialogue))
    field = TURNS[target]
    beginning = orjson.dumps(earlier[field])
    # What the user says next may join his last words; then only the brackets move.
    assert orjson.dumps(later[field]).startswith(beginning.rstrip(b"]}"))
    for name in ("system", "instructions", *(["tools"] if dialogue.tools else [])):
        assert orjson.dumps(earlier.get(name)) == orjson.dumps(later.get(name))


WORDS = sorted(
    names(
        """type role content text id name input source function arguments data tool_use_id tool_calls output call_id url
        image_url format schema signature"""
    )
)
KINDS = sorted(
    names(
        """text image tool_use tool_result thinking document image_url file function custom input_text output_text
        function_call function_call_output reasoning message namespace json_schema allowed_tools user assistant system
        tool developer"""
    )
)
FIELDS = sorted(
    names(
        """system tools tool_choice stop thinking response_format metadata output_config reasoning text instructions
        stop_sequences temperature functions"""
    )
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(KINDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@law(200)
@given(data=st.data())
def test_any_request_is_translated_or_refused(source: str, target: str, data: st.DataObject) -> None:
    """A strange body is the client's mistake, and told as one; it never becomes a server's error."""
    body = orjson.loads(orjson.dumps(spelled(source, data.draw(dialogues(rounds=1)))))
    if data.draw(st.booleans()):
        _spoil(data, body)
    else:
        body[data.draw(st.sampled_from([TURNS[source], *FIELDS]))] = data.draw(ANYTHING)
    with suppress(BadRequest):
        written = translate.request(body, source, target, "m", Options())
        assert all(name.isascii() for name in written.dropped)


def _spoil(data: st.DataObject, body: dict[str, Any]) -> None:
    """Put anything into a place somewhere deep in the body."""
    place: Any = body
    while True:
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        inner = place[key]
        if not inner or not isinstance(inner, dict | list) or data.draw(st.integers(0, 3)) == 0:
            place[key] = data.draw(ANYTHING)
            return
        place = inner


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_body_nested_too_deeply_is_refused(source: str, target: str) -> None:
    """Python's stack is finite."""
    schema: Any = {"type": "string"}
    for _ in range(2000):
        schema = {"type": "object", "properties": {"a": schema}}
    tools = {
        "chat": {"type": "function", "function": {"name": "deep", "parameters": schema}},
        "messages": {"name": "deep", "input_schema": schema},
        "responses": {"type": "function", "name": "deep", "parameters": schema},
    }
    form = {"type": "json_schema", "schema": schema, "name": "deep", "json_schema": {"name": "deep", "schema": schema}}
    fields = {"chat": {"response_format": form}, "responses": {"text": {"format": form}}}
    body = {**ASKS[source], "tools": [tools[source]], **fields.get(source, {"output_config": {"format": form}})}
    with pytest.raises(BadRequest, match="too deeply"):
        translated(source, target, body)
