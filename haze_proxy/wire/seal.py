"""Carry what one provider wants back through a protocol that has no field for it.

Clients send the signature of a thinking block, and the encrypted text of a reasoning item, back byte for byte. So a
seal of another origin is packed into such a string, under a prefix that no provider uses, and known again on return.
A packed seal is for Haze only: on native paths it is taken out before the provider sees it.
"""

import base64
import binascii
from typing import Any

from haze_proxy.wire.conversation import Seal
from haze_proxy.wire.values import parse, written

PREFIX = "haze1-"
PREFIX_BYTES = PREFIX.encode()
CALLS = "calls"  # origin of a seal that holds the extras of tool calls: {call id: extra}


def pack(seal: Seal) -> str:
    """The seal as one string of letters, digits, "-" and "_". What JSON cannot hold becomes a seal without content."""
    packed = base64.urlsafe_b64encode(written([seal.origin, seal.data]).encode()).decode()
    return PREFIX + packed.rstrip("=")


def unpack(packed: object) -> Seal | None:
    """The seal in a string that pack() made; None for every other value, a damaged one too."""
    if not is_packed(packed):
        return None
    body = str(packed)[len(PREFIX) :]
    try:
        read: Any = parse(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (binascii.Error, ValueError):
        return None
    if isinstance(read, list) and len(read) == 2 and isinstance(read[0], str):
        return Seal(read[0], read[1])
    return None


def is_packed(value: object) -> bool:
    """Whether the string is one of Haze's own, readable or not."""
    return isinstance(value, str) and value.startswith(PREFIX)
