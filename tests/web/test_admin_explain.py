"""Explain: the administrator's answer to "why does it go there, and what does it hold?"."""

from pathlib import Path

import pytest
from gateway import ECHO, PAID, channel
from owner import hidden, owned
from people import Come
from provider import Provider, Reply

TWO = ECHO + channel("openai", "{url}", priority="1") + channel("openrouter", "{url}") + PAID


async def test_nobody_else_finds_it(come: Come) -> None:
    """It names the owner's channels, and looks into other people's keys."""
    await hidden(come, "/admin/explain")


async def test_it_says_who_is_asked_and_what_is_held(tmp_path: Path, provider: Provider) -> None:
    """The rows of `haze-proxy explain`, the price, and the hold of an example."""
    async with owned(tmp_path, TWO.replace("{url}", provider.url)) as owner:
        words = (await owner.get("/admin/explain?model=paid&input=2_000&output=3000")).words
        assert "paid is asked at openai first." in words
        assert "openai 1 paid exact id" in words
        assert "openrouter 2 paid exact id" in words
        assert "does not list this model" in words
        assert "Costs at most $0.032" in words
        # One slice of 2,048 tokens.
        assert "Held, streamed $0.02248" in words
        assert "Held, not streamed $0.032" in words
        assert "$1.00 / $10.00 in and out per million tokens, the owner's config.toml" in words


async def test_what_rests_or_is_off_is_left_out_and_says_so(tmp_path: Path, provider: Provider) -> None:
    """The first question after a failover."""
    provider.script(Reply(status=503, body={"error": {"message": "overloaded here"}}))
    async with owned(tmp_path, TWO.replace("{url}", provider.url)) as owner:
        assert (await owner.haze.ask("chat", "paid")).status == 200
        words = (await owner.get("/admin/explain?model=paid")).words
        assert "paid is asked at openrouter first." in words
        assert "UTC after 1 failures: overloaded here" in words
        await owner.post("/admin/channels/openrouter/switch", to="off")
        words = (await owner.get("/admin/explain?model=paid")).words
        assert "Nobody serves paid now: callers get 503." in words
        assert "switched off here since" in words


async def test_it_answers_for_a_caller(tmp_path: Path, provider: Provider) -> None:
    """By a key's id or prefix, or an account's address; whoever gets nothing is told why."""
    async with owned(tmp_path, TWO.replace("{url}", provider.url)) as owner:
        key = await owner.haze.known(owner.haze.account(email="b@example.com", models=("hekiu",)))
        for named in ("2", key[:12]):
            words = (await owner.get(f"/admin/explain?model=paid&key={named}")).words
            assert "Nobody answers: this key may only use hekiu." in words
            assert "openai \N{EN DASH} paid" in words
        assert "is asked at" in (await owner.get("/admin/explain?model=paid&key=b@example.com")).words
        owner.haze.rows("UPDATE accounts SET disabled_at = 1 WHERE email = 'b@example.com'")
        words = (await owner.get("/admin/explain?model=hekiu&key=b@example.com")).words
        assert "Nobody answers: this account is disabled." in words


@pytest.mark.parametrize(
    ("query", "field", "complaint"),
    [
        ("key=nobody", "key", "No such key."),
        ("key=nobody@example.com", "key", "There is no account for nobody@example.com."),
        ("input=many", "input", "A whole number."),
        ("output=-1", "output", "A whole number."),
        ("output=99999999999999999", "output", "From 0 to 1,000,000,000."),
        ("protocol=smtp", "protocol", "One of the protocols."),
    ],
)
async def test_a_wrong_question_keeps_what_was_typed(tmp_path: Path, query: str, field: str, complaint: str) -> None:
    """And says what is wrong beside the field."""
    async with owned(tmp_path, ECHO) as owner:
        seen = await owner.get(f"/admin/explain?model=hekiu&{query}")
        assert (seen.status, seen.complaint(field)) == (422, complaint)
        assert 'value="hekiu"' in seen.text


async def test_it_begins_with_a_question(tmp_path: Path) -> None:
    """And works where there is no channel at all."""
    async with owned(tmp_path, "") as owner:
        assert "Channels" not in (await owner.get("/admin/explain")).words.partition("Explain Explain")[2]
        assert "No channel yet" in (await owner.get("/admin/explain?model=x")).words
