"""How a hold becomes a row: one for each admitted request, ended once, released when it is committed."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import gateway
import msgspec
import pytest
from checks import held, locked, refused
from gateway import PAID, Haze, channel
from provider import Provider, Reply, events, whole

from haze_proxy.channels.directory import Directory
from haze_proxy.context import DIRECTORY
from haze_proxy.resources import BOOKS
from haze_proxy.store.writer import PLACES

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@EACH
@STREAM
async def test_a_row_says_all_that_a_receipt_needs(
    chained: Haze, provider: Provider, protocol: str, stream: bool
) -> None:
    """A person asks weeks later why this cost what it cost: the row must answer by itself."""
    reply = Reply(chunks=events(protocol)) if stream else Reply(body=whole(protocol))
    reply.headers = {"x-request-id": "upstream-1"}
    provider.script(reply)
    answer = await chained.ask(protocol, "paid", stream=stream)
    (row,) = await chained.ended()
    kind = "anthropic" if protocol == "messages" else "openai"
    wanted: dict[str, Any] = {
        "id": answer.headers["request-id"],
        "account_id": 1,
        "key_id": 1,
        "state": "settled",
        "ended": "completed",
        "protocol": protocol,
        "stream": int(stream),
        "model": "paid",
        "channel": kind,
        "upstream_model": "paid",
        "upstream_id": "upstream-1",
        "status": 200,
        "input": 11,
        "output": 3,
        "estimated": 0,
        "cost": 41_000,
        "shortfall": 0,
    }
    assert {name: row[name] for name in wanted} == wanted
    assert row["opened_at"] <= row["first_byte_at"] <= row["ended_at"]
    assert row["held"] > 41_000
    assert (row["extended"], row["upstream_cost"]) == (0, None)
    price = json.loads(row["price"])
    assert (price["source"], price["input"], price["output"]) == ("config", 10**9, 10**10)


@EACH
@STREAM
async def test_what_the_provider_ran_by_itself_is_in_the_row(
    tmp_path: Path, provider: Provider, protocol: str, stream: bool
) -> None:
    """A search costs beside the tokens; a receipt that forgot it would not add up."""
    searched = '\n[[models]]\nid = "paid"\ninput = 1\noutput = 10\nrequest = 0.5\n'
    kind = "anthropic" if protocol == "messages" else "openai"
    names = ("prompt_tokens", "completion_tokens") if protocol == "chat" else ("input_tokens", "output_tokens")
    used = {names[0]: 11, names[1]: 3, "server_tool_use": {"web_search_requests": 2}}
    async with gateway.running(tmp_path, searched + channel(kind, provider.url)) as haze:
        reply = Reply(chunks=events(protocol, usage=used)) if stream else Reply(body=whole(protocol, usage=used))
        provider.script(reply)
        answer = await haze.ask(protocol, "paid", stream=stream, max_tokens=10)
        (row,) = await haze.ended()
        assert json.loads(row["server_tools"]) == {"web_search": 2}
        found = haze.receipt(answer.headers["request-id"])
        assert (found.charge.cost, found.charged) == (500_041_000, 500_041_000)
        assert found.charge.flags == ("web_search has no price",)
        assert haze.check() == []


async def test_a_stream_that_grew_says_from_what_to_what(chained: Haze, provider: Provider) -> None:
    """The hold of its first slice, what came on top, and what came back: each is on the receipt."""
    provider.script(Reply(chunks=events("chat", usage={"prompt_tokens": 11, "completion_tokens": 900})))
    answer = await chained.ask("chat", "paid", stream=True, max_tokens=100)
    await chained.ended()
    found = chained.receipt(answer.headers["request-id"])
    assert found.row["extended"] > 0
    assert found.held_first + found.row["extended"] == found.charged + (found.returned or 0) == found.row["held"]


async def test_a_running_request_is_an_open_row(chained: Haze, provider: Provider) -> None:
    """After a crash the owner sees what was on its way, and what it may have cost."""
    gate = asyncio.Event()
    provider.script(Reply(late=gate, body=whole("chat")))
    running = asyncio.create_task(chained.ask("chat", "paid"))
    async with asyncio.timeout(5):
        while not (rows := chained.rows("SELECT * FROM requests")):
            await asyncio.sleep(0.01)
    assert (rows[0]["state"], rows[0]["held"], rows[0]["model"]) == ("open", held(chained), "paid")
    gate.set()
    assert (await running).status == 200
    (row,) = chained.rows("SELECT * FROM requests")
    assert row["state"] == "settled"


@EACH
async def test_an_answer_waits_for_its_commit(chained: Haze, protocol: str) -> None:
    """Whoever saw an answer end has paid for it, whatever happens to the process afterwards."""
    async with locked(chained):
        running = asyncio.create_task(chained.ask(protocol, "paid"))
        done, _ = await asyncio.wait([running], timeout=0.3)
        assert not done
        assert held(chained) > 0
    assert (await running).status == 200
    assert (chained.balance(), held(chained)) == (10_000_000_000 - 41_000, 0)


@EACH
async def test_an_answer_whose_commit_fails_is_not_given_and_not_charged(chained: Haze, protocol: str) -> None:
    """An answer that could not be charged must not be told, else it was free; the caller may ask again."""
    async with locked(chained, patience_ms=10):
        answer = await chained.ask(protocol, "paid")
    refused(answer, protocol, 503, code=None)
    assert answer.headers["Retry-After"] == "1"
    assert (chained.balance(), held(chained)) == (10_000_000_000, 0)
    assert chained.check() == []


@EACH
@STREAM
async def test_every_place_in_the_queue_comes_back(
    chained: Haze, provider: Provider, protocol: str, stream: bool
) -> None:
    """A leak of places would end in 503 for everyone, after 20,000 requests."""
    provider.script(Reply(), Reply(status=400, body={"error": {"message": "no"}}), Reply(status=503), Reply(raw=b"x"))
    statuses = [(await chained.ask(protocol, "paid", stream=stream)).status for _ in range(5)]
    overloaded = 529 if protocol == "messages" else 503
    assert statuses == [502, 400, overloaded, 502, 200]
    await chained.ended(5)
    assert chained.app[BOOKS].writer._free == PLACES
    assert held(chained) == 0


async def test_without_a_place_in_the_queue_nothing_is_admitted(chained: Haze, provider: Provider) -> None:
    """What could not be written down later is not begun."""
    chained.app[BOOKS].writer._free = 0
    refused(await chained.ask("chat", "paid"), "chat", 503, code=None)
    assert (provider.requests, held(chained)) == ([], 0)


@EACH
@STREAM
async def test_what_was_used_beyond_the_hold_is_taken_as_far_as_there_is_money(
    chained: Haze, provider: Provider, protocol: str, stream: bool
) -> None:
    """An estimate that was too low is the house's loss: no balance goes below zero, and the books still add up."""
    key = await chained.known(chained.account("0.003", email="short@example.com"))
    names = ("prompt_tokens", "completion_tokens") if protocol == "chat" else ("input_tokens", "output_tokens")
    used = {names[0]: 11, names[1]: 900}
    limit = {"max_tokens": 100}
    reply = Reply(chunks=events(protocol, usage=used)) if stream else Reply(body=whole(protocol, usage=used))
    provider.script(reply)
    assert (await chained.ask(protocol, "paid", key=key, stream=stream, **limit)).status == 200
    (row,) = await chained.ended()
    assert (row["cost"], row["shortfall"]) == (9_011_000, 6_011_000)
    assert (chained.balance(2), held(chained, 2)) == (0, 0)
    assert chained.check() == []


@EACH
@STREAM
async def test_a_request_keeps_the_price_it_was_admitted_with(
    chained: Haze, provider: Provider, protocol: str, stream: bool
) -> None:
    """A reload in the middle of an answer must not charge what the caller could not have known."""
    gate = asyncio.Event()
    reply = Reply(chunks=events(protocol)) if stream else Reply(body=whole(protocol))
    reply.late = gate
    provider.script(reply)
    running = asyncio.create_task(chained.ask(protocol, "paid", stream=stream))
    await provider.received(1)
    live = chained.app[DIRECTORY]
    dearer = [
        msgspec.structs.replace(row, input=Decimal(100), output=Decimal(1000)) for row in live.value.config.models
    ]
    live.value = Directory(msgspec.structs.replace(live.value.config, models=tuple(dearer)), {})
    gate.set()
    assert (await running).status == 200
    (row,) = await chained.ended()
    assert row["cost"] == 41_000
    assert (await chained.ask(protocol, "paid")).status == 200
    assert (await chained.ended(2))[1]["cost"] == 4_100_000


NAMED: dict[str, tuple[str, int]] = {"a priced one": ("dear", 410_000), "an unpriced one": ("paid-2026-01-01", 41_000)}


@EACH
@STREAM
@pytest.mark.parametrize(("named", "cost"), NAMED.values(), ids=NAMED)
async def test_the_charge_goes_by_the_model_the_answer_names_where_that_has_a_price(
    tmp_path: Path, provider: Provider, protocol: str, stream: bool, named: str, cost: int
) -> None:
    """An upstream that falls back to another model bills that one; a dated name of the same model is the same."""
    dear = '\n[[models]]\nid = "dear"\ninput = 10\noutput = 100\n'
    kind = "anthropic" if protocol == "messages" else "openai"
    async with gateway.running(tmp_path, PAID + dear + channel(kind, provider.url)) as haze:
        reply = Reply(chunks=events(protocol, model=named)) if stream else Reply(body=whole(protocol, model=named))
        provider.script(reply)
        assert (await haze.ask(protocol, "paid", stream=stream)).status == 200
        (row,) = await haze.ended()
        assert (row["cost"], row["upstream_model"]) == (cost, "paid")
