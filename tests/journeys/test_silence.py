"""A provider that is silent in the middle of its answer: Haze's signs of life keep every client, and disturb none."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import openai
import pytest
from agents import Run
from front import Front
from harness import errand_of
from unlucky import Unlucky

SILENCE_S = 24  # Haze gives a sign of life after 15
CODEX_PATIENCE = {"stream_idle_timeout_ms": 20_000, "stream_max_retries": 0, "searches": False}
HELLO: Any = [{"role": "user", "content": "Hello!"}]
OF_OPENAI, OF_ANTHROPIC = "openai/silent-24", "anthropic/silent-24"
SAID = "Hello there!"


def test_codex_leaves_a_silent_stream(unlucky: Unlucky, codex: Run) -> None:
    """What the next journey relies on: without a sign of life Codex breaks off, and would ask and pay again."""
    impatient = {**CODEX_PATIENCE, "stream_idle_timeout_ms": 2000}
    done = codex(unlucky.front, unlucky.key, "openai/silent-5", **impatient)
    assert done.returncode != 0
    assert "idle timeout" in done.stderr
    assert len(unlucky.front.requests) == 1


def openai_chat(front: Front, key: str, _home: Mapping[str, str]) -> str:
    """OpenAI's SDK for Python, a chat."""
    with openai.OpenAI(api_key=key, base_url=f"{front.url}/v1") as client:
        chunks = client.chat.completions.create(model=OF_OPENAI, messages=HELLO, stream=True)
        return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def openai_responses(front: Front, key: str, _home: Mapping[str, str]) -> str:
    """OpenAI's SDK for Python, its strict helper; it shows the sign of life as the event it is."""
    with (
        openai.OpenAI(api_key=key, base_url=f"{front.url}/v1") as client,
        client.responses.stream(model=OF_OPENAI, input="Hello!") as stream,
    ):
        assert "keepalive" in [str(event.type) for event in stream]
        return stream.get_final_response().output_text


def openai_node_responses(front: Front, key: str, home: Mapping[str, str]) -> str:
    """OpenAI's SDK for Node, its strict helper."""
    env = {**home, "JOURNEY_KEY": key, "JOURNEY_BASE_URL": f"{front.url}/v1"}
    return str(errand_of("openai.mjs", "responses_helper", OF_OPENAI, env)["text"])


def anthropic_messages(front: Front, key: str, _home: Mapping[str, str]) -> str:
    """Anthropic's SDK for Python."""
    with (
        anthropic.Anthropic(api_key=key, base_url=front.url) as client,
        client.messages.stream(model=OF_ANTHROPIC, max_tokens=64, messages=HELLO) as stream,
    ):
        return stream.get_final_text()


def anthropic_node_messages(front: Front, key: str, home: Mapping[str, str]) -> str:
    """Anthropic's SDK for TypeScript."""
    env = {**home, "JOURNEY_KEY": key, "JOURNEY_BASE_URL": front.url}
    return str(errand_of("anthropic.mjs", "stream", OF_ANTHROPIC, env)["content"][0]["text"])


SDKS: list[Callable[[Front, str, Mapping[str, str]], str]] = [
    openai_chat, openai_responses, openai_node_responses, anthropic_messages, anthropic_node_messages,
]  # fmt: skip


def test_a_sign_of_life_keeps_every_client(unlucky: Unlucky, home: dict[str, str], claude: Run, codex: Run) -> None:
    """Codex takes no comment for one, the SDKs' helpers take no event they do not know: all wait at the same time."""
    front, key = unlucky.front, unlucky.key
    began = time.monotonic()
    with ThreadPoolExecutor(len(SDKS) + 3) as pool:
        said = {sdk.__name__: pool.submit(sdk, front, key, home) for sdk in SDKS}
        runs = {
            "claude": pool.submit(claude, front, key, "--model", OF_ANTHROPIC),
            "claude, translated for": pool.submit(claude, front, key, "--model", OF_OPENAI),
            "codex": pool.submit(codex, front, key, OF_OPENAI, **CODEX_PATIENCE),
        }
    texts = {name: sdk.result() for name, sdk in said.items()}
    texts |= {name: run.result().stdout.strip() for name, run in runs.items()}
    assert texts == dict.fromkeys(texts, SAID)
    assert time.monotonic() - began >= SILENCE_S
    assert len(front.requests) == len(texts)  # nobody asked twice


NODE = {
    "OpenAI chat": ("openai.mjs", "stream", "openai/cut", "/v1"),
    "OpenAI responses": ("openai.mjs", "responses_helper", "openai/cut", "/v1"),
    "Anthropic": ("anthropic.mjs", "stream", "anthropic/cut", ""),
}


@pytest.mark.parametrize(("script", "errand", "model", "suffix"), NODE.values(), ids=NODE)
def test_a_client_in_node_learns_why_its_stream_broke_off(
    script: str, errand: str, model: str, suffix: str, unlucky: Unlucky, home: dict[str, str]
) -> None:
    """Node throws away what was not read when a line breaks; people would see "terminated" and nothing else."""
    env = {**home, "JOURNEY_KEY": unlucky.key, "JOURNEY_BASE_URL": unlucky.front.url + suffix}
    seen = errand_of(script, errand, model, env)
    assert "broke off" in seen["message"]
    assert len(unlucky.front.requests) == 1
