"""The lines of a model's page: what people paste, for this deployment's address and that model."""

from collections.abc import Sequence
from typing import Final

from haze_proxy.web import snippets
from haze_proxy.web.snippets import KEY, Snippet

EMBEDDINGS: Final = """\
curl {url}/v1/embeddings \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "input": "Hello from Haze"}}'"""
# Clients whose lines are of use only where the model answers in their protocol; the others write chat.
SPEAKS: Final = {"Anthropic SDK, Python": "messages", "Claude Code": "messages", "Codex": "responses"}


def of_model(url: str, model: str, protocols: Sequence[str]) -> list[Snippet]:
    """The lines of the clients that can use a model which answers in these protocols."""
    lines = [each for each in snippets.every(url, model) if SPEAKS.get(each.client, "chat") in protocols]
    return lines or [Snippet("Embeddings", "bash", EMBEDDINGS.format(url=url, model=model, key=KEY))]
