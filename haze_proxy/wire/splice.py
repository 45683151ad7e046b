"""Change one value in the client's own JSON bytes and touch nothing else.

Haze reads a body with orjson, which takes the last of two equal keys and resolves "mod\\u0065l"; the upstream may not.
So a body in which a field Haze acts on could be read in two ways is refused, and what is left has one place to change.

SDKs and command lines write their JSON without white space, as orjson does. If writing what was read gives the same
bytes, no key stands twice and none is escaped; that settles nearly every request of a real client.

Otherwise, and to change a value, msgspec finds the top-level values: decoding to Raw skips nested ones at C speed and
gives each top-level value as a slice. If keys, values and the punctuation they need add up to the length of the body,
then the body is those members and nothing else. If not, the members are walked one by one.
"""

import json
import re
from collections.abc import Iterator, Mapping

import msgspec
import orjson

from haze_proxy.errors import BadRequest

# Every top-level field that Haze changes, counts by, prices by or refuses.
ACTED_ON = (
    "model",
    "models",
    "messages",
    "input",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n",
    "best_of",
    "tools",
    "plugins",
    "preset",
    "fallbacks",
    "modalities",
    "audio",
    "web_search_options",
    "service_tier",
    "speed",
    "inference_geo",
    "store",
    "background",
    "previous_response_id",
    "conversation",
    "container",
    "mcp_servers",
    "prompt",
)
MEMBERS_MAX = 1000

_ACTED_ON = frozenset(ACTED_ON)
_TOP_LEVEL = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NO_VALUE = msgspec.Raw()
_TOO_DEEP = "The body is nested too deeply."
_TOO_MANY = f"The body has more than {MEMBERS_MAX} fields."

# Bodies with white space have it from the start; writing them anew would be for nothing.
_SPACES = b" \t\n\r"
_SPACED = b'": '
_SPACED_WITHIN = 256

_SPACE = rb"[ \t\n\r]*+"
_STRING = rb'"(?:[^"\\]|\\.)*+"'
_KEY = re.compile(_SPACE + rb"[{,]" + _SPACE + rb"(" + _STRING + rb")" + _SPACE + rb":" + _SPACE)
_AFTER_VALUE = re.compile(_SPACE + rb"[,}]")
# A first member with a short string, as far as the end of that string.
_FIRST_STRING = re.compile(
    _SPACE + rb"\{" + _SPACE + rb'"([a-z_]++)"' + _SPACE + rb":" + _SPACE + rb'("[^"\\]{0,256}")'
)

# Only to find where a value ends. Numbers stay text: Python refuses to convert those of more than 4300 digits.
_SKIP = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)


def refuse_ambiguous(body: bytes, parsed: Mapping[str, object]) -> None:
    """Raise BadRequest, naming the field, if a field Haze acts on stands twice, in another case or in escapes.

    `parsed` is orjson's reading of `body`, an object. Only the top level counts: tool schemas have "model" properties.
    """
    if len(parsed) > MEMBERS_MAX:
        raise BadRequest(_TOO_MANY)
    for key in parsed.keys() - _ACTED_ON:
        # casefold, because Go's encoding/json also takes the long s of Unicode for an s.
        if (field := key.casefold()) in _ACTED_ON:
            raise BadRequest(f"Unknown field {key!r}: write it {field!r}.", param=key)
    if _SPACED not in body[:_SPACED_WITHIN] and _written(parsed) == body:
        return
    values = _values(body)
    if not _is_compact(body, values) and not _is_plain(body, values):
        _refuse_twice_or_escaped(body, values)


def splice(body: bytes, key: str, value: object) -> bytes:
    """`body` with the top-level `key` set to `value`; every other byte stays. A missing key becomes the last member.

    `body` is a JSON object that passed refuse_ambiguous; `key` is one of ACTED_ON; `value` is what orjson can write.
    """
    new = orjson.dumps(value)
    first = _FIRST_STRING.match(body)  # nearly every client names its model first
    if first and first[1] == key.encode():
        return b"".join((body[: first.start(2)], new, body[first.end(2) :]))
    values = _values(body)
    if span := _span(body, values, key):
        return b"".join((body[: span[0]], new, body[span[1] :]))
    end = body.rindex(b"}")
    return b"".join((body[:end], b"," if values else b"", orjson.dumps(key), b":", new, body[end:]))


def _written(parsed: Mapping[str, object]) -> bytes | None:
    try:
        return orjson.dumps(parsed)
    except orjson.JSONEncodeError:  # it reads deeper nesting than it writes
        return None


def _refuse_twice_or_escaped(body: bytes, values: dict[str, msgspec.Raw]) -> None:
    seen = set()
    for count, (key, spelling, _, _) in enumerate(_members(body, values)):
        if count >= MEMBERS_MAX:
            raise BadRequest(_TOO_MANY)
        if key not in _ACTED_ON:
            continue
        if key in seen:
            raise BadRequest(f"The field {key!r} is given twice.", param=key)
        if b"\\" in spelling:
            raise BadRequest(f"Write the field {key!r} without escapes.", param=key)
        seen.add(key)


def _values(body: bytes) -> dict[str, msgspec.Raw]:
    """The bytes of each top-level value; of two equal keys the last, in the place of the first."""
    try:
        return _TOP_LEVEL.decode(body)
    except RecursionError:
        raise BadRequest(_TOO_DEEP) from None
    except msgspec.DecodeError as error:  # orjson read it: two readers do not agree on this body
        raise BadRequest(f"The body is not plain JSON: {error}") from error


def _is_compact(body: bytes, values: dict[str, msgspec.Raw]) -> bool:
    """Whether the body is these members and nothing else: {"key":value,"key":value}."""
    punctuation = 4 * len(values) + 1  # two quotes, colon and comma a member; braces, but one comma less
    return sum(map(len, values)) + sum(map(len, values.values())) + punctuation == len(body)


def _is_plain(body: bytes, values: dict[str, msgspec.Raw]) -> bool:
    """Whether the body is these members in this order, with white space between them and nothing else."""
    position, gap = 0, b"{"
    for key, value in values.items():
        name = orjson.dumps(key)
        start = body.find(b'"', position)
        colon = body.find(b":", start + len(name))
        if not body.startswith(name, start) or body[position:start].strip(_SPACES) != gap:
            return False
        if body[start + len(name) : colon].strip(_SPACES):
            return False
        position = colon + 1
        while body[position] in _SPACES:
            position += 1
        if not body.startswith(value, position):
            return False
        position, gap = position + len(value), b","
    return body[position:].strip(_SPACES) == (b"}" if values else b"{}")


def _span(body: bytes, values: dict[str, msgspec.Raw], key: str) -> tuple[int, int] | None:
    """Where the value of `key` stands: its first byte and the one after its last."""
    if key not in values:
        return None
    if not _is_compact(body, values):
        return next((start, end) for name, _, start, end in _members(body, values) if name == key)
    position = 1
    for name, value in values.items():
        position += len(name) + 3
        if name == key:
            break
        position += len(value) + 1
    return position, position + len(values[key])


def _members(body: bytes, values: dict[str, msgspec.Raw]) -> Iterator[tuple[str, bytes, int, int]]:
    """Each top-level member as it stands: key, its spelling with quotes, where its value begins and ends."""
    position, text = 0, ""
    while member := _KEY.match(body, position):
        key: str = orjson.loads(member[1])
        start = member.end()
        position = start + len(values.get(key, _NO_VALUE))
        if not (body.startswith(values.get(key, _NO_VALUE), start) and _AFTER_VALUE.match(body, position)):
            # Another value than the last one of this key. Latin-1 keeps one character for each byte; made once.
            text = text or body.decode("latin-1")
            position = _value_end(text, start)
        yield key, member[1], start, position


def _value_end(text: str, start: int) -> int:
    try:
        return _SKIP.raw_decode(text, start)[1]
    except RecursionError:
        raise BadRequest(_TOO_DEEP) from None
