"""Made-up conversations, and how each protocol spells them: written by hand here, to judge translation by.

Each renderer gives the spelling that translation chooses where a protocol has more than one.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import orjson
from hypothesis import strategies as st

Body = dict[str, Any]
DATA = "aGF6ZQ=="


@dataclass(frozen=True)
class Call:
    name: str
    arguments: Body
    result: tuple[Body, ...]  # parts
    error: bool = False


@dataclass(frozen=True)
class Round:
    """The user speaks, the model answers, and may call tools."""

    user: tuple[Body, ...]
    answer: str = ""
    calls: tuple[Call, ...] = ()
    system: str = ""  # said after the user


@dataclass(frozen=True)
class Dialogue:
    system: tuple[str, ...]
    rounds: tuple[Round, ...]
    last: tuple[Body, ...]  # what the user says at the end
    tools: tuple[Body, ...] = ()

    def until(self, count: int) -> "Dialogue":
        """The same conversation when it had so many rounds."""
        return replace(self, rounds=self.rounds[:count], last=self.rounds[count].user)


LETTERS = 'ab \n"\\{}ü\u2028\U0001f60a'


def word(prefix: str) -> st.SearchStrategy[str]:
    """A text that is not blank, with what JSON and SSE trip over."""
    return st.text(LETTERS, max_size=6).map(lambda text: f"{prefix}{text}.")


TEXT = st.builds(lambda said: {"kind": "text", "text": said}, word("u"))
IMAGE = st.sampled_from([{"kind": "image", "data": DATA}, {"kind": "image", "url": "https://example.com/a.png"}])
PDF = st.just({"kind": "pdf", "data": DATA, "name": "a.pdf"})
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(st.sampled_from(["city", "zone", "ü"]), VALUES, max_size=3)
NAMES = ["weather", "get-time", "read_file"]


@cache
def calls(rich: bool) -> st.SearchStrategy[tuple[Call, ...]]:
    """Calls and their results; `rich` ones have images and errors, which chat has no place for."""
    told = st.builds(lambda said: {"kind": "text", "text": said}, word("r"))
    part = told | IMAGE if rich else told
    results = st.lists(part, min_size=1, max_size=3 if rich else 1).map(tuple)
    one = st.builds(Call, st.sampled_from(NAMES), ARGUMENTS, results, st.booleans() if rich else st.just(False))
    return st.lists(one, max_size=2).map(tuple)


@cache
def dialogues(*, rich: bool = False, rounds: int = 2) -> st.SearchStrategy[Dialogue]:
    """Conversations; every model's turn says something."""
    user = st.lists(TEXT | IMAGE | PDF, min_size=1, max_size=2).map(tuple)
    system = st.just("") | word("s")
    answers = st.builds(Round, user, word("a"), calls(rich), system)
    silent = st.builds(Round, user, st.just(""), calls(rich), system).filter(lambda turn: turn.calls)
    return st.builds(
        Dialogue,
        st.lists(word("s"), max_size=2).map(tuple),
        st.lists(answers | silent, max_size=rounds).map(tuple),
        user,
        st.sampled_from([(), tuple({"name": name, "about": f"about {name}"} for name in NAMES)]),
    )


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def call_id(n: int, k: int) -> str:
    """Of the k-th call of the n-th round."""
    return f"toolu_{n}_{k}"


# ---- chat


def chat(dialogue: Dialogue, *, together: bool = False) -> Body:
    """As a chat request. `together`: as one from messages is, where all a user says in one go is one turn: one system
    message, and what stands below the results beside the next words.
    """
    system = ["\n\n".join(dialogue.system)] if together and dialogue.system else dialogue.system
    written: list[Body] = [{"role": "system", "content": said} for said in system]
    below: list[Body] = []
    for n, turn in enumerate(dialogue.rounds):
        written += _chat_user(below, turn.user, together)
        written += [{"role": "system", "content": turn.system}] if turn.system else []
        written += _chat_round(n, turn)
        below = [part for call in turn.calls for part in call.result if part["kind"] != "text"]
    written += _chat_user(below, dialogue.last, together)
    body: Body = {"model": "m", "messages": written}
    if dialogue.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": t["name"], "parameters": SCHEMA, "description": t["about"]}}
            for t in dialogue.tools
        ]
    return body


def _chat_user(below: list[Body], said: tuple[Body, ...], together: bool) -> list[Body]:
    apart = [[*below, *said]] if together else [part for part in (below, said) if part]
    return [{"role": "user", "content": _chat_content(part)} for part in apart]


def _chat_round(n: int, turn: Round) -> list[Body]:
    message: Body = {"role": "assistant", "content": turn.answer or None}
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": call_id(n, k),
                "type": "function",
                "function": {"name": call.name, "arguments": orjson.dumps(call.arguments).decode()},
            }
            for k, call in enumerate(turn.calls)
        ]
    results = [
        {"role": "tool", "tool_call_id": call_id(n, k), "content": _chat_result(call)}
        for k, call in enumerate(turn.calls)
    ]
    return [message, *results]


def _chat_result(call: Call) -> str:
    told = "\n".join(part.get("text", "[image below]") for part in call.result)
    return f"Error: {told}" if call.error else told


def _chat_content(parts: Any) -> Any:
    written = [_chat_part(part) for part in parts]
    return written[0]["text"] if len(written) == 1 and written[0]["type"] == "text" else written


def _chat_part(part: Body) -> Body:
    if part["kind"] == "text":
        return {"type": "text", "text": part["text"]}
    if part["kind"] == "image":
        return {"type": "image_url", "image_url": {"url": part.get("url") or f"data:image/png;base64,{part['data']}"}}
    data = f"data:application/pdf;base64,{part['data']}"
    return {"type": "file", "file": {"filename": part["name"], "file_data": data}}


# ---- messages


def messages(dialogue: Dialogue, *, native: bool, joined: bool) -> Body:
    """As a Messages request. `native`: later system texts are turns, else they stand in the user's."""
    turns: list[Body] = []
    for n, turn in enumerate(dialogue.rounds):
        _say(turns, "user", [_block(part) for part in turn.user])
        if turn.system and native:
            turns.append({"role": "system", "content": [_block({"kind": "text", "text": turn.system})]})
        elif turn.system:
            _say(turns, "user", [_block({"kind": "text", "text": f"<system>\n{turn.system}\n</system>"})])
        said = [_block({"kind": "text", "text": turn.answer})] if turn.answer else []
        uses = [
            {"type": "tool_use", "id": call_id(n, k), "name": call.name, "input": call.arguments}
            for k, call in enumerate(turn.calls)
        ]
        _say(turns, "assistant", said + uses)
        _say(turns, "user", [_result(n, k, call) for k, call in enumerate(turn.calls)])
    _say(turns, "user", [_block(part) for part in dialogue.last])
    body: Body = {"model": "m", "max_tokens": 32_000, "messages": turns}
    system = ("\n\n".join(dialogue.system),) if joined and dialogue.system else dialogue.system
    if system:
        body["system"] = [{"type": "text", "text": said} for said in system]
    if dialogue.tools:
        body["tools"] = [{"name": t["name"], "input_schema": SCHEMA, "description": t["about"]} for t in dialogue.tools]
    elif not native:
        used = dict.fromkeys(call.name for turn in dialogue.rounds for call in turn.calls)
        tools = [{"name": name, "input_schema": {"type": "object", "properties": {}}} for name in used]
        body |= {"tools": tools} if tools else {}
    return body


def _say(turns: list[Body], role: str, blocks: list[Body]) -> None:
    if blocks and turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    elif blocks:
        turns.append({"role": role, "content": blocks})


def _result(n: int, k: int, call: Call) -> Body:
    content = [_block(part) for part in call.result]
    error = {"is_error": True} if call.error else {}
    return {"type": "tool_result", "tool_use_id": call_id(n, k), "content": content, **error}


def _block(part: Body) -> Body:
    if part["kind"] == "text":
        return {"type": "text", "text": part["text"]}
    if part["kind"] == "image" and "url" in part:
        return {"type": "image", "source": {"type": "url", "url": part["url"]}}
    kind, media_type = ("image", "image/png") if part["kind"] == "image" else ("document", "application/pdf")
    titled = {"title": part["name"]} if part["kind"] == "pdf" else {}
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": part["data"]}, **titled}


# ---- responses


def responses(dialogue: Dialogue) -> Body:
    """As a Responses request."""
    items: list[Body] = []
    for n, turn in enumerate(dialogue.rounds):
        items.append(_message("user", turn.user))
        items += [_message("system", [{"kind": "text", "text": turn.system}])] if turn.system else []
        items += [{"type": "message", "role": "assistant", "content": turn.answer}] if turn.answer else []
        items += [
            {
                "type": "function_call",
                "call_id": call_id(n, k),
                "name": call.name,
                "arguments": orjson.dumps(call.arguments).decode(),
            }
            for k, call in enumerate(turn.calls)
        ]
        items += [_output(n, k, call) for k, call in enumerate(turn.calls)]
    items.append(_message("user", dialogue.last))
    body: Body = {"model": "m", "input": items, "store": False, "include": ["reasoning.encrypted_content"]}
    if dialogue.system:
        body["instructions"] = "\n\n".join(dialogue.system)
    if dialogue.tools:
        body["tools"] = [
            {"type": "function", "name": t["name"], "description": t["about"], "parameters": SCHEMA, "strict": False}
            for t in dialogue.tools
        ]
    return body


def _message(role: str, parts: Any) -> Body:
    return {"type": "message", "role": role, "content": [_input(part) for part in parts]}


def _output(n: int, k: int, call: Call) -> Body:
    output: Any = "\n".join(part.get("text", "") for part in call.result)
    output = f"Error: {output}" if call.error else output
    if any(part["kind"] != "text" for part in call.result):
        told = [{"type": "input_text", "text": "Error:"}] if call.error else []
        output = told + [_input(part) for part in call.result]
    return {"type": "function_call_output", "call_id": call_id(n, k), "output": output}


def _input(part: Body) -> Body:
    if part["kind"] == "text":
        return {"type": "input_text", "text": part["text"]}
    if part["kind"] == "image":
        url = part.get("url") or f"data:image/png;base64,{part['data']}"
        return {"type": "input_image", "image_url": url, "detail": "auto"}
    data = f"data:application/pdf;base64,{part['data']}"
    return {"type": "input_file", "filename": part["name"], "file_data": data}
