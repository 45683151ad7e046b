"""What it costs when an answer never began: nothing, unless a provider had promised one."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from checks import held, quiet, refused
from gateway import PAID, Haze, channel, running
from provider import HANG, HANG_UP, Provider, Reached, Reply

from haze_proxy.resources import BOOKS

EACH = pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
FORM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
FULL = 10_000_000_000


async def one_row(haze: Haze, state: str, ended: str, cost: int) -> Any:
    """The one outcome: in its row, in the balance, in the wallet, in the ledger."""
    (row,) = await haze.ended()
    assert (row["state"], row["ended"], row["cost"]) == (state, ended, cost)
    await quiet(haze)
    assert haze.balance() == FULL - cost
    return row


@EACH
@FORM
async def test_failed_at_every_candidate_costs_nothing(tmp_path: Path, protocol: str, stream: bool) -> None:
    """However many were asked; the row names each of them."""
    kind = "anthropic" if protocol == "messages" else "openai"
    async with Provider() as first, Provider() as second:
        first.script(Reply(status=500))
        second.script(Reply(chunks=[HANG_UP]))
        places = [channel(kind, first.url, name='"a"', priority="1"), channel(kind, second.url, name='"b"')]
        async with running(tmp_path, PAID + "".join(places)) as haze:
            refused(await haze.ask(protocol, "paid", stream=stream), protocol, 502)
            row = await one_row(haze, "void", "failed upstream", 0)
    assert [each["channel"] for each in json.loads(row["attempts"])] == ["a", "b"]


@EACH
async def test_who_leaves_a_stream_that_was_promised_pays_for_what_he_asked(
    chained: Haze, provider: Provider, protocol: str
) -> None:
    """After its 2xx a provider reads the request and bills it, though no event has come: the input at its price."""
    promised = Reached()
    provider.script(Reply(chunks=[b": waiting\n\n", promised, HANG]))
    asking = asyncio.create_task(chained.ask(protocol, "paid", stream=True))
    await promised.arrived()
    asking.cancel()
    await asyncio.wait([asking])
    await provider.requests[0].closed.wait()
    (row,) = await chained.ended()
    assert (row["estimated"], row["output"], row["input"] > 0) == (1, 0, True)
    await one_row(chained, "settled", "client left", row["input"] * 1_000)


@EACH
@FORM
async def test_no_place_in_the_queue_is_a_503_before_anything_is_begun(
    chained: Haze, provider: Provider, protocol: str, stream: bool
) -> None:
    """What could not be written down later must not be asked for: the provider would bill it. It is over by itself."""
    queue = chained.app[BOOKS].writer
    places, queue._free = queue._free, 0
    refused(await chained.ask(protocol, "paid", stream=stream), protocol, 503, code=None)
    assert (provider.requests, held(chained), chained.rows("SELECT * FROM requests")) == ([], 0, [])
    queue._free = places
    assert (await chained.ask(protocol, "paid", stream=stream)).status == 200
