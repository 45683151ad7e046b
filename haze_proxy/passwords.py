"""Passwords: what is kept of one, and whether another is the same. Each call takes some 20 ms of a core: off the loop.

Parameters: OWASP's Password Storage Cheat Sheet, argon2id with 19 MiB and two passes. One lane: a login must not take
every core from the streams that run beside it.
"""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LENGTH_MIN = 10
LENGTH_MAX = 256

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hashed(password: str) -> str:
    """What is stored of a password."""
    return _HASHER.hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Whether a password is the stored one. With nothing stored it takes the same time, and is not."""
    try:
        return _HASHER.verify(_nobodys() if stored is None else stored, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def get_ready() -> None:
    """Do what only the first call needs, so that it takes no longer than the others."""
    matches(None, "")


@cache
def _nobodys() -> str:
    return hashed("")
