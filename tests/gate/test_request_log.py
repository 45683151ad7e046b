"""What was refused, and why? Counted, so that people see why a key is dead; no row for each."""

from pathlib import Path

from gateway import ECHO, PAID, channel, running
from provider import Provider, Reply

from haze_proxy.gate.request_log import REFUSALS


async def test_refusals_are_one_row_a_minute_for_each_key_and_reason(tmp_path: Path) -> None:
    """Codex repeats a refused request thirty times: a row each would be a gift to a flood."""
    async with running(tmp_path) as haze:
        for _ in range(30):
            await haze.ask("chat", key="sk-rr-unknown")
        for _ in range(3):
            await haze.ask("messages", "nobody/serves-this")
        await haze.post("/v1/chat/completions", b"{", key=haze.key)
        assert haze.rows("SELECT * FROM refusals") == []
    rows = haze.rows("SELECT key_id, reason, sum(count) AS count FROM refusals GROUP BY 1, 2 ORDER BY count DESC")
    assert [tuple(row) for row in rows] == [
        (0, "401 authentication_error", 30),
        (1, "503 api_error", 3),
        (1, "400 invalid_request_error", 1),
    ]


async def test_bodies_that_are_too_large_are_counted_too(tmp_path: Path) -> None:
    """The framework refuses them and not a gate: a person who asks why his key is dead sees them all the same."""
    async with running(tmp_path, "[server]\nmax_body_mib = 1\n" + ECHO) as haze:
        await haze.post("/v1/messages", b"x" * 2**21)
        assert dict(haze.app[REFUSALS].counts) == {(1, "413 request_too_large"): 1}


async def test_what_was_admitted_is_no_refusal(tmp_path: Path, provider: Provider) -> None:
    """An upstream's failure has a row of its own; counted here as well, it would look like the key's limit."""
    async with running(tmp_path, PAID + channel("openai", provider.url)) as haze:
        provider.script(Reply(status=429), Reply(status=500), Reply(status=401))
        for _ in range(3):
            await haze.ask("chat", "paid")
        assert len(await haze.ended(3)) == 3
        assert dict(haze.app[REFUSALS].counts) == {}
