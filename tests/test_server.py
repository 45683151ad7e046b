"""The process, from outside: what it prints, how it stops, and what it says to bytes that are no HTTP."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CONFIG = """
[[channels]]
name = "echo"
kind = "echo"
models = ["hekiu"]
[[channels]]
name = "far"
kind = "openai"
api_key = "env:HAZE_TEST_UNSET"
models = ["gpt"]
[[models]]
id = "hekiu"
input = 1
output = 5
"""
ADDRESS = re.compile(r"Haze listens on http://127\.0\.0\.1:(\d+)")


@dataclass
class Server:
    """A running server and all it has said until now."""

    process: subprocess.Popen[str]
    folder: Path
    lines: list[str]
    port: int = 0

    def says(self, part: str) -> None:
        """Wait until a line with `part` was printed."""
        until = time.monotonic() + 15
        while not any(part in line for line in self.lines):
            assert time.monotonic() < until, self.lines
            time.sleep(0.02)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def request(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, dict[str, Any]]:
        """One request on a connection of its own: status and JSON."""
        sent = None if body is None else json.dumps(body)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as line:
            line.request(method, path, sent, {"x-api-key": key} if key else {})
            answer = line.getresponse()
            return answer.status, json.loads(answer.read())

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are; all that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as line:
            line.sendall(data)
            got = b""
            while piece := line.recv(65536):
                got += piece
            return got


def haze(folder: Path, *words: str) -> list[str]:
    """A command of the program in a folder."""
    return [sys.executable, "-m", "haze_proxy", "--config", str(folder / "config.toml"), *words]


Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a server in a folder and wait until it listens; all of them are ended after the test."""
    running: list[Server] = []

    def begin(text: str = CONFIG, folder: Path = tmp_path) -> Server:
        (folder / "config.toml").write_text(text)
        process = subprocess.Popen(
            haze(folder, "serve", "--port", "0"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        server = Server(process, folder, [])
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: server.lines.extend(iter(process.stdout.readline, "")), daemon=True)
        reader.start()
        running.append(server)
        server.says("Haze listens on")
        server.port = next(int(found[1]) for line in server.lines if (found := ADDRESS.search(line)))
        return server

    yield begin
    for server in running:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait()
        server.process.stdout.close()


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(haze(folder, *words), capture_output=True, text=True, timeout=30, check=False)


def make_key(server: Server) -> str:
    """An account with money, and its key, by the owner's commands; the server has noticed it."""
    assert run(server.folder, "account", "add", "a@example.com", "--credit", "5").returncode == 0
    key = run(server.folder, "key", "add", "a@example.com").stdout.strip()
    until = time.monotonic() + 5
    while server.request("GET", "/v1/key", key=key)[0] == 401:
        assert time.monotonic() < until
        time.sleep(0.05)
    return key


def test_the_first_start_says_where_it_is_and_what_to_do(start: Start) -> None:
    """A person sees this once, in a terminal: address, what is missing, and the two commands, ready to paste."""
    server = start()
    server.says("key add")
    said = "".join(server.lines)
    assert "Channel far is inactive: the variable HAZE_TEST_UNSET is not set." in said
    assert "Haze serves hekiu" in said
    commands = [line.strip() for line in server.lines if "you@example.com" in line]
    assert len(commands) == 2
    for command in commands:
        assert subprocess.run(command, shell=True, capture_output=True, timeout=30, check=False).returncode == 0
    assert server.request("GET", "/healthz") == (200, {"status": "alive"})
    assert server.stop() == 0
    again = start()
    assert "Nobody has a key" not in "".join(again.lines)


STRIPE = {
    "": (False, ""),
    "secret_key = 'env:HAZE_TEST_UNSET'": (
        True,
        "Top-ups by card are inactive: the variable HAZE_TEST_UNSET is not set.",
    ),
    "secret_key = 'sk_test_hidden'": (True, "Stripe is not listened to: webhook_secret is not set."),
    "secret_key = 'sk_test_hidden'\nwebhook_secret = 'whsec_hidden'": (False, ""),
}


@pytest.mark.parametrize(("table", "told"), STRIPE.items(), ids=["none", "no key", "no webhook", "whole"])
def test_what_keeps_people_from_paying_by_card_is_said_at_the_start(
    start: Start, table: str, told: tuple[bool, str]
) -> None:
    """The owner reads it, and not the first who wants to pay; and no secret is shown."""
    said = "".join(start(f"{CONFIG}[stripe]\n{table}\n").lines)
    is_said, text = told
    assert text in said
    assert ("card" in said or "Stripe" in said) is is_said
    assert "hidden" not in said


def test_the_link_of_the_first_administrator_is_shown_until_there_is_one(start: Start) -> None:
    """No default password; each start shows another link, and none when somebody administers."""
    first = start()
    first.says("/register?invitation=")
    assert first.stop() == 0
    second = start()
    second.says("/register?invitation=")
    links = [line.strip() for server in (first, second) for line in server.lines if "invitation=" in line]
    assert len(set(links)) == 2
    assert all(link.startswith("http://127.0.0.1:8080/register?invitation=") for link in links)
    assert second.stop() == 0
    command = haze(second.folder, "account", "add", "owner@example.com", "--admin", "--password-stdin")
    assert subprocess.run(command, input=b"correct horse battery\n", timeout=30, check=False).returncode == 0
    third = start()
    assert make_key(third)
    assert "invitation=" not in "".join(third.lines)


def test_a_start_with_a_channel_of_everything_is_short(start: Start) -> None:
    """It waits for no upstream, and does not print what four hundred models are called."""
    star = 'name = "star"\nkind = "openai-compatible"\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["*"]\n'
    names = ", ".join(f'"m{number}"' for number in range(25))
    free = "".join(f'[[models]]\nid = "m{number}"\nfree = true\n' for number in range(25))
    many = CONFIG.replace('models = ["hekiu"]', f"models = [{names}]")
    server = start(f"{many}[[channels]]\n{star}{free}")
    said = "".join(server.lines)
    assert "Channel star waits for the list of its upstream's models." in said
    assert "m18, m19 and 5 more." in said
    server.says("Channel star: no new list of models")
    assert server.stop() == 0


def test_a_key_made_while_the_server_runs_works_at_once(start: Start) -> None:
    """No restart, for the first key least of all."""
    server = start()
    key = make_key(server)
    body = {"model": "hekiu", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
    assert server.request("POST", "/v1/messages", body, key)[0] == 200
    assert run(server.folder, "ledger", "check").returncode == 0


def test_a_second_server_on_the_same_folder_names_the_first(start: Start) -> None:
    """Two processes with one wallet each would spend every balance twice."""
    server = start()
    second = run(server.folder, "serve", "--port", "0")
    assert second.returncode == 1
    (line,) = second.stderr.strip().splitlines()
    assert f"held by another server, process {server.process.pid}" in line
    assert server.request("GET", "/readyz")[0] == 200
    server.process.kill()
    server.process.wait()
    start()


def test_a_busy_port_is_one_line(start: Start, tmp_path: Path) -> None:
    """The most frequent failure of a first start."""
    server = start()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.toml").write_text(CONFIG)
    second = run(tmp_path / "other", "serve", "--port", str(server.port))
    assert second.returncode == 1
    (line,) = second.stderr.strip().splitlines()
    assert f"127.0.0.1:{server.port}" in line
    assert "in use" in line.lower()


@pytest.mark.parametrize("text", ["[server]\nport = 'x'\n", "not toml", "[[channels]]\nname = 'a'\nkind = 'nobody'\n"])
def test_a_wrong_configuration_is_one_line(tmp_path: Path, text: str) -> None:
    """It names the file and the place."""
    (tmp_path / "config.toml").write_text(text)
    ended = run(tmp_path, "serve", "--port", "0")
    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()
    assert "config.toml" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_asked_to_stop_it_finishes_what_runs(start: Start, name: str) -> None:
    """A deployment must not cost anybody an answer: what runs is answered and charged, then the process ends with 0."""
    hold, received = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answer = json.dumps({"choices": [{}], "usage": {"prompt_tokens": 11, "completion_tokens": 3}}).encode()

        def provide() -> None:
            line, _ = listening.accept()
            with line:
                line.recv(65536)
                received.set()
                hold.wait(10)
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
                line.sendall(head + answer)

        threading.Thread(target=provide, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        more = f'\n[[channels]]\nname = "near"\nkind = "openai-compatible"\nbase_url = "{url}"\nmodels = ["near"]\n'
        price = '[[models]]\nid = "near"\ninput = 1\noutput = 10\n'
        server = start(CONFIG + more + price)
        key = make_key(server)
        told: list[Any] = []
        body = {"model": "near", "messages": []}
        asking = threading.Thread(target=lambda: told.append(server.request("POST", "/v1/chat/completions", body, key)))
        asking.start()
        assert received.wait(10)
        server.process.send_signal(getattr(signal, name))
        time.sleep(0.3)
        assert server.process.poll() is None
        hold.set()
        asking.join(10)
    assert told[0][0] == 200
    assert server.process.wait(20) == 0
    assert "0.000041" in run(server.folder, "account", "show", "a@example.com", "--json").stdout
    assert "Traceback" not in "".join(server.lines)


def test_a_changed_configuration_is_taken_over_and_a_wrong_one_is_not(start: Start) -> None:
    """SIGHUP: a new model without a restart; a typing error must not take the shop down."""
    server = start()
    key = make_key(server)
    path = server.folder / "config.toml"
    path.write_text(
        CONFIG.replace('models = ["hekiu"]', 'models = ["hekiu", "fresh"]') + '[[models]]\nid = "fresh"\nfree = true\n'
    )
    os.kill(server.process.pid, signal.SIGHUP)
    server.says("was read again")
    models = [model["id"] for model in server.request("GET", "/v1/models", key=key)[1]["data"]]
    assert models == ["hekiu", "fresh"]
    path.write_text(CONFIG + "nonsense = 1\n")
    os.kill(server.process.pid, signal.SIGHUP)
    server.says("The configuration stays as it was")
    path.unlink()
    os.kill(server.process.pid, signal.SIGHUP)
    server.says("No such file")
    assert [model["id"] for model in server.request("GET", "/v1/models", key=key)[1]["data"]] == models


NO_HTTP: dict[str, bytes] = {
    "rubbish": b"\x00\x01\x02\x03\r\n\r\n",
    "TLS": bytes.fromhex("1603010200010001fc0303") + b"\x00" * 64,
    "a space in the path": b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost h\r\n\r\n",
    "a header of 64 KB": b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 65_536 + b"\r\n\r\n",
    "a path of 64 KB": b"GET /" + b"y" * 65_536 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    "5,000 headers": b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n",
    "a wrong length": b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
    "two lengths": b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/9": b"GET / HTTP/9.9\r\nHost: h\r\n\r\n",
}


def test_what_is_no_http_is_answered_in_both_protocols_at_once(start: Start) -> None:
    """Nobody knows which client it was: one body both kinds can read, an id, a closed line, and a quiet log."""
    server = start()
    for name, data in NO_HTTP.items():
        head, _, body = server.raw(data).partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        assert lines[0].startswith(("http/1.0 400", "http/1.1 400")), (name, head)
        ids = {line.split(": ")[1] for line in lines if line.startswith(("request-id:", "x-request-id:"))}
        told = json.loads(body)
        assert ids == {told["request_id"]}, name
        assert told["type"] == "error", name
        assert told["error"]["type"] == "invalid_request_error", name
        assert told["error"]["message"], name
        assert {"param", "code"} <= set(told["error"]), name
        assert b"Traceback" not in body, name
        assert b"aiohttp" not in body, name
    assert server.request("GET", "/healthz")[0] == 200
    assert "Traceback" not in "".join(server.lines)


def test_32_kb_of_headers_are_taken(start: Start) -> None:
    """Codex sends long metadata; aiohttp's own limit is 8 KB a line."""
    server = start()
    head = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX: " + b"y" * 30_000 + b"\r\n\r\n"
    assert server.raw(head).startswith(b"HTTP/1.1 200")
