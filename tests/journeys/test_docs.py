"""The examples of /docs for real clients, run as the page of a fresh checkout's Haze prints them.

What is written for a shell alone is run in tests/web/test_docs_examples.py.
"""

import re
import sys
import tomllib
from pathlib import Path
from urllib.request import urlopen

import pytest
from harness import HEADLESS, MODULES, NODE, Haze, run_client
from reading import examples

KEY = "sk-rr-your-key-here"
SCRIPTS = {
    "OpenAI SDK, Python": "openai.py",
    "OpenAI SDK with retries": "retries.py",
    "OpenAI SDK, Node.js": "openai.ts",
    "Anthropic SDK, Python": "anthropic.py",
    "Anthropic SDK, Node.js": "anthropic.ts",
}
RUN = {".py": [sys.executable], ".ts": [NODE, "--experimental-strip-types"]}
CLAUDE_CODE = "Claude Code"


@pytest.fixture(scope="module")
def printed(shipped: Haze) -> dict[str, str]:
    """Every example of the page by its name, for the port of this Haze and with a real key."""
    with urlopen(f"http://127.0.0.1:{shipped.port}/docs") as page:
        text = page.read().decode()
    caller = shipped.caller()
    here = f"127.0.0.1:{shipped.port}"
    return {
        name: lines.replace("127.0.0.1:8080", here).replace(KEY, caller.key) for name, lines in examples(text).items()
    }


def test_every_example_for_a_client_is_run(printed: dict[str, str]) -> None:
    """A new one is added to a table here, or is a line of curl."""
    installed = {name for name in printed if name.startswith("Install ")}
    shells = {name for name, lines in printed.items() if lines.startswith("curl ")}
    claude = {name for name in printed if name.startswith(CLAUDE_CODE)}
    assert set(printed) - installed - shells - claude == {*SCRIPTS, "Base URL", "Codex"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_prints_an_answer(name: str, printed: dict[str, str], home: dict[str, str]) -> None:
    """People paste these files; they must run as they stand."""
    # One name of a package must not stand in the way of the package.
    example = Path(home["HOME"], f"example_{SCRIPTS[name]}")
    example.write_text(printed[name])
    if example.suffix == ".ts":
        Path(home["HOME"], "node_modules").symlink_to(MODULES)
    done = run_client([*RUN[example.suffix], example], home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "You said: Hello!" in done.stdout


@pytest.mark.parametrize("name", ["Claude Code", "Claude Code, one session", "Claude Code, another model"])
def test_claude_code_starts_with_the_printed_lines(name: str, printed: dict[str, str], home: dict[str, str]) -> None:
    """Both variables in a profile, in front of the command, and with a model that was chosen."""
    lines = printed[name]
    if "ANTHROPIC_MODEL" in lines:
        lines = f"{lines}\n{printed[CLAUDE_CODE]}"
    done = run_client(["bash", "-euc", re.sub(r"claude$", HEADLESS["claude"], lines)], home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello from Haze" in done.stdout


def test_codex_works_with_the_printed_file(printed: dict[str, str], home: dict[str, str]) -> None:
    """The one file that people have to write; the key comes from the variable that its comment names."""
    config = Path(home["HOME"], ".codex/config.toml")
    config.parent.mkdir()
    config.write_text(printed["Codex"])
    variable = tomllib.loads(printed["Codex"])["model_providers"]["haze"]["env_key"]
    exported = re.search(rf"# (export {variable}=\S+)", printed["Codex"])
    assert exported
    done = run_client(["bash", "-euc", f"{exported[1]}\n{HEADLESS['codex']}"], home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello from Haze" in done.stdout
