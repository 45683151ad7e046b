"""The application under a server that is not ours."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from gateway import ECHO, PATHS, apart, asking

from haze_proxy import config
from haze_proxy.app import create_app
from haze_proxy.store import accounts, database, keys, requests, transfers
from haze_proxy.store.keys import NewKey
from haze_proxy.store.migrations import migrate
from haze_proxy.store.requests import Opened
from haze_proxy.store.transfers import Transfer


def _key(path: Path) -> str:
    secret = keys.make_secret()
    connection = database.connect(str(path))
    migrate(connection)
    with database.transaction(connection):
        number = accounts.add(connection, "a@example.com", password_hash=None, is_admin=False, now_ms=1)
        accounts.credit(connection, number, 10**9, Transfer(transfers.MANUAL, "", 10**9, "credit"), 1)
        keys.add(connection, number, NewKey("", 100, 10**6, 10), secret, 1)
    connection.close()
    return secret


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("protocol", ["chat", "messages", "responses"])
async def test_any_aiohttp_server_can_run_it(tmp_path: Path, aiohttp_client: Any, protocol: str, stream: bool) -> None:
    """People embed an application, and test it with aiohttp's own tools."""
    (tmp_path / "config.toml").write_text(ECHO)
    settings = await asyncio.to_thread(config.load, tmp_path / "config.toml")
    (tmp_path / "data").mkdir()
    secret = apart(_key, Path(settings.store.path))
    client = await aiohttp_client(await asyncio.to_thread(create_app, settings, {}))
    body = asking(protocol, max_tokens=50, stream=stream)
    answer = await client.post(PATHS[protocol], json=body, headers={"x-api-key": secret})
    assert answer.status == 200
    assert b"Hello" in await answer.read()


async def test_a_start_says_what_the_last_one_left(
    tmp_path: Path, aiohttp_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """After a crash nobody is charged, but the provider may have been: the owner is told how much that is."""
    (tmp_path / "config.toml").write_text(ECHO)
    settings = await asyncio.to_thread(config.load, tmp_path / "config.toml")
    (tmp_path / "data").mkdir()
    apart(_die, Path(settings.store.path))
    await aiohttp_client(await asyncio.to_thread(create_app, settings, {}))
    [line] = [record.message for record in caplog.records if "interrupted" in record.message]
    assert line.startswith("2 requests were interrupted when the last server ended. None was charged;")
    assert "$0.00000005." in line


def _die(path: Path) -> None:
    _key(path)
    connection = database.connect(str(path))
    with database.transaction(connection):
        epoch = requests.begin_epoch(connection, 1, 1).id
        for name in ("r1", "r2"):
            requests.begin(connection, Opened(name, epoch, 1, 1, "chat", True, "hekiu", 1, 25))
    connection.close()
