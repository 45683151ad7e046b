"""A Haze of one's own for the benchmark: a folder, a config, an account and a key, all made with the real commands."""

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

from .calls import Call
from .processes import ROOT

EMAIL = "bench@example.com"
PASSWORD = "a long password"
CREDIT_USD = "1000000"
UNLIMITED = str(1_000_000_000_000)
CONFIG = """
[server]
port = {port}
public_url = "http://127.0.0.1:{port}"

[store]
path = "haze.db"
durability = "{durability}"

[[channels]]
name = "pretend-openai"
kind = "openai"
api_key = "upstream-secret"
base_url = "http://127.0.0.1:{upstream_port}/v1"
models = [{chat}]

[[channels]]
name = "pretend-anthropic"
kind = "anthropic"
api_key = "upstream-secret"
base_url = "http://127.0.0.1:{upstream_port}/v1"
models = [{messages}]
"""
MODEL = """
[[models]]
id = "{model}"
input = 1.75
output = 14
cache_read = 0.175
context_tokens = 400_000
max_output_tokens = 128_000
"""


def earlier(folder: Path, revision: str) -> Path:
    """The program as it was at a revision of this repository, laid out below `folder`."""
    tree = folder / f"haze-{revision.replace('/', '-')}"
    tree.mkdir()
    archive = subprocess.run(["git", "archive", revision, "haze_proxy"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        raise CommandFailed(f"git archive {revision}: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    return tree


class CommandFailed(Exception):
    """One of the owner's commands did not exit 0; the text holds what it said."""


class Home:
    """A folder with one Haze's config and database. `tree`: the folder whose haze_proxy runs; None: this checkout's."""

    def __init__(
        self, folder: Path, durability: str, port: int, upstream_port: int, calls: list[Call], tree: Path | None = None
    ) -> None:
        folder.mkdir()
        self._python = [sys.executable] if tree is None else ["env", f"PYTHONPATH={tree}", sys.executable, "-P"]
        self.folder, self.port, self.config = folder, port, folder / "config.toml"
        self.upstream_port, self.database = upstream_port, folder / "haze.db"
        self.config.write_text(config(durability, port, upstream_port, calls))
        who = [EMAIL, "--admin", "--credit", CREDIT_USD, "--password-stdin"]
        self.command("account", "add", *who, stdin=f"{PASSWORD}\n")
        limits = ["--rpm", UNLIMITED, "--tpm", UNLIMITED, "--concurrent", "10000"]
        self.key = self.command("key", "add", EMAIL, *limits).strip()

    @property
    def headers(self) -> str:
        """The header lines a client sends."""
        return f"Authorization: Bearer {self.key}\r\n"

    @property
    def serve(self) -> list[str]:
        """The command that starts the server."""
        return [*self._program, "serve", "--port", str(self.port)]

    def watched(self, counts: Path) -> list[str]:
        """The same, for a server that adds the number of its tasks to `counts` when it gets SIGUSR1."""
        options = ["--config", str(self.config), "serve", "--port", str(self.port)]
        return [*self._python, "-m", "tests.bench.watched", str(counts), *options]

    def command(self, *words: str, stdin: str = "") -> str:
        """What one of the owner's commands printed; CommandFailed if it did not succeed."""
        done = subprocess.run(
            [*self._program, *words], cwd=ROOT, input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CommandFailed(f"haze-proxy {' '.join(words)}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def counts(self) -> dict[str, int]:
        """How many requests ended in each state, and how many charges there are; the ledger is checked before."""
        self.command("ledger", "check")
        uri = f"file:{self.database}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            states = connection.execute("SELECT state, count(*) FROM requests GROUP BY state").fetchall()
            charges = connection.execute("SELECT count(*) FROM transfers WHERE kind = 'charge'").fetchone()
        return {"settled": 0, **dict(states), "charges": charges[0]}

    @property
    def _program(self) -> list[str]:
        return [*self._python, "-m", "haze_proxy", "--config", str(self.config)]


def config(durability: str, port: int, upstream_port: int, calls: list[Call]) -> str:
    """The config.toml of a Haze that serves these calls, each on a channel of its protocol."""

    def models(protocol: str) -> list[str]:
        return sorted({call.model for call in calls if call.channel == protocol})

    def quoted(protocol: str) -> str:
        return ", ".join(f'"{model}"' for model in models(protocol))

    head = CONFIG.format(
        port=port, durability=durability, upstream_port=upstream_port, chat=quoted("chat"), messages=quoted("messages")
    )
    return head + "".join(MODEL.format(model=model) for model in models("chat") + models("messages"))
