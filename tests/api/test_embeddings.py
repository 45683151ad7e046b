"""POST /v1/embeddings through the public door: the provider's own bytes, in the format asked for, at its price."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from checks import held, refused, untouched
from gateway import ECHO, Haze, channel, running
from provider import Provider, Reply
from provider_answers import embedded

from haze_proxy.api import transform

SMALL_MODEL = "text-embedding-3-small"
# 20 nano-dollars a token, as the shipped table has it.
RATE = 20
TEN_DOLLARS = 10_000_000_000
LOCAL = '\n[[models]]\nid = "local"\ninput = 1\n'
BOTH = pytest.mark.parametrize("encoding", ["float", "base64"])
OTHER = {"float": "base64", "base64": "float"}


@pytest.fixture
async def haze(tmp_path: Path, provider: Provider) -> AsyncIterator[Haze]:
    """Haze before the pretend provider: OpenAI's model at its shipped price, and `local`, which has only `input`."""
    text = ECHO + LOCAL + channel("openai", provider.url, f'["{SMALL_MODEL}", "gpt-4o"]')
    async with running(tmp_path, text + channel("openai-compatible", provider.url, '["local"]')) as server:
        yield server


# As openai-python 3.54.0 writes them.
CAPTURED = {
    "base64": b'{"model":"text-embedding-3-small","input":"hello","encoding_format":"base64"}',
    "float": b'{"model":"text-embedding-3-small","input":["a","b"],"encoding_format":"float"}',
}


@BOTH
async def test_an_sdks_request_and_its_answer_pass_byte_for_byte(haze: Haze, provider: Provider, encoding: str) -> None:
    """A client cannot tell Haze from the provider, and pays for 11 tokens."""
    body = CAPTURED[encoding]
    sent = b" " + json.dumps({**embedded(json.loads(body)), "new_2027": [1.0, None]}, indent=2).encode() + b"\n"
    provider.script(Reply(body=sent))
    answer = await haze.post("/v1/embeddings", body)
    assert (answer.status, answer.body) == (200, sent)
    (received,) = provider.requests
    assert (received.path, received.body) == ("/v1/embeddings", body)
    (row,) = await haze.ended()
    assert (row["protocol"], row["ended"], row["cost"], row["estimated"]) == ("embeddings", "completed", 11 * RATE, 0)
    assert haze.balance() == TEN_DOLLARS - 11 * RATE
    assert haze.check() == []


@pytest.mark.parametrize(
    "path", ["/v1/embeddings", "/v1/v1/embeddings", "/embeddings", "/v1/embeddings/", "/embeddings/"]
)
async def test_a_base_url_with_v1_twice_or_not_at_all_works(haze: Haze, provider: Provider, path: str) -> None:
    """As with every other route."""
    assert (await haze.post(path, {"model": SMALL_MODEL, "input": "a"})).status == 200
    assert provider.requests[0].path == "/v1/embeddings"


@pytest.mark.parametrize("kind", ["openai", "openrouter", "gemini", "openai-compatible"])
async def test_every_kind_that_speaks_it_is_asked(tmp_path: Path, provider: Provider, kind: str) -> None:
    """Four of the six kinds have an embeddings endpoint of OpenAI's shape."""
    async with running(tmp_path, LOCAL + channel(kind, provider.url, '["local"]')) as server:
        answer = await server.ask("embeddings", "local")
        assert (answer.status, answer.json()["model"]) == (200, "local")
        assert provider.requests[0].path == "/v1/embeddings"


INPUTS: dict[str, tuple[Any, list[float]]] = {
    "a text": ("four", [4]),
    "texts": (["a", "bb"], [1, 2]),
    "tokens": ([1, 2, 3], [3]),
    "texts as tokens": ([[1, 2], [3]], [2, 1]),
}


@BOTH
@pytest.mark.parametrize(("value", "lengths"), INPUTS.values(), ids=INPUTS)
async def test_every_kind_of_input_gets_its_vectors(
    haze: Haze, value: Any, lengths: list[float], encoding: str
) -> None:
    """An array of tokens is one text."""
    asked = {"model": SMALL_MODEL, "input": value, "dimensions": 3, "encoding_format": encoding}
    answer = await haze.post("/v1/embeddings", asked)
    assert answer.json() == embedded(asked)
    if encoding == "float":
        assert [item["embedding"] for item in answer.json()["data"]] == [
            [length, index, 0] for index, length in enumerate(lengths)
        ]


@BOTH
async def test_the_format_asked_for_is_what_comes(haze: Haze, provider: Provider, encoding: str) -> None:
    """Some servers know one format only; OpenAI's .NET SDK reads nothing but base64, Vercel's nothing but floats."""
    asked = {"model": SMALL_MODEL, "input": ["a", "bb"], "encoding_format": encoding}
    provider.script(Reply(body=json.dumps({"id": "x", **embedded(asked, encoding=OTHER[encoding]), "z": [1.0]})))
    answer = await haze.post("/v1/embeddings", asked)
    assert list(answer.json()) == ["id", "object", "data", "model", "usage", "z"]
    assert answer.json() == {"id": "x", **embedded(asked), "z": [1.0]}
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert haze.balance() == TEN_DOLLARS - 11 * RATE


@pytest.mark.parametrize("fields", [{}, {"encoding_format": None}], ids=["absent", "null"])
async def test_without_a_format_floats_come(haze: Haze, provider: Provider, fields: dict[str, Any]) -> None:
    """It is the protocol's default."""
    asked = {"model": SMALL_MODEL, "input": "a", **fields}
    provider.script(Reply(body=embedded(asked, encoding="base64")))
    assert (await haze.post("/v1/embeddings", asked)).json() == embedded(asked)


async def test_what_only_the_provider_understands_is_not_converted(haze: Haze, provider: Provider) -> None:
    """Voyage's int8 vectors are base64, too, but of other numbers."""
    asked = {"model": "local", "input": "abcd", "output_dtype": "int8"}
    sent = json.dumps(embedded(asked, encoding="base64")).encode()
    provider.script(Reply(body=sent))
    assert (await haze.post("/v1/embeddings", asked)).body == sent


@BOTH
async def test_a_large_answer_is_converted_beside_the_loop(
    haze: Haze, provider: Provider, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest take half a second, for which everybody else's streams would stand still."""
    asked = {"model": SMALL_MODEL, "input": ["a"] * 64, "dimensions": 1536, "encoding_format": encoding}
    provider.script(Reply(body=embedded(asked, encoding=OTHER[encoding])))
    threads, joined = [], transform._joined

    def watched(wanted: str, body: bytes) -> bytes | bytearray:
        threads.append(threading.current_thread())
        return joined(wanted, body)

    monkeypatch.setattr(transform, "_joined", watched)
    assert (await haze.post("/v1/embeddings", asked)).json() == embedded(asked)
    (thread,) = threads
    assert thread is not threading.current_thread()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no input": ({"input": None}, "input"),
    "a number": ({"input": 7}, "input"),
    "an empty text": ({"input": ""}, "input"),
    "an empty list": ({"input": []}, "input"),
    "an empty text among others": ({"input": ["a", ""]}, "input.1"),
    "texts and tokens": ({"input": ["a", 1]}, "input"),
    "too many": ({"input": ["a"] * 2049}, "input"),
    "dimensions": ({"dimensions": "256"}, "dimensions"),
    "a format": ({"encoding_format": 1}, "encoding_format"),
    "a stream": ({"stream": "yes"}, "stream"),
}


@pytest.mark.parametrize(("fields", "named"), WRONG.values(), ids=WRONG)
async def test_a_wrong_field_is_400_and_named(
    haze: Haze, provider: Provider, fields: dict[str, Any], named: str
) -> None:
    """Nobody is asked, and nothing is charged."""
    answer = await haze.ask("embeddings", SMALL_MODEL, **fields)
    assert refused(answer, "embeddings", 400).startswith(f"{named}: ")
    assert answer.error()["param"] == named
    assert provider.requests == []
    untouched(haze)


async def test_a_stream_is_left_to_the_provider_and_never_made(haze: Haze, provider: Provider) -> None:
    """The protocol has none. A provider may ignore the field or refuse it: either answer passes."""
    provider.script(Reply(body=embedded({"model": SMALL_MODEL, "input": "a"})), Reply(status=400, body={"error": {}}))
    answer = await haze.ask("embeddings", SMALL_MODEL, stream=True)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert provider.requests[0].json()["stream"] is True
    assert (await haze.ask("embeddings", SMALL_MODEL, stream=True)).status == 400
    assert [row["cost"] for row in await haze.ended(2)] == [11 * RATE, 0]


async def test_events_are_no_answer(haze: Haze, provider: Provider) -> None:
    """A provider that streams all the same has broken the protocol."""
    provider.script(Reply(chunks=[b'data: {"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":1}}\n\n']))
    refused(await haze.ask("embeddings", SMALL_MODEL, stream=True), "embeddings", 502)
    assert haze.balance() == TEN_DOLLARS


async def test_a_missing_usage_is_estimated(haze: Haze, provider: Provider) -> None:
    """Small servers report none; tokens that were sent as tokens are counted exactly."""
    asked = {"model": SMALL_MODEL, "input": [[5] * 30, [6] * 12]}
    provider.script(Reply(body=embedded(asked, usage={})))
    assert (await haze.post("/v1/embeddings", asked)).status == 200
    (row,) = await haze.ended()
    assert (row["cost"], row["estimated"], row["ended"]) == (42 * RATE, 1, "completed")


NO_ANSWERS: dict[str, Any] = {
    "no data": {"object": "list", "model": SMALL_MODEL, "usage": {"prompt_tokens": 11, "total_tokens": 11}},
    "no vectors": {**embedded({"model": SMALL_MODEL, "input": "a"}), "data": []},
    "a chat answer": {"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": 1}},
    "a list": [[0.1, 0.2]],
    "no JSON": b"<html>",
    "half an answer": b'{"object":"list","data":[{"embedding":[0.1,',
    "nothing": b"",
}


@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_an_answer_without_vectors_is_the_providers_failure(haze: Haze, provider: Provider, body: Any) -> None:
    """The client could not use it, so it does not pay for it, usage or not."""
    provider.script(Reply(body=body))
    refused(await haze.ask("embeddings", SMALL_MODEL), "embeddings", 502)
    (row,) = await haze.ended()
    assert (row["state"], row["cost"], haze.balance()) == ("void", 0, TEN_DOLLARS)


async def test_an_error_with_status_200_is_an_error(haze: Haze, provider: Provider) -> None:
    """OpenRouter answers so."""
    provider.script(Reply(body={"error": {"code": 502, "message": "Provider returned error"}}))
    answer = await haze.ask("embeddings", SMALL_MODEL)
    assert refused(answer, "embeddings", 502) == "Provider returned error"
    assert haze.balance() == TEN_DOLLARS


async def test_a_model_that_makes_no_vectors_is_the_callers_mistake(haze: Haze, provider: Provider) -> None:
    """OpenAI says so with 403, which elsewhere means that it refuses the owner's key."""
    error = {"message": "You are not allowed to generate embeddings from this model", "type": "invalid_request_error"}
    provider.script(Reply(status=403, body={"error": error}))
    answer = await haze.ask("embeddings", "gpt-4o")
    assert (answer.status, answer.error()) == (403, error)
    (row,) = await haze.ended()
    assert (row["ended"], row["cost"]) == ("refused upstream", 0)


@pytest.mark.parametrize("model", [SMALL_MODEL, "local"])
async def test_a_model_without_a_price_for_output_is_served_here_only(
    haze: Haze, provider: Provider, model: str
) -> None:
    """An unknown price is a refusal, never a zero; but vectors have no output."""
    assert (await haze.ask("embeddings", model)).status == 200
    told = refused(await haze.ask("chat", model), "chat", 503)
    assert "It is served on: embeddings." in told
    assert model in [listed["id"] for listed in (await haze.get("/v1/models")).json()["data"]]
    assert len(provider.requests) == 1


async def test_an_unknown_model_is_503_and_a_price_nobody_knows_too(haze: Haze, provider: Provider) -> None:
    """As on every endpoint."""
    refused(await haze.ask("embeddings", "nobody"), "embeddings", 503)
    assert provider.requests == []
    untouched(haze)


async def test_input_alone_is_held_and_reserved(haze: Haze, provider: Provider) -> None:
    """Vectors have no output tokens: neither the balance nor the token limit waits for some."""
    key = await haze.known(haze.account("1", "b@example.com", tokens_per_minute=1000))
    gate = asyncio.Event()
    provider.script(Reply(late=gate, body=embedded({"model": SMALL_MODEL, "input": "a"})))
    asked = {"model": SMALL_MODEL, "input": [7] * 900}
    running_one = asyncio.ensure_future(haze.post("/v1/embeddings", asked, key=key))
    await provider.received(1)
    assert held(haze, 2) == 900 * RATE
    assert "tokens per minute" in refused(await haze.post("/v1/embeddings", asked, key=key), "embeddings", 429)
    gate.set()
    answer = await running_one
    assert answer.status == 200
    assert answer.headers["x-ratelimit-limit-tokens"] == "1000"
    assert (await haze.post("/v1/embeddings", {**asked, "input": [7] * 900}, key=key)).status == 200


async def test_who_cannot_pay_for_the_input_is_refused(haze: Haze, provider: Provider) -> None:
    """Money is checked before it is spent."""
    key = await haze.known(haze.account("0.00001", "poor@example.com"))
    asked = {"model": SMALL_MODEL, "input": [7] * 501}
    refused(await haze.post("/v1/embeddings", asked, key=key), "embeddings", 402)
    assert provider.requests == []
    assert (await haze.post("/v1/embeddings", {**asked, "input": [7] * 500}, key=key)).status == 200


async def test_echo_serves_a_fresh_checkout(haze: Haze, provider: Provider) -> None:
    """Before anybody has a provider's key: four bytes a token at one dollar a million."""
    answer = await haze.ask("embeddings", "hekiu", input=["Hello", "World"], stream=True)
    assert [len(item["embedding"]) for item in answer.json()["data"]] == [1536, 1536]
    assert answer.json()["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    (row,) = await haze.ended()
    assert (row["channel"], row["cost"]) == ("echo", 3000)
    assert provider.requests == []
