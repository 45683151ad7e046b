"""What every journey needs: processes on 127.0.0.1 and a clean environment for the clients.

    client ── front ── Haze ── front ── pretend provider

Haze is the real program, started and fed by its own commands; front.py has the relays that watch.
"""

import contextlib
import csv
import http.client
import io
import json
import os
import platform
import re
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = ROOT / ".venv/bin/python"
MODULES = HERE / "node_modules"
ARCHITECTURE = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
CODEX_TARGET = f"{platform.machine()}-unknown-linux-musl"
NODE = MODULES / f"node-linux-{ARCHITECTURE}/bin/node"
CLAUDE = MODULES / f"@anthropic-ai/claude-code-linux-{ARCHITECTURE}/claude"
CODEX = MODULES / f"@openai/codex-linux-{ARCHITECTURE}/vendor/{CODEX_TARGET}/bin/codex"

START_S = 30  # a loaded machine imports slowly
SETTLE_S = 15  # what ends after its client has left
CLIENT_S = 120  # one run of a command-line client

# Environment variables that send a loopback request elsewhere, or lend a client or a channel somebody's credential.
LEADING_AWAY = "^(OPENAI_|ANTHROPIC_|CLAUDE|HAZE_)|(_PROXY|_KEY|_TOKEN)$"

UPSTREAM_KEYS = {f"JOURNEY_{name}_KEY": f"sk-upstream-{name.lower()}" for name in ("OPENROUTER", "OPENAI", "ANTHROPIC")}
UNKNOWN_KEY = "sk-rr-" + "x" * 43
HELLO = b'{"model": "hekiu", "messages": [{"role": "user", "content": "Hello!"}]}'

T = TypeVar("T")


def free_port() -> int:
    """Return a port of 127.0.0.1 nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(look: Callable[[], T], what: str, seconds: float = SETTLE_S) -> T:
    """Call `look` until its answer is truthy and return that answer; AssertionError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return answer


def clean_environment(home: Path) -> dict[str, str]:
    """Return the environment of a command-line client: an empty home, no proxies, no credentials of anybody."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(home),
        "PATH": f"{NODE.parent}:{CLAUDE.parent}:{CODEX.parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "CLAUDE_CONFIG_DIR": str(home / ".claude"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        # Codex looks for updates and plug-ins, and has no switch for all of it: nobody listens there.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }


# The printed commands open a window; these are the same programs without one.
HEADLESS = {
    "claude": 'claude -p "Hello from Haze"',
    "codex": 'codex exec --skip-git-repo-check "Hello from Haze"',
}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def readme_block(heading: str, language: str) -> str:
    """Return the README's first block in a language below a heading."""
    below = README.partition(f"\n### {heading}\n")[2]
    found = re.search(rf"```{language}\n(.*?)```", below, re.DOTALL)
    assert found, heading
    return found[1]


def run_client(command: Sequence[str | Path], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command-line client in its empty home to its end, with closed stdin; the caller judges its exit code."""
    return subprocess.run(
        command,
        env=env,
        cwd=env["HOME"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CLIENT_S,
        check=False,
    )


Errand = Callable[..., dict[str, Any]]


def errand_of(script: str, errand: str, model: str, env: Mapping[str, str]) -> dict[str, Any]:
    """Run one errand of a script of clients/ and return the document it prints."""
    done = run_client([NODE, HERE / "clients" / script, errand, model], env)
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


class Server:
    """A server process of ours on a free port; its output goes to a file, it is ended by its PID."""

    def __init__(self, arguments: list[str], port: int, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.port = port
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [str(PYTHON), *arguments],
                cwd=ROOT,
                env={**without_proxies(os.environ), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            eventually(self._answers, f"{' '.join(arguments)} listens", START_S)
        except BaseException:  # whoever interrupts the tests leaves no server behind, either
            self.stop()
            raise

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log.read_text()[-2000:]}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def stop(self) -> None:
        """End the process as a service manager would; kill it when it does not listen."""
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def without_proxies(env: Mapping[str, str]) -> dict[str, str]:
    """Return `env` without what leads away from 127.0.0.1."""
    return {name: value for name, value in env.items() if not re.search(LEADING_AWAY, name, re.IGNORECASE)}


@dataclass(frozen=True)
class Caller:
    """An account made for one journey, and its key."""

    email: str
    key: str


class Haze:
    """One started Haze with its own folder, database and configuration."""

    def __init__(self, folder: Path, config: str, env: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config = folder / "config.toml"
        self.config.write_text(config)
        self._env = env or {}
        port = free_port()
        self.server = Server(
            ["-m", "haze_proxy", "--config", str(self.config), "serve", "--host", "127.0.0.1", "--port", str(port)],
            port,
            folder / "haze.log",
            self._env,
        )
        self.port = port
        self._callers = 0
        self.sorts: dict[str, str] = {}  # key -> what a recording calls it

    def command(self, *arguments: str) -> str:
        """Run one of the owner's commands and return its standard output; a failing command fails the journey."""
        done = subprocess.run(
            [PYTHON, "-m", "haze_proxy", "--config", self.config, *arguments],
            cwd=ROOT,
            env={**without_proxies(os.environ), **self._env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"haze-proxy {' '.join(arguments)}: exit {done.returncode}, {done.stderr}"
        return done.stdout

    def caller(self, credit_usd: str = "5", *key_options: str) -> Caller:
        """Make an account with `credit_usd` and one key by the documented commands."""
        self._callers += 1
        email = f"traveller{self._callers}@example.com"
        credit = ["--credit", credit_usd] if credit_usd != "0" else []
        self.command("account", "add", email, *credit)
        key = self.command("key", "add", email, *key_options).strip()
        eventually(lambda: self._knows(key), "the running Haze notices a new key")
        self.sorts[key] = " ".join(key_options) or ("empty" if credit_usd == "0" else "paid")
        return Caller(email, key)

    def _knows(self, key: str) -> bool:
        # Counting is free and outside the request limit: it spoils no journey.
        headers = [("Host", "127.0.0.1"), ("x-api-key", key), ("Content-Length", str(len(HELLO)))]
        status, answer = raw_request(self.port, "POST", "/v1/messages/count_tokens", headers, HELLO)
        assert status in (200, 401), answer
        return status == 200

    def account(self, caller: Caller) -> dict[str, Any]:
        """Return what `account show --json` says about the caller."""
        shown: dict[str, Any] = json.loads(self.command("account", "show", caller.email, "--json"))
        return shown

    def ledger(self) -> list[dict[str, str]]:
        """Return the rows of `ledger export --csv`."""
        return list(csv.DictReader(io.StringIO(self.command("ledger", "export", "--csv"))))

    def request_rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the stored rows of these requests, read from the database while the server runs."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder / 'haze.db'}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            marks = ", ".join("?" * len(ids))
            rows = connection.execute(f"SELECT * FROM requests WHERE id IN ({marks})", ids)
            return [dict(row) for row in rows]

    def stop(self) -> None:
        """End the process; it has to leave in order."""
        self.server.stop()
        assert self.server.process.returncode == 0, self.server.log.read_text()[-2000:]


def raw_request(port: int, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> tuple[int, bytes]:
    """Send a request as it stands and return status and whole answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
