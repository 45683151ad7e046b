"""Checks of the house itself: the machine, the store, its people, its channels and what they serve."""

import os
import platform
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from typing import Final

from haze_proxy.doctor.findings import FAIL, OK, WARN, Finding, House
from haze_proxy.store import accounts, channel_health, look, migrations, requests

# Haze is younger than any clock that is right.
BORN_S: Final = 1_767_225_600
AHEAD_MS: Final = 60_000
MIB: Final = 2**20
DISK_LOW_MIB, DISK_FULL_MIB = 1024, 100
NAMED_MAX: Final = 8
THESE: Final = "Here, that is: a server that runs has variables of its own."
OWNER: Final = "See who owns the file and its folder."
DURABILITIES: Final = {
    "full": "a charge survives a loss of power",
    "normal": "a charge survives a killed process, and not always a loss of power",
}
PYTHON_MIN: Final = (3, 11)


def machine() -> Iterator[Finding]:
    """What runs Haze."""
    if sys.version_info < PYTHON_MIN:
        yield Finding("python", FAIL, f"Python {platform.python_version()}", "Haze needs Python 3.11 or newer.")
    found = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    try:
        yield Finding("python", OK, f"{found}, uvloop {metadata.version('uvloop')}")
    except metadata.PackageNotFoundError:
        yield Finding("python", FAIL, f"{found}, no uvloop", "make run installs what is missing.")


def clock(house: House) -> Iterator[Finding]:
    """Whether it is as late as it must be: keys expire and budgets begin anew by the clock."""
    now_ms = time.time_ns() // 1_000_000
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_ms / 1000))
    if now_ms < BORN_S * 1000:
        yield Finding("clock", FAIL, f"It is {shown} here", "Set the clock, best by NTP.")
        return
    newest = 0
    if house.is_readable:
        with house.read() as connection:
            newest = look.newest_request(connection)
    if newest > now_ms + AHEAD_MS:
        ahead = (newest - now_ms) // 1000
        text = f"The last request was written down {ahead} s in the future, and it is {shown} here"
        yield Finding("clock", WARN, text, "The clock was set back; keep it by NTP.")
        return
    yield Finding("clock", OK, f"It is {shown}")


def store(house: House) -> Iterator[Finding]:
    """Whether it is there, of this version, and can be written."""
    if house.version is None:
        folder = next(each for each in house.path.parents if each.exists())
        writable = os.access(folder, os.W_OK)
        advice = "haze-proxy serve makes it." if writable else f"Let this user write to {folder}."
        yield Finding("store", WARN if writable else FAIL, f"{house.path}: not there yet", advice)
        return
    newest = migrations.newest()
    if house.version > newest:
        text = f"{house.path}: made by a newer Haze (version {house.version}, this one knows {newest})"
        yield Finding("store", FAIL, text, "Install that Haze again, or restore an older copy.")
        return
    if house.version < newest:
        text = f"{house.path}: version {house.version} of {newest}"
        yield Finding("store", WARN, text, "The next start brings it up to date, and keeps a copy.")
        return
    try:
        with look.opened(house.path) as connection:
            look.try_to_write(connection)
    except sqlite3.Error as error:
        yield Finding("store", FAIL, f"{house.path}: cannot be written: {error}", OWNER)
        return
    durability = house.settings.store.durability
    yield Finding("store", OK, f"{house.path}: version {newest}, writable; {durability}: {DURABILITIES[durability]}")


def disk(house: House) -> Iterator[Finding]:
    """Whether there is room for what will be written."""
    folder = next(each for each in house.path.parents if each.exists())
    free = shutil.disk_usage(folder).free // MIB
    level = FAIL if free < DISK_FULL_MIB else WARN if free < DISK_LOW_MIB else OK
    advice = "" if level == OK else "Make room: a store that cannot grow refuses every paid request."
    yield Finding("disk", level, f"{folder}: {free:,} MiB free", advice)


def administrator(house: House) -> Iterator[Finding]:
    """Whether somebody may see everything."""
    if not house.is_readable:
        return
    with house.read() as connection:
        has_admin = accounts.has_admin(connection)
    if has_admin:
        yield Finding("administrator", OK, "There is one")
    else:
        advice = "The start prints a link that makes one; or haze-proxy account add EMAIL --admin."
        yield Finding("administrator", WARN, "There is none", advice)


def channels(house: House) -> Iterator[Finding]:
    """Each one: active, or why not, and whether the running server leaves it alone."""
    resting = _resting(house)
    for channel in house.directory.channels:
        name = f"{channel.name} ({channel.kind.name})"
        if channel.inactive:
            is_wanted = "active = false" not in channel.inactive
            advice = THESE if channel.inactive.startswith("the variable") else ""
            yield Finding("channels", WARN if is_wanted else OK, f"{name}: inactive: {channel.inactive}", advice)
        elif channel.off:
            advice = f"haze-proxy channels --on {channel.name}"
            yield Finding("channels", WARN, f"{name}: switched {channel.off}", advice)
        elif reasons := resting.get(channel.name):
            advice = "haze-proxy channels --test asks it now."
            yield Finding("channels", WARN, f"{name}: left alone for the moment: {'; '.join(reasons)}", advice)
        elif channel.name in house.directory.waiting:
            advice = "A running server fetches it; haze-proxy channels --test tries."
            yield Finding("channels", WARN, f"{name}: its upstream has not told what it serves", advice)
        else:
            yield Finding("channels", OK, f"{name}: active")
    active = [channel for channel in house.directory.channels if not channel.inactive and not channel.off]
    if not active:
        yield Finding("channels", FAIL, "No channel is active", "Set the variable of one, or add one to config.toml.")
    elif all(channel.kind.name == "echo" for channel in active):
        yield Finding("channels", WARN, "Only echo answers: from the request itself", "Set the key of a provider.")


def _resting(house: House) -> dict[str, list[str]]:
    if not house.is_readable:
        return {}
    with house.read() as connection:
        rows = channel_health.every(connection) if requests.is_served(connection) else []
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.until > time.time_ns() // 1_000_000:
            found.setdefault(row.channel, []).append(f"{row.model or 'all models'}: {row.reason}")
    return found


def models(house: House) -> Iterator[Finding]:
    """What is served, and what would be if its price were known."""
    live = [listed.id for listed in house.directory.listed()]
    if live:
        yield Finding("models", OK, f"{len(live)} served: {_named(live)}")
    else:
        yield Finding("models", FAIL, "None is served", "haze-proxy explain MODEL says why.")
    configured = {name for row in house.settings.channels for name in (*row.models, *row.aliases)}
    exact = (name for name in configured if not set("*?[") & set(name))
    unpriced = sorted(name for name in exact if house.directory.unpriced(name))
    if unpriced:
        advice = "Add a [[models]] row with input and output, or free = true."
        yield Finding("prices", WARN, f"Not served, because the price is not known: {_named(unpriced)}", advice)
    else:
        yield Finding("prices", OK, "Known for every model that an active channel names")


def _named(ids: list[str]) -> str:
    more = f" and {len(ids) - NAMED_MAX} more" if len(ids) > NAMED_MAX else ""
    return ", ".join(ids[:NAMED_MAX]) + more
