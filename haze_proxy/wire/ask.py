"""A request after it was read: the client's own bytes, and the few facts Haze acts on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from haze_proxy.errors import BadRequest
from haze_proxy.wire import embeddings
from haze_proxy.wire.splice import refuse_ambiguous


@dataclass(slots=True)
class Ask:
    """`protocol` is the one the body is written in, and the answer, too; `body` are the client's bytes, `parsed` their
    JSON object; `model` the public id; token counts are filled in by the gate: `input_estimate`, and `output_limit`
    (None: the client set none). `limited_to` is the limit of each answer that an account can pay for, where that is
    less than what was asked.
    """

    protocol: str
    body: bytes
    parsed: dict[str, Any]
    model: str
    stream: bool
    input_estimate: int = 0
    output_limit: int | None = None
    limited_to: int | None = None


# Fields that must be of a type where they are present. `bool` is an `int` to Python, but not here.
TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "stream": (bool, "a boolean"),
    "store": (bool, "a boolean"),
    "background": (bool, "a boolean"),
    "max_tokens": (int, "a whole number"),
    "max_completion_tokens": (int, "a whole number"),
    "max_output_tokens": (int, "a whole number"),
    "n": (int, "a whole number"),
    "best_of": (int, "a whole number"),
    "stream_options": (dict, "an object"),
    "metadata": (dict, "an object"),
    "tools": (list, "an array"),
}
# What a protocol cannot do without.
REQUIRED: dict[str, dict[str, tuple[type | tuple[type, ...], str]]] = {
    "chat": {"messages": (list, "an array")},
    "messages": {"messages": (list, "an array")},
    "responses": {"input": ((str, list), "a string or an array")},
    "embeddings": {"input": ((str, list), "a string or an array")},
}
# What may take the place of a required field: it names something on the provider's account, so it is judged elsewhere.
INSTEAD = {"input": ("prompt", "previous_response_id", "conversation")}
# What else a protocol's fields must be.
CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {"embeddings": embeddings.check}
# A provider may take or refuse `stream` on these as it likes: its answer comes in one piece.
NEVER_STREAMED = frozenset({"embeddings"})
MODEL_CHARACTERS_MAX = 256
# A large body is large because of texts and images. One of a million tiny values would hold the loop up for seconds and
# memory for as long as it runs; what is smaller than this cannot.
PLAIN_BYTES_MAX = 2**20
VALUES_MAX = 1_000_000
COUNTS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of")
COUNT_MAX = 10**7


def read(body: bytes, protocol: str) -> Ask:
    """Bytes of a request -> Ask. Raises BadRequest naming the field that is missing, ambiguous or of a wrong type.

    `protocol` is that of the path; the ask's own may be another.
    """
    parsed = _parse(body)
    refuse_ambiguous(body, parsed)
    protocol = _written_in(parsed, protocol)
    model = _model(parsed)
    for name, (kinds, wanted) in REQUIRED[protocol].items():
        if parsed.get(name) is not None:
            _check(parsed, name, kinds, wanted)
        elif not any(parsed.get(other) for other in INSTEAD.get(name, ())):
            raise BadRequest(f"{name}: Field required", param=name)
    for name, (kinds, wanted) in TYPES.items():
        if parsed.get(name) is not None:
            _check(parsed, name, kinds, wanted)
    for name in COUNTS:
        if not 0 <= (parsed.get(name) or 0) <= COUNT_MAX:
            raise BadRequest(f"{name}: Expected 0 to {COUNT_MAX}", param=name)
    if check := CHECKS.get(protocol):
        check(parsed)
    return Ask(protocol, body, parsed, model, bool(parsed.get("stream")) and protocol not in NEVER_STREAMED)


def _model(parsed: dict[str, Any]) -> str:
    model = parsed.get("model")
    if model is None:
        raise BadRequest("model: Field required", param="model")
    if not isinstance(model, str) or not 0 < len(model) <= MODEL_CHARACTERS_MAX:
        raise BadRequest(f"model: Expected a string of 1 to {MODEL_CHARACTERS_MAX} characters", param="model")
    return model


def _written_in(parsed: dict[str, Any], protocol: str) -> str:
    """The protocol of a body. Cursor posts Responses bodies to the path of chat, for its newer models."""
    misplaced = protocol == "chat" and parsed.get("messages") is None and parsed.get("input") is not None
    return "responses" if misplaced else protocol


def _parse(body: bytes) -> dict[str, Any]:
    if not body:
        raise BadRequest("The request has no body. Send a JSON object.")
    if len(body) > PLAIN_BYTES_MAX and sum(map(body.count, (b"[", b"{", b","))) > VALUES_MAX:
        raise BadRequest(f"The body has more than {VALUES_MAX} values.")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise BadRequest("The body must be a JSON object.")
    return parsed


def _check(parsed: dict[str, Any], name: str, kinds: type | tuple[type, ...], wanted: str) -> None:
    value = parsed[name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        raise BadRequest(f"{name}: Expected {wanted}", param=name)
