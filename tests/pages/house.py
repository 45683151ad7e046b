"""A really started Haze for browsers: its own folder, and an address that it shows to people."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import HELLO, PYTHON, ROOT, Haze, Server, eventually, free_port, raw_request

CONFIG = """
[server]
public_url = "http://127.0.0.1:{port}"
trusted_proxies = ["127.0.0.1"]
[store]
path = "haze.db"
durability = "normal"
[accounts]
signup_credit = 1
[[channels]]
name = "echo"
kind = "echo"
models = ["hekiu", "claude-hekiu", "openai/gpt-5.2", "anthropic/claude-sonnet-4.5", "text-embedding-3-small"]
[[models]]
id = "hekiu"
name = "Hekiu"
provider = "Haze"
notes = "Answers from the request itself"
free = true
[[models]]
id = "claude-hekiu"
name = "Hekiu for Claude Code"
provider = "Haze"
free = true
[[models]]
id = "openai/gpt-5.2"
name = "GPT-5.2 via OpenRouter"
provider = "OpenRouter"
input = 1.75
output = 14
cache_read = 0.175
context_tokens = 400_000
max_output_tokens = 128_000
[[models]]
id = "anthropic/claude-sonnet-4.5"
name = "Claude Sonnet via OpenRouter"
provider = "OpenRouter"
input = 3
output = 15
cache_read = 0.3
cache_write_5m = 3.75
context_tokens = 1_000_000
max_output_tokens = 64_000
[[models]]
id = "text-embedding-3-small"
name = "Text Embedding 3 Small"
provider = "OpenAI"
input = 0.02
"""
TABLE = """
import json
from haze_proxy.web.pages import table
print(json.dumps([[page.path, page.who.name] for page in table() if page.method == "GET" and not page.is_data]))
"""
# A parameter of a path -> what stands for it: a row that the account of `settled` has.
EXAMPLES = {
    "id": "1",
    "channel": "echo",
    "model": "openai/gpt-5.2",
    "request": "req_01a2129400000123456789abcdef",
}
# Settles the request that EXAMPLES names, as a server would have: of the first account and key, after two attempts.
SETTLE = """
import json, sys, time
from haze_proxy.money.prices import Price
from haze_proxy.money.receipt import charge
from haze_proxy.money.usage import Usage
from haze_proxy.store import database, requests
from haze_proxy.store.requests import Ended, Opened
path, name = sys.argv[1:]
now = int(name[4:16], 16)
price = Price(input=1_750_000_000, output=14_000_000_000, cache_read=175_000_000, source="config")
cost = charge(Usage(input=1203, cache_read=48_000, output=611), price).cost
tries = [("openai", 503, None, "529 overloaded_error"), ("openrouter", 200, now + 1500, None)]
attempts = [{"channel": channel, "model": "openai/gpt-5.2", "began_at": now, "first_byte_at": first, "status": status,
             "upstream_id": "gen-1795608000-Kj3x", "error": error, "upstream_cost": None}
            for channel, status, first, error in tries]
connection = database.connect(path)
with database.transaction(connection):
    opened = Opened(name, 1, 1, 1, "messages", True, "openai/gpt-5.2", now, 90_000_000)
    requests.end(connection, Ended(
        opened, "settled", "completed", now + 9400, 130_000_000, cost, cost, "openrouter", "openai/gpt-5.2",
        "gen-1795608000-Kj3x", 200, now + 1500, (1203, 48_000, 0, 0, 611, 320), False, price.facts,
        json.dumps(attempts)))
"""
PASSWORD = "correct horse battery"


class House(Haze):
    """A Haze that shows its own address."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port, self._env, self._callers, self.sorts = folder, free_port(), {}, 0, {}
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = folder / "config.toml"
        self.config.write_text(config.replace("{port}", str(self.port)))
        words = ["-m", "haze_proxy", "--config", str(self.config), "serve", "--port", str(self.port)]
        self.server = Server(words, self.port, folder / "haze.log")

    def settle(self) -> None:
        """Write the request down that EXAMPLES names."""
        words = [PYTHON, "-c", SETTLE, str(self.folder / "haze.db"), EXAMPLES["request"]]
        subprocess.run(words, cwd=ROOT, check=True, timeout=60)

    def invitation(self) -> str:
        """The link that makes an administrator, as it was printed."""
        return eventually(self._link, "the first administrator's link is printed")

    def _link(self) -> str:
        found = re.search(r"http\S+invitation=\S+", self.server.log.read_text())
        return found[0] if found else ""

    def ask(self, key: str, model: str, path: str = "/v1/chat/completions", **fields: Any) -> int:
        """A small request with a key; its status."""
        body = json.dumps({**json.loads(HELLO), "model": model, **fields}).encode()
        headers = [("Host", "127.0.0.1"), ("x-api-key", key), ("Content-Length", str(len(body)))]
        return raw_request(self.port, "POST", path, headers, body)[0]


@contextmanager
def settled_at_last(house: House) -> Iterator[House]:
    """Inside, it runs. Then its books add up, and it is ended whatever has happened."""
    try:
        yield house
        house.command("ledger", "check")
    finally:
        house.stop()


@dataclass(frozen=True)
class Place:
    """A page that is looked at: its address, and what it is called."""

    path: str
    who: str

    def state(self, settled: Path) -> Path | None:
        """The browser's state for it: pages for anyone are looked at by a stranger."""
        return None if self.who == "ANYONE" else settled

    @property
    def name(self) -> str:
        """The name of its pictures."""
        return re.sub(r"[^a-z0-9]+", "-", self.path.lower()).strip("-") or "landing"


def places() -> list[Place]:
    """Every page of Haze's own table, with an example for each parameter; what is downloaded is none."""
    told = subprocess.run([PYTHON, "-c", TABLE], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    rows = json.loads(told.stdout)
    return [
        Place(re.sub(r"\{(\w+)[^/]*\}", lambda found: EXAMPLES[found[1]], path), who)
        for path, who in rows
        if not path.endswith(".csv")
    ]
