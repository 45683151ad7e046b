"""The README is a promise: what it shows is run, what it lists exists, and what exists is listed."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from readme import README, ROOT, keys, rows, section

from haze_proxy import config, errors, published
from haze_proxy.api.routes import ROUTES
from haze_proxy.cli import main as cli
from haze_proxy.money import endings


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Path]:
    """A folder with the committed configuration, in which the server of the README runs."""
    shutil.copy(ROOT / "config.toml", tmp_path)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [".venv/bin/haze-proxy", "serve", "--port", str(port)]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log) as server,
    ):
        try:
            deadline = time.monotonic() + 20
            while b"listens" not in (tmp_path / "log").read_bytes():
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                assert server.poll() is None, (tmp_path / "log").read_text()
            (tmp_path / "port").write_text(str(port))
            yield tmp_path
        finally:
            server.terminate()


def test_the_first_request_works_as_printed(house: Path) -> None:
    """One minute from nothing to an answer, and to the proof of what it cost."""
    before_the_clients = section("Your first request in one minute").partition("\n### ")[0]
    script = "".join(re.findall(r"```sh\n(.*?)```", before_the_clients, re.DOTALL))
    assert script.count("haze-proxy") == 4
    assert "curl" in script
    # The key is known to the running server within a second of being made.
    script = script.replace("8080", (house / "port").read_text()).replace("curl ", "sleep 1; curl -sS ")
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=house,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello from Haze" in done.stdout
    assert "clean: " in done.stdout
    assert "4.99" in done.stdout


def test_the_server_prints_the_commands_for_a_first_key(house: Path) -> None:
    """Nobody should have to look for them."""
    deadline = time.monotonic() + 5
    while "key add you@example.com" not in (log := (house / "log").read_text()):
        assert time.monotonic() < deadline, log
    assert "account add you@example.com --credit 5" in log


def test_every_endpoint_is_listed() -> None:
    """A route that nobody knows of is as good as none."""
    listed = {tuple(cell[0].strip("`").split(" ", 1)) for cell in rows("Endpoints")}
    served = {(endpoint.method, f"/v1{endpoint.path}".replace("{id:.+}", "{id}")) for endpoint, _ in ROUTES}
    assert listed == served | {("GET", path) for path in ("/openapi.json", "/healthz", "/readyz")}
    assert rows("Endpoints") == [[f"`{route.name}`", route.what] for route in published.reference().routes]


def test_the_table_of_errors_is_the_codes_own() -> None:
    """Clients act on these words."""
    told = [
        [
            str(row.status),
            row.when,
            f"`{row.openai_type}`" + (f" / `{row.openai_code}`" if row.openai_code else ""),
            f"`{row.anthropic_type}`",
            row.retry,
        ]
        for row in errors.TABLE
    ]
    assert rows("Errors") == told


def test_the_table_of_endings_is_the_codes_own() -> None:
    """These words stand on receipts."""
    told = [[f"`{ending.word}`", ending.when, ending.costs] for ending in endings.TABLE]
    assert rows("What a request costs", "| how it ended") == told


def test_every_command_is_listed() -> None:
    """What `--help` knows and the README does not is not documented."""
    listed = {re.match(r"`haze-proxy ([a-z]+(?: [a-z]+)?)", row[0])[1] for row in rows("Commands")}  # type: ignore[index]
    assert listed == set(commands())


def commands() -> Iterator[str]:
    """Every command by its words."""
    for name, command in cli.commands.items():
        below = getattr(command, "commands", None)
        yield from [f"{name} {word}" for word in below] if below else [name]


def test_every_key_of_the_configuration_is_listed_with_its_default() -> None:
    """A key that is not documented is found by accident, and a wrong default by surprise."""
    listed = {row[0].strip("`"): row[1].strip("`") for row in rows("config.toml")}
    assert listed == dict(keys(config.Config, ""))


def test_the_committed_configuration_serves_at_once() -> None:
    """A fresh checkout answers before anyone has a provider's key, and lists the documentation's models."""
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    settings = config.parse(text)
    assert {channel.kind for channel in settings.channels} == {"echo", "openrouter", "openai", "anthropic", "gemini"}
    named = {model["id"] for model in tomllib.loads(text)["models"]}
    assert named >= {"hekiu", "openai/gpt-5.2", "anthropic/claude-sonnet-4.5", "gpt-4o", "text-embedding-3-small",
                     "gemini-2.5-flash"}  # fmt: skip


def test_every_target_of_make_is_listed() -> None:
    """Nobody reads a Makefile to learn what to type."""
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    for target in phony[1].split():
        with contextlib.suppress(ValueError):
            ["lock"].index(target)
            continue
        assert f"make {target}" in README, target
