"""config.toml while Haze runs: what a second reading takes over, and what it leaves."""

import asyncio
from pathlib import Path

from gateway import apart

from haze_proxy import config
from haze_proxy.config import Config
from haze_proxy.config_file import ConfigFile


def moved(path: Path) -> Config:
    """The file as `serve --host 0.0.0.0 --port 9000` reads it."""
    return config.listening(config.load(path), "0.0.0.0", 9000)


async def test_what_the_command_line_says_is_no_change(tmp_path: Path) -> None:
    """--host and --port win over the file at every reading: nothing waits for a restart because of them."""
    path = tmp_path / "config.toml"
    path.write_text("")
    file = apart(ConfigFile, path, apart(moved, path), moved)
    assert await file.reload()
    assert (file.waiting(), file.settings.server.port) == ([], 9000)
    path.write_text("[server]\nmax_body_mib = 8\n[store]\ndurability = 'normal'\n")
    assert await file.reload()
    assert file.waiting() == ["server.max_body_mib", "store.durability"]


async def test_readings_at_the_same_time_come_one_after_the_other(tmp_path: Path) -> None:
    """A signal and a button: what was written last is what holds."""
    path = tmp_path / "config.toml"
    path.write_text("")
    file = apart(ConfigFile, path, apart(config.load, path))
    taken: list[int] = []
    file.begin(lambda settings: taken.append(settings.limits.requests_per_minute))
    path.write_text("[limits]\nrequests_per_minute = 1\n")
    first, second = asyncio.create_task(file.reload()), asyncio.create_task(file.reload())
    assert await first
    path.write_text("[limits]\nrequests_per_minute = 2\n")
    assert await second
    assert await file.reload()
    assert (taken[0], taken[-1], file.settings.limits.requests_per_minute) == (1, 2, 2)


async def test_a_file_that_has_changed_is_seen_without_reading_it_as_one(tmp_path: Path) -> None:
    """Also where it is wrong, or gone: the page says so before anybody presses a button."""
    path = tmp_path / "config.toml"
    path.write_text("")
    file = apart(ConfigFile, path, apart(config.load, path))
    assert not await file.has_changed()
    path.write_text("nonsense")
    assert await file.has_changed()
    assert not await file.reload()
    assert "nonsense" not in file.refused
    assert await file.has_changed()
    path.unlink()
    assert await file.has_changed()
