"""Which headers pass: what is one side's own stays there, and everything unknown survives."""

from pathlib import Path

import pytest
from gateway import PAID, PATHS, Haze, asking, channel, running
from provider import Provider, Reply, events, whole

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
KIND = {"chat": "openai", "messages": "anthropic", "responses": "openai"}

# What a client may send -> the channel kinds and protocols that get to see it.
NEVER_UP = {
    "Cookie": "session=1",
    "Origin": "https://evil.example",
    "Referer": "https://page.example/secret",
    "Forwarded": "for=10.0.0.1",
    "Via": "1.1 proxy",
    "X-Forwarded-For": "10.0.0.1",
    "X-Forwarded-Proto": "https",
    "X-Real-IP": "10.0.0.1",
    "True-Client-IP": "10.0.0.1",
    "CF-Connecting-IP": "10.0.0.1",
    "CF-Ray": "1",
    "Proxy-Authorization": "Basic eA==",
    "Keep-Alive": "timeout=5",
    "TE": "trailers",
    "Sec-Fetch-Mode": "cors",
    "X-Request-Id": "mine",
    "X-Client-Request-Id": "mine",
    "Idempotency-Key": "mine",
    "X-Claude-Code-Session-Id": "11111111-2222",
    "X-Claude-Code-Agent-Id": "a",
}
ALWAYS_UP = {
    "User-Agent": "claude-cli/2.1.330 (external, sdk-cli)",
    "Accept": "application/json",
    "X-Stainless-Lang": "python",
    "X-App": "cli",
    "OpenAI-Beta": "assistants=v2",
    "X-New-2027": "anything; at=all",
    "Accept-Language": "de",
}
ATTRIBUTION = {
    "HTTP-Referer": "https://your-app.example",
    "X-OpenRouter-Title": "Your App",
    "X-Title": "Your App",
    "X-OpenRouter-Categories": "cli-agent",
    "X-OpenRouter-Metadata": "enabled",
    "X-Session-Id": "s1",
}
ANTHROPIC = {
    "anthropic-version": "2026-10-21",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,new-2027-01-01",
    "anthropic-new-header": "x",
    "anthropic-dangerous-direct-browser-access": "true",
}
NEVER_DOWN = {
    "Set-Cookie": "__cf_bm=1",
    "openai-organization": "owners-company",
    "openai-project": "proj_1",
    "anthropic-organization-id": "org-1",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-tokens": "77",
    "anthropic-ratelimit-tokens-remaining": "77",
    "anthropic-ratelimit-unified-status": "allowed",
    "CF-Ray": "8-FRA",
    "Alt-Svc": "h3",
    "Strict-Transport-Security": "max-age=1",
    "Via": "1.1 google",
    "x-envoy-upstream-service-time": "9",
    "X-Powered-By": "upstream",
    "Access-Control-Allow-Origin": "https://upstream.example",
    "Server": "cloudflare",
    "Keep-Alive": "timeout=5",
}
ALWAYS_DOWN = {
    "openai-processing-ms": "12",
    "openai-version": "2020-10-01",
    "X-Generation-Id": "gen-1",
    "x-should-retry": "false",
    "X-New-2027": "anything",
    "Content-Language": "de",
}


async def sent_up(haze: Haze, provider: Provider, protocol: str, headers: dict[str, str]) -> dict[str, str]:
    """Headers as the provider got them, names in lower case."""
    body = asking(protocol, "paid", max_tokens=9)
    answer = await haze.post(PATHS[protocol], body, headers=headers)
    assert answer.status == 200, answer.body
    return {name.lower(): value for name, value in provider.requests[-1].headers.items()}


@EACH
async def test_what_is_between_the_client_and_haze_does_not_go_up(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """An Origin alone turns an Anthropic key into a 401; addresses and cookies are nobody else's business."""
    seen = await sent_up(chained, provider, protocol, NEVER_UP)
    assert {name for name in NEVER_UP if name.lower() in seen} == set()


@EACH
@pytest.mark.parametrize("header", ["Authorization", "x-api-key", "both"])
async def test_the_clients_credential_is_replaced_by_the_owners(
    chained: Haze, provider: Provider, protocol: str, header: str
) -> None:
    """The customer's key must never leave the house, nor a second credential beside the channel's."""
    bearer, plain = {"Authorization": f"Bearer {chained.key}"}, {"x-api-key": chained.key}
    sent = {"Authorization": bearer, "x-api-key": plain, "both": bearer | plain}[header]
    body = asking(protocol, "paid", max_tokens=9)
    assert (await chained.post(PATHS[protocol], body, key="", headers=sent)).status == 200
    seen = provider.requests[0].headers
    assert chained.key not in str(seen)
    if protocol == "messages":
        assert (seen["x-api-key"], seen.get("Authorization")) == ("owners-secret", None)
    else:
        assert (seen["Authorization"], seen.get("x-api-key")) == ("Bearer owners-secret", None)


@EACH
async def test_everything_unknown_goes_up(chained: Haze, provider: Provider, protocol: str) -> None:
    """A pinned list breaks with the next release of a client."""
    seen = await sent_up(chained, provider, protocol, ALWAYS_UP)
    assert {name: seen.get(name.lower()) for name in ALWAYS_UP} == ALWAYS_UP


@EACH
async def test_haze_does_not_speak_for_a_client_that_said_nothing(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """An invented user agent would be Haze's signature at every provider."""
    chained.session.headers.clear()
    chained.session._skip_auto_headers = frozenset({"User-Agent", "Accept", "Content-Type"})
    seen = await sent_up(chained, provider, protocol, {})
    assert ("user-agent" in seen, "accept" in seen) == (False, False)
    assert seen["content-type"] == "application/json"
    assert seen["accept-encoding"] == "identity"
    assert seen["host"] == provider.url.split("/")[2]


@EACH
async def test_anthropics_headers_go_to_the_messages_protocol_only(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """Verbatim, the beta list above all: without it the fields it names are a 400."""
    seen = await sent_up(chained, provider, protocol, ANTHROPIC)
    assert {name: seen.get(name) for name in ANTHROPIC} == (
        ANTHROPIC if protocol == "messages" else dict.fromkeys(ANTHROPIC)
    )


async def test_a_messages_request_without_a_version_gets_the_one_everybody_knows(
    chained: Haze, provider: Provider
) -> None:
    """Anthropic answers nothing without one; who pastes a curl line does not know that."""
    assert (await sent_up(chained, provider, "messages", {}))["anthropic-version"] == "2023-06-01"
    assert "anthropic-version" not in await sent_up(chained, provider, "chat", {})


@EACH
@pytest.mark.parametrize("kind", ["openrouter", "other"])
async def test_attribution_goes_to_openrouter_only(
    tmp_path: Path, provider: Provider, protocol: str, kind: str
) -> None:
    """The documentation promises it where it is read; elsewhere it would name the customer's application."""
    kind = KIND[protocol] if kind == "other" else kind
    async with running(tmp_path, PAID + channel(kind, provider.url)) as haze:
        seen = await sent_up(haze, provider, protocol, ATTRIBUTION)
        wanted = ATTRIBUTION if kind == "openrouter" else dict.fromkeys(ATTRIBUTION)
        assert {name: seen.get(name.lower()) for name in ATTRIBUTION} == wanted


@EACH
async def test_what_connection_lists_is_for_the_next_hop_only(chained: Haze, provider: Provider, protocol: str) -> None:
    """RFC 9110 7.6.1, in both directions; `close` among them must not stop it."""
    listed = {"Connection": "close, X-Hop, x-other", "X-Hop": "1", "X-Other": "2", "X-Kept": "3"}
    provider.script(Reply(body=whole(protocol), headers=listed))
    body = asking(protocol, "paid", max_tokens=9)
    answer = await chained.post(PATHS[protocol], body, headers={**listed, "Connection": "keep-alive, X-Hop, x-other"})
    seen = provider.requests[0].headers
    assert (seen.get("X-Hop"), seen.get("X-Other"), seen.get("X-Kept")) == (None, None, "3")
    down = answer.headers
    assert (down.get("X-Hop"), down.get("X-Other"), down.get("X-Kept")) == (None, None, "3")


@EACH
@pytest.mark.parametrize("how", ["whole", "stream", "refused"])
async def test_what_an_upstream_says_about_its_owner_does_not_come_down(
    chained: Haze, provider: Provider, protocol: str, how: str
) -> None:
    """The owner's organisation, shared quota and edge are not the customer's; what is unknown is."""
    reply = {
        "whole": Reply(body=whole(protocol)),
        "stream": Reply(chunks=events(protocol)),
        "refused": Reply(status=400, body={"error": {"message": "no", "type": "invalid_request_error"}}),
    }[how]
    reply.headers = {**NEVER_DOWN, **ALWAYS_DOWN}
    provider.script(reply)
    answer = await chained.ask(protocol, "paid", stream=how == "stream")
    own = {name for name, value in NEVER_DOWN.items() if answer.headers.get(name) == value}
    assert own == set()
    assert {name: answer.headers.get(name) for name in ALWAYS_DOWN} == ALWAYS_DOWN


@EACH
@pytest.mark.parametrize("name", ["x-request-id", "request-id"])
async def test_the_upstreams_id_comes_down_under_another_name(
    chained: Haze, provider: Provider, protocol: str, name: str
) -> None:
    """Two ids of one name would be the wrong one in half of all support requests."""
    provider.script(Reply(body=whole(protocol), headers={name: "upstream-7"}))
    answer = await chained.ask(protocol, "paid")
    assert answer.headers["x-upstream-request-id"] == "upstream-7"
    assert answer.headers["request-id"] == answer.headers["x-request-id"] != "upstream-7"
    (row,) = await chained.ended()
    assert row["upstream_id"] == "upstream-7"


async def test_the_owners_own_headers_win(tmp_path: Path, provider: Provider) -> None:
    """A row of config.toml may say what a provider wants: an organisation, a version."""
    more = {"headers": '{ OpenAI-Organization = "owners", X-App = "haze" }'}
    async with running(tmp_path, PAID + channel("openai", provider.url, **more)) as haze:
        seen = await sent_up(haze, provider, "chat", {"X-App": "cli", "OpenAI-Organization": "clients"})
        assert (seen["openai-organization"], seen["x-app"]) == ("owners", "haze")
