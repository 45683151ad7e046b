"""Fetches what an upstream lists, again and again: in the background, within bounds, quietly while nothing changes."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson

from haze_proxy.channels import catalogue, faults
from haze_proxy.channels.catalogue import ListError, Listing
from haze_proxy.channels.channel import Channel
from haze_proxy.channels.client import LIST_BYTES_MAX, Client
from haze_proxy.errors import HazeError

INTERVAL_S: Final = 3600
FIRST_RETRY_S: Final = 5
# Many gateways that were started together must not ask together.
JITTER: Final = 0.1
PATIENCE_S: Final = 30
PAGES_MAX: Final = 20
OK: Final = 200
# Anthropic tells twenty at a time unless it is asked for more.
QUERIES: Final = {"anthropic": {"limit": "1000"}}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A list, and the rows it was read from as JSON: what is remembered of it."""

    listing: Listing
    rows: bytes


async def fetch(client: Client, channel: Channel, now_ms: Callable[[], int]) -> Fetched:
    """Ask a channel's upstream for all of its list. Raises ListError when there is none to be had."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            rows = await _rows(client, channel)
            # Reading some hundred prices takes longer than anything else may keep the loop.
            return await asyncio.to_thread(_read, channel, rows, now_ms())
    except TimeoutError as error:
        raise ListError(f"no answer in {PATIENCE_S} s") from error
    except HazeError as error:
        raise ListError(error.message) from error


async def _rows(client: Client, channel: Channel) -> list[catalogue.Row]:
    rows: list[catalogue.Row] = []
    size, query = 0, dict(QUERIES.get(channel.kind.name, {}))
    for _ in range(PAGES_MAX):
        told = await client.models(channel, query)
        if told.status != OK:
            raise ListError(f"it answered with status {told.status}", faults.words(channel, told.body))
        size += len(told.body)
        if size > LIST_BYTES_MAX:
            raise ListError("the list is too long")
        page = await asyncio.to_thread(catalogue.page, told.body)
        rows += page.rows
        if page.after is None:
            return rows
        query["after_id"] = page.after
    raise ListError(f"the list has more than {PAGES_MAX} pages, or goes in circles")


def _read(channel: Channel, rows: list[catalogue.Row], fetched_at: int) -> Fetched:
    listing = catalogue.listing(channel.kind.name, channel.origin, rows, fetched_at)
    try:
        return Fetched(listing, orjson.dumps(rows))
    except orjson.JSONEncodeError as error:
        raise ListError("the list is nested too deeply") from error


def delay_s(failures: int, chance: float) -> float:
    """Seconds until the next fetch, after so many failures in a row; `chance` in [0, 1) spreads them."""
    seconds = min(INTERVAL_S, FIRST_RETRY_S * 2 ** min(failures - 1, 30)) if failures else INTERVAL_S
    return seconds * (1 + JITTER * (2 * chance - 1))


class Refresher:
    """Keeps one channel's list fresh while `run` runs: what `get` fetches is handed to `taken`."""

    def __init__(
        self, channel: Channel, get: Callable[[], Awaitable[Fetched]], taken: Callable[[Fetched], None]
    ) -> None:
        self.channel = channel
        self._get = get
        self._taken = taken
        self._hurry = asyncio.Event()
        self._failures = 0
        self._well = False

    def hurry(self) -> None:
        """Fetch now, or once more if it is being fetched."""
        self._hurry.set()

    async def run(self) -> None:
        """Fetch, wait, and again, until cancelled."""
        while True:
            self._hurry.clear()
            await self._once()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s(self._failures, random.random())):  # noqa: S311 - guards nothing
                    await self._hurry.wait()

    async def _once(self) -> None:
        try:
            fetched = await self._get()
            self._taken(fetched)
        except ListError as error:
            self._failed(str(error))
        except Exception as error:
            # Whatever it is, the next list may be well again, and nobody else would start this task anew.
            if not self._failures:
                log.exception("Channel %s: its list of models could not be taken over.", self.channel.name)
            self._failed(type(error).__name__)
        else:
            if not self._well:
                log.info("Channel %s: its upstream lists %d models.", self.channel.name, len(fetched.listing.offers))
            self._well, self._failures = True, 0

    def _failed(self, reason: str) -> None:
        # Once for the owner; it is tried again more often than anyone reads.
        if not self._failures:
            log.warning(
                "Channel %s: no new list of models (%s); what it listed last is served.", self.channel.name, reason
            )
        self._well = False
        self._failures += 1
