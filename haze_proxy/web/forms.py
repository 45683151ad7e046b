"""Forms: what was posted, and what is wrong with it.

A form that is wrong is shown again with what was typed and a line beside each field; passwords are not shown again.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web

from haze_proxy.errors import BadRequest, BodyTooLarge

R = TypeVar("R")

BYTES_MAX: Final = 64 * 2**10
FIELDS_MAX: Final = 200
ARRIVES_S: Final = 30
TEXT_MAX: Final = 1000
TYPE: Final = "application/x-www-form-urlencoded"
# Something with one @ and no spaces: whether mail arrives there is not asked.
EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
EMAIL_MAX: Final = 254
BODY = web.RequestKey("body", bytes)


class Form:
    """Values by the name of their field, and complaints by the same names ("" is about the whole form)."""

    def __init__(self, fields: list[tuple[str, str]] | None = None) -> None:
        self.values: dict[str, str] = dict(fields or [])
        self.lists: dict[str, list[str]] = {}
        for name, value in fields or []:
            self.lists.setdefault(name, []).append(value)
        self.errors: dict[str, str] = {}

    def raw(self, name: str) -> str:
        """What was typed, spaces and all."""
        return self.values.get(name, "")

    def text(self, name: str, most: int = TEXT_MAX) -> str:
        """A line of text without the spaces around it; too long a one, or one that cannot be printed, is wrong."""
        value = self.raw(name).strip()
        if len(value) > most:
            self.wrong(name, f"At most {most} characters.")
        elif not value.isprintable():
            self.wrong(name, "It holds a character that cannot be shown.")
        return value

    def email(self, name: str = "email") -> str:
        """An e-mail address."""
        value = self.text(name, EMAIL_MAX)
        if not EMAIL.fullmatch(value):
            self.wrong(name, "An e-mail address, such as you@example.com.")
        return value

    def parsed(self, name: str, parse: Callable[[str], R], default: R) -> R:
        """What `parse` makes of a field that is not empty, else `default`. Its ValueError is the complaint."""
        value = self.raw(name).strip()
        if not value:
            return default
        try:
            return parse(value)
        except ValueError as error:
            self.wrong(name, str(error))
            return default

    def wrong(self, name: str, complaint: str) -> None:
        """Say what is wrong with a field; the first complaint about it stays."""
        self.errors.setdefault(name, complaint)

    @property
    def first_wrong(self) -> str | None:
        """The first field that is wrong, in the page's own order: browsers send fields in it."""
        return next((name for name in (*self.values, *self.errors) if name and name in self.errors), None)


async def arrived(request: web.Request) -> None:
    """Wait for what is posted. Raises BadRequest (400), or BodyTooLarge (413) for more than 64 KiB."""
    try:
        async with asyncio.timeout(ARRIVES_S):
            request[BODY] = await bounded(request, BYTES_MAX)
    except TimeoutError as error:
        raise BadRequest(f"The form did not arrive within {ARRIVES_S} s.") from error


async def read(request: web.Request) -> Form:
    """The posted form, which has arrived. Raises BadRequest (400)."""
    if request.content_type != TYPE:
        raise BadRequest(f"A form is posted as {TYPE}.")
    try:
        return Form(parse_qsl(request[BODY].decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError as error:  # not UTF-8, or too many fields
        raise BadRequest("The form cannot be read.") from error


async def bounded(request: web.Request, most: int) -> bytes:
    """The body of a request, of at most so many bytes. Raises BodyTooLarge (413)."""
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > most:
            raise BodyTooLarge(f"This takes at most {most // 1024} KiB.")
    return bytes(body)


def local_path(text: str) -> str:
    """A path of our own to go on to, or "": nobody is sent to another site."""
    is_local = text.startswith("/") and not text.startswith(("//", "/\\")) and len(text) <= TEXT_MAX
    return text if is_local and text.isascii() and text.isprintable() and "\\" not in text and " " not in text else ""
