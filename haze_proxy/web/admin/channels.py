"""Channels, for the administrator: how each is doing, whether it answers, and its switch beside config.toml."""

from typing import Final

from aiohttp import web

from haze_proxy.channels import probe
from haze_proxy.channels.channel import Channel
from haze_proxy.channels.record import Tested
from haze_proxy.context import CLIENT, CONFIG_FILE, DIRECTORY, HEALTH, RECORDS, STORE
from haze_proxy.errors import NotFound
from haze_proxy.store import audit, channel_switches
from haze_proxy.store.audit import Act
from haze_proxy.store.channel_switches import Switch
from haze_proxy.web import forms
from haze_proxy.web.admin import channel_rows, channel_samples, settings
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.render import page, see_other
from haze_proxy.web.words import now_ms

# Somebody waits for the page.
PATIENCE_S: Final = 15
LISTED_MAX: Final = 40


async def every(request: web.Request) -> web.Response:
    """GET /admin/channels: all that the file has, in its order; switches without a channel; rows to paste."""
    channels, switches = request.app[DIRECTORY].value.channels, await _switches(request)
    rows = [channel_rows.of(request, each, switches.pop(each.name, None)) for each in channels]
    return page(
        request,
        "admin_channels.html",
        rows=rows,
        gone=[switch for switch in switches.values() if switch.off],
        samples=channel_samples.every({each.name for each in channels}),
        file=request.app[CONFIG_FILE],
        seconds=channel_rows.seconds,
    )


async def one(request: web.Request) -> web.Response:
    """GET /admin/channels/{channel}."""
    return await _shown(request, _named(request))


async def switch(request: web.Request) -> web.Response:
    """POST /admin/channels/{channel}/switch, `to` being on or off: it holds for the next request."""
    form, channel = await forms.read(request), _named(request)
    off = form.raw("to") != "on"
    if channel.inactive and not off:
        return await _shown(request, channel, f"It cannot be switched on here: {channel.inactive}.")
    actor = request[SESSION].account_id
    await request.app[STORE].write(channel_switches.put, channel.name, off=off, actor_id=actor, now_ms=now_ms())
    return _back(channel)


async def test(request: web.Request) -> web.Response:
    """POST /admin/channels/{channel}/test: what `haze-proxy channels --test` does; charged to nobody."""
    channel = _named(request)
    if channel.inactive:
        return await _shown(request, channel, f"It cannot be tested: {channel.inactive}.")
    record = request.app[RECORDS].of(channel.name)
    if not record.is_being_tested:
        record.is_being_tested = True
        try:
            await _record(request, "channel.test", channel)
            health = await probe.ask(request.app[CLIENT], channel, PATIENCE_S)
            record.tested = Tested(record.clock(), health)
        finally:
            record.is_being_tested = False
    return _back(channel)


async def forgive(request: web.Request) -> web.Response:
    """POST /admin/channels/{channel}/forgive: whatever it has failed before, it is asked again at once."""
    channel = _named(request)
    await _record(request, "channel.forgive", channel)
    request.app[HEALTH].forgive(channel.name)
    return _back(channel)


def _named(request: web.Request) -> Channel:
    name = request.match_info["channel"]
    for channel in request.app[DIRECTORY].value.channels:
        if channel.name == name:
            return channel
    raise NotFound("There is no such channel.")


async def _shown(request: web.Request, channel: Channel, complaint: str = "") -> web.Response:
    row = channel_rows.of(request, channel, (await _switches(request)).get(channel.name))
    own = next(each for each in request.app[DIRECTORY].value.config.channels if each.name == channel.name)
    tested = row.record.tested
    return page(
        request,
        "admin_channel.html",
        status=422 if complaint else 200,
        row=row,
        complaint=complaint,
        lines=list(settings.lines(own)),
        url=settings.address(channel.base_url).strip('"'),
        listed=list(row.listing.offers)[:LISTED_MAX] if row.listing else [],
        failures=[(channel_rows.at_ms(request, each.at), each) for each in reversed(row.record.failures)],
        tested=tested,
        tested_at=channel_rows.at_ms(request, tested.at) if tested else None,
        seconds=channel_rows.seconds,
    )


async def _switches(request: web.Request) -> dict[str, Switch]:
    return {each.channel: each for each in await request.app[STORE].read(channel_switches.every)}


async def _record(request: web.Request, act: str, channel: Channel) -> None:
    await request.app[STORE].write(audit.record, Act(request[SESSION].account_id, act, channel.name), now_ms())


def _back(channel: Channel) -> web.Response:
    return see_other(channel_rows.path(channel))


ROUTES: Final = (
    Page("GET", "/admin/channels", Who.ADMIN, every),
    Page("GET", "/admin/channels/{channel}", Who.ADMIN, one),
    Page("POST", "/admin/channels/{channel}/switch", Who.ADMIN, switch),
    Page("POST", "/admin/channels/{channel}/test", Who.ADMIN, test),
    Page("POST", "/admin/channels/{channel}/forgive", Who.ADMIN, forgive),
)
