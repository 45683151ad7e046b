"""The configuration that holds now, and the button that reads config.toml again."""

from typing import Final

from aiohttp import web

from haze_proxy.context import CONFIG_FILE, DIRECTORY, STORE
from haze_proxy.store import audit
from haze_proxy.store.audit import Act
from haze_proxy.web import paging
from haze_proxy.web.admin import settings
from haze_proxy.web.admin.channel_rows import path
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.render import page, see_other
from haze_proxy.web.words import now_ms

# These have pages of their own.
ROWS: Final = ("channels", "models")


async def show(request: web.Request) -> web.Response:
    """GET /admin/config: each key with what it says, defaults marked, secrets masked; models by their named keys."""
    directory, file = request.app[DIRECTORY].value, request.app[CONFIG_FILE]
    models = paging.part(request, directory.config.models)
    return page(
        request,
        "admin_config.html",
        file=file,
        has_changed=await file.has_changed(),
        is_read="done" in request.query,
        waiting=file.waiting(),
        lines=[line for line in settings.lines(directory.config) if line.key not in ROWS],
        channels=[(path(each), each.name) for each in directory.channels],
        models=[(each.id, settings.named(each)) for each in models.rows],
        found=models,
    )


async def reload(request: web.Request) -> web.Response:
    """POST /admin/config/reload: what SIGHUP does. A wrong file changes nothing, and the page says what is wrong."""
    taken = await request.app[CONFIG_FILE].reload()
    act = Act(request[SESSION].account_id, "config.reload", "config.toml", "taken over" if taken else "refused")
    await request.app[STORE].write(audit.record, act, now_ms())
    return see_other("/admin/config?done=read" if taken else "/admin/config")


ROUTES: Final = (
    Page("GET", "/admin/config", Who.ADMIN, show),
    Page("POST", "/admin/config/reload", Who.ADMIN, reload),
)
