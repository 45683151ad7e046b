"""From where may a key be used? Judged by the peer, or by what a trusted proxy says of it."""

from pathlib import Path

import pytest
from checks import refused, untouched
from gateway import ECHO, Haze, running

BEHIND = f'[server]\ntrusted_proxies = ["127.0.0.1"]\n{ECHO}'


def bind(haze: Haze, addresses: str) -> None:
    """Bind the key to addresses, as another process would."""
    haze.rows("UPDATE keys SET addresses = ?", addresses)


async def answered(haze: Haze, wanted: int, **headers: str) -> None:
    """Wait until the server has noticed, then expect a status."""
    while (answer := await haze.get("/v1/key", headers=headers)).status != wanted:
        assert answer.status in (200, 403)


async def test_a_key_is_refused_from_another_address(haze: Haze) -> None:
    """403 in the caller's protocol, before anything is held; a header that nobody trusted wrote does not help."""
    bind(haze, '["192.0.2.0/24"]')
    await answered(haze, 403)
    for protocol in ("chat", "messages", "responses", "embeddings"):
        told = refused(await haze.ask(protocol), protocol, 403)
        assert told == "This API key may not be used from the address 127.0.0.1."
    assert (await haze.get("/v1/key", headers={"X-Forwarded-For": "192.0.2.7"})).status == 403
    untouched(haze)
    bind(haze, '["192.0.2.0/24", "127.0.0.0/8"]')
    await answered(haze, 200)


@pytest.mark.parametrize(
    ("forwarded", "status"), [("192.0.2.7", 200), ("1.1.1.1, 192.0.2.7", 200), ("192.0.2.7, 1.1.1.1", 403), ("", 403)]
)
async def test_behind_a_trusted_proxy_its_word_counts(tmp_path: Path, forwarded: str, status: int) -> None:
    """The last address that the proxy wrote; what the caller wrote before it is only a claim."""
    async with running(tmp_path, BEHIND) as haze:
        bind(haze, '["192.0.2.0/24"]')
        await answered(haze, 403)
        assert (await haze.get("/v1/key", headers={"X-Forwarded-For": forwarded})).status == status
