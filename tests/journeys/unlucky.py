"""A Haze whose channels have one fault each, and the pretend provider that has them all."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from front import Front
from harness import HERE, ROOT, UPSTREAM_KEYS, Haze, Server, free_port

# bad_day.py has them.
FAULTS = ("400", "401", "402", "429", "503", "529", "error-event", "early-error-event", "failed-event", "cut",
          "silent-5", "silent-24")  # fmt: skip
KINDS = {"anthropic": "ANTHROPIC", "openai": "OPENAI", "gemini": "OPENAI"}  # kind -> whose key its channels have

CHANNEL = """
[[channels]]
name = "{kind} {fault}"
kind = "{kind}"
base_url = "http://127.0.0.1:{port}/{fault}/v1"
api_key = "env:JOURNEY_{key}_KEY"
models = ["{kind}/{fault}"]

[[models]]
id = "{kind}/{fault}"
input = 3
output = 15
max_output_tokens = 128_000
"""


@dataclass
class Unlucky:
    """The two processes and the fronts before them. Nothing of it is recorded: elsewhere nobody has these channels."""

    haze: Haze
    provider: Server
    front: Front
    upstream: Front

    @cached_property
    def key(self) -> str:
        """The key of a caller who can pay."""
        return self.haze.caller().key

    def reached(self, fault: str) -> int:
        """Return how many requests came through to the provider's path with this fault."""
        return sum(seen.target.startswith(f"/{fault}/") for seen in self.upstream.requests)

    def stop(self) -> None:
        """End both."""
        self.front.stop()
        self.haze.stop()
        self.upstream.stop()
        self.provider.stop()


def start(folder: Path, config: str) -> Unlucky:
    """Start both; `config` is what the channels are added to."""
    port = free_port()
    script = [str(HERE / "bad_day.py"), str(port)]
    provider = Server(script, port, folder / "bad_day.log", {"PYTHONPATH": str(ROOT / "tests")})
    upstream = Front(port)
    places = [{"kind": kind, "key": key, "fault": fault} for kind, key in KINDS.items() for fault in FAULTS]
    channels = "".join(CHANNEL.format(port=upstream.port, **place) for place in places)
    haze = Haze(folder / "haze", config + channels, UPSTREAM_KEYS)
    return Unlucky(haze, provider, Front(haze.port), upstream)
