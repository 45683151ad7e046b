"""The table of pages, how it is put together, and how it is mounted.

A module of this package that has pages names them in a table of its own, ROUTES; they are collected here. Every row is
behind the guard (guard.py), because nothing else is mounted.
"""

import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Final

from aiohttp import web
from aiohttp.web_urldispatcher import DynamicResource, PlainResource, Resource, UrlMappingMatchInfo

from haze_proxy import passwords
from haze_proxy import web as package
from haze_proxy.config import Config
from haze_proxy.web import errors, static
from haze_proxy.web.context import Page, Who
from haze_proxy.web.guard import guarded
from haze_proxy.web.render import templates
from haze_proxy.web.site import SITE, Site

# The navigation, in its order. It shows what is in the table, to those who may see it.
NAVIGATION: Final = {
    "/dashboard": "Dashboard",
    "/dashboard/keys": "API Keys",
    "/dashboard/usage": "Usage",
    "/dashboard/billing": "Billing",
    "/dashboard/playground": "Playground",
    "/docs": "Docs",
    "/models": "Models",
    "/admin": "Admin",
}
ADMINISTRATION: Final = {
    "/admin": "Now",
    "/admin/channels": "Channels",
    "/admin/models": "Models",
    "/admin/accounts": "Accounts",
    "/admin/codes": "Codes",
    "/admin/requests": "Requests",
    "/admin/usage": "Usage",
    "/admin/shortfalls": "Shortfalls",
    "/admin/audit": "Audit log",
    "/admin/config": "Config",
    "/admin/explain": "Explain",
}
# Programs ask for the same models as people do; they bring one of these.
CALLS: Final = ("Authorization", "x-api-key", "anthropic-version")
SHARED: Final = ("/models", "/models/{model:.+}")

error = errors.error


@cache
def table() -> tuple[Page, ...]:
    """Every page. Read once, before the loop begins."""
    modules = (import_module(name) for name in _names())
    return tuple(page for module in modules for page in getattr(module, "ROUTES", ()))


def navigation() -> list[tuple[str, str, Who]]:
    """(path, name, who may see it) of the pages that the navigation shows."""
    who = _seen_by()
    return [(path, name, who[path]) for path, name in NAVIGATION.items() if path in who]


def administration() -> list[tuple[str, str]]:
    """(path, name) of the rooms that administrators find below /admin."""
    who = _seen_by()
    return [(path, name) for path, name in ADMINISTRATION.items() if path in who]


def _seen_by() -> dict[str, Who]:
    return {page.path: page.who for page in table() if page.method == "GET"}


def mount(root: web.Application, settings: Config, clock: Callable[[], float]) -> None:
    """Put the pages on the root, before the API: `GET /models` is a page unless a program asks."""
    static.files()
    passwords.get_ready()
    root[SITE] = Site(settings.server.public_url.rstrip("/"), clock)
    templates().globals.update(navigation=navigation(), administration=administration(), paths=frozenset(_seen_by()))
    root.router.add_get("/static/{digest}/{name}", static.send)
    for page in table():
        if page.path in SHARED:
            shared = PageOrCallBelow(page.path) if "{" in page.path else PageOrCall(page.path)
            root.router.register_resource(shared)
            shared.add_route(page.method, guarded(page))
        else:
            for method in ("GET", "HEAD") if page.method == "GET" else (page.method,):
                root.router.add_route(method, page.path, guarded(page))


class ForPeople(Resource):
    """An address that a page shares with the API: whoever brings a key, or speaks Anthropic's protocol, calls."""

    async def resolve(self, request: web.Request) -> tuple[UrlMappingMatchInfo | None, set[str]]:
        """Match for people only; the API's own resource comes after this one."""
        if any(name in request.headers for name in CALLS):
            return None, set()
        return await super().resolve(request)


class PageOrCall(ForPeople, PlainResource):
    """One such address."""


class PageOrCallBelow(ForPeople, DynamicResource):
    """Such addresses with a part that is a name."""


def _names() -> Iterator[str]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if found.name != __name__:
            yield found.name
