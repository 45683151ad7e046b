"""GET /admin/audit: what administrators did on the pages, and the owner by commands."""

from typing import Final

from aiohttp import web

from haze_proxy.context import STORE
from haze_proxy.store import audit
from haze_proxy.store.audit import Wanted
from haze_proxy.web import keyset
from haze_proxy.web.context import Page, Who
from haze_proxy.web.forms import Form
from haze_proxy.web.keyset import Part
from haze_proxy.web.render import page

FIELDS: Final = ("act", "target", "actor")
FIELD_MAX: Final = 254


async def show(request: web.Request) -> web.Response:
    """The newest first; `?act=` and `?target=` are how they begin, `?actor=` is an e-mail address or `command`."""
    form = Form([(name, request.query.get(name, "").strip()[:FIELD_MAX]) for name in FIELDS])
    wanted = Wanted(**form.values)
    found, below = await request.app[STORE].read(audit.search, wanted, keyset.number(request), keyset.ROWS)
    part = Part(found, keyset.back(request), keyset.on(request, below) if below else "")
    return page(request, "admin_audit.html", part=part, form=form, is_filtered=wanted != Wanted())


ROUTES: Final = (Page("GET", "/admin/audit", Who.ADMIN, show),)
