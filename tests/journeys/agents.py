"""Claude Code and Codex, headless: each run in an empty home, configured as people configure it."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from front import Front
from harness import CLAUDE, CODEX, run_client

Run = Callable[..., subprocess.CompletedProcess[str]]

WORDS = "42-haze"
CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")

CODEX_CONFIG = """
model = {model}
model_provider = "haze"
{searching}
approval_policy = "never"
sandbox_mode = "danger-full-access"

[model_providers.haze]
name = "Haze"
base_url = {base_url}
env_key = "HAZE_KEY"
wire_api = "responses"
"""


def claude_in(home: Mapping[str, str]) -> Run:
    """Return what runs `claude -p` through a front, with a key in one of the two variables; `env` comes on top."""

    def run(
        front: Front, key: str, *options: str, credential: str = CREDENTIALS[0], env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        variables = {**home, "ANTHROPIC_BASE_URL": front.url, credential: key, **(env or {})}
        return run_client([CLAUDE, "-p", WORDS, "--allowedTools", "Bash", *options], variables)

    return run


def codex_in(home: Mapping[str, str]) -> Run:
    """Return what runs `codex exec` through a front; `settings` are further keys of its [model_providers.haze].

    It offers the provider's own web search with every request, which needs a price, unless `searches` is false.
    `again`: it goes on with its last conversation.
    """

    def run(
        front: Front, key: str, model: str, *, searches: bool = True, again: bool = False, **settings: int
    ) -> subprocess.CompletedProcess[str]:
        config = Path(home["HOME"], ".codex/config.toml")
        config.parent.mkdir(exist_ok=True)
        told = {
            "model": json.dumps(model),
            "base_url": json.dumps(f"{front.url}/v1"),
            "searching": "" if searches else 'web_search = "disabled"',
        }
        rows = "".join(f"{name} = {value}\n" for name, value in settings.items())
        config.write_text(CODEX_CONFIG.format(**told) + rows)
        words = ["resume", "--last", WORDS] if again else [WORDS]
        return run_client([CODEX, "exec", "--skip-git-repo-check", *words], {**home, "HAZE_KEY": key})

    return run
