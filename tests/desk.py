"""The desk of an owner: a folder with a config.toml, and the commands in it."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from haze_proxy.cli import main
from haze_proxy.store import database

CONFIG = """
[limits]
requests_per_minute = 7
tokens_per_minute = 70
concurrent_requests = 3
[[channels]]
name = "demo"
kind = "echo"
models = ["hekiu"]
aliases = { "claude-*" = "hekiu" }
[[channels]]
name = "router"
kind = "openrouter"
api_key = "env:HAZE_TEST_UNSET"
models = ["openai/gpt-5.2"]
[[models]]
id = "hekiu"
free = true
"""
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass
class Desk:
    """A folder with a config.toml, and the commands in it."""

    folder: Path

    def __call__(self, *words: str, given: str | None = None) -> Result:
        """Run a command in this process."""
        return CliRunner().invoke(main, ["--config", str(self.folder / "config.toml"), *words], input=given)

    def says(self, *words: str) -> str:
        """What a command that succeeds prints, without the line's end."""
        result = self(*words)
        assert (result.exit_code, result.exception) == (0, None), result.output
        return result.stdout.removesuffix("\n")

    def json(self, *words: str):
        """What a listing tells a program."""
        return json.loads(self.says(*words, "--json"))

    def apart(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as a process of its own, in the folder, with nobody to ask."""
        command = [sys.executable, "-m", "haze_proxy", *words]
        return subprocess.run(
            command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
        )

    def rows(self, sql: str) -> list[sqlite3.Row]:
        """What a query finds in the store."""
        with closing(database.connect(str(self.folder / "data" / "haze.db"))) as connection:
            return list(connection.execute(sql))


def fails(result: Result) -> str:
    """The one line of a command that failed, and nothing else."""
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line
