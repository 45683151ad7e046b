"""POST /v1/messages/count_tokens: free, by the provider's own counter where there is one."""

from pathlib import Path
from typing import Any

import pytest
from checks import refused, untouched
from gateway import HELLO, PAID, Haze, channel, running
from provider import HANG, Provider, Reply

PATH = "/v1/messages/count_tokens"
BODY = {"model": "paid", "messages": HELLO, "system": "Be brief.", "new_2027": [1]}


async def test_the_providers_own_count_comes_back(chained: Haze, provider: Provider) -> None:
    """Bytes up, bytes down, query and betas too: the counter refuses what it does not know."""
    provider.script(Reply(body=b'{ "input_tokens": 77, "new_2027": {} }'))
    answer = await chained.post(f"{PATH}?beta=true", BODY, headers={"anthropic-beta": "b1,b2"})
    assert (answer.status, answer.body) == (200, b'{ "input_tokens": 77, "new_2027": {} }')
    (received,) = provider.requests
    assert (received.path, received.query, received.json()) == (PATH, "beta=true", BODY)
    assert received.headers["anthropic-beta"] == "b1,b2"
    assert received.headers["x-api-key"] == "owners-secret"


async def test_counting_is_free_and_leaves_no_row(chained: Haze) -> None:
    """Also for an empty wallet: Anthropic's own gateway never blocks it."""
    key = await chained.known(chained.account("0", email="poor@example.com"))
    assert (await chained.post(PATH, BODY, key=key)).json() == {"input_tokens": 11}
    untouched(chained)


FAILURES: dict[str, Reply] = {
    "no counter": Reply(status=404, body={"error": {"message": "not found"}}),
    "500": Reply(status=500),
    "429": Reply(status=429, body={"error": {"message": "slow down"}}),
    "the owner's key": Reply(status=401, body={"error": {"message": "invalid x-api-key owners-secret"}}),
    "rubbish": Reply(body=b"<html>"),
    "no number": Reply(body={"tokens": 7}),
    "a list": Reply(body=[7]),
    "a cut": Reply(raw=b""),
    "an unknown encoding": Reply(body=b"x", headers={"Content-Encoding": "lzma"}),
}


@pytest.mark.parametrize("reply", FAILURES.values(), ids=FAILURES)
async def test_where_nobody_counts_an_estimate_answers(chained: Haze, provider: Provider, reply: Reply) -> None:
    """Without a number Claude Code guesses; with an error it shows one, for something nobody asked for."""
    provider.script(reply)
    answer = await chained.post(PATH, BODY)
    assert answer.status == 200, answer.body
    assert 20 < answer.json()["input_tokens"] < 100
    assert "owners-secret" not in answer.body.decode()


async def test_a_silent_counter_is_not_waited_for(tmp_path: Path, provider: Provider) -> None:
    """The channel's own patience, then the estimate."""
    async with running(tmp_path, PAID + channel("anthropic", provider.url, first_byte_timeout_s="0.2")) as haze:
        provider.script(Reply(late=HANG))
        assert (await haze.post(PATH, BODY)).status == 200


async def test_a_wrong_request_is_told_in_the_providers_words(chained: Haze, provider: Provider) -> None:
    """A 400 is about the body: an estimate would hide it until the real request."""
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"messages.0: wrong"}}'
    provider.script(Reply(status=400, body=body))
    answer = await chained.post(PATH, BODY)
    assert (answer.status, answer.body) == (400, body)


async def test_a_kind_without_a_counter_is_estimated_and_not_asked(tmp_path: Path, provider: Provider) -> None:
    """OpenRouter has no such route: it would be a call for nothing."""
    async with running(tmp_path, PAID + channel("openrouter", provider.url)) as haze:
        assert (await haze.post(PATH, BODY)).json()["input_tokens"] > 20
        assert provider.requests == []


REFUSED: dict[str, tuple[Any, int]] = {
    "no JSON": (b"{", 400),
    "no model": ({"messages": HELLO}, 400),
    "no messages": ({"model": "paid"}, 400),
    "nobody": ({"model": "nobody/serves-this", "messages": HELLO}, 503),
}


@pytest.mark.parametrize(("body", "status"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_counted_is_refused_in_anthropics_envelope(
    chained: Haze, provider: Provider, body: Any, status: int
) -> None:
    """The route is under /messages, and speaks as it does."""
    refused(await chained.post(PATH, body), "messages", status)
    assert provider.requests == []


async def test_an_estimate_grows_with_the_body_and_not_with_pictures(haze: Haze) -> None:
    """High, so that nobody's context overflows; base64 as text would be ten times too high."""
    counts = []
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 500_000}}
    for content in ("hi", "hi " * 1000, [picture]):
        body = {"model": "hekiu", "messages": [{"role": "user", "content": content}]}
        counts.append((await haze.post(PATH, body)).json()["input_tokens"])
    assert counts[0] < counts[1] < 3000
    assert counts[2] < 10_000
