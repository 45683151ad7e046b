"""The rows to paste into config.toml for a channel of each kind. A test reads each of them as the server would."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from haze_proxy.channels.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Sample:
    """The lines of one kind: `client` is what it is called, `where` is what has to be done besides."""

    client: str
    where: str
    text: str


# Kind -> (what it is called, environment variable, models, further rows).
ROWS: Final = {
    "openrouter": ("OpenRouter", "OPENROUTER_API_KEY", '["*"] # all that OpenRouter lists, at its prices', ""),
    "openai": ("OpenAI", "OPENAI_API_KEY", '["gpt-4o", "text-embedding-3-small"]', ""),
    "anthropic": ("Anthropic", "ANTHROPIC_API_KEY", '["claude-sonnet-4-5", "claude-haiku-4-5"]', ""),
    "gemini": ("Gemini", "GEMINI_API_KEY", '["gemini-2.5-flash"]', ""),
    "openai-compatible": (
        "Anything OpenAI-compatible",
        "",
        '["llama3.2"]',
        '\n[[models]]\nid = "llama3.2" # no table knows what it costs\nfree = true # or input = …, output = …\n',
    ),
    "echo": ("Echo, without a provider", "", '["echo-test"]', '\n[[models]]\nid = "echo-test"\nfree = true\n'),
}
# A server of one's own lives at an address of one's own.
OWN_URL: Final = "http://127.0.0.1:11434/v1"


def every(taken: Container[str]) -> list[Sample]:
    """One for each kind, under names that are not `taken` yet."""
    return [_sample(kind, taken) for kind in ROWS]


def _sample(kind: str, taken: Container[str]) -> Sample:
    title, variable, models, more = ROWS[kind]
    lines = ["[[channels]]", f'name = "{_free(kind, taken)}"', f'kind = "{kind}"']
    if variable:
        lines.append(f'api_key = "env:{variable}"')
    if url := KINDS[kind].base_url:
        lines.append(f'base_url = "{url}" # the default')
    elif kind == "openai-compatible":
        lines.append(f'base_url = "{OWN_URL}" # with its version path')
        lines.append('# api_key = "env:MY_SERVER_KEY" # if it wants one')
    lines.append(f"models = {models}")
    where = f"set {variable} where Haze is started" if variable else "needs no key"
    return Sample(title, where, "\n".join(lines) + "\n" + more)


def _free(name: str, taken: Container[str]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found
