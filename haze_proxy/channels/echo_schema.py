"""A value that fits a JSON schema: arguments for a tool, or a structured answer.

Only what a schema requires is filled in. Schemas come from strangers, so the work is bounded (`NODES_MAX`, `DEPTH_MAX`,
`PARTS_MAX`) and a malformed schema gives some value, never an error. `pattern`, `uniqueItems`, `dependent*` and `not`
are not looked at: a value may miss those.
"""

import math
from typing import Any

NODES_MAX = 1_000
DEPTH_MAX = 32
PARTS_MAX = 64
PADDING_CHARACTERS_MAX = 1_000
INTEGER_MAX = 2**53

FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "echo@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

# A keyword that only one type has tells the type where `type` is missing.
TELLING_KEYWORDS = {
    "properties": "object",
    "required": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "minimum": "number",
    "maximum": "number",
}


def fill(schema: Any, text: str) -> Any:
    """The smallest value `schema` allows; strings are `text` where no enum, format or length says otherwise."""
    return _Filler(schema, text).value(schema, 0)


class _Filler:
    def __init__(self, root: Any, text: str) -> None:
        self._root = root
        self._text = text
        self._nodes_left = NODES_MAX

    def value(self, schema: Any, depth: int) -> Any:
        self._nodes_left -= 1
        if self._nodes_left < 0 or depth > DEPTH_MAX:
            return None
        flat = self._flat(schema)
        if "const" in flat:
            return flat["const"]
        if _list(flat.get("enum")):
            return flat["enum"][0]
        match _type(flat):
            case "object":
                return self._object(flat, depth)
            case "array":
                return self._array(flat, depth)
            case "integer" | "number" as kind:
                return _number(flat, whole=kind == "integer")
            case "boolean":
                return False
            case "null":
                return None
            case _:
                return _string(flat, self._text)

    def _object(self, flat: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = _dict(flat.get("properties"))
        required = dict.fromkeys(name for name in _list(flat.get("required")) if isinstance(name, str))
        return {name: self.value(properties.get(name), depth + 1) for name in required if self._nodes_left > 0}

    def _array(self, flat: dict[str, Any], depth: int) -> list[Any]:
        first = _list(flat.get("prefixItems"))
        count = min(_count(flat.get("minItems")), max(self._nodes_left, 0))
        return [self.value(first[i] if i < len(first) else flat.get("items"), depth + 1) for i in range(count)]

    def _flat(self, schema: Any) -> dict[str, Any]:
        """`schema` with its `$ref`, its `allOf` and the first useful choice of its `anyOf` or `oneOf` merged in."""
        merged: dict[str, Any] = {}
        pending = [schema]
        for _ in range(PARTS_MAX):
            if not pending:
                break
            part = _dict(pending.pop(0))
            _merge(merged, part)
            pending += self._parts(part)
        return merged

    def _parts(self, part: dict[str, Any]) -> list[Any]:
        parts = [self._target(part["$ref"])] if "$ref" in part else []
        parts += _list(part.get("allOf"))
        for keyword in ("anyOf", "oneOf"):
            choices = [choice for choice in _list(part.get(keyword)) if _dict(choice).get("type") != "null"]
            parts += choices[:1]
        return parts

    def _target(self, reference: Any) -> Any:
        """What a local reference such as `#/$defs/City` points at; nothing for any other."""
        target = self._root
        for step in str(reference).removeprefix("#").split("/")[1:]:
            target = _dict(target).get(step.replace("~1", "/").replace("~0", "~"))
        return target if str(reference).startswith("#") else None


def _merge(merged: dict[str, Any], part: dict[str, Any]) -> None:
    for keyword, value in part.items():
        if keyword == "properties":
            merged[keyword] = {**_dict(value), **_dict(merged.get(keyword))}
        elif keyword == "required":
            merged[keyword] = _list(merged.get(keyword)) + _list(value)
        else:
            merged.setdefault(keyword, value)


def _type(flat: dict[str, Any]) -> str:
    declared = flat.get("type")
    if isinstance(declared, str):
        return declared
    for kind in _list(declared):
        if isinstance(kind, str) and kind != "null":
            return kind
    return next((kind for keyword, kind in TELLING_KEYWORDS.items() if keyword in flat), "string")


def _number(flat: dict[str, Any], *, whole: bool) -> int | float:
    low = max(_bound(flat, "minimum", -math.inf), _bound(flat, "exclusiveMinimum", -math.inf))
    high = min(_bound(flat, "maximum", math.inf), _bound(flat, "exclusiveMaximum", math.inf))
    step = max(_bound(flat, "multipleOf", 0), 0) or 1
    tries: list[int | float] = [1, step]
    if abs(low) / step < INTEGER_MAX:
        tries += [math.ceil(low / step) * step, (math.floor(low / step) + 1) * step]
    if abs(high) / step < INTEGER_MAX:
        tries += [math.floor(high / step) * step, (math.ceil(high / step) - 1) * step]
    if not whole and math.isfinite(low + high):
        tries.append((low + high) / 2)
    return next((number for number in tries if _fits(number, flat, low, high, whole=whole)), 1)


def _fits(number: float, flat: dict[str, Any], low: float, high: float, *, whole: bool) -> bool:
    multiple = max(_bound(flat, "multipleOf", 0), 0)
    return (
        low <= number <= high
        and number not in (flat.get("exclusiveMinimum"), flat.get("exclusiveMaximum"))
        and (not whole or isinstance(number, int))
        and (not multiple or number % multiple == 0)
    )


def _string(flat: dict[str, Any], text: str) -> str:
    text = FORMATS.get(str(flat.get("format")), text)
    if "maxLength" in flat:
        text = text[: _count(flat["maxLength"])]
    return text.ljust(min(_count(flat.get("minLength")), PADDING_CHARACTERS_MAX), ".")


def _bound(flat: dict[str, Any], keyword: str, missing: float) -> int | float:
    value = flat.get(keyword)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return missing
    return value


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
