"""How fast? Exact, because the clock is the test's own, and a refused request consumes nothing."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from checks import refused
from gateway import HELLO, PATHS, Answer, Haze, asking
from provider import Provider, Reply, whole

from haze_proxy.gate.rate_limit import PACES

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
COUNT = {"model": "hekiu", "messages": HELLO}


async def limited(haze: Haze, **limits: Any) -> str:
    """A second key, with limits."""
    return await haze.known(haze.account(email="limited@example.com", **limits))


@EACH
async def test_the_burst_passes_and_then_the_rate_rules(haze: Haze, protocol: str) -> None:
    """60 a minute: ten at once, then one each second, to the second."""
    key = await limited(haze, requests_per_minute=60)
    assert [(await haze.ask(protocol, key=key)).status for _ in range(10)] == [200] * 10
    for _ in range(3):
        answer = await haze.ask(protocol, key=key)
        assert "60 requests per minute" in refused(answer, protocol, 429)
        assert answer.headers["Retry-After"] == "1"
        haze.clock[0] += 0.5
        assert (await haze.ask(protocol, key=key)).status == 429
        haze.clock[0] += 0.5
        assert (await haze.ask(protocol, key=key)).status == 200
    haze.clock[0] += 1000
    assert [(await haze.ask(protocol, key=key)).status for _ in range(11)] == [200] * 10 + [429]


async def test_keys_do_not_share_a_limit(haze: Haze) -> None:
    """One runaway script must not stop a colleague, nor the same person's other key."""
    key = await limited(haze, requests_per_minute=6)
    assert [(await haze.ask("chat", key=key)).status for _ in range(11)][-1] == 429
    assert (await haze.ask("chat")).status == 200


@pytest.mark.parametrize("per_minute", [1, 60])
async def test_retry_after_is_when_it_would_pass(haze: Haze, per_minute: int) -> None:
    """Official clients obey it: too short is a second refusal, too long is a lost minute."""
    key = await limited(haze, requests_per_minute=per_minute)
    while (answer := await haze.ask("chat", key=key)).status == 200:
        pass
    haze.clock[0] += int(answer.headers["Retry-After"])
    assert (await haze.ask("chat", key=key)).status == 200


@EACH
async def test_tokens_are_reserved_high_and_corrected_by_what_was_used(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """A reservation that stayed would halve the limit; one that was never made would be no limit."""
    key = await limited(chained, tokens_per_minute=6000)
    gate = asyncio.Event()
    provider.script(Reply(late=gate, body=whole(protocol)))
    running = asyncio.create_task(chained.ask(protocol, "paid", key=key))
    await provider.received(1)
    seen = (await chained.get("/v1/key", key=key)).json()["data"]["limits"]
    assert seen["tokens_left"] < 6000 - 2048
    gate.set()
    answer = await running
    name = "anthropic-ratelimit-tokens-remaining" if protocol == "messages" else "x-ratelimit-remaining-tokens"
    assert answer.headers[name] == str(6000 - 14)


async def test_tokens_beyond_the_limit_are_refused_until_they_are_earned(chained: Haze, provider: Provider) -> None:
    """What the owner promised the provider: of 6,000 a minute 4,000 used are 2,000 left, and 100 more each second."""
    key = await limited(chained, tokens_per_minute=6000)
    used = {"prompt_tokens": 3000, "completion_tokens": 1000, "total_tokens": 4000}
    provider.script(Reply(body=whole("chat", usage=used)))
    assert (await chained.ask("chat", "paid", key=key)).status == 200
    answer = await chained.ask("chat", "paid", key=key)
    assert "6000 tokens per minute" in refused(answer, "chat", 429)
    chained.clock[0] += int(answer.headers["Retry-After"])
    assert (await chained.ask("chat", "paid", key=key)).status == 200


async def test_a_request_larger_than_the_limit_passes_when_nothing_was_used(haze: Haze) -> None:
    """Else a key of 1,000 tokens a minute could never call anything that holds a slice of output."""
    key = await limited(haze, tokens_per_minute=1000)
    assert (await haze.ask("chat", key=key)).status == 200
    assert (await haze.ask("chat", key=key)).status in (200, 429)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_requests_at_once_are_limited_and_a_place_comes_back(
    chained: Haze, provider: Provider, stream: bool
) -> None:
    """A place that is not given back would close the key after as many requests as it may have at once."""
    key = await limited(chained, concurrent_requests=2)
    for _ in range(3):
        gate, before = asyncio.Event(), len(provider.requests)
        provider.otherwise = lambda received, gate=gate: Reply(late=gate, status=400, body={"error": {"message": "x"}})
        running = [asyncio.create_task(chained.ask("chat", "paid", key=key, stream=stream)) for _ in range(2)]
        await provider.received(before + 2)
        answer = await chained.ask("chat", "paid", key=key)
        assert "2 requests at once" in refused(answer, "chat", 429)
        assert answer.headers["Retry-After"] == "1"
        gate.set()
        assert [one.status for one in await asyncio.gather(*running)] == [400, 400]
    assert chained.app[PACES].of[2].running == 0


REFUSED: dict[str, tuple[int, dict[str, Any] | bytes, dict[str, str]]] = {
    "no JSON": (400, b"{", {}),
    "no messages": (400, {"model": "hekiu"}, {}),
    "stateful": (400, {"model": "hekiu", "messages": HELLO, "container": "c"}, {}),
    "price-changing": (400, {"model": "hekiu", "messages": HELLO, "models": ["other"]}, {}),
    "cannot pay": (402, {"model": "hekiu", "messages": HELLO, "max_tokens": 10}, {}),
    "not allowed": (404, {"model": "other", "messages": HELLO}, {}),
    "unknown coding": (415, {"model": "hekiu", "messages": HELLO}, {"Content-Encoding": "lzma"}),
    "no channel": (503, {"model": "unserved", "messages": HELLO}, {}),
}


@EACH
@pytest.mark.parametrize(("status", "body", "headers"), REFUSED.values(), ids=REFUSED)
async def test_a_refused_request_consumes_nothing(
    haze: Haze, protocol: str, status: int, body: Any, headers: dict[str, str]
) -> None:
    """Real clients repeat a refused request thirty times; the next good one must still pass."""
    limits = {"requests_per_minute": 60, "tokens_per_minute": 100_000, "models": ("hekiu", "unserved")}
    key = await limited(haze, usd="0" if status == 402 else "10", **limits)
    if isinstance(body, dict):
        body = asking(protocol, **body) if "messages" in body else body
    for _ in range(12):
        assert (await haze.post(PATHS[protocol], body, key=key, headers=headers)).status == status
    limits = (await haze.get("/v1/key", key=key)).json()["data"]["limits"]
    assert (limits["requests_left"], limits["tokens_left"], limits["running_requests"]) == (10, 100_000, 0)


async def test_counting_tokens_is_outside_the_request_limit(haze: Haze) -> None:
    """One `/context` of Claude Code counts 26 bodies at once; they must not use up the next question."""
    key = await limited(haze, requests_per_minute=1, concurrent_requests=1, tokens_per_minute=100)
    path = "/v1/messages/count_tokens"
    answers = await asyncio.gather(*(haze.post(path, COUNT, key=key) for _ in range(26)))
    assert [answer.status for answer in answers] == [200] * 26
    limits = (await haze.get("/v1/key", key=key)).json()["data"]["limits"]
    assert (limits["requests_left"], limits["tokens_left"]) == (10, 100)


async def test_counting_has_a_limit_of_its_own_at_once(chained: Haze, provider: Provider) -> None:
    """A free route is a flood's favourite: 32 at once, and the 33rd is told so."""
    gate = asyncio.Event()
    provider.otherwise = lambda received: Reply(late=gate, body={"input_tokens": 5})
    body = {"model": "paid", "messages": HELLO}
    send = [asyncio.create_task(chained.post("/v1/messages/count_tokens", body)) for _ in range(32)]
    await provider.received(32)
    refusal = await chained.post("/v1/messages/count_tokens", body)
    assert "32 token counts at once" in refused(refusal, "messages", 429)
    gate.set()
    assert [answer.status for answer in await asyncio.gather(*send)] == [200] * 32
    assert (await chained.post("/v1/messages/count_tokens", body)).status == 200


async def test_counting_has_a_limit_of_its_own_a_minute(haze: Haze) -> None:
    """300 a minute; bodies that are refused use none of them."""
    path = "/v1/messages/count_tokens"
    for bad in (b"{", {"model": "unserved", "messages": HELLO}):
        assert (await haze.post(path, bad)).status in (400, 503)
    answers: list[Answer] = []
    for _ in range(30):
        answers += await asyncio.gather(*(haze.post(path, COUNT) for _ in range(10)))
    assert {answer.status for answer in answers} == {200}
    refusal = await haze.post(path, COUNT)
    assert "300 token counts per minute" in refused(refusal, "messages", 429)
    haze.clock[0] += 0.2
    assert (await haze.post(path, COUNT)).status == 200


@EACH
async def test_the_state_of_the_limits_is_told_in_the_protocols_own_headers(haze: Haze, protocol: str) -> None:
    """Clients slow down by themselves when they are told how much is left; on a 429 most of all."""
    key = await limited(haze, requests_per_minute=60, tokens_per_minute=1_000_000)
    answers = [await haze.ask(protocol, key=key, stream=bool(number % 2)) for number in range(11)]
    assert [answer.status for answer in answers] == [200] * 10 + [429]
    for number, answer in enumerate(answers):
        for what, limit in (("requests", "60"), ("tokens", "1000000")):
            told = _told(answer, protocol, what)
            assert told["limit"] == limit
            assert 0 <= int(told["remaining"]) <= int(limit)
            _is_a_time(told["reset"], protocol)
        assert _told(answer, protocol, "requests")["remaining"] == str(max(0, 9 - number))
    other = "x-ratelimit" if protocol == "messages" else "anthropic-ratelimit"
    assert not any(name.lower().startswith(other) for answer in answers for name in answer.headers)


def _told(answer: Answer, protocol: str, what: str) -> dict[str, str]:
    name = "anthropic-ratelimit-{1}-{0}" if protocol == "messages" else "x-ratelimit-{0}-{1}"
    return {field: answer.headers[name.format(field, what)] for field in ("limit", "remaining", "reset")}


def _is_a_time(reset: str, protocol: str) -> None:
    if protocol == "messages":
        assert datetime.strptime(reset, "%Y-%m-%dT%H:%M:%S%z").tzinfo is not None
    else:
        assert float(reset.removesuffix("s")) >= 0
