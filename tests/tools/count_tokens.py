"""Count the tokens of tests/money/token_texts.json and of recorded requests, and write tests/money/token_counts.json.

The tokenizers are not among our libraries, because they are needed once: `pip install bpe-openai==0.1.4
anthropic-tokenizer==0.1.0` in an environment of its own, then `python tests/tools/count_tokens.py`. Both bring their
vocabulary along. Anthropic's is that of Claude 2, the last it has published.
"""

import json
from pathlib import Path
from typing import Any

import anthropic_tokenizer
import bpe_openai

TESTS = Path(__file__).parents[1]
TEXTS, TARGET = TESTS / "money" / "token_texts.json", TESTS / "money" / "token_counts.json"
RECORDED = TESTS / "wire" / "recorded_requests"
BODIES = ("claude_code-interactive-main", "claude_code-tool-turn2", "claude_code-read-image-turn2", "codex-plain")
ENCODERS = {
    "o200k_base": bpe_openai.get_encoding("o200k_base").encode,
    "cl100k_base": bpe_openai.get_encoding("cl100k_base").encode,
    "claude 2": anthropic_tokenizer.encode,
}


def main() -> None:
    """Write the counts: group -> name -> tokenizer -> tokens. Of a body all its JSON counts, which is more than any."""
    texts = json.loads(TEXTS.read_text(encoding="utf-8"))
    texts["body"] = {name: _body(name) for name in BODIES}
    counts = {group: {name: _counts(text) for name, text in each.items()} for group, each in texts.items()}
    TARGET.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")


def _counts(text: str) -> dict[str, int]:
    return {name: len(encode(text)) for name, encode in ENCODERS.items()}


def _body(name: str) -> str:
    parsed = _without_images(json.loads((RECORDED / f"{name}.json").read_bytes()))
    return json.dumps(parsed, ensure_ascii=False, separators=(",", ":"))


def _without_images(value: Any) -> Any:
    """Providers do not count an image's base64 as text."""
    if isinstance(value, list):
        return [_without_images(each) for each in value]
    if isinstance(value, dict):
        return {key: "" if key == "data" else _without_images(each) for key, each in value.items()}
    return value


if __name__ == "__main__":
    main()
