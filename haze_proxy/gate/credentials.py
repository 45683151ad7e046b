"""What does a request bring that can be a key? `x-api-key`, or `Authorization: Bearer`."""

from collections.abc import Iterator, Mapping
from typing import Final

from aiohttp import hdrs
from multidict import istr

from haze_proxy.store import keys

X_API_KEY: Final = istr("x-api-key")
# With two, the first wins, as at Anthropic's own API.
HEADERS: Final = (X_API_KEY, hdrs.AUTHORIZATION)


def presented(headers: Mapping[str, str]) -> Iterator[str]:
    """The credentials a request brings that can be a key of Haze."""
    for name in HEADERS:
        value = credential(headers, name)
        if value.startswith(keys.PREFIX):
            yield value


def credential(headers: Mapping[str, str], name: str) -> str:
    """The credential in one of the two headers, whosever it is; "" where there is none."""
    value = headers.get(name, "").strip()
    if name != hdrs.AUTHORIZATION:
        return value
    scheme, *rest = value.split(maxsplit=1) or [""]
    return rest[0] if rest and scheme.lower() == "bearer" else ""
