"""What people copy: how each client is told this deployment's address and a key.

`KEY` stands for the key; on the one page that shows a new key it is the key itself.
"""

from dataclasses import dataclass
from typing import Final

from haze_proxy.channels.directory import Directory

KEY: Final = "sk-rr-your-key-here"


@dataclass(frozen=True, slots=True)
class Snippet:
    """One client's lines. `where` says where they go."""

    client: str
    where: str
    text: str


CURL: Final = """\
curl {url}/v1/chat/completions \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello from Haze"}}]}}'"""
OPENAI_PYTHON: Final = """\
from openai import OpenAI

client = OpenAI(api_key="{key}", base_url="{url}/v1")
response = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "Hello!"}}],
)
print(response.choices[0].message.content)"""
OPENAI_NODE: Final = """\
import OpenAI from 'openai'

const client = new OpenAI({{ apiKey: '{key}', baseURL: '{url}/v1' }})
const response = await client.chat.completions.create({{
  model: '{model}',
  messages: [{{ role: 'user', content: 'Hello!' }}],
}})
console.log(response.choices[0].message.content)"""
ANTHROPIC: Final = """\
from anthropic import Anthropic

client = Anthropic(api_key="{key}", base_url="{url}")
message = client.messages.create(
    model="{model}",
    max_tokens=1000,
    messages=[{{"role": "user", "content": "Hello!"}}],
)
print(message.content[0].text)"""
CLAUDE_CODE: Final = """\
export ANTHROPIC_BASE_URL={url}
export ANTHROPIC_API_KEY={key}
claude"""
CODEX: Final = """\
model = "{model}"
model_provider = "haze"

[model_providers.haze]
name = "Haze"
base_url = "{url}/v1"
env_key = "HAZE_KEY"   # export HAZE_KEY={key}
wire_api = "responses\""""
CURSOR: Final = """\
Override OpenAI Base URL:  {url}/v1
OpenAI API Key:            {key}"""

ROWS: Final = (
    ("curl", "Terminal", CURL),
    ("OpenAI SDK, Python", "pip install openai", OPENAI_PYTHON),
    ("OpenAI SDK, Node.js", "npm install openai", OPENAI_NODE),
    ("Anthropic SDK, Python", "pip install anthropic; the base URL has no /v1", ANTHROPIC),
    ("Claude Code", "~/.zshrc or ~/.bashrc; the base URL has no /v1", CLAUDE_CODE),
    ("Codex", "~/.codex/config.toml", CODEX),
    ("Cursor", "Settings → Models", CURSOR),
)
QUICK: Final = ("curl", "OpenAI SDK, Python", "Claude Code")


def every(url: str, model: str, key: str = KEY) -> list[Snippet]:
    """All clients' lines for an address without /v1, a model and a key."""
    return [Snippet(client, where, text.format(url=url, model=model, key=key)) for client, where, text in ROWS]


def quick(url: str, model: str) -> list[Snippet]:
    """The three that most people begin with."""
    return [each for each in every(url, model) if each.client in QUICK]


def example_model(directory: Directory, allowed: tuple[str, ...] | None = None) -> str:
    """A model that would be served now, in chat if there is one; where nothing is, what the documentation names."""
    ids = [listed.id for listed in directory.listed() if allowed is None or listed.id in allowed]
    chats = [model for model in ids if "chat" in directory.protocols(model)]
    return (chats or ids or list(allowed or ()) or ["hekiu"])[0]
