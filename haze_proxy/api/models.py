"""GET /v1/models and /v1/models/{id}: one shape that every SDK reads.

OpenAI's, Anthropic's and OpenRouter's fields side by side; all four official SDKs list and retrieve from it. Prices are
OpenRouter's: decimal strings in USD per token.
"""

from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from haze_proxy.channels.directory import Directory, Listed
from haze_proxy.context import CALLER, DIRECTORY
from haze_proxy.errors import BadRequest, ModelNotFound
from haze_proxy.money.prices import Price
from haze_proxy.store.keys import Key

PAGE_MAX: Final = 1000
# The catalogue keeps no birthdays; Anthropic's SDK wants one that parses.
CREATED_UNIX_S: Final = 1_767_225_600
CREATED_AT: Final = "2026-01-01T00:00:00Z"
NANO_PER_MILLION_TOKENS: Final = Decimal(10) ** 15
NANO: Final = Decimal(10) ** 9

# Price class -> OpenRouter's name of it.
PRICING: Final = {
    "input": "prompt",
    "output": "completion",
    "cache_read": "input_cache_read",
    "cache_write_5m": "input_cache_write",
    "cache_write_1h": "input_cache_write_1h",
}


async def every(request: web.Request) -> web.Response:
    """The models this key may use. `limit`, `after_id` and `before_id` page as Anthropic's API does."""
    shown = [entry(listed) for listed in listed_for(request.app[DIRECTORY].value, request[CALLER])]
    page, more = _page(shown, request)
    return web.json_response(
        {
            "object": "list",
            "data": page,
            "has_more": more,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }
    )


async def one(request: web.Request) -> web.Response:
    """One model by its id, with its slash raw or as %2F; every id that would be served is known, globs' too."""
    model = request.match_info["id"].rstrip("/")
    found = request.app[DIRECTORY].value.find(model)
    if found is None or not request[CALLER].may_use(model):
        raise ModelNotFound(f"The model `{model}` does not exist, or this API key may not use it.", param="model")
    return web.json_response(entry(found))


def listed_for(directory: Directory, key: Key) -> list[Listed]:
    """What a key may use, in the order of the configuration."""
    return [listed for listed in directory.listed() if key.may_use(listed.id)]


def entry(listed: Listed) -> dict[str, Any]:
    """A model as every SDK reads it: the owner's words where there are any, else the upstream's."""
    row, offer, candidate = listed.row, listed.offer, listed.candidate
    name = (row.name if row else "") or (offer.name if offer else "") or listed.id
    provider = (row.provider if row else "") or candidate.channel.kind.name
    context_tokens = (row.context_tokens if row else None) or (offer.context_tokens if offer else None)
    return {
        "id": listed.id,
        "object": "model",
        "type": "model",
        "created": CREATED_UNIX_S,
        "created_at": CREATED_AT,
        "owned_by": provider,
        "provider": provider,
        "name": name,
        "display_name": name,
        "description": (row.notes if row else "") or (offer.description if offer else ""),
        "context_length": context_tokens,
        "max_input_tokens": context_tokens,
        "max_tokens": candidate.max_output_tokens,
        "max_completion_tokens": candidate.max_output_tokens,
        "pricing": _pricing(candidate.price) if candidate.price else None,
    }


def _pricing(price: Price) -> dict[str, str]:
    if price.free:
        return {"prompt": "0", "completion": "0"}
    if price.markup is not None:
        # As OpenRouter lists its own routers: what an answer costs is known at its end.
        return {"prompt": "-1", "completion": "-1"}
    rates = ((shown, getattr(price, name)) for name, shown in PRICING.items())
    pricing = {shown: _decimal(rate / NANO_PER_MILLION_TOKENS) for shown, rate in rates if rate is not None}
    return {**pricing, "request": _decimal(price.request / NANO)} if price.request else pricing


def _decimal(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _page(shown: list[dict[str, Any]], request: web.Request) -> tuple[list[dict[str, Any]], bool]:
    """A page and whether more follow. An id that is not listed has nothing after it: a client cannot go in circles."""
    text = request.query.get("limit", str(PAGE_MAX))
    if not text.isdecimal() or len(text) > len(str(PAGE_MAX)) or not 1 <= int(text) <= PAGE_MAX:
        raise BadRequest(f"limit: Expected a number from 1 to {PAGE_MAX}", param="limit")
    limit, ids = int(text), [model["id"] for model in shown]
    if after := request.query.get("after_id"):
        shown = shown[ids.index(after) + 1 :] if after in ids else []
    elif before := request.query.get("before_id"):
        shown = shown[: ids.index(before)] if before in ids else []
        return shown[-limit:], len(shown) > limit
    return shown[:limit], len(shown) > limit
