"""The README's examples for real clients, run as they are printed against a Haze as a fresh checkout starts it."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from front import Front
from harness import HEADLESS, HERE, MODULES, NODE, Haze, run_client

README = (HERE.parents[1] / "README.md").read_text(encoding="utf-8")
HOST = "127.0.0.1:8080"
EXAMPLES = {"openai.py": ("OpenAI SDKs", "python"), "openai.ts": ("OpenAI SDKs", "typescript"),
            "anthropic.py": ("Anthropic SDKs", "python"), "claude.sh": ("Claude Code", "sh")}  # fmt: skip
RUN = {
    ".py": [sys.executable],
    ".ts": [NODE, "--experimental-strip-types"],
    ".sh": ["bash", "-eu"],
}


def block(heading: str, language: str) -> str:
    """The first block in a language below a heading."""
    below = README.partition(f"\n### {heading}\n")[2]
    found = re.search(rf"```{language}\n(.*?)```", below, re.DOTALL)
    assert found, heading
    return found[1]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_readme_prints_an_answer(
    name: str, shipped: Haze, front_of: Callable[[Haze], Front], home: dict[str, str]
) -> None:
    """People paste these; they must run as they stand."""
    front, caller = front_of(shipped), shipped.caller()
    # One name of a package must not stand in the way of the package.
    example = Path(home["HOME"], f"example_{name}")
    printed = block(*EXAMPLES[name]).replace(HOST, f"127.0.0.1:{front.port}")
    example.write_text(re.sub(r"^claude$", HEADLESS, printed, flags=re.MULTILINE))
    if name.endswith(".ts"):
        Path(home["HOME"], "node_modules").symlink_to(MODULES)
    done = run_client([*RUN[example.suffix], example], {**home, "HAZE_KEY": caller.key})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello" in done.stdout
    assert {seen.status for seen in front.requests} == {200}
