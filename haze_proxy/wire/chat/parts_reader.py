"""Content parts of a Chat message as parts of the neutral form."""

from typing import Any

from haze_proxy.wire.conversation import Image, Part, Refusal, Text
from haze_proxy.wire.files import data_url, document
from haze_proxy.wire.values import obj, refuse, text, want_array, want_object, want_text


def parts(content: object, at: str) -> tuple[Part, ...]:
    """The parts of a content; a string is one text, null is none. Raises BadRequest for what has no equal elsewhere."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(want_object(part, f"{at}.{n}"), f"{at}.{n}") for n, part in enumerate(want_array(content, at)))


def texts(content: object, at: str) -> tuple[Part, ...]:
    """The parts of instructions, which can be nothing but text."""
    read = parts(content, at)
    for part in read:
        if not isinstance(part, Text):
            raise refuse(at, "instructions can be text only")
    return read


def mark(part: dict[str, Any]) -> str:
    """The cache breakpoint of a part, as OpenRouter and OpenAI spell it: "5m", "1h" or none."""
    if isinstance(control := part.get("cache_control"), dict):
        return "1h" if control.get("ttl") == "1h" else "5m"
    if isinstance(point := part.get("prompt_cache_breakpoint"), dict):
        return "1h" if point.get("ttl") == "12h" else "5m"
    return ""


def _part(part: dict[str, Any], at: str) -> Part:
    match part.get("type"):
        case "text":
            return Text(want_text(part.get("text"), f"{at}.text"), mark(part))
        case "refusal":
            return Refusal(text(part.get("refusal")))
        case "image_url":
            image = part.get("image_url")
            url = image if isinstance(image, str) else want_text(obj(image).get("url"), f"{at}.image_url.url")
            return _image(url, text(obj(image).get("detail")), mark(part), at)
        case "file":
            return document(want_object(part.get("file"), f"{at}.file"), mark(part), f"{at}.file")
        case kind:
            raise refuse(at, f"a part of type {kind!r} cannot be sent to this model's provider")


def _image(url: str, detail: str, marked: str, at: str) -> Image:
    media_type, data = data_url(url)
    if media_type is None:
        return Image(url=url, detail=detail, mark=marked)
    if not media_type.startswith("image/"):
        raise refuse(f"{at}.image_url.url", f"Expected an image, not {media_type!r}")
    return Image(media_type, data, detail=detail, mark=marked)
