"""What came with a key is remembered for its owner: enough to see what is wrong with a client, and never a secret."""

import asyncio
import contextlib
import sys
from pathlib import Path

import aiohttp
import pytest
from gateway import PAID, Haze, apart, channel, running
from provider import HANG, Provider, Reply
from provider_answers import events

from haze_proxy.arrivals import LAST, Arrival, Arrivals, Seen
from haze_proxy.context import ARRIVALS

UNKNOWN = "sk-rr-" + "x" * 43


def seen(haze: Haze, key_id: int = 1) -> Seen:
    """What is remembered of a key."""
    return haze.app[ARRIVALS].of(key_id)


def newest(haze: Haze, key_id: int = 1) -> Arrival:
    """The last request of a key."""
    return next(iter(seen(haze, key_id)))


async def test_what_a_client_did_is_remembered(haze: Haze) -> None:
    """When, where, in which protocol, which model, how it ended, and which program it was."""
    answer = await haze.post(
        "/v1/messages?beta=true",
        {"model": "hekiu", "max_tokens": 5, "messages": [{"role": "user", "content": "my secret plan"}]},
        headers={"User-Agent": "claude-cli/2.1.330 (external, cli)"},
    )
    came = newest(haze)
    assert (came.path, came.protocol, came.model, came.status) == ("/v1/messages", "messages", "hekiu", 200)
    assert (came.admitted, came.reason, came.beside) == (True, "", "")
    assert came.agent.startswith("claude-cli/2.1.330")
    assert came.request_id == answer.headers["request-id"]
    assert seen(haze).answered is came
    assert "secret plan" not in repr(came)


REFUSALS = {
    "a model nobody serves": ("/v1/messages", {"model": "gpt-nothing", "max_tokens": 5, "messages": []}, 503),
    "no model": ("/v1/messages", {"max_tokens": 5, "messages": []}, 400),
    "no JSON": ("/v1/chat/completions", b"{", 400),
    "a path that is not there": ("/v1/completions", {"model": "hekiu"}, 404),
    "a base URL with too much": ("/api/v1/chat/completions", {"model": "hekiu"}, 404),
}


@pytest.mark.parametrize(("path", "body", "status"), REFUSALS.values(), ids=REFUSALS)
async def test_what_was_refused_is_remembered_with_its_reason(haze: Haze, path: str, body: object, status: int) -> None:
    """In the words that the client was told; most clients do not show them. What never came to the gate, too."""
    answer = await haze.post(path, body)
    came = newest(haze)
    assert (answer.status, came.status, came.path) == (status, status, path)
    assert came.reason == answer.error()["message"]
    assert came.model == (body["model"] if status == 503 and isinstance(body, dict) else "")
    assert not came.admitted
    assert seen(haze).answered is None


async def test_an_expired_key_is_recognised(haze: Haze) -> None:
    """It hears the same 401 as an unknown one; its owner may know more."""
    key = await haze.known(haze.account(email="b@example.com"))
    haze.rows("UPDATE keys SET expires_at = 1 WHERE id = 2")
    while (await haze.ask("chat", key=key)).status != 401:
        pass
    assert newest(haze, 2).status == 401


async def test_nothing_is_remembered_of_whom_nobody_knows(haze: Haze) -> None:
    """A flood of wrong keys leaves nothing behind."""
    for key in (UNKNOWN, "", "sk-ant-1"):
        await haze.ask("chat", key=key)
        await haze.post("/nowhere", {}, key=key)
    assert len(haze.app[ARRIVALS]) == 0


PAIRS = {
    "the key in x-api-key": (lambda key: {"x-api-key": key, "Authorization": f"Bearer {UNKNOWN}"}, "x-api-key"),
    "the key as bearer": (lambda key: {"x-api-key": "sk-ant-1", "Authorization": f"Bearer {key}"}, "Authorization"),
    "the same twice": (lambda key: {"x-api-key": key, "Authorization": f"Bearer {key}"}, ""),
    "a password beside it": (lambda key: {"x-api-key": key, "Authorization": "Basic dTpw"}, ""),
}


@pytest.mark.parametrize(("made", "beside"), PAIRS.values(), ids=PAIRS)
async def test_two_different_credentials_are_noticed(haze: Haze, made: object, beside: str) -> None:
    """Claude Code sends both where both variables are set; which one counts is hard to see from outside."""
    assert callable(made)
    await haze.get("/v1/key", key="", headers=made(haze.key))
    assert newest(haze).beside == beside


async def test_the_key_that_was_passed_over_is_told(haze: Haze) -> None:
    """Its owner waits for a call that never comes, because an older key stands in the other variable."""
    other = await haze.known(haze.account(email="b@example.com"))
    headers = {"x-api-key": haze.key, "Authorization": f"Bearer {other}"}
    await haze.get("/v1/key", key="", headers=headers)
    assert (newest(haze).beside, newest(haze).status) == ("x-api-key", 200)
    passed = newest(haze, 2)
    assert (passed.beside, passed.status, passed.admitted) == ("x-api-key", 0, False)
    assert passed.reason == "It came in Authorization, beside another credential in x-api-key, which was taken instead."


async def test_no_secret_is_kept(haze: Haze) -> None:
    """People paste keys into addresses and names of models, and error messages repeat what was asked for."""
    await haze.ask("chat", haze.key)
    assert newest(haze).model == "sk-rr-…"
    assert haze.key[6:] not in newest(haze).reason
    await haze.post(f"/v1/{haze.key}/messages", {})
    assert newest(haze).path == "/v1/sk-rr-…/messages"
    assert haze.key[6:] not in newest(haze).reason


async def test_a_running_request_is_seen_before_it_ends(tmp_path: Path, provider: Provider) -> None:
    """A model may think for minutes; who waits for the first call sees it at once, and when its client leaves."""
    async with running(tmp_path, PAID + channel("openai", provider.url)) as haze:
        provider.script(Reply(chunks=[*events("chat", ["Hel"])[:2], HANG]))
        body = {"model": "paid", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        sent = haze.session.post(
            f"{haze.url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {haze.key}"}
        )
        async with sent as response:
            await response.content.readany()
            came = newest(haze)
            assert (came.admitted, came.status, seen(haze).answered) == (True, 0, came)
            response.close()
        await haze.ended()
        async with asyncio.timeout(5):
            while came.status != 499:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(("status", "told"), [(400, 400), (429, 429), (500, 502)])
async def test_what_a_provider_says_is_not_kept(tmp_path: Path, provider: Provider, status: int, told: int) -> None:
    """Its words may repeat a prompt; the status is enough to look into the receipt."""
    async with running(tmp_path, PAID + channel("openai", provider.url)) as haze:
        provider.script(Reply(status=status, body={"error": {"message": "my secret plan is not valid"}}))
        assert (await haze.ask("chat", "paid")).status == told
        assert (newest(haze).status, newest(haze).reason, newest(haze).admitted) == (told, "", True)


async def test_long_names_are_cut(haze: Haze) -> None:
    """A few hundred bytes a request, whatever a client sends."""
    await haze.post("/v1/" + "p" * 3000, {}, headers={"User-Agent": "a" * 3000})
    assert (len(newest(haze).path), len(newest(haze).agent)) == (120, 120)
    assert len(newest(haze).reason) == 400
    with contextlib.suppress(aiohttp.ClientError):
        await haze.ask("chat", "m" * 256)
    assert len(newest(haze).model) == 120


def test_memory_is_bounded_by_100_000_keys() -> None:
    """The last few requests of the keys used last: whoever makes many keys pushes out the oldest, and adds nothing."""
    sizes = apart(_filled)
    assert sizes == [2000, 2000 * LAST]


def _filled() -> list[int]:
    arrivals = Arrivals()
    for key in range(100_000):
        for number in range(LAST + 2):
            arrivals.add(key, Arrival(number, "req_1", "/v1/messages", "claude-cli/2.1.330"))
    kept = [arrivals.of(key) for key in range(100_000) if arrivals.of(key).last]
    assert [arrival.at_ms for arrival in kept[0]] == list(range(LAST + 1, 1, -1))
    assert sys.getsizeof(kept[0].last[0]) <= 200
    return [len(arrivals), sum(len(each.last) for each in kept)]


def test_the_key_that_was_used_longest_ago_goes_first() -> None:
    """A client that is set up now must not be forgotten for one that is long gone."""
    arrivals = Arrivals(keys_max=2)
    for key in (1, 2, 1, 3):
        arrivals.add(key, Arrival(0, "req_1", "/v1/key", ""))
    assert [bool(arrivals.of(key).last) for key in (1, 2, 3)] == [True, False, True]


def test_an_answered_request_outlives_what_comes_after() -> None:
    """A client that asks for lists all the time has reached a model all the same."""
    arrivals, first = Arrivals(), Arrival(0, "req_1", "/v1/messages", "")
    arrivals.add(1, first)
    arrivals.admit(1, first)
    for _ in range(LAST):
        arrivals.add(1, Arrival(1, "req_2", "/v1/models", ""))
    assert first not in arrivals.of(1).last
    assert arrivals.of(1).answered is first
