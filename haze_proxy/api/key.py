"""GET /v1/key: what this key may, has used, and has left.

`label`, `limit`, `limit_remaining` and `usage` are OpenRouter's fields (numbers in USD); exact amounts are decimal
strings beside them.
"""

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from haze_proxy.context import CALLER, WALLET
from haze_proxy.gate import limiter
from haze_proxy.gate.rate_limit import PACES, Paces
from haze_proxy.money.prices import NANO_PER_USD
from haze_proxy.money.receipt import usd
from haze_proxy.money.wallet import Wallet
from haze_proxy.store.keys import Key


async def show(request: web.Request) -> web.Response:
    """The key that asks."""
    key, wallet = request[CALLER], request.app[WALLET]
    return web.json_response(
        {"data": {**_money(key, wallet), **_facts(key), "limits": _limits(key, request.app[PACES])}}
    )


def _facts(key: Key) -> dict[str, Any]:
    return {
        "object": "key",
        "id": key.id,
        "label": key.name or key.prefix,
        "name": key.name,
        "prefix": key.prefix,
        "models": None if key.models is None else list(key.models),
        "created_at": _iso(key.created_at),
        "expires_at": None if key.expires_at is None else _iso(key.expires_at),
    }


def _money(key: Key, wallet: Wallet) -> dict[str, Any]:
    balance, held, spent, left = wallet.standing(key.account_id, key.id)
    resets_at = wallet.resets_at(key.id)
    return {
        "limit": None if key.budget is None else key.budget / NANO_PER_USD,
        "limit_remaining": None if left is None else left / NANO_PER_USD,
        "usage": spent / NANO_PER_USD,
        "budget_usd": None if key.budget is None else usd(key.budget),
        "budget_left_usd": None if left is None else usd(left),
        "budget_period": None if key.budget is None else key.budget_period,
        "budget_resets_at": None if resets_at is None else _iso(resets_at),
        "spent_usd": usd(spent),
        "balance_usd": usd(balance),
        "held_usd": usd(held),
        "available_usd": usd(max(0, balance - held)),
    }


def _limits(key: Key, paces: Paces) -> dict[str, Any]:
    pace, now = paces.of[key.id], paces.clock()
    burst = limiter.request_burst(key.requests_per_minute)
    return {
        "requests_per_minute": key.requests_per_minute,
        "requests_left": pace.requests.left(now, key.requests_per_minute, burst),
        "tokens_per_minute": key.tokens_per_minute,
        "tokens_left": pace.tokens.left(now, key.tokens_per_minute, key.tokens_per_minute),
        "concurrent_requests": key.concurrent_requests,
        "running_requests": pace.running,
    }


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
