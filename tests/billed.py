"""A provider's answers that say something of their own price, and the arithmetic to expect of them."""

import json
from typing import Any

from gateway import Haze, Json, asking
from provider import Reply, events, whole

from haze_proxy.money import estimate

IN, OUT = 11, 3  # tokens of a pretend answer
SERVICE_TIER = "service_tier"


def reply(protocol: str, stream: bool, *, model: str = "pretend", told: Json | None = None, cost: str = "") -> Reply:
    """A right answer by `model`. `told` goes into its usage, a service tier where the protocol has it; `cost` is the
    text of a JSON number.
    """
    told = dict(told or {})
    tier = {SERVICE_TIER: told.pop(SERVICE_TIER)} if SERVICE_TIER in told and protocol != "messages" else {}
    usage = {**whole(protocol)["usage"], **told, **({"cost": "@cost@"} if cost else {})}
    if not stream:
        return Reply(body=_text({**whole(protocol, usage=usage, model=model), **tier}, cost))
    chunks = [_with_tier(event, tier) if tier else event for event in events(protocol, usage=usage, model=model)]
    return Reply(chunks=[chunk.replace(b'"@cost@"', cost.encode()) for chunk in chunks])


def _text(document: Json, cost: str) -> str:
    return json.dumps(document).replace('"@cost@"', cost)


def _with_tier(event: bytes, tier: Json) -> bytes:
    head, found, data = event.partition(b"data: {")
    if not found:
        return event
    document = json.loads(b"{" + data)
    holder = document.get("response", document)
    holder |= tier
    return head + b"data: " + json.dumps(document).encode() + b"\n\n"


def held(protocol: str, model: str, price_in: int, price_out: int, output: int, **fields: Any) -> int:
    """Nano-dollars to hold for `haze.ask` with these fields, at nano-dollars a token."""
    parsed = asking(protocol, model, **fields)
    tokens = estimate.input_tokens(json.dumps(parsed).encode(), parsed, protocol)
    return tokens * price_in + output * price_out


async def flags(haze: Haze) -> list[str]:
    """What the receipt of the only request calls remarkable."""
    (row,) = await haze.ended()
    found: list[str] = json.loads(row["price"]).get("flags", [])
    return found
