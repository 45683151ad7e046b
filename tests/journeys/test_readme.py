"""The README's examples for real clients, run as they are printed against a Haze as a fresh checkout starts it."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from front import Front
from harness import HEADLESS, MODULES, NODE, Haze, readme_block, run_client

HOST = "127.0.0.1:8080"
EXAMPLES = {
    "openai.py": ("OpenAI SDKs", "python"),
    "openai.ts": ("OpenAI SDKs", "typescript"),
    "anthropic.py": ("Anthropic SDKs", "python"),
    "claude.sh": ("Claude Code", "sh"),
}
RUN = {
    ".py": [sys.executable],
    ".ts": [NODE, "--experimental-strip-types"],
    ".sh": ["bash", "-eu"],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_readme_prints_an_answer(
    name: str, shipped: Haze, front_of: Callable[[Haze], Front], home: dict[str, str]
) -> None:
    """People paste these; they must run as they stand."""
    front, caller = front_of(shipped), shipped.caller()
    # One name of a package must not stand in the way of the package.
    example = Path(home["HOME"], f"example_{name}")
    printed = readme_block(*EXAMPLES[name]).replace(HOST, f"127.0.0.1:{front.port}")
    example.write_text(re.sub(r"^claude$", HEADLESS["claude"], printed, flags=re.MULTILINE))
    if name.endswith(".ts"):
        Path(home["HOME"], "node_modules").symlink_to(MODULES)
    done = run_client([*RUN[example.suffix], example], {**home, "HAZE_KEY": caller.key})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello" in done.stdout
    assert {seen.status for seen in front.requests} == {200}


def test_codex_works_with_the_configuration_of_the_readme(
    shipped: Haze, front_of: Callable[[Haze], Front], home: dict[str, str]
) -> None:
    """The one file that people have to write; the key comes from the variable it names."""
    front, caller = front_of(shipped), shipped.caller()
    config = Path(home["HOME"], ".codex/config.toml")
    config.parent.mkdir()
    config.write_text(readme_block("Codex", "toml").replace(HOST, f"127.0.0.1:{front.port}"))
    done = run_client(["bash", "-c", HEADLESS["codex"]], {**home, "HAZE_KEY": caller.key})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello from Haze" in done.stdout
    assert {seen.status for seen in front.requests} == {200}
