"""Which headers pass, as tables: everything unknown survives, what belongs to one side stays there.

Sources: RFC 9110 §7.6.1 for the hop-by-hop ones; Anthropic refuses a key that comes with an `Origin`; OpenRouter's
attribution headers name the caller's application and are nobody else's business.
"""

import re
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from haze_proxy.channels.kinds import Kind

HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
# The body's own description is made anew on each side: it may have been decoded or changed on the way.
BODY: Final = frozenset({"content-length", "content-encoding", "accept-encoding", "expect", "host", "date"})
# Who the client is, and where it comes from, is between it and Haze.
CLIENTS_OWN: Final = frozenset(
    {
        "authorization",
        "x-api-key",
        "cookie",
        "origin",
        "referer",
        "forwarded",
        "via",
        "x-real-ip",
        "true-client-ip",
        "x-request-id",
        "x-client-request-id",
        "idempotency-key",
        # Which of the owner's accounts pays is not the caller's to say, nor are his credentials for anybody else.
        "openai-organization",
        "openai-project",
        "api-key",
        "x-auth-token",
        "x-http-method-override",
        "x-client-ip",
        "x-cluster-client-ip",
        "fly-client-ip",
        "x-original-forwarded-for",
        "access-control-request-method",
        "access-control-request-headers",
    }
)
CLIENTS_OWN_PREFIXES: Final = ("x-forwarded-", "cf-", "proxy-", "sec-", "x-claude-code-", "x-goog-", "x-amz-")
ATTRIBUTION: Final = frozenset({"http-referer", "x-title", "x-session-id"})
ATTRIBUTION_PREFIX: Final = "x-openrouter-"
ANTHROPIC_PREFIX: Final = "anthropic-"

# What an upstream says about the owner's account, its own edge, or its own host name.
UPSTREAMS_OWN: Final = frozenset(
    {
        "server",
        "set-cookie",
        "authorization",
        "x-api-key",
        "alt-svc",
        "strict-transport-security",
        "via",
        "nel",
        "report-to",
        "www-authenticate",
        "x-powered-by",
        "content-security-policy",
        "location",
        "openai-organization",
        "openai-project",
        "anthropic-organization-id",
        "request-id",
        "x-request-id",
        # Another Haze's: what it takes from the owner is not what the caller pays here.
        "x-haze-cost-usd",
    }
)
UPSTREAMS_OWN_PREFIXES: Final = (
    "cf-",
    "proxy-",
    "access-control-",
    "x-ratelimit-",
    "ratelimit-",
    "anthropic-ratelimit-",
    "x-envoy-",
    "x-amz",
    "x-goog-",
)
DECIMAL: Final = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
NOT_UPSTREAM: Final = HOP_BY_HOP | BODY | CLIENTS_OWN
NOT_DOWNSTREAM: Final = HOP_BY_HOP | BODY | UPSTREAMS_OWN


def upstream(headers: CIMultiDictProxy[str], kind: Kind, protocol: str) -> CIMultiDict[str]:
    """The client's headers that go to a channel of this kind for this protocol; no credential among them."""
    kept: CIMultiDict[str] = CIMultiDict()
    listed = _listed(headers)
    for name, value in headers.items():
        low = name.lower()
        if low in NOT_UPSTREAM or low in listed or low.startswith(CLIENTS_OWN_PREFIXES):
            continue
        if (low in ATTRIBUTION or low.startswith(ATTRIBUTION_PREFIX)) and not kind.attribution:
            continue
        if low.startswith(ANTHROPIC_PREFIX) and protocol != "messages":
            continue
        kept.add(name, value)
    return kept


def downstream(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """An upstream's headers that reach the client; its request id goes on as `x-upstream-request-id`."""
    kept: CIMultiDict[str] = CIMultiDict()
    listed = _listed(headers)
    for name, value in headers.items():
        low = name.lower()
        if low not in NOT_DOWNSTREAM and low not in listed and not low.startswith(UPSTREAMS_OWN_PREFIXES):
            kept.add(name, value)
    if upstream_id := request_id(headers):
        kept["x-upstream-request-id"] = upstream_id
    return kept


def request_id(headers: Mapping[str, str]) -> str | None:
    """The upstream's own id of a request, by any of its usual names."""
    return headers.get("x-request-id") or headers.get("request-id") or headers.get("x-generation-id")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long an upstream asks to be left alone, in seconds: `retry-after-ms`, or `Retry-After` as a number or a date
    (RFC 9110 §10.2.3). None where it does not say, or not in a way that can be read.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    told = headers.get("Retry-After", "")
    seconds = _number(told)
    return _until(told) if seconds is None else seconds


def _number(text: str) -> float | None:
    return float(text) if DECIMAL.fullmatch(text.strip()) else None


def _until(date: str) -> float | None:
    try:
        at = parsedate_to_datetime(date)
        return max(0.0, at.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _listed(headers: Mapping[str, str]) -> Iterable[str]:
    # `Connection` may name further headers that are meant for the next hop only.
    connection = headers.get("connection")
    if not connection or connection.lower() in ("keep-alive", "close"):
        return ()
    return {name.strip().lower() for name in connection.split(",")}
