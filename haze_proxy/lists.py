"""The lists of models that upstreams of `*` channels told: remembered, kept fresh, and made into directories.

A start takes what the store remembers and waits for no upstream. Each new list, and each switch of a channel, makes a
new directory: requests that run keep theirs, prices included.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from aiohttp import web

from haze_proxy.channels import catalogue, refresh
from haze_proxy.channels.catalogue import ListError, Listing
from haze_proxy.channels.channel import Channel
from haze_proxy.channels.client import Client
from haze_proxy.channels.directory import Directory
from haze_proxy.channels.refresh import Fetched, Refresher
from haze_proxy.config import Config
from haze_proxy.context import Live
from haze_proxy.errors import Unavailable
from haze_proxy.store import channel_models
from haze_proxy.store.channel_models import Told
from haze_proxy.store.channel_switches import Switch
from haze_proxy.store.writer import Writer

log = logging.getLogger(__name__)


class Lists:
    """Keeps the directory in step with the configuration, with what upstreams list and with which channels are switched
    off; it fetches from `begin` on.
    """

    def __init__(self, live: Live[Directory], environ: Mapping[str, str]) -> None:
        self._live = live
        self._environ = environ
        self._client: Client | None = None
        self._writer: Writer | None = None
        self._running: dict[str, tuple[Refresher, asyncio.Task[None]]] = {}
        # In words, by the channels' names, whether the configuration has these or not.
        self._off: dict[str, str] = {}

    async def begin(self, client: Client, writer: Writer) -> None:
        """Take what the store remembers, and begin to fetch."""
        self._client, self._writer = client, writer
        directory = self._live.value
        if any(channel.lists for channel in directory.channels):
            self._show(directory.config, known(directory.channels, await _load(writer)))
        self._refresh()

    def reload(self, settings: Config) -> None:
        """Take over a configuration: channels that are still there keep their lists, and all are fetched anew."""
        self._show(settings, self._live.value.lists)
        self._refresh()

    def switched(self, switches: Sequence[Switch]) -> None:
        """Channels were switched off or on: it holds for the next request. One that is off is asked for no list."""
        if not switches:
            return
        before = dict(self._off)
        for switch in switches:
            self._off.pop(switch.channel, None)
            if switch.off:
                self._off[switch.channel] = switch.words
        if self._off != before:
            self._show(self._live.value.config, self._live.value.lists)
            if self._client is not None:
                self._fetch_on()

    async def end(self) -> None:
        """Fetch no more."""
        tasks = [task for _, task in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _show(self, settings: Config, lists: Mapping[str, Listing]) -> None:
        self._live.value = Directory(settings, self._environ, lists, self._off)

    def _refresh(self) -> None:
        for name in self._fetch_on():
            self._running[name][0].hurry()

    def _fetch_on(self) -> list[str]:
        """Fetch the lists of those that serve them, and no others; the names of those that were fetched before."""
        wanted = {each.name: each for each in self._live.value.channels if each.lists and each.serves}
        for name, (refresher, task) in list(self._running.items()):
            if wanted.get(name) != refresher.channel:
                task.cancel()
                del self._running[name]
        kept = list(self._running)
        self._running |= {name: self._start(channel) for name, channel in wanted.items() if name not in kept}
        return kept

    def _start(self, channel: Channel) -> tuple[Refresher, asyncio.Task[None]]:
        assert self._client is not None  # noqa: S101 - set by begin()
        get = partial(refresh.fetch, self._client, channel, _now_ms)
        refresher = Refresher(channel, get, partial(self._taken, channel))
        return refresher, asyncio.create_task(refresher.run())

    def _taken(self, channel: Channel, fetched: Fetched) -> None:
        listing, directory = fetched.listing, self._live.value
        self._show(directory.config, {**directory.lists, channel.name: listing})
        assert self._writer is not None  # noqa: S101 - set by begin()
        told = Told(channel.name, listing.origin, listing.fetched_at, fetched.rows.decode())
        self._writer.submit(partial(channel_models.save, told=told), urgent=False)


LISTS = web.AppKey("lists", Lists)


def known(channels: Iterable[Channel], remembered: Iterable[Told]) -> dict[str, Listing]:
    """The lists, by channel, of those that serve what their upstream lists; one that cannot be read is left out."""
    wanted = {(channel.name, channel.origin): channel for channel in channels if channel.lists}
    found = {}
    for told in remembered:
        if channel := wanted.get((told.channel, told.origin)):
            try:
                found[told.channel] = catalogue.remembered(channel.kind.name, told.origin, told.models, told.fetched_at)
            except ListError as error:
                log.warning("Channel %s: %s.", told.channel, error)
    return found


async def _load(writer: Writer) -> list[Told]:
    try:
        told: list[Told] = await writer.write(channel_models.load)
    except Unavailable:
        return []
    return told


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
