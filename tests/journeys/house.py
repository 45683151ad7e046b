"""What the Haze of most journeys is configured with: its channels, its models, and the providers behind them."""

from collections.abc import Mapping

HEAD = """
[store]
path = "haze.db"
durability = "normal"

[accounts]
registration = "closed"

[limits]
requests_per_minute = 60_000
tokens_per_minute = 1_000_000_000
concurrent_requests = 64

[[channels]]
name = "echo"
kind = "echo"
models = ["hekiu", "claude-hekiu"]
"""
# The channels ask for the public ids: nothing in a native body has to change.
CHANNELS = """
[[channels]]
name = "openrouter"
kind = "openrouter"
base_url = "http://127.0.0.1:{openrouter}/v1"
api_key = "env:JOURNEY_OPENROUTER_KEY"
models = ["openai/gpt-5.2"]

[[channels]]
name = "openai"
kind = "openai"
base_url = "http://127.0.0.1:{openai}/v1"
api_key = "env:JOURNEY_OPENAI_KEY"
models = ["gpt-4o", "gpt-5.2", "text-embedding-3-small"] # gpt-5.2 has the price of the shipped table

[[channels]]
name = "anthropic"
kind = "anthropic"
base_url = "http://127.0.0.1:{anthropic}/v1"
api_key = "env:JOURNEY_ANTHROPIC_KEY"
models = ["claude-opus-5-5", "claude-sonnet-5-5"]

# ---- for callers of other protocols ----

[[channels]]
name = "gemini"
kind = "gemini"
base_url = "http://127.0.0.1:{gemini}/v1"
api_key = "env:JOURNEY_OPENAI_KEY"
models = ["gemini-3-pro"]

[[channels]]
name = "deepseek"
kind = "openai-compatible"
base_url = "http://127.0.0.1:{deepseek}/v1"
api_key = "env:JOURNEY_OPENAI_KEY"
models = ["deepseek-v4"]

[[channels]]
name = "claude"
kind = "anthropic"
base_url = "http://127.0.0.1:{claude}/v1"
api_key = "env:JOURNEY_ANTHROPIC_KEY"
models = ["claude-thinks"]
"""

MODEL = """
[[models]]
id = "{id}"
name = "{id}"
input = 3
output = 15
cache_read = 0.3
cache_write_5m = 3.75
cache_write_1h = 6
context_tokens = 400_000
max_output_tokens = 128_000
"""
MODELS = ("hekiu", "claude-hekiu", "openai/gpt-5.2", "gpt-4o", "claude-opus-5-5", "claude-sonnet-5-5",
          "text-embedding-3-small", "gemini-3-pro", "deepseek-v4", "claude-thinks")  # fmt: skip
# channel -> how its provider is started: one with a kind answers 404 to every other protocol
PROVIDERS: dict[str, list[str]] = {
    "openrouter": [],
    "openai": [],
    "anthropic": ["--kind", "messages"],
    "gemini": ["--kind", "chat", "--habits", "gemini"],
    "deepseek": ["--kind", "chat", "--habits", "deepseek"],
    "claude": ["--kind", "messages", "--habits", "claude"],
}


def config(ports: Mapping[str, int]) -> str:
    """The whole config.toml; `ports` says where each channel's provider listens."""
    return HEAD + CHANNELS.format(**ports) + "".join(MODEL.format(id=model) for model in MODELS)
