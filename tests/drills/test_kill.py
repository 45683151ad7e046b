"""kill -9: five times under load, and once with every kind of request under way. `make test` runs these, too."""

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from drills import books
from drills.callers import TERMINAL, Ask, call
from drills.house import House, eventually, house
from drills.kills import killed
from provider import Provider

EMAIL = "a@example.com"
HANGS_MS = 600_000
Figure = Callable[[str], None]


@pytest.mark.timeout(120)
async def test_an_answer_that_ended_is_charged_once_across_kill_9(
    tmp_path: Path, slow_provider: Provider, chance: random.Random, figure: Figure
) -> None:
    """A crash may cost the owner what was under way, never a customer anything twice, and never the owner an answer."""
    figure(await killed(tmp_path, slow_provider, "full", chance, 5))


@pytest.mark.timeout(120)
async def test_what_was_under_way_costs_nothing_and_is_shown(
    tmp_path: Path, slow_provider: Provider, figure: Figure
) -> None:
    """The owner must learn what a crash may have cost him upstream; the callers pay nothing for half an answer."""
    asks = [Ask(protocol, stream, 7, 3, HANGS_MS) for protocol in TERMINAL for stream in (False, True)]
    async with house(tmp_path, slow_provider.url) as haze:
        key = await haze.caller(EMAIL, "10")
        await haze.knows(key)
        calls = [asyncio.create_task(call(haze.port, key, ask)) for ask in asks]
        await eventually(lambda: _open(haze, len(asks)), "all requests are written down as open", 20)
        await haze.kill()
        heard = await asyncio.gather(*calls)
        assert not any(each.saw_the_end for each in heard)
        await haze.start()
        held = haze.rows("SELECT sum(held) FROM requests")[0][0]
        assert f"{len(asks)} requests were interrupted" in haze.told()
        assert f"${held / 1e9:.9f}".rstrip("0") in haze.told()
        for row in haze.rows("SELECT * FROM requests"):
            assert (row["state"], row["ended"], row["cost"]) == ("interrupted", "process died", 0)
            receipt = json.loads(await haze.say("receipt", row["id"], "--json"))
            assert (receipt["state"], receipt["ended"], receipt["cost_usd"]) == ("interrupted", "process died", "0")
        assert books.balance(haze) == 10 * 10**9
        await books.clean(haze)
    figure(f"{len(asks)} requests under way were interrupted, nothing charged, {held} nano-dollars named in the log")


async def _open(haze: House, count: int) -> bool:
    return len(haze.rows("SELECT id FROM requests WHERE state = 'open'")) == count
