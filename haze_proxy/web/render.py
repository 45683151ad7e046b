"""Templates -> pages. Everything is escaped, and a name that a template does not get is an error."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from haze_proxy.context import WALLET
from haze_proxy.store.sessions import Session
from haze_proxy.web import static, words
from haze_proxy.web.context import PAGE, SESSION
from haze_proxy.web.site import SITE, config_of

TEMPLATES: Final = Path(__file__).with_name("templates")
# No inline script or style, nothing from elsewhere, no frame around it; forms go to Haze alone.
POLICY: Final = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def policy(form_action: tuple[str, ...] = ()) -> str:
    """The policy of a page whose forms may lead on to these origins, too."""
    allowed = {**POLICY, "form-action": " ".join((POLICY["form-action"], *form_action))}
    return "; ".join(f"{what} {where}" for what, where in allowed.items())


HEADERS: Final = {
    "Content-Security-Policy": policy(),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": browsers then send `Origin: null` with forms, and the same-origin check would refuse them.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@cache
def templates() -> Environment:
    """All templates, compiled; read once, before the loop begins."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.filters.update(words.FILTERS)
    environment.globals["static"] = static.address
    for name in environment.list_templates():
        environment.get_template(name)
    return environment


def page(
    request: web.Request, template: str, *, status: int = 200, compressed: bool = False, **values: Any
) -> web.Response:
    """A template with these values, and with what every page has: `me`, `path`, `site`, `config`, `now_ms`, and of the
    balance `is_low`, below what its account wants to be told of, and `is_empty`, nothing left to pay with.

    `compressed` is for long pages without a secret: beside one, what is typed into an address would betray it by size.
    """
    shared = {
        "me": request.get(SESSION),
        **_balance(request),
        # Outside the table nobody has looked whose the cookie is.
        "is_asked": PAGE in request,
        "path": request.path,
        "site": request.app[SITE],
        "config": config_of(request),
        "now_ms": words.now_ms(),
    }
    text = templates().get_template(template).render({**shared, **values})
    response = web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)
    if compressed:
        response.enable_compression()
    return response


def _balance(request: web.Request) -> dict[str, bool]:
    me: Session | None = request.get(SESSION)
    if me is None:
        return {"is_low": False, "is_empty": False}
    balance = request.app[WALLET].of_account(me.account_id)[0]
    return {"is_low": me.low_balance is not None and balance < me.low_balance, "is_empty": balance <= 0}


def see_other(path: str) -> web.Response:
    """After a form: look there. `path` is local."""
    return web.Response(status=303, headers={**HEADERS, "Location": path})
