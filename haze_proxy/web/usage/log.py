"""GET /dashboard/usage: every request of the account, the newest first, filtered and a page at a time."""

from typing import Final

from aiohttp import web

from haze_proxy.context import STORE
from haze_proxy.store import own_keys, receipts, request_log
from haze_proxy.store.keys import UnknownKeyError
from haze_proxy.store.receipts import UnknownRequestError
from haze_proxy.store.request_log import Row, Wanted
from haze_proxy.web import typed
from haze_proxy.web.context import SESSION, Page, Who
from haze_proxy.web.forms import Form
from haze_proxy.web.render import page, see_other
from haze_proxy.web.usage import log_filter

PATH: Final = "/dashboard/usage"
NO_KEY: Final = "There is no such key in this account."
NO_REQUEST: Final = "There is no such request in this account."


async def show(request: web.Request) -> web.Response:
    """The log; with `?find=` the receipt of that one, if it is the account's own."""
    form, store = log_filter.read(request), request.app[STORE]
    if wish := form.text("find"):
        if await _is_own(request, wish):
            return see_other(f"{PATH}/{wish}")
        form.wrong("find", NO_REQUEST)
    wanted = await filtered(request, form)
    place, newer = log_filter.cursor(form)
    limits = {"rows": request_log.ROWS, "walk": request_log.WALK}
    found = await store.read(request_log.read, wanted, place, newer=newer, **limits)
    return page(
        request,
        "usage.html",
        status=422 if form.errors else 200,
        form=form,
        is_filtered=log_filter.is_filtered(form),
        quick=list(log_filter.quick(request)),
        statuses=log_filter.STATUSES,
        models=_models(await store.read(request_log.models, request[SESSION].account_id), wanted.model),
        keys=_keys(await store.read(request_log.keys, request[SESSION].account_id), wanted.key_id),
        csv=log_filter.turned(request).replace(PATH, f"{PATH}.csv", 1),
        **log_filter.turning(request, found, place, newer=newer),
    )


async def filtered(request: web.Request, form: Form) -> Wanted:
    """What the query asks of the account's requests; what is wrong with it stands in the form."""
    account_id, store = request[SESSION].account_id, request.app[STORE]
    since, until = log_filter.period(form)
    key_id = form.parsed("key", _number, None)
    if key_id is not None:
        try:
            await store.read(own_keys.find, account_id, key_id)
        except UnknownKeyError:
            form.wrong("key", NO_KEY)
            key_id = None
    model = form.text("model", log_filter.MODEL_MAX) or None
    if model is not None and not await store.read(request_log.has_used, account_id, model):
        form.wrong("model", "This account has not used a model of that name.")
        model = None
    return Wanted(account_id, key_id, model, None, log_filter.status(form), since, until)


async def _is_own(request: web.Request, request_id: str) -> bool:
    if not log_filter.REQUEST_ID.fullmatch(request_id):
        return False
    try:
        await request.app[STORE].read(receipts.find, request_id, request[SESSION].account_id)
    except UnknownRequestError:
        return False
    return True


def _number(text: str) -> int:
    number = typed.plain(text)
    if number is None:
        raise ValueError(NO_KEY)
    return number


def _models(models: list[str], chosen: str | None) -> list[tuple[str, str]]:
    """The models as options of a list; the one that was asked for is among them, however many there are."""
    rest = [chosen] if chosen is not None and chosen not in models else []
    return [("", "All"), *((model, model) for model in [*models, *rest])]


def _keys(rows: list[Row], chosen: int | None) -> list[tuple[str, str]]:
    """The same of keys; what was revoked is said to be."""
    names = {row["id"]: f"{_key_name(row)}{' (revoked)' if row['revoked_at'] else ''}" for row in rows}
    if chosen is not None:
        names.setdefault(chosen, f"Key {chosen}")
    return [("", "All"), *((str(key_id), name) for key_id, name in names.items())]


def _key_name(row: Row) -> str:
    return row["name"] or f"{row['prefix']}…"


ROUTES: Final = (Page("GET", PATH, Who.ACCOUNT, show),)
