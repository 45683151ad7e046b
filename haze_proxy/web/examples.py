"""The examples of /docs and of a model's page: what people paste, for this deployment's address and a model of theirs.

Each is run by the tests as it is printed, with a real key in the place of the one that is written here.
"""

from collections.abc import Sequence
from typing import Final

from haze_proxy.web import snippets
from haze_proxy.web.snippets import KEY, Snippet

DISCOVER: Final = """\
curl {url}/v1/models \\
  -H "Authorization: Bearer {key}\""""
QUICK: Final = """\
curl {url}/v1/chat/completions \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -H "HTTP-Referer: https://your-app.example" \\
  -H "X-OpenRouter-Title: Your App" \\
  -d '{{
    "model": "{model}",
    "messages": [{{"role": "user", "content": "Hello from Haze"}}]
  }}'"""
STREAM: Final = """\
curl -N {url}/v1/chat/completions \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{
    "model": "{model}", "stream": true,
    "messages": [{{"role": "user", "content": "Hello from Haze"}}]
  }}'"""
MESSAGES: Final = """\
curl {url}/v1/messages \\
  -H "x-api-key: {key}" \\
  -H "anthropic-version: 2023-06-01" \\
  -H "Content-Type: application/json" \\
  -d '{{
    "model": "{model}", "max_tokens": 500,
    "messages": [{{"role": "user", "content": "Hello from Haze"}}]
  }}'"""
RESPONSES: Final = """\
curl {url}/v1/responses \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "input": "Hello from Haze"}}'"""
EMBEDDINGS: Final = """\
curl {url}/v1/embeddings \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "input": "Hello from Haze"}}'"""
COUNT: Final = """\
curl {url}/v1/messages/count_tokens \\
  -H "x-api-key: {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello from Haze"}}]}}'"""
THIS_KEY: Final = """\
curl {url}/v1/key \\
  -H "Authorization: Bearer {key}\""""
IDEMPOTENT: Final = """\
curl {url}/v1/chat/completions \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -H "Idempotency-Key: order-4711" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello from Haze"}}]}}'"""
OPENAI_NODE: Final = """\
import OpenAI from 'openai'

const client = new OpenAI({{
  apiKey: '{key}',
  baseURL: '{url}/v1',
  defaultHeaders: {{
    'HTTP-Referer': 'https://your-app.example',
    'X-OpenRouter-Title': 'Your App',
  }},
}})

const response = await client.chat.completions.create({{
  model: '{model}',
  messages: [{{ role: 'user', content: 'Hello!' }}],
}})
console.log(response.choices[0].message.content)"""
ANTHROPIC_NODE: Final = """\
import Anthropic from '@anthropic-ai/sdk'

const client = new Anthropic({{ apiKey: '{key}', baseURL: '{url}' }})
const message = await client.messages.create({{
  model: '{model}',
  max_tokens: 1000,
  messages: [{{ role: 'user', content: 'Hello!' }}],
}})
for (const block of message.content) if (block.type === 'text') console.log(block.text)"""
CLAUDE_CODE_INLINE: Final = "ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY={key} claude"
CLAUDE_CODE_MODEL: Final = "export ANTHROPIC_MODEL={model}"
OPENAI_RETRIES: Final = """\
from openai import OpenAI

client = OpenAI(api_key="{key}", base_url="{url}/v1", max_retries=5)
response = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "Hello!"}}],
    extra_headers={{"Idempotency-Key": "order-4712"}},
)
print(response.choices[0].message.content)"""

# How an example is called on the page -> where it goes, and its text.
ROWS: Final = {
    "Discover models": ("bash", DISCOVER),
    "OpenRouter-style chat": ("bash", QUICK),
    "A stream": ("bash", STREAM),
    "Anthropic Messages": ("bash", MESSAGES),
    "Counting tokens": ("bash", COUNT),
    "OpenAI Responses": ("bash", RESPONSES),
    "Embeddings": ("bash", EMBEDDINGS),
    "This key": ("bash", THIS_KEY),
    "The same again": ("bash", IDEMPOTENT),
    "OpenAI SDK, Python": ("example.py", snippets.OPENAI_PYTHON),
    "OpenAI SDK, Node.js": ("example.ts", OPENAI_NODE),
    "OpenAI SDK with retries": ("example.py", OPENAI_RETRIES),
    "Anthropic SDK, Python": ("example.py", snippets.ANTHROPIC),
    "Anthropic SDK, Node.js": ("example.ts", ANTHROPIC_NODE),
    "Claude Code": ("~/.zshrc or ~/.bashrc", snippets.CLAUDE_CODE),
    "Claude Code, one session": ("bash", CLAUDE_CODE_INLINE),
    "Claude Code, another model": ("~/.zshrc or ~/.bashrc", CLAUDE_CODE_MODEL),
    "Codex": ("~/.codex/config.toml", snippets.CODEX),
}
EMBEDDING: Final = "Embeddings"
# Clients whose lines are of use only where the model answers in their protocol; the others write chat.
SPEAKS: Final = {"Anthropic SDK, Python": "messages", "Claude Code": "messages", "Codex": "responses"}


def every(url: str, model: str, embedding: str) -> dict[str, Snippet]:
    """The examples of /docs by their names, for the public address without /v1; `embedding` is a model for vectors."""
    return {name: _made(name, url, embedding if name == EMBEDDING else model) for name in ROWS}


def of_model(url: str, model: str, protocols: Sequence[str]) -> list[Snippet]:
    """The lines of the clients that can use a model which answers in these protocols."""
    lines = [each for each in snippets.every(url, model) if SPEAKS.get(each.client, "chat") in protocols]
    return lines or [_made(EMBEDDING, url, model)]


def _made(name: str, url: str, model: str) -> Snippet:
    where, text = ROWS[name]
    return Snippet(name, where, text.format(url=url, model=model, key=KEY))
