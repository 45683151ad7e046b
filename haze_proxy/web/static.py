"""Files that pages need, in memory. Their address holds a digest of what is in them, so they may be kept for ever."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from aiohttp import web

from haze_proxy.errors import NotFound

FOLDER: Final = Path(__file__).with_name("static")
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent; `digest` stands in its address."""

    body: bytes
    content_type: str
    digest: str


@cache
def files() -> dict[str, File]:
    """Name -> file; read once, before the loop begins."""
    found = {path.name: _file(path.suffix, path.read_bytes()) for path in FOLDER.iterdir() if path.suffix in TYPES}
    return {**found, "style.css": _file(".css", b"\n".join(path.read_bytes() for path in _sections()))}


def address(name: str) -> str:
    """Where a page finds a file: `/static/<digest>/<name>`."""
    return f"/static/{files()[name].digest}/{name}"


async def send(request: web.Request) -> web.Response:
    """GET /static/{digest}/{name}; a digest of yesterday's file gets today's, which nobody may keep."""
    file = files().get(request.match_info["name"])
    if file is None:
        raise NotFound("There is no such file.")
    kept = FOR_EVER if request.match_info["digest"] == file.digest else "no-store"
    headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    return web.Response(body=file.body, content_type=file.content_type, charset="utf-8", headers=headers)


def _sections() -> list[Path]:
    """The parts of the one stylesheet: its base, then a file for each room, by their names."""
    return sorted(FOLDER.glob("style/*.css"), key=lambda path: (path.stem != "base", path.stem))


def _file(suffix: str, body: bytes) -> File:
    return File(body, TYPES[suffix], hashlib.sha256(body).hexdigest()[:12])
