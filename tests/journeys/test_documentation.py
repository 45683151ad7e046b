"""Every code block of the API documentation, run as printed: nothing is replaced but the host and the key."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from front import Front
from harness import HEADLESS, HERE, MODULES, NODE, Caller, Haze, run_client

BLOCKS: dict[str, str] = dict(
    re.findall(r"^## (.+?)\n\n```\w+\n(.*?)```$", (HERE / "documentation.txt").read_text(), re.MULTILINE | re.DOTALL)
)
ATTRIBUTION = {"HTTP-Referer": "https://your-app.example", "X-OpenRouter-Title": "Your App"}
HELLO: Any = [{"role": "user", "content": "Hello!"}]


def as_printed(title: str, front: Front, caller: Caller) -> str:
    """Return a block of the documentation for this deployment's host and the caller's key."""
    return BLOCKS[title].replace("//HOST", f"//127.0.0.1:{front.port}").replace("sk-rr-your-key-here", caller.key)


def attribution(front: Front) -> dict[str, str | None]:
    """Return the attribution headers of the last request that passed."""
    return {name: front.requests[-1].header(name) for name in ATTRIBUTION}


def test_the_models_are_discovered_with_curl(front: Front, paid: Caller, home: dict[str, str]) -> None:
    """The first command of the page: without it nobody learns what to ask for."""
    done = run_client(["bash", "-c", as_printed("Discover models", front, paid)], home)
    listed = {model["id"] for model in json.loads(done.stdout)["data"]}
    assert {"hekiu", "openai/gpt-5.2", "gpt-4o"} <= listed


def test_the_openrouter_style_chat_works_with_curl(
    front: Front, paid: Caller, home: dict[str, str], providers: dict[str, Front]
) -> None:
    """The second command of the page; it promises that attribution reaches OpenRouter."""
    done = run_client(["bash", "-c", as_printed("OpenRouter-style chat", front, paid)], home)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"]
    assert attribution(providers["openrouter"]) == ATTRIBUTION


def test_the_openai_python_example_prints_an_answer(
    front: Front, paid: Caller, home: dict[str, str], providers: dict[str, Front]
) -> None:
    """People paste this file; it must run as it stands."""
    example = Path(home["HOME"], "example.py")
    example.write_text(as_printed("OpenAI SDK — Python", front, paid))
    done = run_client([sys.executable, example], home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() not in {"", "None"}
    assert [seen.target for seen in providers["openrouter"].requests] == ["/v1/chat/completions"]


def test_the_openai_node_example_prints_an_answer(
    front: Front, paid: Caller, home: dict[str, str], providers: dict[str, Front]
) -> None:
    """The same in TypeScript, with the attribution set once for the client."""
    example = Path(home["HOME"], "example.ts")
    example.write_text(as_printed("OpenAI SDK — Node.js", front, paid))
    Path(home["HOME"], "node_modules").symlink_to(MODULES)
    done = run_client([NODE, "--experimental-strip-types", example], home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() not in {"", "undefined", "null"}
    assert attribution(providers["openrouter"]) == ATTRIBUTION


@pytest.mark.parametrize("title", ["Claude Code", "Claude Code, inline"])
def test_claude_code_starts_with_the_printed_variables(
    title: str, shipped: Haze, front_of: Callable[[Haze], Front], home: dict[str, str]
) -> None:
    """A fresh checkout has no provider: its echo channel must serve Claude Code although no model was named."""
    front, caller = front_of(shipped), shipped.caller()
    script = re.sub(r"claude$", HEADLESS["claude"], as_printed(title, front, caller).strip())
    done = run_client(["bash", "-c", script], home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello from Haze" in done.stdout
    assert {seen.status for seen in front.requests} == {200}


@pytest.mark.parametrize(
    ("model", "channel", "reaches"),
    [("openai/gpt-5.2", "openrouter", ATTRIBUTION), ("gpt-4o", "openai", dict.fromkeys(ATTRIBUTION))],
    ids=["openrouter", "openai"],
)
def test_attribution_reaches_openrouter_and_nobody_else_in_chat(
    model: str, channel: str, reaches: dict[str, str | None], front: Front, paid: Caller, providers: dict[str, Front]
) -> None:
    """Where an application lives is told to the one provider that asks for it, and to no other."""
    base_url = f"{front.url}/v1"
    with openai.OpenAI(api_key=paid.key, base_url=base_url, default_headers=ATTRIBUTION) as client:
        client.chat.completions.create(model=model, messages=HELLO)
    assert attribution(providers[channel]) == reaches


def test_attribution_stays_away_from_anthropic(front: Front, paid: Caller, providers: dict[str, Front]) -> None:
    """The same for a provider that speaks another protocol."""
    with anthropic.Anthropic(api_key=paid.key, base_url=front.url, default_headers=ATTRIBUTION) as client:
        client.messages.create(model="claude-opus-5-5", max_tokens=64, messages=HELLO)
    assert attribution(providers["anthropic"]) == dict.fromkeys(ATTRIBUTION)
