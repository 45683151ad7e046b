"""JSON as somebody could write it: numbers of any size, escapes anywhere, keys twice, white space wherever it may be.

Texts are drawn, not values: two texts of one value are different requests to somebody who must not touch a byte.
"""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from haze_proxy.wire.splice import ACTED_ON

spaces = st.sampled_from(["", "", "", "", " ", "\n  ", "\t", "\r\n"])
numbers = st.sampled_from(
    ["0", "-0", "1E5", "-1.5e-7", "1e-400", "0.1000000000000000055511151231257827", "123456789012345678901234567890"]
) | st.integers(-(2**70), 2**70).map(str)
strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["model", '"model":"x"', "\\", '\\"', '","model":1,"', "}", "{", "/", "stream", "é\u2028😀", "\x00\x7f\ufeff"]
)
other_keys = strings.filter(lambda key: key.casefold() not in ACTED_ON)
_SHORT = {"/": "\\/", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f", '"': '\\"', "\\": "\\\\"}
_MUST_BE_ESCAPED = {'"', "\\", *map(chr, range(32))}


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def spellings(character: str) -> list[str]:
    """Every way to write one character inside a JSON string, the plain one first where there is one."""
    plain = [] if character in _MUST_BE_ESCAPED else [character]
    short = [_SHORT[character]] if character in _SHORT else []
    return [*plain, *short, _escaped(character), _escaped(character).upper().replace("\\U", "\\u")]


@st.composite
def spelled(draw: st.DrawFn, value: str) -> str:
    """A string with its quotes; most of them are spelled as writers do, some with escapes where none is needed."""
    if draw(st.integers(0, 2)):
        return json.dumps(value, ensure_ascii=draw(st.booleans()))
    return '"' + "".join(draw(st.sampled_from(spellings(character))) for character in value) + '"'


@st.composite
def _array(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    entries = [draw(spaces) + draw(values) + draw(spaces) for _ in range(draw(st.integers(0, 3)))]
    return "[" + (",".join(entries) or draw(spaces)) + "]"


@st.composite
def _object(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    keys = draw(st.lists(st.sampled_from([*ACTED_ON, "Model", "type"]) | strings, max_size=3))
    keys += keys[: draw(st.integers(0, 1))]  # a key may stand twice here: it is not ours
    entries = [f"{draw(spaces)}{draw(spelled(key))}{draw(spaces)}:{draw(spaces)}{draw(values)}" for key in keys]
    return "{" + ",".join(entries) + draw(spaces) + "}"


values = st.recursive(
    st.sampled_from(["null", "true", "false"]) | numbers | strings.flatmap(spelled),
    lambda inner: _array(inner) | _object(inner),
    max_leaves=8,
)


@dataclass(frozen=True)
class Member:
    """One top-level member: `name` is its key as it is spelled, `before` and `after` are what stands around `value`."""

    key: str
    name: str
    before: str
    value: str
    after: str


@dataclass(frozen=True)
class Body:
    """A JSON object whose parts are known. `end`: the white space before the last brace; `after`: behind it."""

    start: str
    members: tuple[Member, ...]
    end: str
    after: str

    def text(self, key: str | None = None, value: str = "") -> bytes:
        """The bytes; with `key`, the value of its member replaced, or put last where there is none."""
        parts = [each.before + (value if each.key == key else each.value) + each.after for each in self.members]
        inner = ",".join(parts) + self.end
        if key is not None and key not in [each.key for each in self.members]:
            inner += f'{"," if parts else ""}"{key}":{value}'
        return f"{self.start}{{{inner}}}{self.after}".encode()


@st.composite
def bodies(draw: st.DrawFn, names: st.SearchStrategy[list[tuple[str, str]]]) -> Body:
    """Objects with these top-level keys, each a pair of the key and its spelling with quotes."""
    members = []
    for key, name in draw(names):
        before = f"{draw(spaces)}{name}{draw(spaces)}:{draw(spaces)}"
        members.append(Member(key, name, before, draw(values), draw(spaces)))
    return Body(draw(spaces), tuple(members), draw(spaces), draw(spaces))


def facts(text: bytes) -> Any:
    """All that a JSON text says: order of keys, keys that stand twice, and every digit of every number."""
    return json.loads(text, object_pairs_hook=tuple, parse_int=str, parse_float=str, strict=False)
