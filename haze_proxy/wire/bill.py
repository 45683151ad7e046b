"""What an answer says of its own price: the model that answered, the modes it ran in, its usage, and its cost.

Only OpenRouter tells a cost: `usage.cost`, in USD, beside the tokens (its API reference, November 2026). A number of
money is read from its own digits: through a float it could be another one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Context, Decimal, DecimalException, Inexact
from typing import Any, Final

import msgspec

from haze_proxy.wire.meter import Meter, reported_usage

MODES_IN_USAGE: Final = ("service_tier", "speed", "inference_geo")
NANO_PER_USD: Final = 10**9
# A million dollars for one answer is a mistake.
NANO_MAX: Final = 10**15
# Wide enough for any number of money, and loud about what is not one.
EXACT: Final = Context(prec=250, traps=[Inexact])
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
# Where usage stands in the event of a stream.
HOLDERS: Final = ("response", "message")


@dataclass(frozen=True, slots=True)
class Bill:
    """`usage` are the upstream's own fields; `modes` those of MODES_IN_USAGE that it names; `cost` is nano-dollars."""

    model: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    modes: Mapping[str, str] = field(default_factory=dict)
    cost: int | None = None


def of_whole(protocol: str, body: bytes, parsed: dict[str, Any]) -> Bill:
    """Of an answer that was not streamed: its bytes and their JSON."""
    usage = reported_usage(protocol, parsed)
    return _bill(parsed.get("model"), usage, parsed.get("service_tier"), body)


def of_stream(meter: Meter) -> Bill:
    """Of a stream, as far as it has been told."""
    return _bill(meter.model, meter.usage, meter.service_tier, meter.costed)


def _bill(model: object, usage: dict[str, Any], service_tier: object, document: bytes) -> Bill:
    named = {"service_tier": service_tier, **{name: usage[name] for name in MODES_IN_USAGE if usage.get(name)}}
    modes = {name: value for name, value in named.items() if isinstance(value, str) and value}
    cost = nano_cost(document) if usage.get("cost") is not None else None
    return Bill(_served_by(usage) or (model if isinstance(model, str) and model else None), usage, modes, cost)


def _served_by(usage: dict[str, Any]) -> str | None:
    """The model of the fallback that completed an answer of Anthropic's; the answer may have begun with another."""
    steps = usage.get("iterations")
    for step in reversed(steps) if isinstance(steps, list) else ():
        if isinstance(step, dict) and step.get("type") == "fallback_message":
            model = step.get("model")
            return model if isinstance(model, str) and model else None
    return None


def nano_cost(document: bytes) -> int | None:
    """The `usage.cost` of an answer or an event in nano-dollars, rounded up; None where there is no credible one.

    With a key of the owner's own (`is_byok`), what the provider behind OpenRouter bills comes on top.
    """
    usage = _usage(document)
    cost, details = _nano(usage.get("cost")), usage.get("cost_details")
    if cost is None or usage.get("is_byok") is not True or not isinstance(details, dict):
        return cost
    return cost + (_nano(details.get("upstream_inference_cost")) or 0)


def _usage(document: bytes) -> dict[str, Any]:
    try:
        members = _MEMBERS.decode(document)
        for holder in HOLDERS:
            if holder in members and "usage" not in members:
                members = _MEMBERS.decode(members[holder])
        usage = json.loads(bytes(members["usage"]), parse_float=Decimal)
    except (KeyError, ValueError, DecimalException, RecursionError):  # msgspec's errors are ValueErrors
        return {}
    return usage if isinstance(usage, dict) else {}


def _nano(usd: object) -> int | None:
    if isinstance(usd, bool) or not isinstance(usd, int | Decimal):
        return None
    try:
        amount = EXACT.multiply(Decimal(usd), NANO_PER_USD)
        return int(amount.to_integral_value(ROUND_CEILING)) if 0 <= amount <= NANO_MAX else None
    except (DecimalException, ValueError):
        return None
