"""What a request brings that is no text, told apart as price lists do: an image, or sound.

Some models take them for more than their text; Haze counts tokens and not what they were, so such a request is refused.
"""

from collections.abc import Container, Iterator
from typing import Any, Final

from haze_proxy.money.estimate import TURNS_FIELD, data_url, not_text

# A video has pictures and a sound.
KINDS: Final = {
    "image_url": ("image",),
    "input_image": ("image",),
    "computer_screenshot": ("image",),
    "image": ("image",),
    "input_audio": ("audio",),
    "video_url": ("audio", "image"),
}
# A file is what its data URL says it is; one behind an address or an id is a document.
FILES: Final = {"data:image/": ("image",), "data:audio/": ("audio",), "data:video/": ("audio", "image")}


def unmetered_field(parsed: dict[str, Any], protocol: str, unmetered: Container[str]) -> str | None:
    """The field whose turns bring a kind of input that is in `unmetered` (as in `Price.unmetered`), or None."""
    field = TURNS_FIELD.get(protocol)
    turns = parsed.get(field) if field else None
    if not isinstance(turns, list):
        return None
    return field if any(kind in unmetered for part in not_text(turns) for kind in _kinds(part)) else None


def _kinds(part: dict[str, Any]) -> Iterator[str]:
    yield from KINDS.get(part["type"], ())
    file = part["file"] if isinstance(part.get("file"), dict) else part
    media_type, _ = data_url(file.get("file_data"))
    for begins, kinds in FILES.items():
        if media_type.startswith(begins):
            yield from kinds
