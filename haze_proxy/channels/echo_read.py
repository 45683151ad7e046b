"""Fields of a request that the protocols read alike. All raise BadRequest that names the field."""

from typing import Any

import orjson

from haze_proxy.errors import BadRequest

STOPS_MAX = 16


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object a body holds."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise BadRequest("The body must be a JSON object.")
    return parsed


def read_messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    """`messages`: at least one, each an object."""
    messages = body.get("messages")
    if messages is None:
        raise BadRequest("messages: Field required", param="messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages: Input should be a list with at least one message", param="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise BadRequest(f"messages.{index}: Input should be an object", param=f"messages.{index}")
    return messages


def read_model(body: dict[str, Any]) -> str:
    """`model`, a text."""
    model = body.get("model")
    if not isinstance(model, str):
        raise BadRequest("model: Field required", param="model")
    return model


def read_whole_number(body: dict[str, Any], name: str, *, least: int, most: int | None = None) -> int | None:
    """A whole number from `least` to `most`; None when the field is absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"from {least} to {most}"
        raise BadRequest(f"{name}: Input should be a whole number, {bounds}", param=name)
    return value


def read_stops(body: dict[str, Any], name: str) -> tuple[str, ...]:
    """Where to stop: a text, or the texts in a list of at most STOPS_MAX."""
    stops = strings(body.get(name))
    if len(stops) > STOPS_MAX:
        raise BadRequest(f"{name}: At most {STOPS_MAX} texts", param=name)
    return stops


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def mapping(value: Any) -> dict[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def strings(value: Any) -> tuple[str, ...]:
    """A text, or the texts in a list."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
