"""Sessions and their cookie: who looks at a page, how a login begins, and how it ends."""

from typing import Final

from aiohttp import web

from haze_proxy.context import PROXIES, STORE, caller_address
from haze_proxy.store import sessions
from haze_proxy.store.sessions import Session
from haze_proxy.web.context import SESSION
from haze_proxy.web.site import SITE, Site
from haze_proxy.web.words import now_ms

TOKEN_MAX: Final = 200


async def current(request: web.Request) -> Session | None:
    """The session of a request's cookie, if it has one that lives."""
    token = request.cookies.get(cookie(request.app[SITE]), "")
    if not token or len(token) > TOKEN_MAX:
        return None
    now = now_ms()
    session = await request.app[STORE].read(sessions.find, token, now)
    if session is not None and session.seen_at + sessions.SEEN_EVERY_MS <= now:
        await request.app[STORE].write(sessions.seen, session, now)
    return session


async def begin(
    request: web.Request, response: web.Response, account_id: int, password_hash: str | None = None
) -> None:
    """Log an account in with `response`; whoever was logged in here before is not any more.

    `password_hash` is what its password was compared with, where it was: raises StaleLoginError if that has changed.
    """
    token, site = sessions.make_token(), request.app[SITE]
    if SESSION in request:
        await request.app[STORE].write(sessions.end, request[SESSION].account_id, request[SESSION].digest)
    await request.app[STORE].write(
        sessions.begin,
        account_id,
        token,
        user_agent=request.headers.get("User-Agent", ""),
        address=caller_address(request, request.app[PROXIES]),
        now_ms=now_ms(),
        password_hash=password_hash,
    )
    response.set_cookie(
        cookie(site),
        token,
        max_age=sessions.LIFETIME_MS // 1000,
        secure=site.is_secure,
        httponly=True,
        samesite="Lax",
    )


async def end(request: web.Request, response: web.Response) -> None:
    """Log out."""
    if SESSION in request:
        await request.app[STORE].write(sessions.end, request[SESSION].account_id, request[SESSION].digest)
    site = request.app[SITE]
    response.del_cookie(cookie(site), secure=site.is_secure, httponly=True, samesite="Lax")


def cookie(site: Site) -> str:
    """The cookie's name: over TLS one that no neighbouring subdomain can set."""
    return "__Host-haze" if site.is_secure else "haze"
