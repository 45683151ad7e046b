"""kill -9, fifty times at random points."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from drills.kills import killed
from provider import Provider


@pytest.mark.timeout(480)
@pytest.mark.parametrize("durability", ["full", "normal"])
async def test_25_kills_change_nothing_that_was_told(
    durability: str, tmp_path: Path, slow_provider: Provider, chance: random.Random, figure: Callable[[str], None]
) -> None:
    """`normal` does not wait for the disk, and all the same loses nothing when only the process dies."""
    figure(await killed(tmp_path, slow_provider, durability, chance, 25))
