"""JSON schemas as the two families of providers want them."""

import re
from typing import Any

from haze_proxy.wire.conversation import Format
from haze_proxy.wire.naming import shortened
from haze_proxy.wire.values import arr, obj

NAME = "output"  # of a format whose client named none
NAME_MAX = 64

# Where schemas stand inside a schema: as the members of an object, as a list, as a value.
_MEMBERS = ("properties", "$defs", "definitions", "patternProperties")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_VALUES = ("items", "additionalProperties", "not")


def of_object(schema: object) -> dict[str, Any]:
    """A tool's schema, which must be an object's: an absent one takes no arguments."""
    given = obj(schema)
    if given.get("type") == "object":
        return given
    return {"type": "object", "properties": {}, **given} if "type" not in given else {**given, "type": "object"}


def closed(schema: object) -> object:
    """The same schema, objects in it closed to other properties where it says nothing about them.

    Anthropic refuses a structured output whose objects are open.
    """
    if not isinstance(schema, dict):
        return schema
    copy = dict(schema)
    for name in _MEMBERS:
        if isinstance(copy.get(name), dict):
            copy[name] = {key: closed(value) for key, value in copy[name].items()}
    for name in _LISTS:
        if isinstance(copy.get(name), list):
            copy[name] = [closed(value) for value in copy[name]]
    for name in _VALUES:
        if isinstance(copy.get(name), dict):
            copy[name] = closed(copy[name])
    if copy.get("type") == "object" or "properties" in copy:
        copy.setdefault("additionalProperties", False)
    return copy


def is_strict(schema: object) -> bool:
    """Whether OpenAI takes it as strict: every object closed, and every property required."""
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        required = {name for name in arr(schema.get("required")) if isinstance(name, str)}
        if schema.get("additionalProperties") is not False or set(obj(schema.get("properties"))) != required:
            return False
    inner = [value for name in _MEMBERS for value in obj(schema.get(name)).values()]
    inner += [value for name in _LISTS for value in arr(schema.get(name))]
    inner += [schema.get(name) for name in _VALUES]
    return all(map(is_strict, inner))


def named_schema(form: Format) -> dict[str, Any]:
    """A structured output as OpenAI's protocols spell it: name, schema, strict."""
    name = form.name or NAME
    described = {"description": form.description} if form.description else {}
    return {
        "name": name if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) else shortened(name, NAME_MAX),
        **described,
        "schema": form.schema,
        "strict": is_strict(form.schema) if form.strict is None else form.strict,
    }
