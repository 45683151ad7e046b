"""/admin/codes: money to give away. A code is shown once, to whoever makes it; an open one can be withdrawn."""

from functools import partial
from typing import Final

from aiohttp import web

from haze_proxy.context import STORE
from haze_proxy.errors import NotFound
from haze_proxy.store import codes, money_acts
from haze_proxy.store.codes import CodeError
from haze_proxy.web import forms, keyset
from haze_proxy.web.admin.account import MEMO_MAX
from haze_proxy.web.context import ID, SESSION, Page, Who
from haze_proxy.web.forms import Form
from haze_proxy.web.render import page, see_other
from haze_proxy.web.typed import day_to_come, usd, whole
from haze_proxy.web.words import now_ms

COUNT_MAX: Final = 100
DONE: Final = {"withdrawn": "The code is withdrawn: nobody can redeem it any more."}


async def every(request: web.Request) -> web.Response:
    """GET: the newest first."""
    return await _page(request, Form([("count", "1")]))


async def create(request: web.Request) -> web.Response:
    """POST: the answer is the one page that ever shows them."""
    form = await forms.read(request)
    amount, count = form.parsed("amount", usd, 0), form.parsed("count", partial(whole, most=COUNT_MAX), 1)
    memo = form.text("memo", MEMO_MAX)
    expires = form.parsed("expires", partial(day_to_come, what="it ends"), None)
    if not amount:
        form.wrong("amount", "An amount in USD, such as 5 or 0.25.")
    if form.errors:
        return await _page(request, form)
    made = [codes.make() for _ in range(count)]
    actor = request[SESSION].account_id
    await request.app[STORE].write(money_acts.add_codes, actor, made, amount, memo or None, expires, now_ms())
    return page(request, "admin_codes_shown.html", made=made, amount=amount)


async def withdraw(request: web.Request) -> web.Response:
    """POST …/{id}/withdraw: an open code expires now."""
    actor, code_id = request[SESSION].account_id, int(request.match_info["id"])
    try:
        await request.app[STORE].write(money_acts.withdraw_code, actor, code_id, now_ms())
    except CodeError:
        raise NotFound("There is no such code that is still open.") from None
    return see_other("/admin/codes?done=withdrawn")


async def _page(request: web.Request, form: Form) -> web.Response:
    rows = await request.app[STORE].read(codes.newest, keyset.number(request), keyset.ROWS + 1)
    part = keyset.part(request, rows, lambda each: each.id)
    done = DONE.get(request.query.get("done", ""), "")
    return page(request, "admin_codes.html", status=422 if form.errors else 200, form=form, part=part, done=done)


ROUTES: Final = (
    Page("GET", "/admin/codes", Who.ADMIN, every),
    Page("POST", "/admin/codes", Who.ADMIN, create),
    Page("POST", f"/admin/codes/{ID}/withdraw", Who.ADMIN, withdraw),
)
