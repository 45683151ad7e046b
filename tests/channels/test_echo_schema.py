"""Values that fit a JSON schema, whoever wrote it."""

import json
from typing import Any

import pytest
from channels.echo_requests import CITY
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.channels.echo_schema import fill

TREE = {
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["next"]}},
    "$ref": "#/$defs/node",
}
FILLED = {
    "enum": ({"enum": ["low", "high"]}, "low"),
    "const": ({"const": 7}, 7),
    "boolean": ({"type": "boolean"}, False),
    "null": ({"type": "null"}, None),
    "anything": ({}, "words"),
    "true": (True, "words"),
    "nullable": ({"type": ["null", "integer"]}, 1),
    "choice": ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, False),
    "optional left out": ({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"]}, {"b": "words"}),
    "reference": ({"$defs": {"c": CITY}, "$ref": "#/$defs/c"}, {"name": "words", "people": 1}),
    "reference to nowhere": ({"$ref": "https://example.com/schema"}, "words"),
    "reference to itself": ({"$ref": "#"}, "words"),
    "all of": (
        {"allOf": [CITY, {"required": ["x"], "properties": {"x": {"const": 0}}}]},
        {"name": "words", "people": 1, "x": 0},
    ),
    "list": ({"type": "array", "items": {"type": "integer", "minimum": 5}, "minItems": 2}, [5, 5]),
    "between": ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
    "multiple": ({"type": "integer", "minimum": 11, "multipleOf": 5}, 15),
    "length": ({"type": "string", "minLength": 7, "maxLength": 7}, "words.."),
    "date": ({"type": "string", "format": "date"}, "2026-01-01"),
    "nonsense": ({"type": "object", "properties": [], "required": ["a", 1]}, {"a": "words"}),
}


@pytest.mark.parametrize(("schema", "value"), FILLED.values(), ids=FILLED)
def test_a_schema_is_filled_with_the_smallest_value_that_fits(schema: Any, value: Any) -> None:
    """One row per keyword that real clients' tools use."""
    assert fill(schema, "words") == value


WIDE = {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdef"}, "required": list("abcdef")}
LONG = {"type": "array", "minItems": 10**9, "items": {"type": "string", "minLength": 10**9}}


@pytest.mark.parametrize("schema", [TREE, WIDE, LONG], ids=["endless", "endless and wide", "huge"])
def test_a_hostile_schema_costs_little(schema: Any) -> None:
    """Anybody with a key can send one; the process serves others."""
    assert len(json.dumps(fill(schema, "words"))) < 2_000_000


LEAVES = st.sampled_from(
    [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"type": "null"}, {"enum": [3, "x"]}, {}]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: (
        st.dictionaries(st.text(max_size=3), inner, max_size=3).map(
            lambda named: {
                "type": "object",
                "properties": named,
                "required": list(named),
                "additionalProperties": False,
            }
        )
        | st.tuples(inner, st.integers(0, 3)).map(lambda pair: {"type": "array", "items": pair[0], "minItems": pair[1]})
    ),
    max_leaves=8,
)
TYPES = {"string": str, "integer": int, "boolean": bool, "null": type(None), "object": dict, "array": list}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    if "type" in schema and type(value) is not TYPES[schema["type"]]:
        return False
    if isinstance(value, dict):
        wanted = schema["properties"]
        return value.keys() == wanted.keys() and all(fits(value[name], wanted[name]) for name in wanted)
    if isinstance(value, list):
        return len(value) >= schema["minItems"] and all(fits(item, schema["items"]) for item in value)
    return True


@given(SCHEMAS)
def test_what_is_filled_fits_however_deep(schema: dict[str, Any]) -> None:
    """Nested objects and lists are filled at every level."""
    assert fits(fill(schema, "words"), schema)
