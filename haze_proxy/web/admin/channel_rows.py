"""What a page says of a channel: its row, its switch, its health, and what has been seen of it since the start."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from aiohttp import web

from haze_proxy.channels.catalogue import Listing
from haze_proxy.channels.channel import EVERYTHING, Channel
from haze_proxy.channels.record import HOUR_MIN, RECENT_MIN, Pace, Record
from haze_proxy.context import CLOCK, DIRECTORY, HEALTH, RECORDS
from haze_proxy.store.channel_switches import Switch
from haze_proxy.web.words import now_ms

NAMED_MAX: Final = 4
REASON_CHARACTERS_MAX: Final = 160


@dataclass(frozen=True, slots=True)
class Trouble:
    """What cools down there: a model ("": all of them) until a time (ms since 1970), which may be over."""

    model: str
    until: int
    reason: str
    failures: int
    owners: bool
    is_over: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One channel. `switch` is None where it was never switched; times are ms since 1970."""

    channel: Channel
    path: str
    switch: Switch | None
    troubles: list[Trouble]
    record: Record
    recent: Pace
    hour: Pace
    last_used: int | None
    listing: Listing | None
    priced: int

    @property
    def cooling(self) -> Trouble | None:
        """The worst of what cools now."""
        now = [each for each in self.troubles if not each.is_over]
        return max(now, key=lambda each: (each.owners, not each.model, each.until), default=None)

    @property
    def models(self) -> str:
        """Which models, shortened."""
        if self.channel.models == EVERYTHING:
            return f"{len(self.listing.offers):,} listed" if self.listing else "all that it lists, not told yet"
        return shortened(self.channel.models)

    @property
    def aliases(self) -> str:
        """The public ids of its aliases, shortened."""
        return shortened(self.channel.aliases)


def of(request: web.Request, channel: Channel, switch: Switch | None) -> Row:
    """A channel as it is now."""
    directory, record = request.app[DIRECTORY].value, request.app[RECORDS].of(channel.name)
    listing = directory.lists.get(channel.name)
    return Row(
        channel=channel,
        path=path(channel),
        switch=switch if switch and switch.off else None,
        troubles=_troubles(request, channel),
        record=record,
        recent=record.pace(RECENT_MIN),
        hour=record.pace(HOUR_MIN),
        last_used=None if record.last_used is None else at_ms(request, record.last_used),
        listing=listing,
        priced=directory.priced(channel) if listing else 0,
    )


def path(channel: Channel) -> str:
    """Where a channel's page is."""
    return f"/admin/channels/{quote(channel.name, safe='')}"


def at_ms(request: web.Request, seconds: float) -> int:
    """A time of the injected clock as ms since 1970."""
    return now_ms() + int((seconds - request.app[CLOCK]()) * 1000)


def seconds(value: float | None) -> str:
    """A short time as people read it: 320 ms, 1.2 s; a dash where there is none."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def shortened(names: Iterable[str]) -> str:
    """The first few, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - NAMED_MAX} more" if len(every) > NAMED_MAX else ""
    return ", ".join(every[:NAMED_MAX]) + more


def _troubles(request: web.Request, channel: Channel) -> list[Trouble]:
    now = request.app[CLOCK]()
    return [
        Trouble(
            model,
            at_ms(request, cooling.until),
            cooling.reason[:REASON_CHARACTERS_MAX],
            cooling.failures,
            cooling.owners,
            cooling.until <= now,
        )
        for model, cooling in request.app[HEALTH].of(channel.name)
    ]
