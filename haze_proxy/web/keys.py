"""API Keys: make one, see it once, change its limits, give it a new secret, refuse it. Only one's own are found."""

from typing import Final

from aiohttp import web

from haze_proxy.context import DIRECTORY, STORE
from haze_proxy.errors import NotFound
from haze_proxy.store import own_keys
from haze_proxy.store.keys import Key, UnknownKeyError, make_secret
from haze_proxy.store.own_keys import TooManyKeysError
from haze_proxy.web import forms, key_form, snippets
from haze_proxy.web.context import ID, SESSION, Page, Who
from haze_proxy.web.forms import Form
from haze_proxy.web.render import page, see_other
from haze_proxy.web.site import SITE, config_of
from haze_proxy.web.words import now_ms


async def every(request: web.Request) -> web.Response:
    """GET /dashboard/keys: live ones first, the newest on top."""
    found = await request.app[STORE].read(own_keys.shown, request[SESSION].account_id)
    now = now_ms()
    live = [each for each in reversed(found) if is_live(each, now)]
    gone = [each for each in reversed(found) if not is_live(each, now)]
    return page(request, "keys.html", live=live, gone=gone, most=own_keys.REVOKED_SHOWN)


async def new(request: web.Request) -> web.Response:
    """GET /dashboard/keys/new."""
    return _form(request, key_form.empty(config_of(request).limits))


async def create(request: web.Request) -> web.Response:
    """POST /dashboard/keys: the answer is the one page that ever shows the secret."""
    form = await forms.read(request)
    wanted = key_form.wanted(form, config_of(request).limits)
    if form.errors:
        return _form(request, form)
    secret = make_secret()
    try:
        key_id = await request.app[STORE].write(own_keys.add, request[SESSION].account_id, wanted, secret, now_ms())
    except TooManyKeysError as error:
        form.wrong("", str(error))
        return _form(request, form)
    return await _shown_once(request, key_id, secret, "is ready")


async def one(request: web.Request) -> web.Response:
    """GET /dashboard/keys/{id}."""
    key = await _own(request)
    return _form(request, key_form.of(key), key)


async def edit(request: web.Request) -> web.Response:
    """POST /dashboard/keys/{id}: holds for the next request with this key."""
    form, key = await forms.read(request), await _own(request)
    wanted = key_form.wanted(form, config_of(request).limits, key)
    if form.errors:
        return _form(request, form, key)
    try:
        await request.app[STORE].write(own_keys.edit, key.account_id, key.id, wanted, now_ms())
    except UnknownKeyError as error:
        form.wrong("", str(error))
        return _form(request, form, key)
    return see_other("/dashboard/keys")


async def rotate(request: web.Request) -> web.Response:
    """POST /dashboard/keys/{id}/rotate: another secret for the same key; the old one is refused at once."""
    key, secret = await _own(request), make_secret()
    try:
        await request.app[STORE].write(own_keys.rotate, key.account_id, key.id, secret)
    except UnknownKeyError as error:
        raise NotFound(str(error)) from error
    return await _shown_once(request, key.id, secret, "has a new secret; the old one is refused from now on")


async def revoke(request: web.Request) -> web.Response:
    """POST /dashboard/keys/{id}/revoke: it is refused from now on."""
    key = await _own(request)
    await request.app[STORE].write(own_keys.revoke, key.account_id, key.id, now_ms())
    return see_other("/dashboard/keys")


def is_live(key: Key, now: int) -> bool:
    """Whether requests with a key are answered at a time (ms since 1970)."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


async def _own(request: web.Request, key_id: int | None = None) -> Key:
    wanted = int(request.match_info["id"]) if key_id is None else key_id
    try:
        return await request.app[STORE].read(own_keys.find, request[SESSION].account_id, wanted)
    except UnknownKeyError:
        raise NotFound("There is no such key in this account.") from None


async def _shown_once(request: web.Request, key_id: int, secret: str, what: str) -> web.Response:
    key = await _own(request, key_id)
    model = snippets.example_model(request.app[DIRECTORY].value, key.models)
    lines = snippets.every(request.app[SITE].url, model, secret)
    return page(request, "key_shown.html", key=key, secret=secret, what=what, snippets=lines)


def _form(request: web.Request, form: Form, key: Key | None = None) -> web.Response:
    status = 422 if form.errors else 200
    live = key is None or is_live(key, now_ms())
    return page(request, "key_form.html", status=status, form=form, key=key, live=live)


ROUTES: Final = (
    Page("GET", "/dashboard/keys", Who.ACCOUNT, every),
    Page("POST", "/dashboard/keys", Who.ACCOUNT, create),
    Page("GET", "/dashboard/keys/new", Who.ACCOUNT, new),
    Page("GET", f"/dashboard/keys/{ID}", Who.ACCOUNT, one),
    Page("POST", f"/dashboard/keys/{ID}", Who.ACCOUNT, edit),
    Page("POST", f"/dashboard/keys/{ID}/rotate", Who.ACCOUNT, rotate),
    Page("POST", f"/dashboard/keys/{ID}/revoke", Who.ACCOUNT, revoke),
)
