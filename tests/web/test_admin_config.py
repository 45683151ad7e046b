"""The configuration as it holds: every default, no secret, and the button that reads config.toml again."""

from pathlib import Path

import pytest
from gateway import ECHO, channel
from owner import EMAIL, acts, hidden, owned
from people import Come, filled, rows

from haze_proxy import config
from haze_proxy.config_models import Struct
from haze_proxy.web.admin import settings

NEW = '\n[[channels]]\nname = "fresh"\nkind = "echo"\nmodels = ["fresh"]\n[[models]]\nid = "fresh"\nfree = true\n'


async def test_nobody_else_finds_it(come: Come) -> None:
    """Neither the page nor the button."""
    await hidden(come, "/admin/config")


async def test_every_key_is_shown_with_where_it_comes_from(tmp_path: Path) -> None:
    """A default that nobody wrote down holds all the same."""
    text = (
        '[server]\nport = 9000\n[limits]\ntokens_per_minute = 50_000\n[[models]]\nid = "m"\ninput = 0.5\noutput = 1\n'
    )
    async with owned(tmp_path, text) as owner:
        words = (await owner.get("/admin/config")).words
        for line in (
            "server.port 9000 the file",
            'server.host "127.0.0.1" default',
            "limits.tokens_per_minute 50_000 the file",
            "limits.requests_per_minute 120 default",
            "accounts.signup_credit 0 default",
            'store.durability "full" default',
            "billing.output_slice_tokens 2048 default",
            'm id = "m", input = 0.5, output = 1',
            f"File {tmp_path / 'config.toml'} In force since just now Since then unchanged",
        ):
            assert line in words


SECRETS = """
[stripe]
secret_key = "SECRET-of-stripe"
webhook_secret = "SECRET-of-its-webhook"
base_url = "https://SECRET-user:SECRET-password@127.0.0.1:9"
[[channels]]
name = "one"
kind = "openai"
api_key = "SECRET-literal"
base_url = "https://SECRET-user:SECRET-password@127.0.0.1:9/v1"
headers = { "X-Token" = "SECRET-header", "X-Other" = "env:HAZE_TEST_HEADER" }
models = ["m"]
[[channels]]
name = "two"
kind = "openrouter"
api_key = "env:HAZE_TEST_KEY"
base_url = "http://127.0.0.1:9/v1"
models = ["*"]
[[channels]]
name = "three"
kind = "openai"
api_key = "env:SECRET-pasted-in-the-wrong-place"
models = ["m"]
[[models]]
id = "m"
free = true
"""
HELD = {"HAZE_TEST_KEY": "SECRET-of-the-environment", "HAZE_TEST_HEADER": "SECRET-header-of-the-environment"}


async def test_no_secret_is_on_any_page_of_the_administrator(tmp_path: Path) -> None:
    """Screens are shared, and pages are printed. Every page of the table is looked at, also after a test has failed."""
    async with owned(tmp_path, SECRETS + ECHO, HELD) as owner:
        channels = [f"/admin/channels/{name}" for name in ("one", "two", "three")]
        for path in channels:
            await owner.post(f"{path}/test")
        assert (await owner.haze.ask("chat", "m")).status == 502
        (tmp_path / "config.toml").write_text(SECRETS + ECHO + '[[models]]\nid = "m"\n')
        await owner.post("/admin/config/reload")
        admin = [filled(page.path) for page in rows("GET") if page.path.startswith("/admin")]
        assert "/admin/config" in admin
        for path in (*admin, *channels, "/admin/explain?model=m"):
            assert "SECRET" not in (await owner.get(path)).text, path
        assert "stripe.secret_key set, not shown the file" in (await owner.get("/admin/config")).words
        words = (await owner.get("/admin/channels/one")).words
        assert "api_key set, not shown the file" in words
        assert '{ X-Token = set, not shown, X-Other = "env:HAZE_TEST_HEADER" }' in words
        assert '"https://127.0.0.1:9/v1"' in words
        assert 'api_key "env:HAZE_TEST_KEY" the file' in (await owner.get("/admin/channels/two")).words


def test_a_key_that_nobody_thought_of_is_masked() -> None:
    """What is shown is a list of what may be: a table of tomorrow says only that it is set."""

    class Tomorrow(Struct, frozen=True):
        webhook: str = ""
        credential: str = ""
        open: bool = False

    told = {line.key: line for line in settings.lines(Tomorrow(credential="SECRET"), "tomorrow.")}
    assert told["tomorrow.credential"].text == "set, not shown"
    assert (told["tomorrow.webhook"].text, told["tomorrow.webhook"].is_default) == ("not set", True)
    assert told["tomorrow.open"].text == "not set"


def test_every_key_of_today_was_thought_of() -> None:
    """A new key of a known table is masked until somebody decides; this is where he notices."""
    for table, shown in settings.SHOWN.items():
        assert set(table.__struct_fields__) == set(shown), table


OPTIONS = 'options = { limit_field = "max_tokens", efforts = ["low", "high"] }'


def test_values_stand_as_toml_has_them() -> None:
    """So that a line can be taken over as it is."""
    text = f'[[channels]]\nname = "a"\nkind = "echo"\nmodels = ["x", "y"]\naliases = {{ "b c" = "x" }}\n{OPTIONS}\n'
    [row] = config.parse(text).channels
    told = {line.key: line.text for line in settings.lines(row)}
    for key in ("name", "kind", "models", "aliases"):
        assert f"{key} = {told[key]}\n" in text
    assert f"options = {told['options']}" == OPTIONS
    assert (told["active"], told["weight"], told["headers"], told["protocols"]) == ("true", "1", "{}", "[]")


async def test_a_changed_file_holds_once_it_is_read_again(tmp_path: Path) -> None:
    """Not before: half of an edit is no configuration."""
    async with owned(tmp_path, ECHO) as owner:
        (tmp_path / "config.toml").write_text(ECHO + NEW)
        assert "Since then changed" in (await owner.get("/admin/config")).words
        assert (await owner.haze.ask("chat", "fresh")).status == 503
        read = (await owner.post("/admin/config/reload")).location
        assert "config.toml was read and holds now." in (await owner.get(read)).words
        assert (await owner.haze.ask("chat", "fresh")).status == 200
        assert "Since then unchanged" in (await owner.get("/admin/config")).words
        assert "fresh" in (await owner.get("/admin/channels")).words
        assert acts(owner.haze) == [(EMAIL, "config.reload", "config.toml")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ECHO + "nonsense = 1", "unknown field `nonsense`"),
        ("not toml", "at line 1"),
        (ECHO + ECHO, "stands 2 times"),
        (None, "No such file or directory"),
    ],
)
async def test_a_wrong_file_changes_nothing_and_says_why(tmp_path: Path, text: str | None, complaint: str) -> None:
    """A typing error must not take the shop down."""
    async with owned(tmp_path, ECHO) as owner:
        path = tmp_path / "config.toml"
        path.unlink() if text is None else path.write_text(text)
        await owner.post("/admin/config/reload")
        words = (await owner.get("/admin/config")).words
        assert "The file was not taken over, and nothing has changed:" in words
        assert complaint in words
        assert (await owner.haze.ask("chat", "hekiu")).status == 200
        path.write_text(ECHO)
        await owner.post("/admin/config/reload")
        assert "not taken over" not in (await owner.get("/admin/config")).words
        details = owner.haze.rows("SELECT detail FROM audit ORDER BY id")
        assert [row["detail"] for row in details] == ["refused", "taken over"]


async def test_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    """Else the owner looks for his new port in vain."""
    async with owned(tmp_path, ECHO) as owner:
        (tmp_path / "config.toml").write_text('[server]\nport = 9000\nhost = "0.0.0.0"\n' + ECHO)
        await owner.post("/admin/config/reload")
        words = (await owner.get("/admin/config")).words
        told = "Changed in the file, and in force after a restart: server.host , server.port ."
        assert told in words
        (tmp_path / "config.toml").write_text(ECHO)
        await owner.post("/admin/config/reload")
        assert "after a restart:" not in (await owner.get("/admin/config")).words


async def test_a_switch_stays_over_a_reload(tmp_path: Path) -> None:
    """Whoever reads the file again for another reason switches nothing on."""
    text = ECHO + channel("openai", "http://127.0.0.1:9/v1", '["m"]')
    async with owned(tmp_path, text) as owner:
        await owner.post("/admin/channels/openai/switch", to="off")
        await owner.post("/admin/config/reload")
        assert "off here since" in (await owner.get("/admin/channels/openai")).words
