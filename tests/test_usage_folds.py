"""A running server moves what requests came to into the sums that charts read: at its start and each minute."""

import asyncio
from pathlib import Path

import pytest
from gateway import ECHO, Haze, running

from haze_proxy import resources


async def folded(haze: Haze) -> int:
    """Wait until nothing is recent; how many requests the sums of all accounts' days have."""
    async with asyncio.timeout(5):
        while haze.rows("SELECT * FROM usage_recent"):
            await asyncio.sleep(0.01)
    [row] = haze.rows("SELECT sum(settled) FROM usage_sums WHERE account_id = 0 AND by = 'model' AND grain = 86400000")
    return int(row[0])


async def test_a_start_sums_what_the_process_before_left(tmp_path: Path) -> None:
    """It may have been killed, or be the one before an upgrade."""
    async with running(tmp_path, ECHO) as haze:
        await haze.ask("chat")
        await haze.ended()
        assert len(haze.rows("SELECT * FROM usage_recent")) == 1
        key = haze.key
    async with running(tmp_path, ECHO, key=key) as haze:
        assert await folded(haze) == 1
        assert haze.check() == []


async def test_each_minute_sums_what_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the pages would read a row for each key, model and channel of the whole day."""
    monkeypatch.setattr(resources, "MINUTE_S", 0.01)
    async with running(tmp_path, ECHO) as haze:
        for number in (1, 2):
            await haze.ask("chat")
            await haze.ended(number)
            assert await folded(haze) == number
        assert haze.check() == []
