"""Files that stand in a request itself, as data URLs."""

import base64
import binascii
import re
from typing import Any

from haze_proxy.wire.conversation import Document
from haze_proxy.wire.values import refuse, text

DATA_URL = re.compile(r"data:([^;,]*)(?:;[^;,]*)*?(;base64)?,", re.IGNORECASE)
MEDIA_TYPES = {"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv"}


def data_url(url: str) -> tuple[str | None, str]:
    """(media type, data) of a base64 data URL; (None, "") for every other."""
    found = DATA_URL.match(url)
    if not found or not found[2]:
        return None, ""
    return found[1].lower(), url[found.end() :]


def document(file: dict[str, Any], marked: str, at: str) -> Document:
    """A file with its content in it. One that lies at the provider is the owner's, and another provider has it not."""
    if not text(file.get("file_data")):
        raise refuse(at, "only files with file_data can be sent to this model's provider")
    name, given = text(file.get("filename")), text(file.get("file_data"))
    media_type, data = data_url(given)
    if media_type is None:
        media_type, data = MEDIA_TYPES.get(name.rpartition(".")[2].lower(), ""), given
    if media_type.startswith("text/"):
        return Document(media_type, text=_decoded(data, at), title=name, mark=marked)
    return Document(media_type, data, title=name, mark=marked)


def _decoded(data: str, at: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise refuse(f"{at}.file_data", "Expected base64") from None
