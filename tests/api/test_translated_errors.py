"""What a channel of another protocol refuses, in the words that the client acts on."""

import json
from pathlib import Path
from typing import Any

import pytest
from checks import quiet
from gateway import PAID, PATHS, channel, running
from provider import Json, Provider, Reply, error_body, events
from ways import FULL, PAIRS, RIGHT, STREAM, WAYS, Way, each

MAXIMUM = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
BOTH = (
    "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8000 in the messages, "
    "1000 in the completion)."
)
# What each channel says -> status and error for a Messages client, and for the others.
OPENAI = "invalid_request_error"
FULL_CONTEXT = "context_length_exceeded"
REFUSALS: dict[str, tuple[int, Any, dict[str, str], tuple[int, str, str], tuple[int, str, str | None]]] = {
    "OpenAI's full context": (
        400, {"error": {"message": MAXIMUM, "type": OPENAI, "param": "messages", "code": FULL_CONTEXT}}, {},
        (400, OPENAI, "prompt is too long: 9000 tokens > 8192 maximum"), (400, OPENAI, FULL_CONTEXT),
    ),
    "OpenAI's too large output": (
        400, {"error": {"message": BOTH, "type": OPENAI, "param": "messages", "code": FULL_CONTEXT}}, {},
        (400, OPENAI, "input length and `max_tokens` exceed context limit: 8000 + 1000 > 8192"),
        (400, OPENAI, FULL_CONTEXT),
    ),
    "a full context without numbers": (
        400, {"error": {"message": "Your input exceeds the context window of this model."}}, {},
        (400, OPENAI, "capability_rejected: prompt_too_long"), (400, OPENAI, FULL_CONTEXT),
    ),
    "Anthropic's full context": (
        400, error_body("messages", OPENAI, "prompt is too long: 210000 tokens > 200000 maximum"), {},
        (400, OPENAI, "prompt is too long: 210000 tokens > 200000 maximum"), (400, OPENAI, FULL_CONTEXT),
    ),
    "OpenRouter's wrapped full context": (
        400, {"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": MAXIMUM}}}, {},
        (400, OPENAI, "prompt is too long: 9000 tokens > 8192 maximum"), (400, OPENAI, FULL_CONTEXT),
    ),
    "Gemini's array": (
        400, [{"error": {"code": 400, "message": "No such thing.", "status": "INVALID_ARGUMENT"}}], {},
        (400, OPENAI, "No such thing."), (400, OPENAI, None),
    ),
    "an invalid field": (
        422, {"error": {"message": "top_k is unknown", "type": OPENAI, "param": "top_k", "code": None}}, {},
        (400, OPENAI, "top_k is unknown"), (400, OPENAI, None),
    ),
    "too large": (
        413, error_body("chat", "request_too_large", "too big"), {},
        (413, "request_too_large", "too big"), (413, OPENAI, None),
    ),
    "a rate limit": (
        429, error_body("chat", "rate_limit_error", "slow down"), {"Retry-After": "7"},
        (429, "rate_limit_error", "rate limit"), (429, "rate_limit_error", "rate_limit_exceeded"),
    ),
    "overload as 529": (
        529, error_body("messages", "overloaded_error", "Overloaded"), {},
        (529, "overloaded_error", "Overloaded"), (503, "server_error", None),
    ),
    "overload as 503": (
        503, error_body("chat", "server_error", "The server is overloaded"), {},
        (529, "overloaded_error", "overloaded"), (503, "server_error", None),
    ),
    "the owner's key": (
        401, error_body("chat", "authentication_error", "Incorrect API key provided: sk-abcdefghij"), {},
        (503, "api_error", "the provider refused Haze"), (503, "server_error", "no_available_channel"),
    ),
    "the owner's wallet": (
        402, error_body("chat", "billing_error", "pay"), {},
        (503, "api_error", "the provider refused Haze"), (503, "server_error", "no_available_channel"),
    ),
    "a text a moderator disliked": (
        403, {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"]}}}, {},
        (400, OPENAI, "flagged"), (400, OPENAI, None),
    ),
    "a breakdown": (
        500, error_body("chat", "server_error", "oops"), {}, (502, "api_error", "oops"), (502, "server_error", None),
    ),
}  # fmt: skip


@each(PAIRS)
@STREAM
@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_has_the_words_that_clients_act_on(
    tmp_path: Path, way: Way, stream: bool, case: tuple[Any, ...]
) -> None:
    """Claude Code shortens its conversation, or its limit, at Anthropic's own words; at any others it gives up."""
    status, body, headers, messages, others = case
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(status=status, body=body, headers=headers))
        answer = await haze.post(PATHS[way.client], way.ask(stream=stream))
        error = answer.error()
        if way.client == "messages":
            assert (answer.status, error["type"]) == messages[:2], answer.body
            assert messages[2] in error["message"]
            assert answer.json()["type"] == "error"
        else:
            assert (answer.status, error["type"], error["code"]) == others, answer.body
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers.get("Retry-After") == headers.get("Retry-After")
        assert b"sk-abcdefghij" not in answer.body
        (row,) = await haze.ended()
        assert (row["state"], row["cost"]) == ("void", 0)
        await quiet(haze)
        assert haze.balance() == FULL


INSIDE = [name for name, case in REFUSALS.items() if isinstance(case[1], dict) and case[0] == 400]


def error_event(protocol: str, error: Json) -> bytes:
    """An error as the first event of a stream."""
    if protocol == "messages":
        return b"event: error\ndata: %s\n\n" % json.dumps({"type": "error", "error": error}).encode()
    if protocol == "responses":
        failed = {"id": "resp_1", "object": "response", "status": "failed", "error": error, "output": []}
        body = {"type": "response.failed", "sequence_number": 0, "response": failed}
        return b"event: response.failed\ndata: %s\n\n" % json.dumps(body).encode()
    return b"data: %s\n\n" % json.dumps({"error": error}).encode()


@each(PAIRS)
@STREAM
@pytest.mark.parametrize("name", INSIDE)
async def test_a_refusal_with_status_200_has_them_too(tmp_path: Path, way: Way, stream: bool, name: str) -> None:
    """OpenRouter has no other status once it begins; OpenAI tells a full context inside of a response."""
    _, body, _, messages, _ = REFUSALS[name]
    error = {"code": FULL_CONTEXT, "type": OPENAI, **body["error"]}
    reply = {
        "chat": {"id": "x", "choices": None, "error": error},
        "messages": {"type": "error", "error": error},
        "responses": {"id": "r", "object": "response", "status": "failed", "error": error, "output": []},
    }[way.spoken]
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(chunks=[error_event(way.spoken, error)]) if stream else Reply(body=reply))
        answer = await haze.post(PATHS[way.client], way.ask(stream=stream))
        told = answer.error()
        if way.client == "messages":
            assert (answer.status, told["type"]) == messages[:2], answer.body
            assert messages[2] in told["message"]
        else:
            assert (answer.status, told["code"]) == (400, FULL_CONTEXT), answer.body
        (row,) = await haze.ended()
        assert (row["state"], row["ended"]) == ("void", "refused upstream")
        assert haze.rows("SELECT * FROM channel_health") == []


@each(PAIRS)
async def test_the_owners_secrets_stay_out_of_translated_refusals(tmp_path: Path, way: Way) -> None:
    """Providers and the proxies before them put credentials, hosts and addresses into their texts."""
    row = way.channel("http://{place}", headers='{ "x-team-token" = "team-secret" }')
    async with Provider() as provider:
        place = provider.url.removeprefix("http://")
        text = f"wrong: owners-secret team-secret {place} org-A1b2C3d4E5 10.1.2.3 <html>nginx</html>"
        async with running(tmp_path, PAID + row.replace("{place}", place)) as haze:
            for body in ({"error": {"message": text, "type": "x"}}, text):
                provider.script(Reply(status=400, body=body))
                answer = await haze.post(PATHS[way.client], way.ask())
                assert answer.status == 400
                for secret in ("owners-secret", "team-secret", "127.0.0.1", "A1b2C3d4E5", "10.1.2.3"):
                    assert secret not in answer.body.decode()


# ---- in mid-stream ----


@each(PAIRS)
async def test_an_error_in_mid_stream_is_told_in_the_clients_words(tmp_path: Path, way: Way) -> None:
    """It is an end for him, and no polite one; nothing is charged, and the channel is blamed."""
    error = {"type": "overloaded_error", "code": "server_is_overloaded", "message": "busy"}
    sent = events(way.spoken, model="paid")[:5]
    last = error_event(way.spoken, error).replace(b'"sequence_number": 0', b'"sequence_number": 5')
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        provider.script(Reply(chunks=[*sent, last]))
        answer = await haze.post(PATHS[way.client], way.ask(stream=True))
        assert (answer.status, answer.cut) == (200, False)
        told = json.loads(answer.body.rstrip().rsplit(b"data: ", 1)[1])
        wanted = {
            "messages": lambda: (told["type"], told["error"]["type"], told["error"]["message"]),
            "chat": lambda: ("error", told["error"]["code"], told["error"]["message"]),
            "responses": lambda: (
                told["type"],
                told["response"]["error"]["code"],
                told["response"]["error"]["message"],
            ),
        }[way.client]()
        assert wanted[2] == "busy"
        assert wanted[1] in ("overloaded_error", "server_is_overloaded")
        assert wanted[0] == ("response.failed" if way.client == "responses" else "error")
        (row,) = await haze.ended()
        assert (row["state"], row["ended"], row["cost"]) == ("void", "upstream error", 0)
        assert len(haze.rows("SELECT * FROM channel_health")) == 1


# ---- what cannot be said ----

UNSAYABLE: dict[str, tuple[str, Json, str]] = {
    "two answers": ("chat on anthropic", {"n": 2}, "n"),
    "sound": (
        "chat on anthropic",
        {
            "messages": [
                {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}
            ]
        },
        "messages.0.content",
    ),
    "a forced tool of the provider's own": (
        "messages on openai",
        {"tools": [{"type": "bash_20250124", "name": "bash"}], "tool_choice": {"type": "tool", "name": "bash"}},
        "tool_choice",
    ),
}


@STREAM
@pytest.mark.parametrize("name", UNSAYABLE)
async def test_what_cannot_be_said_is_refused_by_name_and_costs_nothing(
    tmp_path: Path, stream: bool, name: str
) -> None:
    """Dropped in silence, it would be answered as another question."""
    where, fields, field = UNSAYABLE[name]
    way = WAYS[where]
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        answer = await haze.post(PATHS[way.client], way.ask(stream=stream, **fields))
        assert (answer.status, provider.requests) == (400, []), answer.body
        error = answer.error()
        assert field in error["message"]
        if way.client != "messages":
            assert error["param"].startswith(field)
        assert haze.rows("SELECT * FROM channel_health") == []
        await quiet(haze)
        assert haze.balance() == FULL


async def test_a_channel_that_can_say_it_is_asked_instead(tmp_path: Path) -> None:
    """The first by the owner's order cannot; nobody need hear of it."""
    way = WAYS["chat on anthropic"]
    async with Provider() as first, Provider() as second:
        text = way.config(first.url, priority="1") + channel("openai", second.url)
        async with running(tmp_path, text) as haze:
            answer = await haze.post(PATHS["chat"], way.ask(n=2))
            assert (answer.status, len(first.requests), len(second.requests)) == (200, 0, 1)
            (row,) = await haze.ended()
            first_try, other = json.loads(row["attempts"])
            assert (first_try["status"], first_try["error"], other["status"]) == (
                None,
                "400 invalid_request_error",
                200,
            )
            assert (row["state"], row["channel"], row["cost"]) == ("settled", "openai", RIGHT)
            assert (await haze.post(PATHS["chat"], way.ask())).status == 200
            assert len(first.requests) == 1  # the channel is none the worse for it


DROPPED: dict[str, tuple[str, Json, str]] = {
    "chat on anthropic": ("chat", {"seed": 7, "logprobs": True, "temperature": 0.5}, "seed, logprobs, temperature"),
    "messages on openai": ("messages", {"top_k": 5}, "top_k"),
    "responses on openai-compatible": ("responses", {"truncation": "auto", "max_tool_calls": 3}, "truncation"),
}


@STREAM
@pytest.mark.parametrize("name", DROPPED)
async def test_what_is_left_out_is_named(tmp_path: Path, stream: bool, name: str) -> None:
    """Who looks for the reason of an odd answer finds it in its headers."""
    _, fields, wanted = DROPPED[name]
    way = WAYS[name]
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        answer = await haze.post(PATHS[way.client], way.ask(stream=stream, **fields))
        assert answer.status == 200, answer.body
        named = set(answer.headers["x-haze-dropped"].split(", "))
        assert set(wanted.split(", ")) <= named
        assert not set(fields) & set(provider.requests[0].json())
        assert "x-haze-dropped" not in (await haze.post(PATHS[way.client], way.ask(stream=stream))).headers


async def test_an_owner_allows_sampling_to_a_channel_that_takes_it(tmp_path: Path) -> None:
    """Claude's newest models refuse any; older ones and others' servers do not."""
    way = WAYS["chat on anthropic"]
    async with (
        Provider() as provider,
        running(tmp_path, way.config(provider.url, options="{ sampling = true }")) as haze,
    ):
        answer = await haze.post(PATHS["chat"], way.ask(temperature=1.5))
        assert provider.requests[0].json()["temperature"] == 1.0
        assert "x-haze-dropped" not in answer.headers


@each()
async def test_a_channel_that_shall_not_be_translated_for_is_not_asked(tmp_path: Path, way: Way) -> None:
    """`translate = false`: the owner wants bytes untouched or nothing."""
    async with Provider() as provider, running(tmp_path, way.config(provider.url, translate="false")) as haze:
        answer = await haze.post(PATHS[way.client], way.ask())
        assert (answer.status, provider.requests) == (503, [])
        assert f"in the {way.client} protocol" in answer.error()["message"]


async def test_nothing_of_anthropics_reaches_others(tmp_path: Path) -> None:
    """Its version, its betas and its query mean nothing elsewhere; some servers refuse what they do not know."""
    way = WAYS["messages on openai"]
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "effort-2025-11-24", "x-app": "cli"}
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        assert (await haze.post("/v1/messages?beta=true", way.ask(), headers=headers)).status == 200
        (received,) = provider.requests
        assert received.query == ""
        assert not [name for name in received.headers if name.lower().startswith("anthropic")]


async def test_a_translated_request_names_its_version_of_anthropics_api(tmp_path: Path) -> None:
    """The fields are those of this one; without any the provider refuses."""
    way = WAYS["chat on anthropic"]
    async with Provider() as provider, running(tmp_path, way.config(provider.url)) as haze:
        assert (await haze.post(PATHS["chat"], way.ask())).status == 200
        assert provider.requests[0].headers["anthropic-version"] == "2023-06-01"
        assert provider.requests[0].headers["x-api-key"] == "owners-secret"
